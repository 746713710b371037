//! Sessions of Pi's subagents, through the binary.

use std::fs;

use serde_json::json;

use crate::world::{World, ok};

const PARENT: &str = "01a1f9c0-d7d9-729a-a934-7d68453d3a6f";

/// Writes a session of one answered prompt.
fn write(world: &World, path: &str, id: &str) {
    let path = world.home().join(".pi/agent/sessions/--src-tea--").join(path);
    let usage = json!({"input": 10, "output": 9, "reasoning": 4, "cacheRead": 0, "cacheWrite": 0});
    let lines = [
        json!({"type": "session", "version": 3, "id": id, "timestamp": "2026-11-20T10:00:00.000Z", "cwd": "/src/tea"}),
        json!({"type": "message", "id": "aa", "timestamp": "2026-11-20T10:00:01.000Z",
            "message": {"role": "user", "content": [{"type": "text", "text": "count the cups"}]}}),
        json!({"type": "message", "id": id, "timestamp": "2026-11-20T10:00:02.000Z",
            "message": {"role": "assistant", "provider": "anthropic", "model": "claude-sonnet-4-6",
                "content": [{"type": "text", "text": "five"}], "usage": usage}}),
    ];
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.map(|line| line.to_string() + "\n").concat()).unwrap();
}

#[test]
fn subagents_are_shown_under_the_session_that_started_them() {
    let world = World::new(&[]);
    let folder = format!("2026-11-20T10-00-00-000Z_{PARENT}");
    write(&world, &format!("{folder}.jsonl"), PARENT);
    write(&world, &format!("{folder}/5f31/run-0/session.jsonl"), "child");
    write(&world, &format!("{folder}/5f31/run-0/session/77aa/run-1/session.jsonl"), "grandchild");
    ok(&world, &["scan", "--json"]);
    let inbox = ok(&world, &["inbox", "--json"]);
    let mut sessions: Vec<_> = inbox["sessions"].as_array().unwrap().iter().collect();
    sessions.sort_by_key(|s| s["key"].as_str());
    let shown: Vec<_> = sessions.iter().map(|s| (&s["key"], &s["parent"], &s["user_messages"])).collect();
    let parent = json!(format!("pi:{PARENT}"));
    let (child, grandchild) = (json!("pi:child"), json!("pi:grandchild"));
    let (none, one) = (json!(0), json!(1));
    let expected = [(&parent, &json!(null), &one), (&child, &parent, &none), (&grandchild, &child, &none)];
    assert_eq!(shown, expected);
    let by_kind = ok(&world, &["cost", "--by", "subagent", "--json"]);
    let rows: Vec<_> =
        by_kind["rows"].as_array().unwrap().iter().map(|r| (&r["key"], &r["requests"])).collect();
    assert!(rows.contains(&(&json!("subagent"), &json!(2))), "{rows:?}");
    assert_eq!(by_kind["total"]["reasoning"], 12);
}
