//! Logs as broken programs, gateways and users leave them, through the binary.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::world::{World, ok, run, run_with};

fn write(world: &World, path: &str, lines: &[String]) {
    let path = world.home().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
}

fn prompt(session: &str, uuid: &str, second: u32, text: &str) -> String {
    json!({"parentUuid": null, "sessionId": session, "cwd": "/w", "type": "user", "uuid": uuid,
        "timestamp": format!("2026-11-20T10:00:{second:02}.000Z"), "message": {"role": "user", "content": text}})
    .to_string()
}

/// An answer to the record `parent`, with the given message id.
fn answer(session: &str, id: &str, parent: &str, second: u32, input: u64) -> String {
    json!({"parentUuid": parent, "sessionId": session, "cwd": "/w", "type": "assistant", "uuid": format!("{parent}-a"),
        "timestamp": format!("2026-11-20T10:00:{second:02}.000Z"),
        "message": {"id": id, "role": "assistant", "model": "claude-opus-5", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": format!("answer {parent}")}],
            "usage": {"input_tokens": input, "output_tokens": 5}}})
    .to_string()
}

/// Returns the row of a report with this key.
fn row<'v>(report: &'v Value, key: &str) -> &'v Value {
    report["rows"].as_array().unwrap().iter().find(|r| r["key"] == key).unwrap_or(&Value::Null)
}

#[test]
fn a_constant_message_id_does_not_merge_requests_but_copies_count_once() {
    let world = World::new(&[]);
    let turns = |session: &str, turns: u32| -> Vec<String> {
        let turn = |n: u32| {
            let uuid = format!("u{n}");
            [
                prompt(session, &uuid, n * 10, "go"),
                answer(session, "gw", &uuid, n * 10 + 5, 1000 * u64::from(n + 1)),
            ]
        };
        (0..turns).flat_map(turn).collect()
    };
    write(&world, ".claude/projects/-w/one.jsonl", &turns("one", 3));
    // A resumed session repeats the history with its times.
    write(&world, ".claude/projects/-w/two.jsonl", &turns("two", 4));
    let report = ok(&world, &["cost", "--by", "session", "--json"]);
    assert_eq!((&report["total"]["requests"], &report["total"]["input"]), (&json!(4), &json!(10_000)));
    ok(&world, &["scan", "--json"]);
    let messages = ok(&world, &["show", "claude:one", "--json"])["messages"].clone();
    assert_eq!(messages.as_array().unwrap().len(), 6);
    assert_eq!(
        ok(&world, &["cost", "--by", "session", "--json"])["total"],
        report["total"],
        "after the scan"
    );
}

#[test]
fn records_that_share_a_line_count_and_a_cut_one_is_named() {
    let world = World::new(&[]);
    let long = answer("cut", "msg_cut_000000000001", "u1", 5, 10);
    let at = long.find("answer u1").unwrap() + 3;
    let lines = [
        prompt("cut", "u1", 1, "begin"),
        format!("{}{}", &long[..at], answer("cut", "msg_cut_000000000002", "u2", 6, 200)),
        format!("{}{}", prompt("cut", "u3", 7, "more"), answer("cut", "msg_cut_000000000003", "u3", 8, 3000)),
    ];
    write(&world, ".claude/projects/-w/cut.jsonl", &lines);
    let report = ok(&world, &["cost", "--by", "session", "--json"]);
    let cut = row(&report, "claude:cut");
    assert_eq!(
        (&cut["requests"], &cut["input"], &cut["confidence"]),
        (&json!(2), &json!(3200), &json!("lower_bound"))
    );
    assert_eq!(report["total"]["confidence"], "lower_bound");
    let named = |v: &Value| {
        v["skipped"].as_array().unwrap().iter().any(|s| s["path"].as_str().unwrap().contains("cut.jsonl"))
    };
    assert!(named(&report), "{report}");
    assert!(named(&ok(&world, &["cost", "--json"])), "an unchanged report names it too");
    assert!(named(&ok(&world, &["scan", "--json"])));
    assert!(named(&ok(&world, &["cost", "--json"])), "and after the scan");
    let inbox = ok(&world, &["inbox", "--json"]);
    assert_eq!(
        (&inbox["sessions"][0]["user_messages"], &inbox["sessions"][0]["assistant_messages"]),
        (&json!(2), &json!(2))
    );
}

#[test]
fn records_of_codex_that_share_a_line_count_before_and_after_a_scan() {
    let world = World::new(&[]);
    let record = |second: u32, kind: &str, payload: Value| {
        json!({"timestamp": format!("2026-11-20T10:00:{second:02}.000Z"), "type": kind, "payload": payload})
            .to_string()
    };
    let said = |second, role: &str, text: &str| {
        record(
            second,
            "response_item",
            json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}),
        )
    };
    let count = |second, input: u64| {
        record(
            second,
            "event_msg",
            json!({"type": "token_count", "info": {"total_token_usage": {"input_tokens": input, "output_tokens": 1}}}),
        )
    };
    let id = "01980000-0000-7000-8000-000000000002";
    let cut = said(5, "assistant", &"long ".repeat(2000));
    let lines = [
        record(1, "session_meta", json!({"id": id, "cwd": "/w"})),
        format!(
            "{}{}",
            record(1, "turn_context", json!({"cwd": "/w", "model": "gpt-5.5"})),
            said(2, "user", "first")
        ),
        format!("{}{}", said(3, "assistant", "answer"), count(3, 1000)),
        format!("{}{}", &cut[..8000], count(6, 3000)),
        format!("{}{}", count(7, 6000), said(8, "user", "second")),
    ];
    write(&world, &format!(".codex/sessions/2026/11/20/rollout-2026-11-20T10-00-00-{id}.jsonl"), &lines);
    let report = ok(&world, &["cost", "--json"]);
    assert_eq!((&report["total"]["requests"], &report["total"]["input"]), (&json!(3), &json!(6000)));
    assert_eq!(report["total"]["confidence"], "lower_bound");
    ok(&world, &["scan", "--json"]);
    assert_eq!(ok(&world, &["cost", "--json"])["total"], report["total"]);
    assert_eq!(ok(&world, &["inbox", "--json"])["sessions"][0]["user_messages"], 2);
}

#[test]
fn a_subagent_of_a_subagent_belongs_to_it_and_costs_the_same_everywhere() {
    let world = World::new(&[]);
    let folder = ".claude/projects/-w/main/subagents";
    write(
        &world,
        ".claude/projects/-w/main.jsonl",
        &[prompt("main", "u", 1, "go"), answer("main", "msg_main_00000000001", "u", 2, 10)],
    );
    for (path, id) in [("agent-a1", "a1"), ("agent-a1/subagents/agent-a3", "a3")] {
        let id_of = format!("msg_{id}_0000000000001");
        write(
            &world,
            &format!("{folder}/{path}.jsonl"),
            &[prompt("main", id, 3, "sub"), answer("main", &id_of, id, 4, 100)],
        );
        write(
            &world,
            &format!("{folder}/{path}.meta.json"),
            &[r#"{"agentType":"general-purpose"}"#.to_owned()],
        );
    }
    let report = ok(&world, &["cost", "--by", "session", "--json"]);
    ok(&world, &["scan", "--json"]);
    let inbox = ok(&world, &["inbox", "--json"]);
    let sessions = inbox["sessions"].as_array().unwrap();
    let parents: Vec<_> =
        sessions.iter().map(|s| (s["key"].as_str().unwrap(), s["parent"].as_str())).collect();
    for expected in
        [("claude:a3", Some("claude:a1")), ("claude:a1", Some("claude:main")), ("claude:main", None)]
    {
        assert!(parents.contains(&expected), "{parents:?}");
    }
    for session in sessions {
        let key = session["key"].as_str().unwrap();
        assert_eq!(session["cost_picousd"], row(&report, key)["cost_picousd"], "{key}");
    }
}

#[test]
fn only_a_prompt_that_a_person_queued_is_the_persons() {
    let world = World::new(&[]);
    let queued = |mode: &str, prompt: Value| {
        json!({"type": "attachment", "sessionId": "q", "uuid": format!("q-{prompt}"), "timestamp": "2026-11-20T10:00:20.000Z",
            "attachment": {"type": "queued_command", "commandMode": mode, "prompt": prompt}})
        .to_string()
    };
    let lines = [
        prompt("q", "u1", 1, "start"),
        answer("q", "msg_q_000000000000001", "u1", 2, 10),
        queued("prompt", json!("also the zebra")),
        queued("prompt", json!([{"type": "text", "text": "and the giraffe"}])),
        queued("task-notification", json!("<task-notification>done</task-notification>")),
        queued("prompt", json!("<system-reminder>no</system-reminder>")),
    ];
    write(&world, ".claude/projects/-w/q.jsonl", &lines);
    ok(&world, &["scan", "--json"]);
    assert_eq!(ok(&world, &["inbox", "--json"])["sessions"][0]["user_messages"], 3);
    for word in ["zebra", "giraffe"] {
        assert_eq!(ok(&world, &["search", word, "--role", "user", "--json"])["hits"][0]["key"], "claude:q");
    }
}

#[test]
fn records_without_any_id_are_counted_and_a_file_without_a_session_is_named() {
    let world = World::new(&[]);
    let bare = |minute: u32, input: u64| {
        json!({"type": "assistant", "timestamp": format!("2026-11-20T10:{minute:02}:00Z"), "cwd": "/w",
            "message": {"model": "claude-opus-5", "content": [{"type": "text", "text": "x"}],
                "usage": {"input_tokens": input, "output_tokens": 1}}})
        .to_string()
    };
    write(&world, ".claude/projects/-w/early.jsonl", &[bare(1, 7), bare(2, 7), bare(2, 9)]);
    write(&world, ".claude/projects/-w/odd.jsonl", &[r#"{"role":"user","content":"hello"}"#.to_owned()]);
    write(
        &world,
        ".claude/projects/-w/title.jsonl",
        &[r#"{"type":"summary","summary":"a title"}"#.to_owned()],
    );
    assert_eq!(ok(&world, &["cost", "--json"])["total"]["requests"], 3);
    let scan = ok(&world, &["scan", "--json"]);
    let skipped: Vec<_> =
        scan["skipped"].as_array().unwrap().iter().map(|s| s["path"].as_str().unwrap()).collect();
    assert_eq!(skipped.len(), 1, "{scan}");
    assert!(skipped[0].ends_with("odd.jsonl"));
}

#[cfg(unix)]
#[test]
fn a_linked_folder_is_read_and_a_broken_link_is_named_by_cost_and_scan() {
    let world = World::new(&[]);
    let lines = [prompt("s", "u", 1, "go"), answer("s", "msg_s_000000000000001", "u", 2, 10)];
    write(&world, "disk/logs/s.jsonl", &lines);
    let projects = world.home().join(".claude/projects");
    fs::create_dir_all(&projects).unwrap();
    std::os::unix::fs::symlink(world.home().join("disk/logs"), projects.join("-w")).unwrap();
    std::os::unix::fs::symlink(world.home().join("disk/logs"), projects.join("-again")).unwrap();
    std::os::unix::fs::symlink(Path::new("/nowhere"), projects.join("-x")).unwrap();
    let cost = ok(&world, &["cost", "--json"]);
    let scan = ok(&world, &["scan", "--json"]);
    assert_eq!((&cost["total"]["requests"], &scan["sessions"]["total"]), (&json!(1), &json!(1)));
    assert_eq!(cost["skipped"], scan["skipped"]);
    assert!(cost["skipped"][0]["path"].as_str().unwrap().ends_with("-x"));
    assert_eq!(cost["total"]["confidence"], "lower_bound");
}

#[test]
fn the_windows_of_a_plan_are_shown_until_they_end() {
    let world = World::new(&[]);
    let count = |day: u32, hour: u32, primary: Value, secondary: Value| {
        json!({"timestamp": format!("2026-11-{day:02}T{hour:02}:00:00.000Z"), "type": "event_msg",
            "payload": {"type": "token_count", "info": null,
                "rate_limits": {"limit_id": "codex", "primary": primary, "secondary": secondary}}})
        .to_string()
    };
    let window = |percent: f64, minutes: u32, resets: i64| json!({"used_percent": percent, "window_minutes": minutes, "resets_at": resets});
    let meta = r#"{"timestamp":"2026-11-20T08:00:00.000Z","type":"session_meta","payload":{"id":"01980000-0000-7000-8000-000000000001","cwd":"/w"}}"#;
    // The present is 2026-11-21T00:00:00Z, which is 1795219200.
    let lines = [
        meta.to_owned(),
        count(20, 9, window(90.0, 299, 1_795_200_000), window(30.0, 10_079, 1_795_500_000)),
        count(20, 21, window(12.4, 299, 1_795_226_400), window(41.0, 10_079, 1_795_500_000)),
    ];
    let name = "rollout-2026-11-20T08-00-00-01980000-0000-7000-8000-000000000001.jsonl";
    write(&world, &format!(".codex/sessions/2026/11/20/{name}"), &lines);
    let windows = |report: &Value| -> Vec<(String, u64, f64, String)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let all = report["plan_windows"].as_array().cloned().unwrap_or_default();
        let one = |w: &Value| {
            (
                text(&w["agent"]),
                w["window_minutes"].as_u64().unwrap(),
                w["used_percent"].as_f64().unwrap(),
                text(&w["resets"]),
            )
        };
        all.iter().map(one).collect()
    };
    let codex = [
        ("codex".to_owned(), 300, 12.4, "2026-11-21T02:00:00.000Z".to_owned()),
        ("codex".to_owned(), 10_080, 41.0, "2026-11-24T06:00:00.000Z".to_owned()),
    ];
    assert_eq!(windows(&ok(&world, &["cost", "--json"])), codex);
    let status = ok(&world, &["status", "--json"]);
    assert_eq!(windows(&status), codex);
    assert_eq!(status["plan_windows"][0]["observed"], "2026-11-20T21:00:00.000Z");
    for command in [&["status"][..], &["cost"]] {
        let out = run(&world, command).out;
        assert!(out.contains("Codex: 12 % of 5 h used") && out.contains("Codex: 41 % of week used"), "{out}");
    }
    // Claude Code tells its status line, which remembers it. A window that is over is not shown.
    let input = r#"{"session_id":"s","rate_limits":{"five_hour":{"used_percentage":42,"resets_at":1795222200},"seven_day":{"used_percentage":7,"resets_at":1795219199}}}"#;
    let line = run_with(&world, &["statusline"], input).out;
    assert!(line.contains("plan 42 % of 5 h (50m left)") && !line.contains("week"), "{line}");
    assert!(run_with(&world, &["statusline"], "{}").out.contains("plan 42 %"));
    let agents: Vec<_> =
        windows(&ok(&world, &["status", "--json"])).into_iter().map(|w| (w.0, w.1)).collect();
    assert_eq!(agents, [("claude".to_owned(), 300), ("codex".to_owned(), 300), ("codex".to_owned(), 10_080)]);
}

#[test]
fn special_files_are_skipped_by_name_at_every_scan_and_never_block_it() {
    let world = World::new(&[]);
    let logs = world.home().join(".claude/projects/-w");
    write(
        &world,
        ".claude/projects/-w/good.jsonl",
        &[prompt("good", "u1", 1, "hello"), "{broken".to_owned()],
    );
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, logs.join(name)).unwrap();
    link("/proc/self/environ", "environ.jsonl");
    link("/proc/kmsg", "kmsg.jsonl");
    link("/dev/zero", "zero.jsonl");
    link("/proc/self", "proc");
    fs::create_dir(logs.join("directory.jsonl")).unwrap();
    fs::write(logs.join("nul.jsonl"), vec![0; 5000]).unwrap();
    let made = std::process::Command::new("mkfifo").arg(logs.join("pipe.jsonl")).status();
    assert!(made.unwrap().success());
    for pass in 1..=2 {
        let report = ok(&world, &["scan", "--json"]);
        assert_eq!(report["sessions"]["total"], json!(1), "{report}");
        let skipped: Vec<String> = report["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["path"].as_str().unwrap().to_owned())
            .collect();
        for name in [
            "environ.jsonl",
            "kmsg.jsonl",
            "zero.jsonl",
            "proc",
            "pipe.jsonl",
            "directory.jsonl",
            "nul.jsonl",
            "good.jsonl:2",
        ] {
            let count = skipped
                .iter()
                .filter(|path| path.ends_with(&format!("/{name}")) || path.ends_with(&format!("/{name}:1")))
                .count();
            assert_eq!(count, 1, "pass {pass}, {name}: {skipped:?}");
        }
    }
    // A file that is whole again is no longer listed, nor is one that is gone.
    write(
        &world,
        ".claude/projects/-w/good.jsonl",
        &[prompt("good", "u1", 1, "hello"), prompt("good", "u2", 2, "again")],
    );
    fs::remove_file(logs.join("nul.jsonl")).unwrap();
    let report = ok(&world, &["scan", "--json"]);
    let text = report["skipped"].to_string();
    assert!(!text.contains("good.jsonl") && !text.contains("nul.jsonl"), "{text}");
}
