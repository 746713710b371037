//! The agent cuts the end of the audit log, edits an entry, or removes the signed head.

use std::fs;

use serde_json::Value;

use super::{assert_published, confirm_again, database, keys, sign, sign_refused};
use crate::world::{PASSPHRASE, Ran, World, run, run_on_terminal};

fn verify(world: &World) -> Ran {
    run(world, &["audit", "verify", "--json"])
}

fn execute(world: &World, sql: &str) {
    assert!(database(world).execute(sql, []).unwrap() > 0, "{sql}");
}

/// A release that is signed once, so that the head of the log is signed, and changed afterwards.
fn signed_once(world: &World) -> String {
    let release = world.confirmed();
    keys(world);
    sign_once(world, &release);
    release
}

fn sign_once(world: &World, release: &str) {
    let answers = [("to approve: ", "out"), ("Passphrase: ", PASSPHRASE)];
    let signed = run_on_terminal(world, &["sign", release, "--no-publish"], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    let intact = verify(world);
    assert_eq!((intact.code, intact.json()["head"]["counter"].as_u64()), (0, Some(1)), "{}", intact.out);
}

#[test]
fn a_log_whose_end_was_cut_off_blocks_every_signature_until_a_person_accepts_it() {
    let world = World::new(&["claude-2.1.329"]);
    let release = signed_once(&world);
    let last: i64 = database(&world).query_row("SELECT max(seq) FROM audit", [], |r| r.get(0)).unwrap();
    execute(&world, &format!("DELETE FROM audit WHERE seq > {}", last - 3));
    let broken = verify(&world);
    assert_eq!(broken.code, 1, "{}", broken.out);
    assert!(broken.out.contains("signature 1 covers"), "{}", broken.out);
    let refused = sign_refused(&world, &release);
    assert_eq!(refused.code, 3);
    assert!(refused.out.contains("clawgate audit accept"), "the way out is named: {}", refused.out);
    // An agent cannot accept the damage.
    assert_eq!(run(&world, &["audit", "accept"]).code, 4);
    let mut agent = world.app_as(clawgate::app::Actor::Agent, 0);
    let shown = agent.audit_log().unwrap();
    let by_agent = agent.accept_audit_damage(&shown, PASSPHRASE).unwrap_err();
    assert_eq!(by_agent.kind, clawgate::app::Kind::HumanNeeded, "{by_agent:?}");
    let accepted = run_on_terminal(&world, &["audit", "accept"], &[("Passphrase: ", PASSPHRASE)]);
    assert_eq!(accepted.code, 0, "{}", accepted.out);
    assert_eq!(verify(&world).code, 0);
    // What the damaged log says proves nothing, so the release is reviewed again.
    sign_refused(&world, &release);
    confirm_again(&world, &release);
    let signed = sign(&world, &release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert_published(&world, &release);
}

#[test]
fn an_edited_an_unreadable_and_a_missing_entry_are_found() {
    for sql in [
        "UPDATE audit SET entry = replace(entry, 'prepared', 'prepareD') WHERE seq IN (SELECT seq FROM audit \
         WHERE json_extract(entry, '$.kind') = 'prepared' LIMIT 1)",
        "UPDATE audit SET entry = 'x' WHERE seq = (SELECT max(seq) FROM audit)",
        "DELETE FROM audit WHERE seq = 3",
    ] {
        let world = World::new(&["claude-2.1.329"]);
        let release = signed_once(&world);
        execute(&world, sql);
        assert_eq!(verify(&world).code, 1, "{sql}");
        assert_eq!(sign_refused(&world, &release).code, 3, "{sql}");
        assert_ne!(run(&world, &["publish", &release]).code, 0);
        assert!(!world.out().exists());
    }
}

/// Edits the file of the sealed key, with the mode that the program gives it.
fn edit_key_file(world: &World, edit: impl FnOnce(&mut Value)) {
    let path = world.state().join("keys/approver.json");
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut file);
    fs::write(&path, file.to_string()).unwrap();
}

#[test]
fn a_head_that_was_removed_edited_or_replaced_by_an_older_one_is_found() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let mut first = Value::Null;
    edit_key_file(&world, |file| first = file["audit_head"].clone());
    assert!(first.is_object(), "the head is signed when the key is made");
    let before: i64 = database(&world).query_row("SELECT max(seq) FROM audit", [], |r| r.get(0)).unwrap();
    sign_once(&world, &release);
    let receipt = world.state().join(format!("receipts/{release}.json"));
    // Without the signed entries, the chain ends as before the approval.
    execute(&world, &format!("DELETE FROM audit WHERE seq > {before}"));
    let edits: [&dyn Fn(&mut Value); 3] = [
        &|file| drop(file.as_object_mut().unwrap().remove("audit_head")),
        &|file| {
            file["audit_head"] = first.clone();
            file["audit_head"]["signatures"][0]["sig"] = "AAAA".into();
        },
        &|file| file["audit_head"] = first.clone(),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        edit_key_file(&world, edit);
        let broken = verify(&world);
        assert_eq!(broken.code, 1, "{n}: {}", broken.out);
        sign_refused(&world, &release);
    }
    // The older head alone agrees with the log that was cut. The receipt shows that it continued.
    let broken = verify(&world);
    assert!(broken.out.contains("the receipt of"), "{}", broken.out);
    assert!(receipt.exists());
    let accepted = run_on_terminal(&world, &["audit", "accept"], &[("Passphrase: ", PASSPHRASE)]);
    assert_eq!(accepted.code, 0, "{}", accepted.out);
    assert_eq!(verify(&world).code, 0);
}

#[test]
fn a_revocation_that_a_person_signed_is_not_removed_unnoticed() {
    let world = World::new(&["claude-2.1.329"]);
    let release = signed_once(&world);
    let before: i64 = database(&world).query_row("SELECT max(seq) FROM audit", [], |r| r.get(0)).unwrap();
    let answers = [("Passphrase: ", PASSPHRASE)];
    let revoked = run_on_terminal(&world, &["sign", &release, "--revoke"], &answers);
    assert_eq!(revoked.code, 0, "{}", revoked.out);
    assert_eq!(verify(&world).json()["head"]["counter"], 2);
    execute(&world, &format!("DELETE FROM audit WHERE seq > {before}"));
    assert_eq!(verify(&world).code, 1);
    sign_refused(&world, &release);
}

#[test]
fn every_use_of_the_passphrase_covers_the_entries_before_it_and_the_screen_counts_the_others() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let entries = |world: &World| world.app().audit_log().unwrap();
    // The agent tries something that is refused and recorded.
    assert_eq!(run(&world, &["sign", &release]).code, 4);
    let before = entries(&world);
    assert!(before.unsigned() > 0, "{:?}", before.head);
    // Any command of the person that asks for the passphrase signs the end of the log.
    let mut app = world.app();
    app.prove_person(PASSPHRASE).unwrap();
    let head = |world: &World| entries(world).head.unwrap();
    assert!(head(&world).entries > before.entries.len() as u64);
    let first = head(&world).counter;
    app.keys_set_token(PASSPHRASE, None).unwrap();
    app.keys_set_passphrase(PASSPHRASE, "six herons above the quiet estuary").unwrap();
    app.keys_set_passphrase("six herons above the quiet estuary", PASSPHRASE).unwrap();
    assert_eq!((head(&world).counter, entries(&world).unsigned()), (first + 3, 0));
    // What follows is counted on the screen.
    assert_eq!(run(&world, &["sign", &release]).code, 4);
    let unsigned = entries(&world).unsigned();
    assert!(unsigned >= 1);
    let stopped = run_on_terminal(&world, &["sign", &release], &[("to approve: ", "no")]);
    let noun = if unsigned == 1 { "entry" } else { "entries" };
    let line = format!("{unsigned} {noun} since you signed its end at");
    assert!(stopped.flat().contains(&line), "{line}: {}", stopped.out);
    // The refusal that the head covers cannot be cut off.
    let covered = i64::try_from(head(&world).entries).unwrap();
    execute(&world, &format!("DELETE FROM audit WHERE seq >= {covered}"));
    assert_eq!(verify(&world).code, 1);
    // A damaged log gets no new head.
    let damaged = head(&world);
    app.prove_person(PASSPHRASE).unwrap();
    assert_eq!(head(&world).counter, damaged.counter);
    assert_eq!(verify(&world).code, 1);
}
