//! Requests of forked Codex threads: each counts once, whichever logs contain it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::world::{World, ok};

const DAY: &str = "2026-11-20";

/// A rollout of a thread, written line by line.
struct Rollout {
    id: String,
    lines: Vec<String>,
    total: [u64; 2],
}

fn thread(n: u32) -> String {
    format!("c0ffee00-0000-4000-8000-{n:012}")
}

impl Rollout {
    /// Begins at a time `HH:MM:SS` with a header that contains `more`.
    fn new(n: u32, time: &str, more: Value) -> Self {
        let mut payload = json!({"id": thread(n), "timestamp": format!("{DAY}T{time}.000Z"), "cwd": "/home/ivo/tea",
            "cli_version": "0.155.0", "model_provider": "openai", "source": "cli"});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut rollout = Rollout { id: thread(n), lines: Vec::new(), total: [0, 0] };
        rollout.push(time, "session_meta", payload);
        rollout
    }

    fn fork(n: u32, time: &str, of: u32) -> Self {
        Rollout::new(n, time, json!({"forked_from_id": thread(of)}))
    }

    fn push(&mut self, time: &str, kind: &str, payload: Value) {
        let time = if time.contains('.') { format!("{time}Z") } else { format!("{time}.000Z") };
        self.lines.push(
            json!({"timestamp": format!("{DAY}T{time}"), "type": kind, "payload": payload}).to_string(),
        );
    }

    fn turn(&mut self, time: &str, id: Option<&str>) {
        let mut payload = json!({"cwd": "/home/ivo/tea", "model": "gpt-5.5"});
        if let Some(id) = id {
            payload["turn_id"] = json!(id);
        }
        self.push(time, "turn_context", payload);
    }

    fn request(&mut self, time: &str, input: u64) {
        let counts = |[input, output]: [u64; 2]| json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output});
        let output = if input == 0 { 0 } else { 10 };
        self.total = [self.total[0] + input, self.total[1] + output];
        let info =
            json!({"total_token_usage": counts(self.total), "last_token_usage": counts([input, output])});
        self.push(time, "event_msg", json!({"type": "token_count", "info": info}));
    }

    fn requests(&mut self, requests: &[(&str, u64)]) {
        for (time, input) in requests {
            self.request(time, *input);
        }
    }

    /// Adds a prompt of the person.
    fn prompt(&mut self, time: &str, text: &str) {
        let content = json!([{"type": "input_text", "text": text}]);
        self.push(time, "response_item", json!({"type": "message", "role": "user", "content": content}));
    }

    fn write(&self, world: &World) {
        self.write_as(world, &format!("rollout-2026-11-20T10-00-00-{}.jsonl", self.id));
    }

    fn write_as(&self, world: &World, name: &str) {
        let path = world.home().join(".codex/sessions/2026/11/20").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.lines.join("\n") + "\n").unwrap();
    }
}

/// Returns the requests and input tokens of each thread, which `cost` and `cost verify` must agree on.
fn counted(world: &World) -> BTreeMap<String, (u64, u64)> {
    let report = ok(world, &["cost", "--by", "session", "--json"]);
    assert_eq!(ok(world, &["cost", "verify", "--json"])["different"], 0);
    let rows = report["rows"].as_array().unwrap().iter();
    let threads = rows.map(|r| {
        let n = r["key"].as_str().unwrap().trim_start_matches("codex:c0ffee00-0000-4000-8000-");
        let n = n.trim_start_matches('0').to_owned();
        (n, (r["requests"].as_u64().unwrap(), r["input"].as_u64().unwrap()))
    });
    threads.collect()
}

fn threads<const N: usize>(expected: [(&str, u64, u64); N]) -> BTreeMap<String, (u64, u64)> {
    expected.into_iter().map(|(n, requests, input)| (n.to_owned(), (requests, input))).collect()
}

#[test]
fn equal_requests_of_a_parent_and_of_sibling_forks_count_each() {
    let world = World::new(&[]);
    let mut parent = Rollout::new(1, "10:00:00", json!({}));
    parent.turn("10:00:00", None);
    parent.requests(&[("10:00:10", 10_000), ("10:00:40", 15_000), ("11:30:00", 7_000)]);
    parent.write(&world);
    for (n, second) in [(2, "02"), (3, "02"), (4, "04")] {
        let mut fork = Rollout::fork(n, &format!("11:00:{second}"), 1);
        fork.requests(&[(&format!("11:00:{second}.100"), 10_000), (&format!("11:00:{second}.130"), 15_000)]);
        fork.turn("11:00:12", None);
        fork.request("11:01:02", 7_000);
        fork.write(&world);
    }
    let expected = threads([("1", 3, 32_000), ("2", 1, 7_000), ("3", 1, 7_000), ("4", 1, 7_000)]);
    assert_eq!(counted(&world), expected);
    ok(&world, &["scan", "--json"]);
    assert_eq!(counted(&world), expected, "after a scan");
}

#[test]
fn a_fork_of_a_fork_copies_the_requests_of_both() {
    let world = World::new(&[]);
    let mut first = Rollout::new(1, "10:00:00", json!({}));
    first.request("10:00:10", 1_000);
    first.write(&world);
    let mut second = Rollout::fork(2, "11:00:00", 1);
    second.requests(&[("11:00:00.050", 1_000), ("11:05:00", 2_000)]);
    second.write(&world);
    let mut third = Rollout::fork(3, "12:00:00", 2);
    third.push("12:00:00", "session_meta", json!({"id": thread(2), "forked_from_id": thread(1)}));
    third.requests(&[("12:00:00.040", 1_000), ("12:00:00.050", 2_000), ("12:10:00", 4_000)]);
    third.write(&world);
    assert_eq!(counted(&world), threads([("1", 1, 1_000), ("2", 1, 2_000), ("3", 1, 4_000)]));
}

#[test]
fn copies_of_a_missing_log_count_once() {
    let world = World::new(&[]);
    for (n, time) in [(2, "11:00:00"), (3, "11:00:01")] {
        let mut fork = Rollout::fork(n, time, 1);
        fork.requests(&[(time, 1_000), (&format!("{time}.900"), 2_000)]);
        fork.write(&world);
    }
    let counted: Vec<_> = counted(&world).into_values().collect();
    assert_eq!(counted, [(2, 3_000)]);
}

#[test]
fn the_ids_of_turns_tell_quick_requests_of_a_fork_from_copied_ones() {
    let world = World::new(&[]);
    // Made from the time, like those of Codex.
    let turn_at = |millis: i64| {
        let hex = format!("{millis:012x}");
        format!("{}-{}-7550-98cb-16d8973579c5", &hex[..8], &hex[8..])
    };
    let forked_at = 1_795_172_400_000; // 11:00:00
    let mut parent = Rollout::new(1, "10:00:00", json!({}));
    parent.turn("10:00:00", Some(&turn_at(forked_at - 3_600_000)));
    parent.request("10:00:10", 1_000);
    parent.write(&world);
    for n in [2, 3] {
        let mut fork = Rollout::fork(n, "11:00:00", 1);
        fork.turn("11:00:00.010", Some(&turn_at(forked_at - 3_600_000)));
        fork.request("11:00:00.010", 1_000);
        fork.turn("11:00:00.020", Some(&turn_at(forked_at + 15)));
        fork.request("11:00:01", 2_000);
        fork.write(&world);
    }
    assert_eq!(counted(&world), threads([("1", 1, 1_000), ("2", 1, 2_000), ("3", 1, 2_000)]));
}

#[test]
fn a_subagent_that_is_not_called_a_fork_copies_old_requests_too() {
    let world = World::new(&[]);
    let mut parent = Rollout::new(1, "10:00:00", json!({}));
    parent.requests(&[("10:00:10", 1_000), ("10:30:00", 2_000)]);
    parent.write(&world);
    let spawned =
        json!({"source": {"subagent": {"thread_spawn": {"parent_thread_id": thread(1), "depth": 1}}}});
    let mut child = Rollout::new(2, "11:00:00", spawned.clone());
    child.requests(&[("10:00:10", 1_000), ("10:30:00", 2_000), ("11:00:09", 4_000)]);
    child.write(&world);
    let mut fresh = Rollout::new(3, "11:00:00", spawned);
    fresh.request("11:00:09", 1_000);
    fresh.write(&world);
    assert_eq!(counted(&world), threads([("1", 2, 3_000), ("2", 1, 4_000), ("3", 1, 1_000)]));
}

#[test]
fn a_total_that_goes_on_from_the_parents_is_not_counted_again() {
    let world = World::new(&[]);
    let mut parent = Rollout::new(1, "10:00:00", json!({}));
    parent.requests(&[("10:00:10", 1_000_000), ("10:30:00", 2_000_000)]);
    parent.write(&world);
    let mut child = Rollout::fork(2, "11:00:00", 1);
    child.total = parent.total;
    child.turn("11:00:00", None);
    child.requests(&[("11:00:09", 9_000), ("11:00:30", 10_000)]);
    child.write(&world);
    // This one first repeats the total, without a request.
    let mut other = Rollout::fork(3, "11:00:00", 1);
    other.total = [3_000_000, 10];
    other.request("11:00:00", 0);
    other.request("11:00:09", 9_000);
    other.write(&world);
    let expected = [("1", 2, 3_000_000), ("2", 2, 19_000), ("3", 1, 9_000)];
    assert_eq!(counted(&world), threads(expected));
}

#[test]
fn events_that_a_fork_copied_without_their_records_count_in_the_parent() {
    let world = World::new(&[]);
    let record = |id: &str, input: u64| json!({"response_id": id, "usage": {"input_tokens": input, "output_tokens": 10}});
    let mut parent = Rollout::new(1, "10:00:00", json!({}));
    parent.push("10:00:10", "token_usage_record", record("resp_1", 1_000));
    parent.request("10:00:10", 1_000);
    parent.write(&world);
    let mut child = Rollout::fork(2, "11:00:00", 1);
    child.request("10:00:10", 1_000);
    child.turn("11:00:00", None);
    child.push("11:00:20", "token_usage_record", record("resp_2", 2_000));
    child.request("11:00:20", 2_000);
    child.write(&world);
    assert_eq!(counted(&world), threads([("1", 1, 1_000), ("2", 1, 2_000)]));
}

#[test]
fn a_thread_that_goes_on_in_other_files_is_one_session_whose_requests_count_once() {
    let mut first = Rollout::new(1, "10:00:00", json!({}));
    first.turn("10:00:00", None);
    first.prompt("10:00:01", "plan the menu");
    first.requests(&[("10:01:00", 100), ("10:02:00", 200)]);
    // The names of both ids tell a later part, and so does a history that begins with that of the thread itself.
    let mut second = Rollout::new(1, "11:00:00", json!({}));
    second.total = first.total;
    second.prompt("11:00:01", "add the prices");
    second.requests(&[("11:01:00", 120), ("11:02:00", 30)]);
    let mut third = Rollout::new(1, "12:00:00", json!({"history_base": {"thread_id": thread(1)}}));
    third.total = second.total;
    third.prompt("12:00:01", "print the menu");
    third.requests(&[("12:01:00", 7)]);
    let files = [
        (&first, format!("rollout-2026-11-20T10-00-00-{}.jsonl", thread(1))),
        (&second, format!("rollout-2026-11-20T11-00-00-{}_{}.jsonl", thread(1), thread(8))),
        (&third, format!("rollout-2026-11-20T12-00-00-{}.jsonl", thread(1))),
    ];
    for order in [[0, 1, 2], [2, 1, 0]] {
        let world = World::new(&[]);
        for i in order {
            files[i].0.write_as(&world, &files[i].1);
            ok(&world, &["scan", "--json"]);
        }
        assert_eq!(counted(&world), threads([("1", 5, 457)]), "{order:?}");
        let shown = ok(&world, &["show", "codex:c0ffee00", "--json"]);
        let texts: Vec<_> =
            shown["messages"].as_array().unwrap().iter().map(|m| m["parts"][0]["text"].clone()).collect();
        assert_eq!(texts, ["plan the menu", "add the prices", "print the menu"], "{order:?}");
        for word in ["plan", "prices", "print"] {
            let hits = ok(&world, &["search", word, "--json"])["hits"].as_array().unwrap().len();
            assert_eq!(hits, 1, "{word} {order:?}");
        }
    }
}

#[test]
fn a_fork_without_a_copy_of_its_history_does_not_count_the_total_of_its_parent() {
    let mut first = Rollout::new(1, "10:00:00", json!({}));
    first.requests(&[("10:01:00", 100), ("10:02:00", 200)]);
    let mut fork = Rollout::new(2, "11:00:00", json!({"history_base": {"thread_id": thread(1)}}));
    fork.total = first.total;
    fork.requests(&[("11:01:00", 120)]);
    let world = World::new(&[]);
    first.write(&world);
    fork.write(&world);
    assert_eq!(counted(&world), threads([("1", 2, 300), ("2", 1, 120)]));
}

#[test]
fn a_later_part_that_repeats_the_history_adds_only_what_is_new() {
    let call = |rollout: &mut Rollout, time: &str, id: &str, command: &str| {
        let arguments = json!({"command": ["bash", "-lc", command]}).to_string();
        let call = json!({"type": "function_call", "name": "shell", "arguments": arguments, "call_id": id});
        rollout.push(time, "response_item", call);
        let output = json!({"output": "ok", "metadata": {"exit_code": 0}}).to_string();
        let output = json!({"type": "function_call_output", "call_id": id, "output": output});
        rollout.push(time, "response_item", output);
    };
    let mut first = Rollout::new(1, "10:00:00", json!({}));
    first.prompt("10:00:01", "plan the menu");
    call(&mut first, "10:00:02", "c1", "ls");
    first.request("10:00:03", 100);
    call(&mut first, "10:00:04", "c2", "cat menu.txt");
    first.request("10:00:05", 200);
    let mut second = Rollout::new(1, "11:00:00", json!({}));
    second.lines.extend(first.lines[1..].iter().cloned());
    second.total = first.total;
    second.prompt("11:00:01", "add the prices");
    call(&mut second, "11:00:02", "c3", "ls -l");
    second.request("11:00:03", 120);
    let world = World::new(&[]);
    first.write_as(&world, &format!("rollout-2026-11-20T10-00-00-{}.jsonl", thread(1)));
    second.write_as(&world, &format!("rollout-2026-11-20T11-00-00-{}_{}.jsonl", thread(1), thread(8)));
    ok(&world, &["scan", "--json"]);
    let inbox = ok(&world, &["inbox", "--json"]);
    let session = &inbox["sessions"][0];
    assert_eq!((&session["user_messages"], &session["tool_calls"]), (&json!(2), &json!(3)));
    assert!(session["badges"].as_array().unwrap().contains(&json!("commands:3")), "{session}");
    assert_eq!(counted(&world), threads([("1", 3, 420)]));
}

#[test]
fn a_later_part_that_counts_from_zero_with_the_same_sizes_is_counted() {
    let mut first = Rollout::new(1, "10:00:00", json!({}));
    first.requests(&[("10:01:00", 100), ("10:02:00", 200)]);
    let mut second = Rollout::new(1, "11:00:00", json!({}));
    second.requests(&[("11:01:00", 100), ("11:02:00", 200), ("11:03:00", 300)]);
    let world = World::new(&[]);
    let name = format!("rollout-2026-11-20T11-00-00-{}_{}.jsonl", thread(1), thread(8));
    first.write_as(&world, &format!("rollout-2026-11-20T10-00-00-{}.jsonl", thread(1)));
    second.write_as(&world, &name);
    assert_eq!(counted(&world), threads([("1", 5, 900)]));
    // A copy of the part in the archive adds nothing, and neither does a part that copies the events of the first one.
    let archived = world.home().join(".codex/archived_sessions").join(&name);
    fs::create_dir_all(archived.parent().unwrap()).unwrap();
    fs::write(archived, second.lines.join("\n") + "\n").unwrap();
    let mut third = Rollout::new(1, "12:00:00", json!({}));
    third.requests(&[("12:00:00.100", 100), ("12:00:00.200", 200), ("12:05:00", 5)]);
    third.write_as(&world, &format!("rollout-2026-11-20T12-00-00-{}_{}.jsonl", thread(1), thread(9)));
    assert_eq!(counted(&world), threads([("1", 6, 905)]));
}

#[test]
fn a_fork_in_several_files_counts_only_what_each_file_adds() {
    let world = World::new(&[]);
    let mut root = Rollout::new(1, "09:00:00", json!({}));
    root.requests(&[("09:01:00", 1_000), ("09:02:00", 2_000)]);
    root.write(&world);
    let page = |time: &str, base: u32, total: [u64; 2]| {
        let mut page = Rollout::new(
            2,
            time,
            json!({"forked_from_id": thread(1), "history_base": {"thread_id": thread(base)}}),
        );
        page.total = total;
        page
    };
    let mut first = page("10:00:00", 1, root.total);
    first.request("10:01:00", 50);
    first.write(&world);
    let mut second = page("11:00:00", 2, first.total);
    second.requests(&[("11:01:00", 60), ("11:02:00", 70)]);
    second.write_as(&world, &format!("rollout-2026-11-20T11-00-00-{}_{}.jsonl", thread(2), thread(8)));
    assert_eq!(counted(&world), threads([("1", 2, 3_000), ("2", 3, 180)]));
}
