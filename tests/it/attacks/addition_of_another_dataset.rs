//! An addition that the person signed for one dataset is carried into another dataset of theirs, or somebody else's addition is
//! put beside it.

use std::fs;
use std::path::{Path, PathBuf};

use clawgate::app::release::{PrepareParams, PublishParams};
use clawgate::app::sessions::{Mark, ScopeParams, TriageParams};
use clawgate::gate::KdfParams;
use serde_json::Value;

use crate::new_only::{FIRST, SECOND};
use crate::world::{PASSPHRASE, World, confirm, copy_tree, review_to_end, run};

/// Publishes one session to a folder, and adds another one. Returns the folder and the id of the addition.
fn grown(world: &World, name: &str, sessions: [&str; 2], words: &str) -> (PathBuf, String) {
    let folder = world.tmp.path().join(name);
    let mut release = String::new();
    for session in sessions {
        let mut app = world.app();
        app.triage(&TriageParams::named(vec![session.to_owned()], Mark::Approved)).unwrap();
        let params = PrepareParams {
            folder: Some(folder.display().to_string()),
            new: true,
            new_only: Some(true),
            ..PrepareParams::default()
        };
        app.prepare(&params).unwrap();
        review_to_end(&mut app);
        confirm(&mut app).unwrap();
        let shown = app.sign_preview(None).unwrap();
        app.sign(&shown, words).unwrap();
        release = app.publish(&PublishParams::default()).unwrap().release;
    }
    (folder, release)
}

fn world(words: &str) -> World {
    let world = World::new(&["claude-2.1.329"]);
    crate::scope::log(&world, 1, "/srv/shop");
    crate::scope::log(&world, 2, "/srv/shop");
    let mut app = world.app();
    app.scan(&clawgate::app::scan::ScanParams::default()).unwrap();
    app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    app.keys_init_with(words, None, KdfParams::cheap()).unwrap();
    world
}

/// Copies an addition from one dataset into another.
fn carry(from: &Path, to: &Path, id: &str) {
    copy_tree(&from.join("additions").join(id), &to.join("additions").join(id));
    let shard = format!("data/train-{id}-00000.jsonl");
    fs::copy(from.join(&shard), to.join(&shard)).unwrap();
}

fn verified(world: &World, folder: &Path) -> (u8, Value) {
    let ran = run(world, &["verify", &folder.display().to_string(), "--json"]);
    (u8::try_from(ran.code).unwrap(), ran.json())
}

#[test]
fn an_addition_counts_only_in_the_dataset_to_which_it_was_added() {
    let world = world(PASSPHRASE);
    let (one, id) = grown(&world, "one", [FIRST, SECOND], PASSPHRASE);
    let (other, own) = grown(&world, "other", ["claude:7b1e0001", "claude:7b1e0002"], PASSPHRASE);
    for (folder, id) in [(&one, &id), (&other, &own)] {
        let (code, report) = verified(&world, folder);
        assert_eq!((code, report["additions"].as_object().unwrap().contains_key(id)), (0, true), "{report}");
    }
    carry(&one, &other, &id);
    let (code, report) = verified(&world, &other);
    let problems = report["problems"].to_string();
    assert!(code == 1 && problems.contains("added to another dataset"), "{report}");
    assert_eq!(report["valid"], false);
}

#[test]
fn an_addition_that_only_an_unknown_key_signed_makes_the_dataset_invalid() {
    let (owner, stranger) = (world(PASSPHRASE), world("the stranger chose these words"));
    let (dataset, _) = grown(&owner, "one", [FIRST, SECOND], PASSPHRASE);
    let (theirs, id) = grown(&stranger, "one", [FIRST, "claude:7b1e0001"], "the stranger chose these words");
    carry(&theirs, &dataset, &id);
    let key = run(&stranger, &["keys", "list", "--json"]).json()["fingerprint"].as_str().unwrap().to_owned();
    let ran = run(&owner, &["verify", &dataset.display().to_string()]);
    assert!(
        ran.code == 1 && ran.out.contains(&format!("signed by {key}, which did not sign")),
        "{}",
        ran.out
    );
}
