//! Sessions that changed into an excluded directory after they started in another one.

use std::fs;

use serde_json::{Value, json};

use crate::scope::{config_text, confirmed, world_with};
use crate::world::{World, ok, run};

/// Adds a prompt that is typed in another directory to the session of Claude Code with this number.
pub fn move_session(world: &World, id: u32, cwd: &str) {
    let path =
        world.home().join(format!(".claude/projects/p{id}/7b1e{id:04}-2c4d-4e6f-8a1b-000000000001.jsonl"));
    let mut log = fs::read_to_string(&path).unwrap();
    let mut record: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    record["uuid"] = json!(format!("{id:04}0000-0000-4000-8000-0000000000ff"));
    record["cwd"] = json!(cwd);
    record["timestamp"] = json!("2026-11-20T18:00:00.000Z");
    record["message"]["content"] = json!("the margin of this client is 41 %");
    log.push_str(&format!("{record}\n"));
    fs::write(path, log).unwrap();
}

/// The sessions of a release of everything that is approved, and what it left out.
fn released(world: &World) -> (Vec<String>, Value) {
    let folder = world.out().display().to_string();
    let report = ok(world, &["prepare", "--new", "--folder", &folder, "--json"]);
    let release = report["release"].as_str().unwrap();
    let sealed = world.state().join("releases").join(release).join("data/train-00000.jsonl");
    let sealed = fs::read_to_string(sealed).unwrap_or_else(|_| panic!("{report}"));
    let rows = sealed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (
        rows.map(|row| row["project"].as_str().unwrap().to_owned()).collect(),
        report["privacy_report"]["left_out"].clone(),
    )
}

#[test]
fn a_session_that_moved_into_an_excluded_directory_stays_out() {
    for exclusion in ["ledger", "/home/ada/clients", "ledg*", "/home/ada/clients/ledger/.worktrees/fix"] {
        let world = world_with(&["/home/ada/shop", "/home/ada/clients/ledger", "/home/ada/notes"]);
        move_session(&world, 1, "/home/ada/clients/ledger/.worktrees/fix");
        move_session(&world, 3, "/home/ada/notes/drafts");
        ok(&world, &["scan", "--json"]);
        ok(&world, &["scope", "--exclude", exclusion, "--confirm", "--json"]);
        let approved = ok(&world, &["approve", "--all", "--json"]);
        assert_eq!(
            approved["marked"].as_array().unwrap().len(),
            if exclusion.contains("fix") { 2 } else { 1 }
        );
        let report = ok(&world, &["approve", "7b1e0001", "--json"]);
        assert_eq!(report["excluded"].as_array().unwrap().len(), 1, "{exclusion}");
        let (projects, left_out) = released(&world);
        assert!(
            !projects.contains(&"shop".to_owned()) && projects.contains(&"notes".to_owned()),
            "{projects:?}"
        );
        let shop = &left_out[0];
        assert!(shop["key"].as_str().unwrap().contains("7b1e0001"), "{left_out}");
        assert_eq!(shop["reason"], "it also worked in an excluded directory");
    }
}

#[test]
fn a_directory_that_was_only_visited_can_be_excluded_and_included_again() {
    for (typed, stored) in
        [("zorga", "/srv/zorga"), ("/srv/zorga/src", "/srv/zorga/src"), ("/srv/zor*", "/srv/zor*")]
    {
        let world = world_with(&["/home/ada/shop", "/home/ada/notes"]);
        move_session(&world, 1, "/srv/zorga/src");
        ok(&world, &["scan", "--json"]);
        ok(&world, &["approve", "--all", "--json"]);
        ok(&world, &["scope", "--exclude", typed, "--confirm", "--json"]);
        assert!(config_text(&world).contains(&format!("{stored:?}")), "{}", config_text(&world));
        assert!(confirmed(&world));
        let hits = ok(&world, &["config", "--json"]);
        assert_eq!(hits["hits"][0]["hits"], json!(1), "{hits}");
        assert_eq!(released(&world).0, ["notes"], "{typed}");
        let shown = ok(&world, &["scope", "--json"]);
        assert_eq!(shown["excluded_directories"][0]["path"], "/srv/zorga/src");
        assert!(run(&world, &["scope"]).out.contains("/srv/zorga/src"), "a person sees what is excluded");
        ok(&world, &["scope", "--include", typed, "--confirm", "--json"]);
        assert!(
            ok(&world, &["scope", "--json"])["config"]["scope"]["exclude"].as_array().unwrap().is_empty()
        );
        assert_eq!(released(&world).0.len(), 2, "{typed}");
    }
}

#[test]
fn an_exclusion_that_covers_a_visited_directory_too_is_not_removed_with_a_project() {
    let world = world_with(&["/home/ada/shop", "/srv/clients/app"]);
    move_session(&world, 1, "/srv/clients/zorga");
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--exclude", "/srv/clients", "--json"]);
    let ran = run(&world, &["scope", "--include", "app", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (2, &json!("broader_exclusion")), "{}", ran.out);
    assert!(ran.out.contains("/srv/clients/zorga"), "{}", ran.out);
}

/// Appends lines to a log.
fn append(world: &World, path: &str, lines: &[Value]) {
    let path = world.home().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut log = fs::read_to_string(&path).unwrap_or_default();
    lines.iter().for_each(|line| log.push_str(&format!("{line}\n")));
    fs::write(path, log).unwrap();
}

#[test]
fn each_record_that_names_a_directory_counts() {
    let excluded = "/srv/zorga";
    let codex =
        ".codex/sessions/2026/11/20/rollout-2026-11-20T10-00-00-01980000-0000-7000-8000-000000000001.jsonl";
    let record = |kind: &str, payload: Value| json!({ "timestamp": "2026-11-20T10:00:00.000Z", "type": kind, "payload": payload });
    let prompt = |text: &str| {
        let content = json!([{ "type": "input_text", "text": text }]);
        record("response_item", json!({ "type": "message", "role": "user", "content": content }))
    };
    let meta = record(
        "session_meta",
        json!({ "id": "01980000-0000-7000-8000-000000000001", "cwd": "/home/ada/shop" }),
    );
    let queued = json!({ "type": "attachment", "uuid": "q", "sessionId": "7b1e0001-2c4d-4e6f-8a1b-000000000001",
        "cwd": excluded, "timestamp": "2026-11-20T18:00:00.000Z",
        "attachment": { "type": "queued_command", "prompt": "the margin is 41 %" } });
    let copilot = ".copilot/session-state/7b1e0009-2c4d-4e6f-8a1b-000000000001/events.jsonl";
    let event = |kind: &str, data: Value| json!({ "type": kind, "timestamp": "2026-11-20T10:00:00.000Z", "data": data });
    let cases: [(&str, Vec<Value>); 6] = [
        (".claude/projects/p1/7b1e0001-2c4d-4e6f-8a1b-000000000001.jsonl", vec![queued]),
        (
            codex,
            vec![
                meta.clone(),
                prompt("hi"),
                record("turn_context", json!({ "cwd": excluded })),
                prompt("41 %"),
            ],
        ),
        (
            codex,
            vec![
                meta.clone(),
                prompt("hi"),
                prompt(&format!("<environment_context><cwd>{excluded}</cwd></environment_context>")),
            ],
        ),
        (
            codex,
            vec![
                meta.clone(),
                prompt("hi"),
                record(
                    "event_msg",
                    json!({ "type": "thread_settings_applied", "thread_settings": { "cwd": excluded } }),
                ),
            ],
        ),
        (
            codex,
            vec![
                meta,
                prompt("hi"),
                record(
                    "world_state",
                    json!({ "state": { "environments": { "environments": { "local": { "cwd": excluded } } } } }),
                ),
            ],
        ),
        (
            copilot,
            vec![
                event("session.start", json!({ "sessionId": "x", "context": { "cwd": "/home/ada/shop" } })),
                event("user.message", json!({ "content": "hi" })),
                event("session.context_changed", json!({ "cwd": format!("file://{excluded}") })),
            ],
        ),
    ];
    for (n, (path, lines)) in cases.iter().enumerate() {
        let world = world_with(&["/home/ada/shop", "/home/ada/notes"]);
        append(&world, path, lines);
        ok(&world, &["scan", "--json"]);
        ok(&world, &["scope", "--exclude", "zorga", "--confirm", "--json"]);
        let shown = ok(&world, &["scope", "--json"]);
        assert_eq!(shown["excluded_directories"][0]["sessions"], json!(1), "case {n}: {shown}");
    }
}

#[test]
fn a_removed_exclusion_of_a_directory_is_shown_before_the_signature() {
    let world = world_with(&["/home/ada/shop", "/home/ada/notes"]);
    move_session(&world, 1, "/srv/zorga/src");
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--exclude", "zorga", "--confirm", "--json"]);
    fs::write(world.state().join("config.toml"), "").unwrap();
    ok(&world, &["scope", "--confirm", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    assert_eq!(released(&world).0.len(), 2);
    let preview = ok(&world, &["preview", "--json"]);
    assert_eq!(preview["approval"]["exclusions_removed"], json!(["/srv/zorga/src"]), "{preview}");
}

#[test]
fn a_session_with_more_directories_than_are_kept_stays_out_if_anything_is_excluded() {
    let world = world_with(&["/home/ada/shop", "/home/ada/notes", "/home/ada/ledger"]);
    let path = world.home().join(".claude/projects/p1/7b1e0001-2c4d-4e6f-8a1b-000000000001.jsonl");
    let log = fs::read_to_string(&path).unwrap();
    let record: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let mut lines = log.clone();
    for n in 0..1001 {
        let mut record = record.clone();
        record["uuid"] = json!(format!("{n:08}-0000-4000-8000-0000000000ff"));
        record["cwd"] = json!(format!("/home/ada/shop/d{n:04}"));
        lines.push_str(&format!("{record}\n"));
    }
    fs::write(&path, lines).unwrap();
    ok(&world, &["scan", "--json"]);
    ok(&world, &["approve", "--all", "--json"]);
    ok(&world, &["scope", "--exclude", "ledger", "--confirm", "--json"]);
    let shown = ok(&world, &["scope", "--json"]);
    let more = json!([{"path": "(more than 1,000 directories)", "sessions": 1}]);
    assert_eq!(shown["excluded_directories"], more, "{shown}");
    let (projects, left_out) = released(&world);
    assert_eq!(projects, ["notes"]);
    let reasons: Vec<&str> =
        left_out.as_array().unwrap().iter().map(|s| s["reason"].as_str().unwrap()).collect();
    assert!(reasons.iter().any(|r| r.contains("more directories than are kept")), "{reasons:?}");
    ok(&world, &["scope", "--include", "ledger", "--confirm", "--json"]);
    let shown = ok(&world, &["scope", "--json"]);
    assert!(shown["excluded_directories"].is_null());
    // A directory that is not kept is in no list, but can be excluded.
    assert_eq!(shown["other_directories"], more, "{shown}");
    ok(&world, &["scope", "--exclude", "/home/ada/clients/zorga", "--confirm", "--json"]);
    assert_eq!(ok(&world, &["scope", "--json"])["excluded_directories"], more);
    let (projects, _) = released(&world);
    assert!(!projects.contains(&"shop".to_owned()), "{projects:?}");
}

#[test]
fn a_new_directory_outside_of_all_projects_is_shown_and_has_to_be_confirmed() {
    let world = world_with(&["/home/ada/shop", "/home/ada/notes"]);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["scope", "--confirm", "--json"]);
    for (place, is_confirmed) in
        [("/home/ada/notes/drafts", true), ("/tmp/x", true), ("/srv/zorga/src", false)]
    {
        move_session(&world, 1, place);
        ok(&world, &["scan", "--json"]);
        assert_eq!(confirmed(&world), is_confirmed, "{place}");
    }
    let shown = ok(&world, &["scope", "--json"]);
    let others: Vec<&str> =
        shown["other_directories"].as_array().unwrap().iter().map(|d| d["path"].as_str().unwrap()).collect();
    assert_eq!(others, ["/srv/zorga/src", "/tmp/x"], "{shown}");
    assert!(run(&world, &["scope"]).out.contains("/srv/zorga/src"), "a person sees it");
    ok(&world, &["scope", "--confirm", "--json"]);
    move_session(&world, 1, "/srv/zorga/src/deep");
    ok(&world, &["scan", "--json"]);
    assert!(confirmed(&world), "a directory below a known one is not new");
}

#[test]
fn a_mistyped_exclusion_names_a_visited_directory() {
    let world = world_with(&["/home/ada/shop", "/home/ada/notes"]);
    move_session(&world, 1, "/srv/zorga/src");
    ok(&world, &["scan", "--json"]);
    for (typed, meant) in [("zrga", "zorga"), ("/srv/zogra/src", "/srv/zorga/src")] {
        let ran = run(&world, &["scope", "--exclude", typed, "--json"]);
        assert_eq!(ran.code, 2);
        assert!(ran.out.contains(&format!("did you mean {meant}?")), "{}", ran.out);
    }
}
