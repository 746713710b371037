//! The policy needs two approvers. The agent uses a second approval for something else than what the second approver saw.

use std::fs;

use serde_json::Value;

use super::{confirm_again, sign, store, stored};
use crate::second_approval::{SECOND_WORDS, Two};
use crate::world::{NOW, World, run, run_on_terminal, run_on_terminal_with};

#[test]
fn a_changed_release_needs_both_approvals_again() {
    let two = Two::confirmed();
    two.sign_and_export();
    assert_eq!(two.cosign().code, 0);
    let dir = two.dir();
    let second = fs::read(dir.join("second.json")).unwrap();
    assert_eq!(two.import().code, 0);
    // A string is redacted from now on, so that the files have to be made again.
    assert_eq!(run(&two.first, &["config", "--redact", "parser", "--json"]).code, 0);
    two.assert_refused("prepare");
    confirm_again(&two.first, &two.release);
    let signed = sign(&two.first, &two.release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    two.assert_refused("1 of 2 approvals");
    // The old second receipt, imported and put into its place.
    assert_ne!(two.import().code, 0);
    fs::write(two.first.state().join(format!("receipts/{}.second.json", two.release)), &second).unwrap();
    two.assert_refused("1 of 2 approvals");
}

#[test]
fn a_second_approval_belongs_to_one_signature_of_the_first_and_ends_with_it() {
    let two = Two::confirmed();
    two.sign_and_export();
    assert_eq!(two.cosign().code, 0);
    // The first approver signs again: the same files, another receipt.
    let again = sign(&two.first, &two.release);
    assert_eq!(again.code, 0, "{}", again.out);
    let old = two.import();
    assert_ne!(old.code, 0, "{}", old.out);
    assert!(old.flat().contains("another signature of the first approver"), "{}", old.out);
    two.assert_refused("1 of 2 approvals");

    // An expired first receipt is not signed by the second approver, and takes a second receipt with it.
    two.sign_and_export();
    let day_later = clawgate::trace::Timestamp(NOW.millis() + 24 * 3_600_000).to_string();
    let late = [("CLAWGATE_TEST_NOW", day_later.as_str())];
    let args = ["cosign", "sign", two.dir().to_str().unwrap()].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let expired = run_on_terminal_with(&two.second, &late, &args, &[]);
    assert_ne!(expired.code, 0, "{}", expired.out);
    assert!(expired.flat().contains("expired"), "{}", expired.out);
    assert_eq!(two.cosign().code, 0);
    assert_eq!(two.import().code, 0);
    let mut app = two.first.app_as(clawgate::app::Actor::Agent, 24 * 60);
    let refused = app.publish(&Default::default()).unwrap_err();
    assert!(refused.message.contains("A human is needed"), "{refused}");
    assert!(!two.first.out().exists());
}

#[test]
fn the_second_approver_refuses_a_folder_whose_files_or_receipt_were_changed() {
    let two = Two::confirmed();
    two.sign_and_export();
    let dir = two.dir();
    let refused = |words: &str| {
        let ran = run_on_terminal(&two.second, &["cosign", "sign", dir.to_str().unwrap()], &[]);
        assert_ne!(ran.code, 0, "{}", ran.out);
        assert!(ran.flat().contains(words), "{words}: {}", ran.out);
        assert!(!dir.join("second.json").exists());
    };
    let shard = dir.join("files/data/train-00000.jsonl");
    let good = fs::read(&shard).unwrap();
    let mut bad = good.clone();
    bad[10] ^= 1;
    fs::write(&shard, &bad).unwrap();
    refused("was changed");
    fs::write(&shard, &good).unwrap();
    fs::write(dir.join("files/data/more.jsonl"), "{}").unwrap();
    refused("never sealed");
    fs::remove_file(dir.join("files/data/more.jsonl")).unwrap();
    // The list of files names other bytes, and the receipt another destination.
    let first = dir.join("approval.json");
    let text = fs::read_to_string(&first).unwrap();
    let mut exported: Value = serde_json::from_str(&text).unwrap();
    let entry = clawgate::workflow::FileEntry::of("data/train-00000.jsonl", &bad);
    let files = exported["files"].as_array_mut().unwrap();
    let place = files.iter_mut().find(|f| f["path"] == "data/train-00000.jsonl").unwrap();
    *place = serde_json::to_value(&entry).unwrap();
    fs::write(&first, exported.to_string()).unwrap();
    fs::write(&shard, &bad).unwrap();
    refused("other files");
    fs::write(&shard, &good).unwrap();
    fs::write(&first, text.replace("folder:/", "folder:/tmp/")).unwrap();
    refused("signature is invalid");
    fs::write(&first, &text).unwrap();
    assert_eq!(two.cosign().code, 0);
}

#[test]
fn the_demand_cannot_be_met_by_editing_the_archive() {
    let two = Two::confirmed();
    two.sign_and_export();
    let (mut state, extra) = stored(&two.first, &two.release);
    state["approval"]["assurance"] = "A5".into();
    store(&two.first, &two.release, &state.to_string(), &extra.to_string());
    two.assert_refused("1 of 2 approvals");
    // Without a person at a terminal the second approver signs nothing.
    let dir = two.dir();
    let agent = run(&two.second, &["cosign", "sign", dir.to_str().unwrap()]);
    assert_eq!(agent.code, 4, "{}", agent.err);
    let wrong = World::new(&[]);
    let none = run_on_terminal(&wrong, &["cosign", "sign", dir.to_str().unwrap()], &[]);
    assert_ne!(none.code, 0, "{}", none.out);
    assert!(!SECOND_WORDS.is_empty() && !dir.join("second.json").exists());
}
