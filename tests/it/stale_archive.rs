//! Commands that show sessions, or prepare a release of them, read new log entries first; those that decide do not.

use serde_json::json;

use crate::scope::log;
use crate::world::{World, ok, run};

fn total(world: &World, args: &[&str]) -> usize {
    ok(world, args)["sessions"].as_array().unwrap().len()
}

#[test]
fn new_log_entries_are_read_before_sessions_are_shown_and_not_before_a_decision() {
    let world = World::new(&[]);
    log(&world, 1, "/srv/shop");
    assert_eq!(total(&world, &["inbox", "--json"]), 0, "the first scan is a step of its own");
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    log(&world, 2, "/srv/shop");
    assert_eq!(total(&world, &["inbox", "--no-scan", "--json"]), 1);
    let marked = ok(&world, &["approve", "--all", "--json"]);
    assert_eq!(marked["marked"].as_array().unwrap().len(), 1, "nobody has seen the other session: {marked}");
    assert_eq!(total(&world, &["inbox", "--json"]), 2);

    log(&world, 3, "/srv/api");
    let confirmed = ok(&world, &["scope", "--confirm", "--json"]);
    assert_eq!(
        confirmed["projects"].as_array().unwrap().len(),
        1,
        "a project that nobody has seen: {confirmed}"
    );
    let shown = ok(&world, &["scope", "--json"]);
    assert_eq!(
        (shown["projects"].as_array().unwrap().len(), &shown["confirmed"]),
        (2, &json!(false)),
        "{shown}"
    );

    log(&world, 4, "/srv/api");
    assert_eq!(ok(&world, &["list", "--json"])["projects"][0]["sessions"], json!(2));
    log(&world, 5, "/srv/api");
    assert!(ok(&world, &["search", "totals", "--json"])["hits"].as_array().unwrap().len() >= 5);
    log(&world, 6, "/srv/api");
    ok(&world, &["show", "claude:7b1e0006", "--json"]);
}

#[test]
fn a_prepared_release_is_not_voided_by_a_list() {
    let world = World::new(&[]);
    log(&world, 1, "/srv/shop");
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["approve", "claude:7b1e0001", "--json"]);
    log(&world, 2, "/srv/shop");
    let folder = world.out().display().to_string();
    ok(&world, &["prepare", "--folder", &folder, "--json"]);
    assert_eq!(total(&world, &["inbox", "--json"]), 2, "prepare reads new log entries");
    log(&world, 3, "/srv/shop");
    assert_eq!(total(&world, &["inbox", "--json"]), 2);
    assert_eq!(ok(&world, &["status", "--json"])["state"], json!("prepared"));
    ok(&world, &["withdraw", "--yes", "--json"]);
    assert_eq!(total(&world, &["inbox", "--json"]), 3);
}

#[test]
fn the_logs_of_another_home_are_not_mixed_in() {
    let world = World::new(&[]);
    log(&world, 1, "/srv/shop");
    let other = World::new(&[]);
    log(&other, 2, "/srv/other");
    ok(&world, &["scan", "--home", &other.home().display().to_string(), "--json"]);
    assert_eq!(total(&world, &["inbox", "--json"]), 1);
    // A scan of one agent says nothing about the others.
    let partial = World::new(&[]);
    log(&partial, 1, "/srv/shop");
    ok(&partial, &["scan", "--agent", "codex", "--json"]);
    assert_eq!(run(&partial, &["inbox", "--json"]).json()["sessions"], json!([]));
}
