//! Receipts and review evidence in the state machine: every field must match, and changed evidence voids a receipt.

use clawgate::workflow::{
    Assurance, Event, Evidence, Phase, ReaderMeasurement, ReceiptFacts, RefusalCode, Target, Visibility, step,
};

use crate::workflow::{LATE, NOW, at, attested, go, good_way, noted, private, public, receipt};

#[test]
fn publishing_without_a_receipt_asks_for_a_person_and_names_the_command() {
    let r = at(3, Phase::Confirmed);
    let refusal = step(&r, &Event::Publishing { digest: r.digest().unwrap().into(), now: NOW }).unwrap_err();
    assert!(refusal.needs_human());
    assert_eq!(refusal.next_command, "clawgate sign r1");
    assert!(refusal.human_action.unwrap().contains("clawgate sign r1"));
}

#[test]
fn every_field_of_a_receipt_must_match() {
    let r = at(3, Phase::Confirmed);
    let good = receipt(r.digest().unwrap(), private(), "p1", "n2");
    type Edit = fn(&mut ReceiptFacts);
    let edits: [(Edit, &str, &str); 10] = [
        (|x| x.release = "r2".into(), "receipt_mismatch", "release"),
        (|x| x.digest = "d".into(), "receipt_mismatch", "digest"),
        (|x| x.policy = "p2".into(), "receipt_mismatch", "policy"),
        (|x| x.review = "other".into(), "receipt_mismatch", "review"),
        (
            |x| x.destination.target = Target::Folder { path: "/tmp".into() },
            "receipt_mismatch",
            "destination",
        ),
        (|x| x.destination.visibility = Visibility::Public, "receipt_mismatch", "visibility"),
        (|x| x.destination.licence = None, "receipt_mismatch", "licence"),
        (|x| x.expires = NOW, "receipt_expired", "expired"),
        (|x| x.issued = LATE, "receipt_expired", "expired"),
        (|x| x.assurance = Assurance::A1, "assurance_too_low", "A2"),
    ];
    for (edit, code, word) in edits {
        let mut receipt = good.clone();
        edit(&mut receipt);
        let refusal = step(&r, &Event::ReceiptAccepted { receipt, now: NOW }).unwrap_err();
        assert_eq!(serde_json::to_value(refusal.code).unwrap(), code);
        assert!(refusal.missing.iter().any(|m| m.contains(word)), "{refusal}");
    }
    assert_eq!(go(r, &[Event::ReceiptAccepted { receipt: good, now: NOW }]).phase, Phase::Approved);
}

#[test]
fn a_voided_receipt_never_counts_again() {
    let approved = at(3, Phase::Approved);
    let again = Event::ReceiptAccepted { receipt: approved.approval.clone().unwrap(), now: NOW };
    let back = go(
        approved,
        &[
            Event::DestinationChanged { destination: public() },
            Event::DestinationChanged { destination: private() },
        ],
    );
    assert_eq!(back.phase, Phase::Confirmed);
    let refusal = step(&back, &again).unwrap_err();
    assert_eq!(serde_json::to_value(refusal.code).unwrap(), "receipt_used");
}

#[test]
fn changed_evidence_voids_statements_and_approvals() {
    for phase in [Phase::Reviewed, Phase::Confirmed, Phase::Approved] {
        let before = at(3, phase);
        let same = go(before.clone(), &[noted("root")]);
        assert_eq!(same, before, "the same evidence changes nothing");
        let after = go(before.clone(), &[noted("other")]);
        assert_eq!(after.phase, Phase::Prepared, "{phase}");
        assert!(after.attestations.is_empty() && after.approval.is_none());
        if let Some(approval) = before.approval {
            assert!(after.spent.contains(&approval.nonce), "the receipt must never count again");
            // A receipt for the earlier evidence is invalid after the new evidence is confirmed.
            let mut again = go(after, &[Event::ReviewFinished]);
            let digest = again.digest().unwrap().to_owned();
            let scan = Event::NameScanned {
                digest: digest.clone(),
                result: clawgate::workflow::NameScan::Clean,
                name: None,
            };
            again = go(again, &[scan]);
            again = go(again, &clawgate::workflow::AttestationKind::ALL.map(attested));
            let old = receipt(&digest, private(), "p1", "n9");
            let refusal = step(&again, &Event::ReceiptAccepted { receipt: old, now: NOW }).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::ReceiptMismatch);
            assert!(refusal.missing[0].contains("review"), "{:?}", refusal.missing);
        }
    }
}

#[test]
fn a_reader_below_the_required_accuracy_has_not_reviewed() {
    let prepared = at(3, Phase::Prepared);
    let reads: Vec<Event> = good_way(3).into_iter().filter(|e| matches!(e, Event::RowRead { .. })).collect();
    let read = go(prepared, &reads);
    let refusal = step(&read, &Event::ReviewFinished).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::ReviewIncomplete, "nothing was added up yet");
    let evidence = |found| Evidence {
        root: format!("root{found}"),
        leaves: 9,
        measured: Some(ReaderMeasurement {
            decoys: 40,
            found,
            min_recall_percent: 80,
            ..ReaderMeasurement::default()
        }),
    };
    let poor = go(read.clone(), &[Event::EvidenceNoted { evidence: evidence(30) }]);
    let refusal = step(&poor, &Event::ReviewFinished).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RecallTooLow);
    assert!(refusal.missing[0].contains("30 of 40"), "{:?}", refusal.missing);
    let action = refusal.human_action.unwrap();
    assert!(action.contains("clawgate review r1") && action.contains("another reader"), "{action}");
    let good = go(poor, &[Event::EvidenceNoted { evidence: evidence(38) }, Event::ReviewFinished]);
    assert_eq!(good.phase, Phase::Reviewed);
}
