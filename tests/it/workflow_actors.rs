//! Several actors on one release: no order of their events reaches a forbidden state, and every refusal names a step that
//! leads on.

use std::cell::Cell;
use std::collections::BTreeMap;

use clawgate::trace::Timestamp;
use clawgate::workflow::{
    ArchiveFacts, AttestationKind, Event, FileEntry, NameScan, Phase, Preparation, Release, Row, digest,
    next_step, sample_size, step,
};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::workflow::{LATE, NOW, attested, choice, good_way, key, noted, private, public, receipt, version};

/// Events of one sequence.
const EVENTS: usize = 200;
/// Actors that hold their own copy of the release.
const ACTORS: usize = 3;
/// Steps after which a refusal must have led to a publication.
const MAX_STEPS: usize = 14;

/// The preparation that belongs to the present choice and policy.
fn honest_preparation(r: &Release) -> Preparation {
    let mut files =
        vec![FileEntry::of("README.md", format!("{:?} {:?}", r.destination, r.policy).as_bytes())];
    let mut rows = BTreeMap::new();
    for (key, version) in &r.chosen {
        let entry = FileEntry::of(&format!("rows/{key}"), format!("{key} {version:?}").as_bytes());
        rows.insert(
            key.clone(),
            Row { version: version.clone(), sha256: entry.sha256.clone(), bytes: entry.bytes },
        );
        files.push(entry);
    }
    Preparation {
        sample: rows.keys().take(sample_size(rows.len())).cloned().collect(),
        rows,
        digest: digest(&files),
        files,
        policy: r.policy.clone().unwrap_or_else(|| "p1".to_owned()),
        open_findings: 0,
        undecided_entities: 0,
    }
}

/// What an honest caller of a command does to the release. The names of tools are not enough: a signature and a publication
/// have the same one.
fn honest_step(r: &Release, command: &str, nonce: &str) -> Vec<Event> {
    let over = r.digest().unwrap_or_default().to_owned();
    let decided = Event::Decided { open_findings: 0, undecided_entities: 0, touched: vec![] };
    match command.split(' ').nth(1).unwrap_or_default() {
        "scan" => vec![Event::ScanDone],
        "scope" => vec![Event::ScopeConfirmed],
        "approve" => vec![Event::SessionsChosen { sessions: choice(&[1, 1, 1]) }],
        "prepare" => {
            // Who prepares again because the name is in the files has redacted it.
            let policy = match r.open_name_hits() {
                0 => r.policy.clone().unwrap_or_else(|| "p1".to_owned()),
                _ => format!("with the name, {nonce}"),
            };
            let complete = r.destination.clone().filter(|d| d.licence.is_some()).unwrap_or_else(private);
            vec![
                Event::DestinationChanged { destination: complete },
                Event::PolicyChanged { policy: policy.clone() },
                Event::Prepared(Box::new(honest_preparation(&Release { policy: Some(policy), ..r.clone() }))),
            ]
        }
        "review" => {
            let reads = r.rows.values().map(|row| Event::RowRead {
                sha256: row.sha256.clone(),
                by: "person".to_owned(),
                at: NOW,
            });
            reads.chain([decided, noted("root"), Event::ReviewFinished]).collect()
        }
        "confirm" if command.ends_with("--waive-name-hits") => {
            vec![Event::NameHitsWaived { assurance: clawgate::workflow::Assurance::A3 }]
        }
        "confirm" => {
            let clean = |name: Option<String>| Event::NameScanned {
                digest: over.clone(),
                result: NameScan::Clean,
                name,
            };
            let mut events: Vec<Event> = r
                .name_hits
                .keys()
                .map(|name| clean(Some(name.clone()).filter(|n| !n.is_empty())))
                .chain([clean(Some("ann".to_owned()))])
                .collect();
            events.extend(AttestationKind::ALL.map(attested));
            events
        }
        "sign" => {
            let mut signed = receipt(&over, r.destination.clone().unwrap_or_else(private), "p", nonce);
            signed.policy = r.policy.clone().unwrap_or_default();
            signed.review = r.review_root().to_owned();
            vec![Event::ReceiptAccepted { receipt: signed, now: NOW }]
        }
        "publish" => vec![
            Event::Publishing { digest: over.clone(), now: NOW },
            Event::Published { commit: "c".to_owned(), digest: over, now: NOW },
        ],
        _ => vec![Event::Tick { now: Timestamp(LATE.millis() + 24 * 3_600_000) }],
    }
}

/// Follows the named steps until the release is published. Refused events of a step are skipped, as a caller would. Every step
/// has to change the release, except for those that only look.
fn leads_on(mut r: Release, first: &str, nonce: &str) -> Result<(), String> {
    let mut command = first.to_owned();
    let mut taken = Vec::new();
    for n in 0..MAX_STEPS {
        if r.phase.is_final() {
            return Ok(());
        }
        let before = r.clone();
        for event in honest_step(&r, &command, &format!("{nonce}-{n}")) {
            if let Ok((after, _)) = step(&r, &event) {
                r = after;
            }
        }
        if r == before && command != "clawgate" {
            return Err(format!("{taken:?}, and then {command:?} changes nothing in {}", r.phase));
        }
        taken.push(command);
        command = next_step(&r).command;
    }
    Err(format!("{taken:?} end in {} with {:?}", r.phase, next_step(&r)))
}

/// Events of several kinds of actors: agents, people and the world around them.
fn events() -> Vec<Event> {
    let over = |r: &str| r.to_owned();
    let mut all = good_way(3);
    let first = good_way(3).iter().find_map(|e| match e {
        Event::Prepared(p) => Some(p.digest.clone()),
        _ => None,
    });
    let digest = first.unwrap_or_default();
    let scanned = |result, name: Option<&str>| Event::NameScanned {
        digest: digest.clone(),
        result,
        name: name.map(over),
    };
    all.extend([
        Event::ScopeChanged { outside: vec![key(2)] },
        Event::SessionChanged { key: key(0), version: Some(version(0, 2)) },
        Event::SessionChanged { key: key(1), version: None },
        Event::PolicyChanged { policy: "p2".to_owned() },
        Event::DestinationChanged { destination: public() },
        Event::Decided { open_findings: 1, undecided_entities: 1, touched: vec![] },
        Event::Decided { open_findings: 0, undecided_entities: 0, touched: vec![key(1)] },
        scanned(NameScan::Hits { count: 2 }, Some("ann")),
        scanned(NameScan::Hits { count: 1 }, None),
        scanned(NameScan::Declined, None),
        scanned(NameScan::Clean, Some("bob")),
        Event::NameHitsWaived { assurance: clawgate::workflow::Assurance::A3 },
        Event::NameHitsWaived { assurance: clawgate::workflow::Assurance::A0 },
        noted("other"),
        Event::EvidenceRejected { back_to: Phase::Draft, reading: false, faults: vec![] },
        Event::EvidenceRejected { back_to: Phase::Draft, reading: true, faults: vec![] },
        Event::EvidenceRejected { back_to: Phase::Prepared, reading: true, faults: vec![] },
        Event::EvidenceRejected { back_to: Phase::Reviewed, reading: false, faults: vec![] },
        Event::Tick { now: LATE },
        Event::PublishFailed,
    ]);
    all
}

/// What is never true of a stored release.
fn check_state(before: &Release, event: &Event, after: &Release) -> Result<(), TestCaseError> {
    prop_assert_eq!(after.approval.is_some(), after.phase == Phase::Approved);
    if after.phase >= Phase::Confirmed && !after.phase.is_final() {
        prop_assert_eq!(after.open_name_hits(), 0, "a name that was found is confirmed");
        prop_assert!(after.attestations_missing().is_empty() && after.sealed.is_some());
        prop_assert_eq!(after.undecided_entities + after.open_findings, 0);
        prop_assert!(after.unread_sample().is_empty() && after.evidence.is_some());
    }
    if after.phase == Phase::Published {
        let ends_an_upload = matches!(event, Event::Published { .. }) && before.in_flight.is_some();
        prop_assert!(ends_an_upload);
        prop_assert!(
            !before
                .spent
                .contains(&after.published.as_ref().map(|p| p.receipt.nonce.clone()).unwrap_or_default())
        );
    }
    if let Event::NameScanned { result: NameScan::Declined, .. } = event {
        prop_assert!(before.open_name_hits() == after.open_name_hits(), "a hit was declined away");
    }
    Ok(())
}

#[test]
fn no_order_of_events_of_several_actors_reaches_a_forbidden_state_or_a_dead_end() {
    let all = events();
    // Half of the events continue the successful way, so that the late phases are reached.
    let way = good_way(3);
    let plan = prop::collection::vec(
        (0..ACTORS, 0u8..100, any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        EVENTS,
    );
    let mut runner = TestRunner::new(crate::testing::cases(150));
    let (published, refused, lost) = (Cell::new(0u32), Cell::new(0u32), Cell::new(0u32));
    let outcome = runner.run(&plan, |plan| {
        let mut stored = Release::new("r1", ArchiveFacts::default());
        let mut copies = vec![stored.clone(); ACTORS];
        for (n, (actor, kind, which, next)) in plan.iter().enumerate() {
            // An actor loads the release again, or goes on with the copy that it loaded before.
            if *kind < 80 {
                copies[*actor] = stored.clone();
            }
            let copy = copies[*actor].clone();
            let event = match kind % 2 {
                0 => all[which.index(all.len())].clone(),
                _ => way[(n + next.index(3)) % way.len()].clone(),
            };
            match step(&copy, &event) {
                // As the archive does: a copy that is out of date is not stored.
                Ok(_) if copy != stored => lost.set(lost.get() + 1),
                Ok((after, _)) => {
                    check_state(&stored, &event, &after)?;
                    if after.phase == Phase::Published && stored.phase != Phase::Published {
                        published.set(published.get() + 1);
                    }
                    stored = after.clone();
                    copies[*actor] = after;
                }
                Err(refusal) => {
                    refused.set(refused.get() + 1);
                    let end = leads_on(copy, &refusal.next_command, &format!("walk{n}"));
                    prop_assert!(end.is_ok(), "{:?} was refused: {}; {:?}", event, refusal, end);
                }
            }
        }
        // The stored state leads on too.
        let end = leads_on(stored.clone(), &next_step(&stored).command, "last");
        prop_assert!(end.is_ok(), "{:?}", end);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(refused.get() > 1000 && lost.get() > 100, "{} refused, {} lost", refused.get(), lost.get());
}
