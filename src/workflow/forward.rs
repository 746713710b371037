//! The moves forward: prepare, review, confirm, approve, publish.

use std::collections::BTreeSet;

use serde_json::json;

use super::refusal::{NextStep, attestation_words};
use super::step::{Move, Step, step};
use super::{
    Assurance, Attestation, AttestationKind, Effect, Evidence, InFlight, Measured, NameScan, Phase,
    Preparation, PublishedFacts, ReadBy, ReceiptFacts, Refusal, RefusalCode, Release, Sealed, digest,
    needed_assurance, sample_size,
};
use crate::trace::{SessionKey, Timestamp};

pub(super) fn prepared(release: &Release, made: &Preparation) -> Step {
    let archive = &release.archive;
    if !archive.scanned || !archive.scope_confirmed || release.chosen.is_empty() {
        return Err(Refusal::without_release(archive, Phase::Draft));
    }
    let faults = preparation_faults(release, made);
    if !faults.is_empty() {
        return Err(Refusal::of(release, RefusalCode::BadPreparation, Some(Phase::Draft))
            .next(NextStep::prepare())
            .missing(faults));
    }
    let mut m = Move::on(release);
    let before = release.phase;
    let same_bytes = release.digest() == Some(made.digest.as_str())
        && release.policy.as_deref() == Some(made.policy.as_str());
    if !same_bytes {
        m.void_words();
    }

    // Reading evidence belongs to bytes: it stays with the rows that came out the same.
    let present: BTreeSet<&str> = made.rows.values().map(|r| r.sha256.as_str()).collect();
    let void: Vec<SessionKey> = release
        .rows
        .iter()
        .filter(|(_, row)| release.read.contains_key(&row.sha256) && !present.contains(row.sha256.as_str()))
        .map(|(k, _)| k.clone())
        .collect();
    m.release.read.retain(|sha, _| present.contains(sha.as_str()));
    if !void.is_empty() {
        m.effects.push(Effect::VoidRows { keys: void });
    }

    m.release.policy = Some(made.policy.clone());
    m.release.rows = made.rows.clone();
    m.release.stale.clear();
    m.release.sealed = Some(Sealed {
        files: made.files.clone(),
        digest: made.digest.clone(),
        policy: made.policy.clone(),
        destination: release.destination.clone(),
    });
    m.release.open_findings = made.open_findings;
    m.release.undecided_entities = made.undecided_entities;
    m.release.sample = made.sample.clone();

    let reviewed = before >= Phase::Reviewed && m.release.review_missing().is_empty();
    if !reviewed && m.release.phase > Phase::Prepared {
        m.void_words();
    }
    m.release.phase = if !reviewed {
        Phase::Prepared
    } else if same_bytes {
        before
    } else {
        Phase::Reviewed
    };
    m.audit(
        "prepared",
        json!({
            "digest": made.digest,
            "policy": made.policy,
            "rows": made.rows.len(),
            "files": made.files.len(),
            "open_findings": made.open_findings,
            "undecided_entities": made.undecided_entities,
        }),
    );
    m.done()
}

/// What in a preparation contradicts itself or the chosen sessions.
fn preparation_faults(release: &Release, made: &Preparation) -> Vec<String> {
    let mut faults = Vec::new();
    for (key, version) in &release.chosen {
        match made.rows.get(key) {
            None => faults.push(format!("a row of {key}")),
            Some(row) if row.version != *version => faults.push(format!("the chosen version of {key}")),
            Some(_) => {}
        }
    }
    faults.extend(
        made.rows.keys().filter(|k| !release.chosen.contains_key(*k)).map(|k| format!("a choice of {k}")),
    );
    if made.files.is_empty() || digest(&made.files) != made.digest {
        faults.push("a digest over its files".to_owned());
    }
    let paths: BTreeSet<&str> = made.files.iter().map(|f| f.path.as_str()).collect();
    if paths.len() != made.files.len() {
        faults.push("one file per path".to_owned());
    }
    let sampled: BTreeSet<&SessionKey> = made.sample.iter().filter(|k| made.rows.contains_key(*k)).collect();
    let needed = sample_size(made.rows.len());
    if sampled.len() < needed || sampled.len() != made.sample.len() {
        faults.push(format!("a sample of {needed} different rows"));
    }
    if release.policy.as_deref().is_some_and(|p| p != made.policy) {
        faults.push("the present policy".to_owned());
    }
    faults.truncate(20);
    faults
}

/// Refuses what needs sealed files that fit the present sessions, policy and destination.
fn need_seal(release: &Release, required: Phase) -> Result<&Sealed, Refusal> {
    match &release.sealed {
        Some(sealed) if release.seal_is_current() => Ok(sealed),
        Some(_) => Err(Refusal::of(release, RefusalCode::NotPrepared, Some(required))
            .missing(["files sealed for the present destination".to_owned()])),
        None => Err(Refusal::of(release, RefusalCode::NotPrepared, Some(required))
            .missing(["sealed files of the present sessions and policy".to_owned()])),
    }
}

pub(super) fn name_scanned(release: &Release, over: &str, result: NameScan) -> Step {
    let sealed = need_seal(release, Phase::Prepared)?;
    if sealed.digest != over {
        return Err(Refusal::of(release, RefusalCode::DigestNotCurrent, Some(Phase::Prepared))
            .missing(["a scan over the present digest".to_owned()]));
    }
    // Only a human's own act waives hits (see `name_hits_waived`), and nothing takes a result back.
    if matches!(result, NameScan::Waived { .. } | NameScan::NotDone) {
        return Err(Refusal::of(release, RefusalCode::HumanNeeded, Some(Phase::Prepared)));
    }
    let mut m = Move::on(release);
    if let NameScan::Hits { count } = result {
        // The same hits that a human let stand are no news.
        if release.name_scan == (NameScan::Waived { count }) {
            return m.done();
        }
        m.void_words();
    }
    m.release.name_scan = result;
    m.audit("name_scanned", json!({ "digest": over, "scan": result }));
    m.done()
}

pub(super) fn name_hits_waived(release: &Release, assurance: Assurance) -> Step {
    need_seal(release, Phase::Prepared)?;
    let NameScan::Hits { count } = release.name_scan else {
        return Err(Refusal::of(release, RefusalCode::EvidenceMissing, Some(Phase::Prepared))
            .missing(["exact-name hits to waive".to_owned()]));
    };
    if !assurance.is_human() {
        return Err(Refusal::of(release, RefusalCode::HumanNeeded, Some(Phase::Prepared))
            .missing(["a human's own decision on the exact-name hits".to_owned()]));
    }
    let mut m = Move::on(release);
    m.release.name_scan = NameScan::Waived { count };
    m.audit("name_hits_waived", json!({ "count": count, "assurance": assurance }));
    m.done()
}

pub(super) fn row_read(release: &Release, sha256: &str, by: &str, at: Timestamp) -> Step {
    let Some((key, _)) =
        release.rows.iter().find(|(k, row)| row.sha256 == sha256 && !release.stale.contains(*k))
    else {
        return Err(Refusal::of(release, RefusalCode::RowNotCurrent, Some(Phase::Prepared))
            .missing(["a row of the present preparation".to_owned()]));
    };
    let mut m = Move::on(release);
    if !release.read.contains_key(sha256) {
        m.release.read.insert(sha256.to_owned(), ReadBy { by: by.to_owned(), at });
        m.audit("row_read", json!({ "session": key, "sha256": sha256, "by": by }));
    }
    m.done()
}

/// Takes what the review left behind. What was said and approved over other evidence falls.
pub(super) fn evidence_noted(release: &Release, evidence: &Evidence) -> Step {
    let mut m = Move::on(release);
    if release.evidence.as_ref() == Some(evidence) {
        return m.done();
    }
    let other = release.review_root() != evidence.root;
    m.release.evidence = Some(evidence.clone());
    if other && m.release.phase >= Phase::Reviewed {
        m.void_words();
        m.release.phase = Phase::Prepared;
    }
    m.audit(
        "evidence_noted",
        json!({ "root": evidence.root, "leaves": evidence.leaves, "measured": evidence.measured }),
    );
    m.done()
}

pub(super) fn review_finished(release: &Release) -> Step {
    need_seal(release, Phase::Prepared)?;
    if let Some(m) = release.evidence.as_ref().and_then(|e| e.measured).filter(|m| !m.passes()) {
        return Err(reader_below_floor(release, &m));
    }
    let missing = release.review_missing();
    if !missing.is_empty() {
        return Err(Refusal::of(release, RefusalCode::ReviewIncomplete, Some(Phase::Prepared))
            .next(NextStep::review(&release.id))
            .missing(missing));
    }
    let mut m = Move::on(release);
    if release.phase < Phase::Reviewed {
        m.release.phase = Phase::Reviewed;
        m.audit(
            "reviewed",
            json!({
                "digest": release.digest(),
                "sample": release.sample.len(),
                "review": release.review_root(),
            }),
        );
    }
    m.done()
}

/// The refusal of a review whose reader overlooked too much of what was planted.
fn reader_below_floor(release: &Release, m: &Measured) -> Refusal {
    let id = &release.id;
    let mut refusal = Refusal::of(release, RefusalCode::ReaderBelowFloor, Some(Phase::Prepared))
        .next(NextStep::review(id))
        .missing([format!(
            "a reader who finds what was planted: {} of {} found (95 % lower bound {:.2}, floor {:.2})",
            m.found,
            m.planted,
            m.lower_bound(),
            f64::from(m.floor_percent) / 100.0
        )]);
    refusal.human_action = Some(format!(
        "Invented personal data was shown in some pages and not reported, so this reading does not count. Read the \
         pages again, every line of them; or have another reader (a fresh session with smaller pages) do it; or ask \
         the person to read them with `clawgate review {id}` in their own terminal."
    ));
    refusal
}

pub(super) fn attested(
    release: &Release,
    kind: AttestationKind,
    words: &str,
    by: &str,
    at: Timestamp,
) -> Step {
    need_seal(release, Phase::Reviewed)?;
    if release.phase < Phase::Reviewed {
        return Err(Refusal::of(release, RefusalCode::ReviewIncomplete, Some(Phase::Reviewed))
            .missing(not_finished(release)));
    }
    if release.phase == Phase::Approved {
        return Err(Refusal::of(release, RefusalCode::AlreadyApproved, Some(Phase::Reviewed)));
    }
    need_destination(release, Phase::Reviewed)?;
    if words.trim().is_empty() {
        return Err(Refusal::of(release, RefusalCode::WordsMissing, Some(Phase::Reviewed))
            .missing([attestation_words(kind)]));
    }
    borne_out(release, kind)?;
    let mut m = Move::on(release);
    m.release
        .attestations
        .insert(kind, Attestation { words: words.trim().to_owned(), by: by.to_owned(), at });
    m.audit("attested", json!({ "kind": kind, "by": by, "digest": release.digest() }));
    if m.release.phase == Phase::Reviewed && m.release.attestations_missing().is_empty() {
        m.release.phase = Phase::Confirmed;
        m.audit("confirmed", json!({ "digest": release.digest() }));
    }
    m.done()
}

/// Checks a statement against what happened.
fn borne_out(release: &Release, kind: AttestationKind) -> Result<(), Refusal> {
    let lacks = |what: Vec<String>| {
        Err(Refusal::of(release, RefusalCode::EvidenceMissing, Some(Phase::Reviewed))
            .next(NextStep::review(&release.id))
            .missing(what))
    };
    match kind {
        AttestationKind::FullName => match release.name_scan {
            NameScan::Clean | NameScan::Declined | NameScan::Waived { .. } => Ok(()),
            NameScan::NotDone => {
                Err(Refusal::of(release, RefusalCode::EvidenceMissing, Some(Phase::Reviewed))
                    .next(NextStep::confirm(&release.id))
                    .missing([
                        "an exact-name scan of the sealed files, or the person's refusal of one".to_owned()
                    ]))
            }
            NameScan::Hits { count } => {
                let mut refusal = Refusal::of(release, RefusalCode::NameFound, Some(Phase::Reviewed))
                    .next(NextStep::prepare())
                    .missing([format!("redaction of the person's name in {count} places")]);
                refusal.human_action = Some(
                    "Tell the person that their name stands in the files. Redact it as a custom string and \
                     prepare again; only the person may let it stand."
                        .to_owned(),
                );
                Err(refusal)
            }
        },
        AttestationKind::Entities if release.undecided_entities > 0 => {
            lacks(vec![format!("decisions on {} entities", release.undecided_entities)])
        }
        AttestationKind::ManualScan if !release.unread_sample().is_empty() => lacks(release.review_missing()),
        AttestationKind::Entities | AttestationKind::ManualScan => Ok(()),
    }
}

fn not_finished(release: &Release) -> Vec<String> {
    let missing = release.review_missing();
    if missing.is_empty() { vec!["the end of the review".to_owned()] } else { missing }
}

fn need_destination(release: &Release, required: Phase) -> Result<(), Refusal> {
    let missing = release.destination_missing();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::of(release, RefusalCode::DestinationMissing, Some(required)).missing(missing))
}

/// The refusal of everything that needs the attestations.
fn not_confirmed(release: &Release) -> Refusal {
    let (code, missing) = match release.phase {
        Phase::Draft | Phase::Prepared => (RefusalCode::ReviewIncomplete, not_finished(release)),
        Phase::Reviewed | Phase::Confirmed | Phase::Approved | Phase::Published | Phase::Withdrawn => (
            RefusalCode::NotConfirmed,
            release.attestations_missing().into_iter().map(attestation_words).collect(),
        ),
    };
    Refusal::of(release, code, Some(Phase::Confirmed)).missing(missing)
}

pub(super) fn receipt_accepted(release: &Release, receipt: &ReceiptFacts, now: Timestamp) -> Step {
    let sealed = need_seal(release, Phase::Confirmed)?;
    if release.phase < Phase::Confirmed {
        return Err(not_confirmed(release));
    }
    need_destination(release, Phase::Confirmed)?;
    if !release.archive.scope_confirmed {
        return Err(Refusal::of(release, RefusalCode::ScopeNotConfirmed, Some(Phase::Confirmed))
            .missing(["a confirmed scope".to_owned()]));
    }
    let again = |code, missing: Vec<String>| {
        Err(Refusal::of(release, code, Some(Phase::Confirmed))
            .next(NextStep::sign(&release.id))
            .missing(missing))
    };
    let differs = receipt_differences(release, sealed, receipt);
    if !differs.is_empty() {
        return again(RefusalCode::ReceiptMismatch, differs);
    }
    if now < receipt.issued || now >= receipt.expires {
        return again(RefusalCode::ReceiptExpired, vec!["a receipt that has not run out".to_owned()]);
    }
    if release.spent.contains(&receipt.nonce) {
        return again(RefusalCode::ReceiptUsed, vec!["a receipt that was not used before".to_owned()]);
    }
    let needed = needed_assurance(&receipt.destination);
    if receipt.assurance < needed {
        return again(
            RefusalCode::AssuranceTooLow,
            vec![format!("assurance {needed} ({})", needed.meaning())],
        );
    }
    let mut m = Move::on(release);
    if release.approval.as_ref().is_some_and(|a| a.nonce != receipt.nonce) {
        m.void_receipt();
    }
    m.release.approval = Some(receipt.clone());
    m.release.phase = Phase::Approved;
    m.audit(
        "approved",
        json!({
            "digest": receipt.digest,
            "destination": receipt.destination,
            "policy": receipt.policy,
            "review": receipt.review,
            "nonce": receipt.nonce,
            "assurance": receipt.assurance,
            "expires": receipt.expires,
            "key": receipt.key,
        }),
    );
    m.done()
}

/// In what a receipt approves something else than the release as it stands.
fn receipt_differences(release: &Release, sealed: &Sealed, receipt: &ReceiptFacts) -> Vec<String> {
    let mut differs = Vec::new();
    let mut check = |same: bool, what: &str| {
        if !same {
            differs.push(format!("a receipt for the present {what}"));
        }
    };
    check(receipt.release == release.id, "release");
    check(receipt.digest == sealed.digest, "digest");
    check(receipt.policy == sealed.policy, "policy");
    check(receipt.review == release.review_root(), "review");
    match &release.destination {
        None => check(false, "destination"),
        Some(d) => {
            check(receipt.destination.target == d.target, "destination");
            check(receipt.destination.visibility == d.visibility, "visibility");
            check(receipt.destination.licence == d.licence, "licence");
        }
    }
    differs
}

pub(super) fn publishing(release: &Release, over: &str, now: Timestamp) -> Step {
    let Some(receipt) = &release.approval else {
        if release.phase < Phase::Confirmed || !release.seal_is_current() {
            need_seal(release, Phase::Approved)?;
            let mut refusal = not_confirmed(release);
            refusal.required_state = Some(Phase::Approved);
            return Err(refusal);
        }
        return Err(Refusal::of(release, RefusalCode::HumanNeeded, Some(Phase::Approved))
            .missing(["a receipt signed by a human".to_owned()]));
    };
    let sealed = need_seal(release, Phase::Approved)?;
    if now < receipt.issued || now >= receipt.expires {
        return Err(Refusal::of(release, RefusalCode::ReceiptExpired, Some(Phase::Approved))
            .next(NextStep::sign(&release.id))
            .missing(["a receipt that has not run out".to_owned()]));
    }
    if over != receipt.digest || over != sealed.digest {
        return Err(Refusal::of(release, RefusalCode::BytesChanged, Some(Phase::Approved))
            .next(NextStep::prepare())
            .missing(["the files that were approved".to_owned()]));
    }
    let mut m = Move::on(release);
    m.release.in_flight = Some(InFlight {
        digest: over.to_owned(),
        nonce: receipt.nonce.clone(),
        since: now,
        deferred: Vec::new(),
    });
    m.audit(
        "publishing",
        json!({ "digest": over, "destination": receipt.destination, "nonce": receipt.nonce }),
    );
    m.effects.push(Effect::Upload { digest: over.to_owned(), destination: receipt.destination.clone() });
    m.done()
}

pub(super) fn publish_failed(release: &Release, now: Option<Timestamp>) -> Step {
    let mut m = Move::on(release);
    let Some(flight) = m.release.in_flight.take() else {
        return Err(Refusal::of(release, RefusalCode::NotPublishing, Some(Phase::Approved)));
    };
    m.audit("publish_failed", json!({ "digest": flight.digest }));
    // What came in meanwhile counts now.
    for event in &flight.deferred {
        let (after, effects) = step(&m.release, event)?;
        m.release = after;
        m.effects.extend(effects);
    }
    if let Some(now) = now {
        let (after, effects) = step(&m.release, &super::Event::Tick { now })?;
        m.release = after;
        m.effects.extend(effects);
    }
    m.done()
}

pub(super) fn published(release: &Release, commit: &str, read_back: &str, now: Timestamp) -> Step {
    let (Some(flight), Some(receipt)) = (&release.in_flight, &release.approval) else {
        return Err(Refusal::of(release, RefusalCode::NotPublishing, Some(Phase::Approved)));
    };
    if flight.digest != read_back {
        return Err(Refusal::of(release, RefusalCode::ReadBackDiffers, Some(Phase::Approved))
            .missing(["a destination that holds exactly the approved files".to_owned()]));
    }
    let mut m = Move::on(release);
    m.release.spent.insert(flight.nonce.clone());
    m.effects.push(Effect::SpendNonce { nonce: flight.nonce.clone() });
    m.audit("published", json!({ "commit": commit, "digest": read_back, "nonce": flight.nonce }));
    m.release.published = Some(PublishedFacts {
        commit: commit.to_owned(),
        digest: read_back.to_owned(),
        receipt: receipt.clone(),
        at: now,
    });
    m.release.in_flight = None;
    m.release.approval = None;
    m.release.phase = Phase::Published;
    m.done()
}
