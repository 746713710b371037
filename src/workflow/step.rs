//! The state machine: judges every event, and voids what a change invalidates.

use std::collections::BTreeMap;

use serde_json::json;

use super::forward;
use super::name_scan;
use super::refusal::NextStep;
use super::transition::{StepResult, Transition};
use super::{Destination, Event, Phase, Refusal, RefusalCode, Release};
use crate::trace::{SessionKey, Timestamp, Version};

/// An upload that began longer ago than this is considered failed: the process that sent it has crashed.
const MAX_UPLOAD_MS: i64 = 24 * 3600 * 1000;

/// Judges one event. Returns the new release and the effects to carry out.
///
/// Changes from outside (a scan, a session that grew, time) are never refused. A published or withdrawn release ignores
/// them. During an upload they are deferred until the upload ends.
///
/// # Errors
/// [`Refusal`] if the event is not allowed in the current state. The release is then unchanged.
pub fn step(release: &Release, event: &Event) -> StepResult {
    if release.phase.is_final() {
        return finished(release, event);
    }
    if release.in_flight.is_some()
        && let Some(result) = during_upload(release, event)
    {
        return result;
    }
    match event {
        Event::ScanDone => {
            let mut t = Transition::on(release);
            t.release.archive.scanned = true;
            t.done()
        }
        Event::ScopeConfirmed => scope_confirmed(release),
        Event::ScopeChanged { outside } => scope_changed(release, outside),
        Event::SessionsChosen { sessions } => sessions_chosen(release, sessions),
        Event::SessionChanged { key, version } => session_changed(release, key, version.as_ref()),
        Event::PolicyChanged { policy } => policy_changed(release, policy),
        Event::DestinationChanged { destination } => destination_changed(release, destination),
        Event::Decided { open_findings, undecided_entities, touched } => {
            decided(release, *open_findings, *undecided_entities, touched)
        }
        Event::Tick { now } => tick(release, *now),
        Event::Prepared(made) => forward::prepared(release, made),
        Event::NameScanned { digest, result, name } => {
            name_scan::scanned(release, digest, *result, name.as_deref())
        }
        Event::NameHitsWaived { assurance } => name_scan::hits_waived(release, *assurance),
        Event::EvidenceRejected { back_to, reading, faults } => {
            evidence_rejected(release, *back_to, *reading, faults)
        }
        Event::RowRead { sha256, by, at } => forward::row_read(release, sha256, by, *at),
        Event::EvidenceNoted { evidence } => forward::evidence_noted(release, evidence),
        Event::ReviewFinished => forward::review_finished(release),
        Event::Attested { kind, words, by, at } => forward::attested(release, *kind, words, by, *at),
        Event::ReceiptAccepted { receipt, now } => forward::receipt_accepted(release, receipt, *now),
        Event::Publishing { digest, now } => forward::publishing(release, digest, *now),
        Event::PublishFailed => publish_failed(release, None),
        Event::HeadMoved => head_moved(release),
        Event::ReceiptRevoked => receipt_revoked(release),
        Event::Published { commit, digest, now } => forward::published(release, commit, digest, *now),
        Event::Withdrawn => withdrawn(release),
    }
}

/// Judges an event during an upload. `None` if the upload makes no difference.
fn during_upload(release: &Release, event: &Event) -> Option<StepResult> {
    let flight = release.in_flight.as_ref()?;
    match event {
        Event::SessionChanged { .. }
        | Event::PolicyChanged { .. }
        | Event::ScopeChanged { .. }
        | Event::ScopeConfirmed
        | Event::EvidenceNoted { .. }
        | Event::Decided { .. } => {
            let mut t = Transition::on(release);
            if let Some(f) = &mut t.release.in_flight {
                f.deferred.push(event.clone());
            }
            Some(t.done())
        }
        Event::Tick { now } if now.millis() - flight.since.millis() >= MAX_UPLOAD_MS => {
            Some(publish_failed(release, Some(*now)))
        }
        Event::ScanDone
        | Event::Tick { .. }
        | Event::RowRead { .. }
        | Event::PublishFailed
        | Event::Published { .. } => None,
        // Every other event is a step of a person or an agent, which has to wait.
        _ => {
            let refusal = Refusal::of(release, RefusalCode::PublishUnderWay, None);
            Some(Err(refusal.missing(["the end of the upload"])))
        }
    }
}

/// Judges an event on a published or withdrawn release: changes from outside are ignored, steps are refused.
fn finished(release: &Release, event: &Event) -> StepResult {
    match event {
        Event::ScanDone
        | Event::ScopeConfirmed
        | Event::ScopeChanged { .. }
        | Event::SessionChanged { .. }
        | Event::PolicyChanged { .. }
        | Event::EvidenceNoted { .. }
        | Event::Tick { .. } => Transition::on(release).done(),
        Event::Withdrawn if release.phase == Phase::Published => withdrawn(release),
        _ => {
            let withdrawn = release.phase == Phase::Withdrawn;
            let code = if withdrawn { RefusalCode::Withdrawn } else { RefusalCode::AlreadyPublished };
            Err(Refusal::of(release, code, None).next(NextStep::prepare()).missing(["a new release"]))
        }
    }
}

/// Voids the receipt of an approved release. Without a receipt nothing changes.
fn receipt_revoked(release: &Release) -> StepResult {
    let mut t = Transition::on(release);
    if let Some(receipt) = &release.approval {
        t.audit("receipt_revoked", json!({ "nonce": receipt.nonce, "digest": receipt.digest }));
        t.void_receipt();
    }
    t.done()
}

/// Discards the preparation of a release whose destination somebody else changed. Rows that stay as they are stay read.
fn head_moved(release: &Release) -> StepResult {
    let mut t = Transition::on(release);
    if release.sealed.is_some() {
        t.unseal();
        t.audit("head_moved", json!({ "digest": release.digest() }));
    }
    t.done()
}

fn scope_confirmed(release: &Release) -> StepResult {
    if !release.archive.scanned {
        return Err(Refusal::of(release, RefusalCode::NotScanned, Some(Phase::Draft)).missing(["a scan"]));
    }
    let mut t = Transition::on(release);
    t.release.archive.scope_confirmed = true;
    t.done()
}

fn scope_changed(release: &Release, outside: &[SessionKey]) -> StepResult {
    let mut t = Transition::on(release);
    t.release.archive.scope_confirmed = false;
    let gone: Vec<SessionKey> =
        outside.iter().filter(|k| t.release.chosen.contains_key(*k)).cloned().collect();
    if !gone.is_empty() {
        t.remove_sessions(&gone);
        t.unseal();
        t.audit("scope_changed", json!({ "left": gone }));
    }
    t.done()
}

fn sessions_chosen(release: &Release, sessions: &BTreeMap<SessionKey, Version>) -> StepResult {
    let archive = &release.archive;
    if !archive.scanned || !archive.scope_confirmed || sessions.is_empty() {
        return Err(Refusal::without_release(archive, Phase::Draft));
    }
    let mut t = Transition::on(release);
    if *sessions == release.chosen {
        return t.done();
    }
    let gone: Vec<SessionKey> =
        release.chosen.keys().filter(|k| !sessions.contains_key(*k)).cloned().collect();
    let changed: Vec<SessionKey> = release
        .rows
        .iter()
        .filter(|(k, row)| sessions.get(*k).is_some_and(|v| *v != row.version))
        .map(|(k, _)| k.clone())
        .collect();
    t.remove_sessions(&gone);
    t.mark_stale(&changed);
    t.release.chosen = sessions.clone();
    t.unseal();
    t.audit("sessions_chosen", json!({ "sessions": sessions.len() }));
    t.done()
}

fn session_changed(release: &Release, key: &SessionKey, version: Option<&Version>) -> StepResult {
    let mut t = Transition::on(release);
    let Some(chosen) = release.chosen.get(key) else { return t.done() };
    match version {
        Some(v) if v == chosen => return t.done(),
        Some(v) => {
            t.mark_stale(std::slice::from_ref(key));
            t.release.chosen.insert(key.clone(), v.clone());
        }
        None => t.remove_sessions(std::slice::from_ref(key)),
    }
    t.unseal();
    t.audit("session_changed", json!({ "session": key, "version": version }));
    t.done()
}

fn policy_changed(release: &Release, policy: &str) -> StepResult {
    let mut t = Transition::on(release);
    if release.policy.as_deref() == Some(policy) {
        return t.done();
    }
    t.release.policy = Some(policy.to_owned());
    // Only a new preparation shows which rows the new policy changes. Reading evidence belongs to bytes, so a row
    // that has the same bytes afterwards keeps its review.
    t.release.stale.extend(t.release.rows.keys().cloned());
    t.unseal();
    t.audit("policy_changed", json!({ "policy": policy }));
    t.done()
}

fn destination_changed(release: &Release, destination: &Destination) -> StepResult {
    let mut t = Transition::on(release);
    if release.destination.as_ref() == Some(destination) {
        return t.done();
    }
    t.release.destination = Some(destination.clone());
    t.void_receipt();
    t.audit("destination_changed", json!({ "destination": destination }));
    t.done()
}

fn decided(release: &Release, open: u64, entities: u64, touched: &[SessionKey]) -> StepResult {
    let mut t = Transition::on(release);
    t.release.open_findings = open;
    t.release.undecided_entities = entities;
    if touched.iter().any(|k| release.rows.contains_key(k)) {
        t.mark_stale(touched);
        t.unseal();
    }
    if open + entities > 0 && t.release.phase > Phase::Prepared {
        t.void_attestations();
        t.release.phase = Phase::Prepared;
    }
    t.audit("decided", json!({ "open_findings": open, "undecided_entities": entities, "touched": touched }));
    t.done()
}

/// Takes a release back to the last phase that its evidence supports.
fn evidence_rejected(release: &Release, back_to: Phase, reading: bool, faults: &[String]) -> StepResult {
    let mut t = Transition::on(release);
    match back_to {
        Phase::Draft => {
            t.unseal();
            if reading {
                t.void_all_reading();
            }
        }
        Phase::Prepared => {
            t.void_attestations();
            t.void_all_reading();
            t.release.phase = t.release.phase.min(Phase::Prepared);
        }
        _ => t.void_attestations(),
    }
    t.audit(
        "evidence_rejected",
        json!({ "from": release.phase, "back_to": t.release.phase, "reading": reading, "faults": faults }),
    );
    t.done()
}

fn tick(release: &Release, now: Timestamp) -> StepResult {
    let mut t = Transition::on(release);
    let expired = release.approval.as_ref().is_some_and(|a| now >= a.expires);
    if expired && release.in_flight.is_none() {
        t.void_receipt();
        t.audit("receipt_expired", json!({ "now": now }));
    }
    t.done()
}

/// Ends an upload that failed. `now` is given if the upload is only presumed to have failed.
fn publish_failed(release: &Release, now: Option<Timestamp>) -> StepResult {
    let mut t = Transition::on(release);
    let Some(flight) = t.release.in_flight.take() else {
        return Err(Refusal::of(release, RefusalCode::NotPublishing, Some(Phase::Approved)));
    };
    t.audit("publish_failed", json!({ "digest": flight.digest }));
    // The deferred changes apply now, as if they had arrived in this order after the upload.
    let later = now.map(|now| Event::Tick { now });
    for event in flight.deferred.iter().chain(&later) {
        let (after, effects) = step(&t.release, event)?;
        t.release = after;
        t.effects.extend(effects);
    }
    t.done()
}

fn withdrawn(release: &Release) -> StepResult {
    let mut t = Transition::on(release);
    t.void_receipt();
    t.release.phase = Phase::Withdrawn;
    t.audit("withdrawn", json!({ "from": release.phase }));
    t.done()
}
