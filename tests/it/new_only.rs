//! Releases with new sessions only: they are added to the dataset at their destination, and change nothing that is there.

use std::collections::BTreeMap;
use std::path::Path;

use clawgate::app::Actor;
use clawgate::app::release::{PrepareParams, PublishParams};
use clawgate::app::scan::ScanParams;
use clawgate::app::sessions::{Mark, ScopeParams, TriageParams};
use clawgate::gate::KdfParams;
use serde_json::{Value, json};

use crate::attacks::{HubWorld, REPO};
use crate::hub_double::{HubDouble, read_token, write_token};
use crate::mcp_client::Client;
use crate::world::{PASSPHRASE, Ran, World, confirm, ok, review_to_end, run};

pub const FIRST: &str = "claude:edd9c3e6";
pub const SECOND: &str = "claude:d887a41e";

/// A world in which one session is published to a private dataset.
pub fn one_published() -> HubWorld {
    let world = World::new(&["claude-2.1.329"]);
    crate::scope::log(&world, 1, "/srv/shop");
    world.configure(&format!("[publish]\nrepo = \"{REPO}\"\nlicence = \"cc-by-4.0\"\n"));
    let mut w = HubWorld { world, hub: HubDouble::start(), release: String::new() };
    let mut app = w.app(0);
    app.scan(&ScanParams::default()).unwrap();
    app.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    let access = app.hub_access(&write_token(), None).unwrap();
    app.keys_init_with(PASSPHRASE, Some(&access), KdfParams::cheap()).unwrap();
    app.store_read_token(&read_token(), None).unwrap();
    drop(app);
    ok(&w.world, &["approve", FIRST, "--json"]);
    prepare(&mut w, &[]);
    let ran = publish(&w);
    assert!(!ran.out.contains("\nadds to") && !ran.out.contains("\nreplaces"), "{}", ran.out);
    w
}

/// Prepares a release and returns the report.
pub fn prepare(w: &mut HubWorld, options: &[&str]) -> Value {
    let report = ok(&w.world, &[&["prepare", "--json"], options].concat());
    w.release = report["release"].as_str().unwrap().to_owned();
    report
}

/// Reviews, confirms and signs the release. Returns what the person saw.
pub fn publish(w: &HubWorld) -> Ran {
    let mut app = w.app(0);
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    drop(app);
    let ran = w.sign();
    assert_eq!(ran.code, 0, "{}", ran.out);
    ran
}

/// Writes the files of the dataset into a folder, and verifies them.
pub fn verified(w: &HubWorld, name: &str) -> Ran {
    let dir = w.world.tmp.path().join(name);
    for (path, bytes) in w.hub.files(REPO) {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    run(&w.world, &["verify", &dir.display().to_string(), "--json"])
}

pub fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_release_with_only_new_sessions_is_added_to_the_dataset_and_changes_nothing_there() {
    let mut w = one_published();
    let first = w.release.clone();
    let before = w.hub.files(REPO);
    for options in [&["--new-only"][..], &["--new-only", "--new"]] {
        let ran = run(&w.world, &[&["prepare", "--json"], options].concat());
        assert_eq!((ran.code, &ran.json()["error"]["code"]), (3, &json!("nothing_new")), "{}", ran.out);
    }
    ok(&w.world, &["approve", SECOND, "--json"]);
    let terms = run(&w.world, &["prepare", "--new-only", "--licence", "mit", "--json"]);
    assert_eq!(
        (terms.code, &terms.json()["error"]["code"]),
        (2, &json!("terms_of_dataset")),
        "{}",
        terms.out
    );

    let report = prepare(&mut w, &["--new-only"]);
    assert_eq!((&report["rows"], &report["left_out"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(report["adds_to"], json!([first]));
    let paths: Vec<&str> =
        report["files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    let shard = format!("data/train-{}-00000.jsonl", w.release);
    assert_eq!(paths, [format!("additions/{}/metadata.json", w.release), shard.clone()]);

    let screen = flat(&publish(&w).out);
    assert!(
        screen.contains(
            "adds to the 1 row there of 1 earlier release (`clawgate releases`); nothing there is changed"
        ),
        "{screen}"
    );
    let after = w.hub.files(REPO);
    for (path, bytes) in &before {
        assert_eq!(after.get(path), Some(bytes), "{path}");
    }
    let added: Vec<&String> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    let statement = format!("additions/{}/provenance.json", w.release);
    assert_eq!(added, [paths[0], statement.as_str(), shard.as_str()]);

    let report = verified(&w, "copy").json();
    assert_eq!((&report["valid"], &report["not_covered"]), (&json!(true), &json!([])), "{report}");
    assert_eq!(report["additions"].as_object().unwrap().keys().collect::<Vec<_>>(), [&w.release]);

    // Both releases together are what is published.
    let status = ok(&w.world, &["status", "--json"]);
    assert!(!status["note"].as_str().unwrap().contains("Approved since then"), "{status}");
    for options in [&[][..], &["--new-only"]] {
        let ran = run(&w.world, &[&["prepare", "--json"], options].concat());
        assert_eq!(ran.json()["error"]["code"], json!("nothing_new"), "{}", ran.out);
    }
}

#[test]
fn a_changed_or_unsigned_file_of_an_added_release_makes_the_dataset_invalid() {
    let mut w = one_published();
    ok(&w.world, &["approve", SECOND, "--json"]);
    prepare(&mut w, &["--new-only"]);
    publish(&w);
    assert_eq!(verified(&w, "whole").code, 0);
    let dir = w.world.tmp.path().join("whole");
    let shard = dir.join(format!("data/train-{}-00000.jsonl", w.release));
    let statement = dir.join(format!("additions/{}/provenance.json", w.release));
    type Damage = fn(&Path);
    let append: Damage = |path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.extend_from_slice(b"{}\n");
        std::fs::write(path, bytes).unwrap();
    };
    let remove: Damage = |path| std::fs::remove_file(path).unwrap();
    for (path, damage, problem) in [
        (&shard, append, "another SHA-256"),
        (&shard, remove, "is missing"),
        (&statement, append, "does not count"),
        (&statement, remove, "was not approved"),
    ] {
        let sound = std::fs::read(path).unwrap();
        damage(path);
        let ran = run(&w.world, &["verify", &dir.display().to_string(), "--json"]);
        let problems = ran.json()["problems"].to_string();
        assert!(ran.code == 1 && problems.contains(problem), "{problem}: {problems}");
        std::fs::write(path, sound).unwrap();
    }
}

#[test]
fn the_screen_of_a_whole_release_says_which_rows_it_replaces_and_deletes() {
    let mut w = one_published();
    ok(&w.world, &["approve", SECOND, "--json"]);
    prepare(&mut w, &["--new-only"]);
    publish(&w);
    ok(&w.world, &["block", FIRST, "--json"]);
    prepare(&mut w, &["--new"]);
    let screen = flat(&publish(&w).out);
    assert!(
        screen.contains(
            "replaces the 2 rows there of 2 earlier releases (`clawgate releases`); 1 session NOT in this release: \
             deleted there"
        ),
        "{screen}"
    );
    let mut there: Vec<String> = w.hub.files(REPO).into_keys().collect();
    there.retain(|path| path != ".gitattributes");
    assert_eq!(there, ["README.md", "data/train-00000.jsonl", "metadata.json", "provenance.json"]);
    assert_eq!(verified(&w, "copy").json()["valid"], json!(true));
}

#[test]
fn rows_that_this_archive_did_not_publish_are_never_deleted() {
    let w = HubWorld::confirmed();
    w.hub.repo(REPO, true, &[("README.md", b"theirs"), ("data/train-00007.jsonl", b"{}\n")]);
    let before: BTreeMap<String, Vec<u8>> = w.hub.files(REPO);
    let ran = w.sign();
    assert!(ran.code == 3 && flat(&ran.out).contains("was changed by somebody else"), "{}", ran.out);
    assert_eq!(w.hub.files(REPO), before);
}

#[test]
fn a_session_that_grew_is_new_and_the_person_sees_that_its_older_row_stays() {
    let mut w = one_published();
    ok(&w.world, &["approve", "claude:7b1e0001", "--json"]);
    prepare(&mut w, &["--new-only"]);
    publish(&w);
    let mut logs = walkdir::WalkDir::new(w.world.home()).into_iter().flatten();
    let log = logs.find(|e| e.file_name().to_string_lossy().starts_with("7b1e0001")).unwrap();
    let text = std::fs::read_to_string(log.path()).unwrap();
    let line = text.lines().find(|l| l.contains("\"type\":\"user\"")).unwrap();
    let mut grown: Value = serde_json::from_str(line).unwrap();
    grown["uuid"] = json!("7b1e0001-0000-4000-8000-0000000000ff");
    grown["message"]["content"] = json!("One more question about the totals.");
    std::fs::write(log.path(), format!("{text}{grown}\n")).unwrap();
    ok(&w.world, &["scan", "--json"]);
    ok(&w.world, &["approve", "claude:7b1e0001", "--json"]);
    let report = prepare(&mut w, &["--new-only"]);
    assert_eq!((&report["rows"], &report["left_out"]), (&json!(1), &json!(1)), "{report}");
    let screen = flat(&publish(&w).out);
    assert!(screen.contains("older rows of 1 session stay"), "{screen}");
}

#[test]
fn a_publication_after_the_preparation_makes_a_release_with_only_new_sessions_void() {
    let mut w = one_published();
    ok(&w.world, &["approve", SECOND, "--json"]);
    let id = prepare(&mut w, &["--new-only"])["release"].as_str().unwrap().to_owned();
    // The same session is published by another release first, a few minutes later.
    let new = PrepareParams { new: true, new_only: Some(true), ..PrepareParams::default() };
    assert_ne!(w.app(5).prepare(&new).unwrap().release, id);
    let mut app = w.app(6);
    review_to_end(&mut app);
    confirm(&mut app).unwrap();
    let shown = app.sign_preview(None).unwrap();
    let signed = app.sign(&shown, PASSPHRASE).unwrap();
    app.publish_signed(signed).unwrap();
    let ran = run(&w.world, &["releases", "--json"]).json();
    let first = ran["releases"].as_array().unwrap().iter().find(|r| r["release"] == json!(id)).unwrap();
    assert_eq!(first["state"], json!("draft"), "{first}");
    let ran = run(&w.world, &["prepare", &id, "--json"]);
    assert_eq!(ran.json()["error"]["code"], json!("nothing_new"), "{}", ran.out);
}

#[test]
fn a_folder_grows_too_and_an_agent_asks_for_it_over_mcp() {
    let world = World::new(&["claude-2.1.329"]);
    let mut person = world.app_as(Actor::Person, 0);
    person.scan(&ScanParams::default()).unwrap();
    person.set_scope(&ScopeParams { confirm: true, ..ScopeParams::default() }).unwrap();
    person.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let mut publish = |prepare: &dyn Fn() -> Value, session: &str| {
        person.triage(&TriageParams::named(vec![session.to_owned()], Mark::Approved)).unwrap();
        let report = prepare();
        review_to_end(&mut person);
        confirm(&mut person).unwrap();
        let shown = person.sign_preview(None).unwrap();
        person.sign(&shown, PASSPHRASE).unwrap();
        person.publish(&PublishParams::default()).unwrap();
        report
    };
    let folder = Some(world.out().display().to_string());
    let whole = PrepareParams { folder, new_only: Some(true), ..PrepareParams::default() };
    let report = publish(&|| serde_json::to_value(world.app().prepare(&whole).unwrap()).unwrap(), FIRST);
    assert_eq!(report.get("adds_to"), None, "nothing was there");
    let report = publish(
        &|| {
            let mut client = Client::ready(&world);
            // Without a destination, the one of the last publication is meant.
            let report = client.call("prepare_release", &json!({ "new": true, "new_only": true }));
            client.end();
            report
        },
        SECOND,
    );
    assert_eq!((&report["rows"], &report["left_out"]), (&json!(1), &json!(1)), "{report}");
    let ran = ok(&world, &["verify", &world.out().display().to_string(), "--json"]);
    assert_eq!((&ran["valid"], ran["additions"].as_object().unwrap().len()), (&json!(true), 1), "{ran}");
    let rows: usize = std::fs::read_dir(world.out().join("data"))
        .unwrap()
        .map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap().lines().count())
        .sum();
    assert_eq!(rows, 2);
}
