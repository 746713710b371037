//! The first approver shows the second one other files than those that are signed: they replace them while the second approver
//! reads, or put a value where nobody searched.

use std::fs;

use crate::second_approval::{SECOND_WORDS, Two};
use crate::world::{Ran, Step, ok, run_steps_on_terminal};

/// Runs `cosign sign`, and `act` while the question for the name is open.
fn cosign_while(two: &Two, act: impl FnOnce()) -> Ran {
    let dir = two.dir();
    let steps = vec![
        Step::new("to approve: ", move || {
            act();
            "out".to_owned()
        }),
        Step::new("Passphrase: ", || SECOND_WORDS.to_owned()),
    ];
    run_steps_on_terminal(&two.second, &["cosign", "sign", dir.to_str().unwrap()], &[], steps)
}

/// The only copy of the second approver.
fn copy(two: &Two) -> std::path::PathBuf {
    let mut copies = fs::read_dir(two.second.state().join("cosign")).unwrap();
    copies.next().unwrap().unwrap().path()
}

#[test]
fn files_that_change_while_the_second_approver_reads_are_not_signed() {
    let two = Two::confirmed();
    two.sign_and_export();
    let shard = two.dir().join("files/data/train-00000.jsonl");
    let good = fs::read(&shard).unwrap();
    let in_the_folder = cosign_while(&two, || fs::write(&shard, "{\"session_id\":\"clean\"}\n").unwrap());
    fs::write(&shard, &good).unwrap();
    let in_the_copy = cosign_while(&two, || fs::write(copy(&two).join("README.md"), "harmless").unwrap());
    for ran in [in_the_folder, in_the_copy] {
        assert_eq!(ran.code, 3, "{}", ran.out);
        assert!(ran.flat().contains("changed while you were reading"), "{}", ran.out);
    }
    assert!(!two.dir().join("second.json").exists());
    let refused = Two::audited(&two.second, "refused");
    assert_eq!(
        refused.iter().filter(|e| e["detail"]["code"] == "changed_meanwhile").count(),
        2,
        "{refused:?}"
    );
}

#[test]
fn the_second_approver_reads_a_copy_of_their_own() {
    let two = Two::confirmed();
    two.sign_and_export();
    let shard = two.dir().join("files/data/train-00000.jsonl");
    let good = fs::read(&shard).unwrap();
    // The folder shows something else for a moment only. The copy does not change with it.
    let signed = cosign_while(&two, || {
        fs::write(&shard, "{}").unwrap();
        assert_eq!(fs::read(copy(&two).join("data/train-00000.jsonl")).unwrap(), good);
        fs::write(&shard, &good).unwrap();
    });
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert!(signed.flat().contains("your own copy"), "{}", signed.out);
    assert_eq!(fs::read_dir(two.second.state().join("cosign")).unwrap().count(), 0, "the copy is removed");
}

#[test]
fn what_is_found_is_searched_for_in_the_card_too() {
    let two = Two::confirmed();
    two.sign_and_export();
    // Words of the card that are in no row.
    let card = fs::read_to_string(two.dir().join("files/README.md")).unwrap();
    let rows = fs::read_to_string(two.dir().join("files/data/train-00000.jsonl")).unwrap();
    let only_here = card.split_whitespace().find(|word| {
        word.len() > 8
            && word.chars().all(char::is_alphabetic)
            && !rows.to_lowercase().contains(&word.to_lowercase())
    });
    ok(&two.second, &["config", "--redact", only_here.unwrap(), "--json"]);
    let second = two.cosign();
    assert_eq!(second.code, 0, "{}", second.out);
    assert!(second.flat().contains("CUSTOM"), "{only_here:?}: {}", second.out);
}
