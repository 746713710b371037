//! Staging: one release of the new sessions, prepared in the background, and nothing else.

use clawgate::app::Actor;
use clawgate::app::release::{DecisionIn, PublishParams, ReviewParams};
use clawgate::gate::KdfParams;
use serde_json::{Value, json};

use crate::scope::log;
use crate::world::{PASSPHRASE, World, confirm, ok, review_to_end, run};

/// A world with three small sessions of two projects, a confirmed scope and a configured folder.
fn world() -> World {
    let world = World::new(&[]);
    for (id, directory) in [(1, "/srv/shop"), (2, "/srv/shop"), (3, "/srv/api")] {
        log(&world, id, directory);
    }
    world.configure(&format!("[publish]\nfolder = {:?}\n", world.out()));
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    world
}

fn stage(world: &World) -> Value {
    ok(world, &["stage", "--json"])
}

fn entries(world: &World) -> usize {
    world.app().audit_log().unwrap().entries.len()
}

/// Publishes the staged release as the person.
fn publish(world: &World) {
    let mut person = world.app_as(Actor::Person, 0);
    review_to_end(&mut person);
    confirm(&mut person).unwrap();
    if person.keys().unwrap().fingerprint.is_none() {
        person.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    }
    let shown = person.sign_preview(None).unwrap();
    person.sign(&shown, PASSPHRASE).unwrap();
    person.publish(&PublishParams::default()).unwrap();
}

#[test]
fn what_is_new_is_staged_once_and_only_what_was_approved() {
    let world = world();
    let nothing = stage(&world);
    assert_eq!(nothing["outcome"], json!("nothing_new"), "{nothing}");
    assert!(nothing["message"].as_str().unwrap().contains("3 sessions are not approved"), "{nothing}");
    ok(&world, &["approve", "claude:7b1e0001", "--json"]);
    let first = stage(&world);
    assert_eq!((&first["outcome"], &first["sessions"]), (&json!("staged"), &json!(1)), "{first}");
    let id = first["release"].as_str().unwrap().to_owned();
    assert_eq!(first["next_command"], json!(format!("clawgate review {id}")));
    let sealed = world.state().join("releases").join(&id);
    let written =
        |path: &std::path::Path| std::fs::metadata(path.join("metadata.json")).unwrap().modified().unwrap();
    let (before, made) = (entries(&world), written(&sealed));
    for _ in 0..2 {
        let again = stage(&world);
        assert_eq!((&again["outcome"], &again["release"]), (&json!("unchanged"), &json!(id)), "{again}");
    }
    assert_eq!((entries(&world), written(&sealed)), (before, made), "a run without changes did something");

    // What is new goes into the same release.
    ok(&world, &["approve", "claude:7b1e0002", "--json"]);
    let second = stage(&world);
    assert_eq!((&second["outcome"], &second["release"]), (&json!("staged"), &json!(id)), "{second}");
    assert_eq!(second["sessions"], json!(2));
    assert_eq!(ok(&world, &["releases", "--json"])["releases"].as_array().unwrap().len(), 1);
    let status = run(&world, &["status"]);
    assert!(
        status.out.contains(&format!("staged     2 new sessions: clawgate review {id}")),
        "{}",
        status.out
    );
    assert_eq!(ok(&world, &["status", "--json"])["stage"]["release"], json!(id));
    let listed = ok(&world, &["releases", "--json"])["releases"][0].clone();
    assert_eq!((&listed["staged"], &listed["state"]), (&json!(true), &json!("prepared")), "{listed}");
    assert_eq!(listed["next_command"], json!(format!("clawgate review {id}")));
    assert!(run(&world, &["releases"]).out.contains("prepared (staged)"));
}

#[test]
fn after_a_publication_only_what_is_new_since_then_is_staged() {
    let world = world();
    ok(&world, &["approve", "claude:7b1e0001", "--json"]);
    stage(&world);
    publish(&world);
    assert_eq!(ok(&world, &["status", "--json"]).get("stage"), None, "the release is published");
    assert_eq!(stage(&world)["outcome"], json!("nothing_new"));
    ok(&world, &["approve", "claude:7b1e0003", "--json"]);
    let report = stage(&world);
    assert_eq!((&report["outcome"], &report["sessions"]), (&json!("staged"), &json!(1)), "{report}");
    assert_eq!(report["since"], json!("2026-11-21T00:00:00.000Z"));
    publish(&world);
    let verified = ok(&world, &["verify", &world.out().display().to_string(), "--json"]);
    assert_eq!(verified["additions"].as_object().unwrap().len(), 1, "{verified}");
    let list = ok(&world, &["releases", "--json"])["releases"].clone();
    let of = |adds: bool| list.as_array().unwrap().iter().find(|r| r["adds"] == json!(adds)).unwrap().clone();
    assert_eq!(
        (&of(true)["state"], &of(false)["state"]),
        (&json!("published"), &json!("published")),
        "{list}"
    );
    assert_eq!(of(true)["next_command"], Value::Null);
}

#[test]
fn a_release_that_somebody_reviews_or_made_by_hand_is_not_touched() {
    type Begin = fn(&World, &str);
    let read: Begin = |world, _| {
        world.app_as(Actor::Agent, 0).review(&ReviewParams::default()).unwrap();
    };
    let decide: Begin = |world, _| {
        let all = DecisionIn { id: "all".into(), ..DecisionIn::default() };
        let params = ReviewParams { decisions: vec![all], ..ReviewParams::default() };
        world.app_as(Actor::Agent, 0).review(&params).unwrap();
    };
    let prepare: Begin = |world, id| drop(ok(world, &["prepare", id, "--json"]));
    for (what, begin) in [("read", read), ("decided", decide), ("prepared", prepare)] {
        let world = world();
        ok(&world, &["approve", "claude:7b1e0001", "--json"]);
        let id = stage(&world)["release"].as_str().unwrap().to_owned();
        begin(&world, &id);
        let digest = |world: &World| ok(world, &["releases", "--json"])["releases"][0]["digest"].clone();
        let before = (digest(&world), entries(&world));
        // Both would make the release another one.
        ok(&world, &["approve", "claude:7b1e0002", "--json"]);
        log(&world, 4, "/srv/shop");
        let waiting = stage(&world);
        assert_eq!(
            (&waiting["outcome"], &waiting["release"]),
            (&json!("waiting"), &json!(id)),
            "{what}: {waiting}"
        );
        assert_eq!(waiting.get("scanned"), None, "{what}: a scan could void a review");
        assert_eq!(digest(&world), before.0, "{what}");
        assert_eq!(ok(&world, &["releases", "--json"])["releases"].as_array().unwrap().len(), 1, "{what}");
        let status = run(&world, &["status"]);
        assert!(status.out.contains("staged") && status.out.contains(&id), "{what}: {}", status.out);
        ok(&world, &["withdraw", &id, "--yes", "--json"]);
        let next = stage(&world);
        assert_eq!((&next["outcome"], &next["sessions"]), (&json!("staged"), &json!(2)), "{what}: {next}");
        assert_ne!(next["release"], json!(id), "{what}");
    }
}

#[test]
fn two_runs_never_work_at_the_same_time_and_what_a_person_has_to_do_is_not_a_failure() {
    let world = World::new(&["claude-2.1.329"]);
    let unconfirmed = stage(&world);
    assert_eq!(unconfirmed["outcome"], json!("waiting"), "{unconfirmed}");
    assert!(unconfirmed["next_command"].as_str().unwrap().contains("scope"), "{unconfirmed}");
    let lock = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(world.state().join("stage.lock"))
        .unwrap();
    lock.lock().unwrap();
    assert_eq!(stage(&world)["outcome"], json!("running"));
    drop(lock);
    assert_eq!(stage(&world)["outcome"], json!("waiting"));
}

#[test]
fn in_the_background_it_answers_at_once_and_the_release_appears() {
    let world = world();
    ok(&world, &["approve", "claude:7b1e0001", "--json"]);
    assert_eq!(ok(&world, &["stage", "--background", "--json"]), json!({ "outcome": "started" }));
    let begun = std::time::Instant::now();
    while ok(&world, &["status", "--json"])["stage"]["outcome"] != json!("staged") {
        assert!(begun.elapsed().as_secs() < 60, "nothing was staged");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
