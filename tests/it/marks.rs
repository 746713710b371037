//! Marks for all sessions of the scope or of a project, with the same options for each mark.

use serde_json::{Value, json};

use crate::scope::world_with;
use crate::world::{World, ok, run};

const DIRECTORIES: [&str; 4] = ["/srv/shop", "/srv/shop", "/srv/api", "/srv/notes"];

/// The projects of the sessions with this mark.
fn marked(world: &World, mark: &str) -> Vec<String> {
    let list = ok(world, &["inbox", "--status", mark, "--json"]);
    let sessions = list["sessions"].as_array().unwrap().iter();
    let mut projects: Vec<String> = sessions.map(|s| s["project"].as_str().unwrap().to_owned()).collect();
    projects.sort();
    projects
}

#[test]
fn each_mark_can_be_given_to_a_project_and_to_all() {
    let world = world_with(&DIRECTORIES);
    ok(&world, &["shortlist", "--project", "api", "--json"]);
    assert_eq!(marked(&world, "shortlisted"), ["api"]);
    ok(&world, &["block", "--project", "notes", "--json"]);
    assert_eq!(marked(&world, "blocked"), ["notes"]);
    let approved = ok(&world, &["approve", "--all", "--reason", "ours", "--json"]);
    assert_eq!(approved["marked"].as_array().unwrap().len(), 3);
    assert_eq!(marked(&world, "approved"), ["api", "shop", "shop"]);
    assert_eq!(marked(&world, "blocked"), ["notes"], "a blocked session is approved only by its key");

    let again = ok(&world, &["shortlist", "--all", "--json"]);
    assert_eq!(again["marked"], json!([]), "an approved session does not become shortlisted");
    ok(&world, &["block", "--project", "sh*", "--json"]);
    assert_eq!(marked(&world, "blocked"), ["notes", "shop", "shop"], "approved sessions are blocked too");
    ok(&world, &["unmark", "--all", "--json"]);
    assert_eq!((marked(&world, "new"), marked(&world, "blocked").len()), (vec!["api".to_owned()], 3));
}

#[test]
fn an_excluded_project_can_be_blocked_and_not_approved() {
    let world = world_with(&DIRECTORIES);
    ok(&world, &["scope", "--exclude", "shop", "--json"]);
    let refused = run(&world, &["approve", "--project", "shop"]);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(refused.err.contains("clawgate scope --include shop"), "{}", refused.err);
    ok(&world, &["block", "--all", "--json"]);
    assert_eq!(marked(&world, "blocked"), ["api", "notes"], "all is all in scope");
    ok(&world, &["block", "--project", "shop", "--json"]);
    assert_eq!(marked(&world, "blocked").len(), 4);
}

#[test]
fn keys_a_project_and_all_exclude_each_other_for_each_mark() {
    let world = world_with(&DIRECTORIES);
    for verb in ["approve", "block", "shortlist", "unmark"] {
        for both in [
            &["claude:7b1e", "--all"][..],
            &["claude:7b1e", "--project", "shop"],
            &["--all", "--project", "shop"],
        ] {
            let ran = run(&world, &[&[verb], both].concat());
            assert_eq!(ran.code, 2, "{verb} {both:?}");
            assert!(ran.err.contains("cannot be used with"), "{verb} {both:?}: {}", ran.err);
        }
        let ran = run(&world, &[verb, "--project", "shopp"]);
        assert!(ran.err.contains("did you mean shop?"), "{verb}: {}", ran.err);
    }
    assert_eq!(marked(&world, "new").len(), 4, "nothing was marked");
}

#[test]
fn all_marks_subagents_whose_parent_is_not_in_the_archive_too() {
    let world = World::new(&["claude-2.0.76"]);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    let list = ok(&world, &["inbox", "--limit", "1000", "--json"]);
    let sessions = list["sessions"].as_array().unwrap();
    let is_known = |parent: &Value| sessions.iter().any(|s| s["key"] == *parent);
    assert!(
        sessions.iter().any(|s| s["parent"].is_string() && !is_known(&s["parent"])),
        "the fixture has one"
    );
    let marked = ok(&world, &["approve", "--all", "--json"]);
    // Otherwise the next step would list sessions that no command for all of them can approve.
    assert!(marked["totals"].get("new").is_none(), "{marked}");
}
