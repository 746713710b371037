//! Compaction requests, which agents record only in a running total: each one is a ledger row.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use clawgate::app::cost::CostParams;
use clawgate::usage::ReportRow;
use serde_json::{Value, json};

use crate::cost::cost;
use crate::web::Server;
use crate::world::{World, fixture, ok, run, run_on_terminal};

const COMPACTED: &str = "claude:b9148785-c762-4c9e-acd8-0ba1af169a67";

fn row(world: &World, by: &str, key: &str) -> Option<ReportRow> {
    let report = cost(&mut world.app(), by).report;
    let mut sums = [0u64; 4];
    for r in &report.rows {
        for (sum, n) in
            sums.iter_mut().zip([r.requests, r.tokens.input, r.tokens.output, r.tokens.cache_read])
        {
            *sum += n;
        }
    }
    let t = &report.total;
    assert_eq!(sums, [t.requests, t.tokens.input, t.tokens.output, t.tokens.cache_read], "by {by}");
    report.rows.into_iter().find(|r| r.key == key)
}

fn figures(r: &ReportRow) -> [u64; 7] {
    [
        r.requests,
        r.tokens.input,
        r.tokens.output,
        r.tokens.reasoning,
        r.tokens.cache_read,
        r.tokens.cache_write_5m,
        r.tokens.cache_write_1h,
    ]
}

#[test]
fn a_compaction_recorded_only_in_the_total_is_a_labelled_row() {
    let world = World::new(&["claude-2.1.329"]);
    let expected: Value =
        serde_json::from_slice(&fs::read(fixture("claude-2.1.329").join("expected.json")).unwrap()).unwrap();
    let key = format!("{COMPACTED}#compaction");
    let truth = |of: &str, kind: &str| expected["server_truth"][of][kind].as_u64().unwrap();
    let missing = |kind: &str| truth("tokens_all", kind) - truth("tokens_main", kind);
    let line = row(&world, "session", &key).unwrap();
    let kinds = ["input", "output", "reasoning", "cache_read", "cache_write_5m", "cache_write_1h"];
    assert_eq!(figures(&line)[1..], kinds.map(missing));
    assert_eq!((line.requests, line.confidence), (1, clawgate::trace::Confidence::Reported));
    // 346 input, 94 output, 9,488 cache read, 4,946 and 2,472 cache write tokens of sonnet-4-5. The agent's figure is
    // 0.0386739 dollars.
    assert_eq!(line.cost_picousd, 38_673_900_000);
    let own = expected["sessions"].as_array().unwrap().iter().find(|s| s["compactions"] == 1).unwrap();
    let session = row(&world, "session", COMPACTED).unwrap();
    assert_eq!(figures(&session)[1..], kinds.map(|k| own["tokens"][k].as_u64().unwrap()));
    let total = row(&world, "total", "total").unwrap();
    assert_eq!(figures(&total)[1..], kinds.map(|k| truth("tokens_all", k)));
    assert_eq!(row(&world, "subagent", "compaction").unwrap().cost_picousd, line.cost_picousd);
    for by in ["day", "model", "project", "agent", "week", "month", "block", "tool", "skill", "device"] {
        assert!(row(&world, by, "").is_none());
    }

    let explained = ok(&world, &["cost", "explain", &key, "--json"]);
    assert_eq!(explained["requests"].as_array().unwrap().len(), 1);
    let place = &explained["requests"][0]["place"];
    let text = fs::read_to_string(place["file"].as_str().unwrap()).unwrap();
    let record = text[place["offset"].as_u64().unwrap() as usize..].lines().next().unwrap();
    assert!(record.starts_with("{\"type\":\"cost-state\""), "{record}");
    let table = run(&world, &["cost", "--by", "session"]);
    assert!(table.out.contains("#compaction"), "{}", table.out);
    // A terminal shows the short key, which these commands accept.
    let short = format!("{}#compaction", &COMPACTED[.."claude:b9148785".len()]);
    let table = run_on_terminal(&world, &["cost", "--by", "session"], &[]);
    assert!(table.out.contains(&short), "{}", table.out);
    assert_eq!(ok(&world, &["cost", "explain", &short, "--json"])["figure"]["key"], json!(key));
    ok(&world, &["scan", "--json"]);
    for command in ["show", "segment"] {
        assert_eq!(ok(&world, &[command, &short, "--json"])["key"], json!(COMPACTED), "{command}");
    }

    let verified = world.app().verify_cost(None).unwrap();
    assert!(verified.same && verified.beyond_logs.is_empty(), "{verified:#?}");
    // A full scan finds the same rows as the usage reader, and a second scan changes nothing.
    ok(&world, &["scan", "--json"]);
    assert_eq!(row(&world, "session", &key).unwrap(), line);
}

struct Log {
    path: PathBuf,
    lines: Vec<Value>,
    /// The agent's running total: input, output, cache reads, cache writes.
    total: [u64; 4],
    n: u64,
}

impl Log {
    fn new(world: &World, session: &str) -> Log {
        let dir = world.home().join(".claude/projects/-w-a");
        fs::create_dir_all(&dir).unwrap();
        Log { path: dir.join(format!("{session}.jsonl")), lines: Vec::new(), total: [0; 4], n: 0 }
    }

    fn id(&self) -> String {
        self.path.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    fn time(&mut self) -> String {
        self.n += 1;
        format!("2026-11-20T10:{:02}:{:02}.000Z", self.n / 60, self.n % 60)
    }

    fn ask(&mut self, id: &str, tokens: [u64; 4], calls: &[&str]) {
        let content: Vec<_> = calls
            .iter()
            .map(|c| json!({ "type": "tool_use", "id": format!("{id}-{c}"), "name": c, "input": {} }))
            .collect();
        let (session, at) = (self.id(), self.time());
        self.lines.push(json!({
            "type": "assistant", "sessionId": session, "cwd": "/w/a", "version": "2.1.329", "uuid": format!("u-{id}"),
            "timestamp": at, "message": { "id": id, "model": "claude-opus-5", "role": "assistant", "content": content,
                "stop_reason": "end_turn", "usage": { "input_tokens": tokens[0], "output_tokens": tokens[1],
                "cache_read_input_tokens": tokens[2], "cache_creation_input_tokens": tokens[3] } }
        }));
        self.count(tokens);
    }

    fn count(&mut self, tokens: [u64; 4]) {
        self.total.iter_mut().zip(tokens).for_each(|(t, n)| *t += n);
    }

    /// Adds a compaction whose request used `tokens`.
    fn compact(&mut self, uuid: &str, size: u64, tokens: [u64; 4]) {
        let at = self.time();
        self.lines
            .push(json!({ "parentUuid": null, "type": "system", "subtype": "compact_boundary", "uuid": uuid,
            "timestamp": at, "compactMetadata": { "trigger": "auto", "preTokens": size } }));
        self.count(tokens);
    }

    fn end(&mut self) {
        let [input, output, read, written] = self.total;
        self.lines.push(
            json!({ "type": "cost-state", "sessionId": self.id(), "startTime": 1_700_000_000_000u64,
            "modelUsage": { "claude-opus-5[1m]": { "inputTokens": input, "outputTokens": output,
                "cacheReadInputTokens": read, "cacheCreationInputTokens": written } } }),
        );
        // The next process records its start.
        let at = self.time();
        self.lines.push(json!({ "type": "queue-operation", "timestamp": at }));
    }

    /// Writes the first `lines` lines. A total starts with its type, as the agent writes it.
    fn write(&self, lines: usize) {
        let one = |v: &Value| match v["type"].as_str().unwrap() {
            t @ ("cost-state" | "queue-operation") => {
                let rest = v.as_object().unwrap().iter().filter(|(k, _)| *k != "type");
                let rest: Vec<_> = rest.map(|(k, v)| format!(",\"{k}\":{v}")).collect();
                format!("{{\"type\":\"{t}\"{}}}\n", rest.concat())
            }
            _ => format!("{v}\n"),
        };
        fs::write(&self.path, self.lines[..lines].iter().map(one).collect::<String>()).unwrap();
    }

    fn write_all(&self) {
        self.write(self.lines.len());
    }
}

fn compactions(world: &World) -> Vec<(String, [u64; 5], String)> {
    let report = cost(&mut world.app(), "session").report;
    let verified = world.app().verify_cost(None).unwrap();
    assert!(verified.same, "{verified:#?}");
    let rows = report.rows.into_iter().filter(|r| r.key.ends_with("#compaction"));
    rows.map(|r| {
        let confidence = serde_json::to_value(r.confidence).unwrap().as_str().unwrap().to_owned();
        let tokens =
            [r.requests, r.tokens.input, r.tokens.output, r.tokens.cache_read, r.tokens.cache_write_5m];
        (r.key, tokens, confidence)
    })
    .collect()
}

#[test]
fn each_compaction_of_a_growing_log_is_counted_once() {
    let world = World::new(&[]);
    let mut log = Log::new(&world, "s");
    log.ask("m1", [10, 20, 0, 9000], &[]);
    log.ask("m2", [10, 20, 9000, 500], &[]);
    log.compact("c1", 9500, [7, 300, 9500, 40]);
    let before_end = log.lines.len();
    log.ask("m3", [10, 20, 0, 900], &[]);
    log.end();
    let ended = log.lines.len();
    // Two more compactions in one process.
    log.ask("m4", [10, 20, 900, 100], &[]);
    log.compact("c2", 1000, [1, 10, 100, 0]);
    log.ask("m5", [10, 20, 300, 100], &[]);
    log.compact("c3", 3000, [3, 30, 300, 2]);
    log.end();
    log.write(before_end);
    assert_eq!(compactions(&world), [], "the process has not ended");
    log.write(ended);
    let first = ("claude:s#compaction".to_owned(), [1, 7, 300, 9500, 40], "reported".to_owned());
    assert_eq!(compactions(&world), from_ref(&first));
    // The next process runs: the known rows stay, also in a rebuilt ledger.
    log.write(ended + 2);
    assert_eq!(compactions(&world), from_ref(&first));
    fs::remove_dir_all(world.state()).unwrap();
    log.write(ended + 2);
    assert_eq!(compactions(&world), [first]);
    log.write_all();
    let all = ("claude:s#compaction".to_owned(), [3, 11, 340, 9900, 42], "estimated".to_owned());
    assert_eq!(compactions(&world), from_ref(&all));
    assert_eq!(compactions(&world), from_ref(&all));
    // Deleted logs stay counted; forgetting a session removes its rows.
    fs::remove_file(&log.path).unwrap();
    assert_eq!(compactions(&world), [all]);
    log.write_all();
    ok(&world, &["scan", "--json"]);
    ok(&world, &["forget", "claude:s", "--usage", "--yes", "--json"]);
    assert_eq!(cost(&mut world.app(), "total").report.total.requests, 0);
}

#[test]
fn subagent_requests_are_not_part_of_a_compaction() {
    let world = World::new(&[]);
    let mut log = Log::new(&world, "s");
    log.ask("m1", [10, 20, 0, 9000], &["Task"]);
    log.n += 5;
    log.count([100, 200, 300, 400]);
    log.compact("c1", 9000, [7, 300, 9500, 40]);
    log.end();
    log.write_all();
    // Without the subagent's log, the two cannot be separated.
    assert_eq!(compactions(&world), []);
    let beyond = world.app().verify_cost(None).unwrap().beyond_logs;
    assert_eq!(beyond.iter().map(|b| b.usage.output).collect::<Vec<_>>(), [500]);
    let dir = log.path.with_extension("").join("subagents");
    fs::create_dir_all(&dir).unwrap();
    let mut aside = Log::new(&world, "s");
    aside.n = 2;
    aside.ask("side", [100, 200, 300, 400], &[]);
    aside.path = dir.join("agent-a1.jsonl");
    aside.write_all();
    fs::write(&log.path, fs::read(&log.path).unwrap()).unwrap();
    let one = ("claude:s#compaction".to_owned(), [1, 7, 300, 9500, 40], "reported".to_owned());
    assert_eq!(compactions(&world), [one]);
    assert_eq!(world.app().verify_cost(None).unwrap().beyond_logs, []);
}

#[test]
fn an_ambiguous_total_adds_no_row_and_a_fork_adds_no_second_row() {
    let world = World::new(&[]);
    // The process before was killed: the total restarts below the sum of the log.
    let mut killed = Log::new(&world, "killed");
    killed.ask("k1", [10, 20, 0, 9000], &[]);
    killed.total = [0; 4];
    killed.ask("k2", [10, 20, 9000, 100], &[]);
    killed.compact("ck", 9100, [1, 1, 1, 1]);
    killed.end();
    killed.write_all();
    assert_eq!(compactions(&world), []);
    // A fork copies the history and the total, which includes the parent's compaction.
    let mut log = Log::new(&world, "parent");
    log.ask("m1", [10, 20, 0, 9000], &[]);
    log.compact("c1", 9000, [7, 300, 9500, 40]);
    log.end();
    log.write_all();
    let mut fork = Log::new(&world, "zfork");
    fork.ask("m1", [10, 20, 0, 9000], &[]);
    fork.lines[0]["requestSessionId"] = json!("parent");
    fork.compact("c1", 9000, [7, 300, 9500, 40]);
    fork.ask("m2", [10, 20, 100, 100], &[]);
    fork.end();
    fork.write_all();
    // Forked at the compaction: only the records after it are copied.
    let mut cut = Log::new(&world, "zcut");
    cut.count([10, 20, 0, 9000]);
    cut.compact("c1", 9000, [7, 300, 9500, 40]);
    cut.ask("m3", [10, 20, 100, 100], &[]);
    cut.end();
    cut.write_all();
    let one = ("claude:parent#compaction".to_owned(), [1, 7, 300, 9500, 40], "reported".to_owned());
    assert_eq!(compactions(&world), [one]);
}

#[test]
fn impossible_totals_add_no_rows() {
    let world = World::new(&[]);
    for (n, total) in [
        json!({ "modelUsage": 7 }),
        json!({ "modelUsage": { "claude-opus-5": null } }),
        json!({ "modelUsage": { "claude-opus-5": { "inputTokens": -5, "outputTokens": "x" } } }),
        json!({ "modelUsage": { "claude-opus-5": { "inputTokens": u64::MAX, "outputTokens": 1e300 } } }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut log = Log::new(&world, &format!("s{n}"));
        log.ask(&format!("m{n}"), [10, 20, 0, 9000], &[]);
        log.compact(&format!("c{n}"), u64::MAX, [0; 4]);
        log.lines.push(total);
        let last = log.lines.last_mut().unwrap();
        last["type"] = json!("cost-state");
        log.write_all();
    }
    assert_eq!(compactions(&world), []);
}

/// Copies a fixture's logs without the files whose names have this ending.
fn without(world: &World, agent: &str, ending: &str) {
    let mut open = vec![fixture(agent).join("HOME")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let from = entry.unwrap().path();
            let to = world.home().join(from.strip_prefix(fixture(agent).join("HOME")).unwrap());
            if from.is_dir() {
                open.push(from);
            } else if !from.to_str().unwrap().ends_with(ending) {
                fs::create_dir_all(to.parent().unwrap_or(Path::new("/"))).unwrap();
                fs::copy(&from, &to).unwrap();
            }
        }
    }
}

#[test]
fn a_subagents_log_names_its_parent() {
    let whole = World::new(&["claude-2.1.329"]);
    let bare = World::new(&[]);
    without(&bare, "claude-2.1.329", ".meta.json");
    let (want, got) = (cost(&mut whole.app(), "session").report, cost(&mut bare.app(), "session").report);
    assert!(want.rows.iter().any(|r| r.key == "claude:a01ef87200d23317c"));
    assert_eq!(got, want);
    assert_eq!(cost(&mut bare.app(), "subagent").report, cost(&mut whole.app(), "subagent").report);
    assert!(bare.app().verify_cost(None).unwrap().same);
    // Version 2.0 records no kind; it is still a subagent.
    let older = World::new(&["claude-2.0.76"]);
    let kinds = cost(&mut older.app(), "subagent").report;
    let unnamed = kinds.rows.iter().find(|r| r.key == "(unnamed)").unwrap();
    assert!(unnamed.requests > 0 && unnamed.requests < kinds.total.requests);
}

#[test]
fn tools_are_charged_when_calls_and_usage_are_separate_records() {
    for (agent, tool) in
        [("copilot-1.0.102", "bash"), ("opencode-1.18.33", "bash"), ("opencode-1.1.65", "read")]
    {
        let world = World::new(&[agent]);
        let report = cost(&mut world.app(), "tool").report;
        let line =
            report.rows.iter().find(|r| r.key == tool).unwrap_or_else(|| panic!("{agent}: {report:#?}"));
        assert!(line.tokens.cache_read + line.tokens.input + line.tokens.cache_write_5m > 0, "{agent}");
        assert!(report.rows.iter().all(|r| r.key == "(none)" || r.tokens.output == 0), "{agent}");
        let sum: i64 = report.rows.iter().map(|r| r.cost_picousd).sum();
        assert_eq!(sum, report.total.cost_picousd, "{agent}");
        assert!(report.rows.iter().all(|r| r.cost_picousd <= report.total.cost_picousd));
        // A full scan finds the same.
        ok(&world, &["scan", "--json"]);
        let p = CostParams { by: Some(clawgate::usage::Dimension::Tool), ..CostParams::default() };
        assert_eq!(world.app().cost(&p).unwrap().report, report, "{agent}");
    }
}

#[test]
fn a_result_is_charged_to_the_last_tool_called_before_it() {
    let world = World::new(&[]);
    let dir = world.home().join(".copilot/session-state/s1");
    fs::create_dir_all(&dir).unwrap();
    let usage = |id: &str, prompt: u64| {
        json!({ "type": "session.usage_record", "timestamp": "2026-11-20T10:00:00Z", "data": { "usage": { "apiCallId": id,
            "model": "claude-opus-5", "inputTokens": prompt, "outputTokens": 10, "cacheReadTokens": 0 } } })
    };
    let call = |name: &str| json!({ "type": "tool.execution_start", "data": { "toolCallId": name, "toolName": name } });
    let events = [usage("a", 1000), call("view"), usage("b", 1510), call("bash"), usage("c", 1720)];
    fs::write(dir.join("events.jsonl"), events.map(|e| format!("{e}\n")).concat()).unwrap();
    let report = cost(&mut world.app(), "tool").report;
    let input = |key: &str| report.rows.iter().find(|r| r.key == key).unwrap().tokens.input;
    // view adds 500 tokens, which are cached once; bash adds 200.
    assert_eq!((input("view"), input("bash")), (1000, 200));
}

#[test]
fn a_subagent_log_without_metadata_belongs_to_its_session_unless_it_names_another() {
    let claude = clawgate::sources::by_agent("claude").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("p/s1/subagents");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("agent-a1.jsonl");
    let prompt =
        r#"{"type":"user","uuid":"p","sessionId":"s1","isSidechain":true,"message":{"content":"look"}}"#;
    let read = |first: &str, prompt: &str| {
        let answer = crate::sources::answer("a", 1, 9, "", "");
        fs::write(&file, format!("{first}{prompt}\n{answer}\n")).unwrap();
        let read = claude.read(&file, &Default::default()).unwrap();
        let mut alone = Vec::new();
        claude
            .read_usage(&file, &Default::default(), &mut Vec::new(), &mut |u| alone.extend(u.rows))
            .unwrap();
        assert_eq!(alone, read.usage);
        let row = read.usage[0].clone();
        (row.session.0, row.subagent.unwrap(), read.sessions[0].clone())
    };
    let (books, kind, session) = read("", prompt);
    assert_eq!((books.as_str(), kind.as_str()), ("claude:s1", "(unnamed)"));
    assert_eq!((session.key.as_str(), session.parent.as_ref().unwrap().as_str()), ("claude:a1", "claude:s1"));
    assert_eq!(session.user_messages(), 0);
    // Its prompt comes from the session, and its requests name the agent.
    let (books, kind, _) = read("", &prompt.replace("\"uuid\"", "\"promptId\":\"q\",\"uuid\""));
    assert_eq!((books.as_str(), kind.as_str()), ("claude:a1", "(unnamed)"));
    let asked = "{\"type\":\"api-request\",\"querySource\":\"agent:builtin:Plan\"}\n";
    let (books, kind, _) = read(asked, prompt);
    assert_eq!((books.as_str(), kind.as_str()), ("claude:a1", "Plan"));
    let main = "{\"type\":\"api-request\",\"querySource\":\"side_question\"}\n";
    assert_eq!(read(main, prompt).0, "claude:s1");
    fs::write(folder.join("agent-a1.meta.json"), r#"{"agentType":"Explore","description":"Look"}"#).unwrap();
    let (books, kind, session) = read(asked, prompt);
    assert_eq!((books.as_str(), kind.as_str()), ("claude:a1", "Explore"));
    assert_eq!(session.title.as_deref(), Some("Look"));
}

#[test]
fn the_current_spend_of_a_session_includes_its_compactions() {
    let world = World::new(&["claude-2.1.329"]);
    let line = |key: &str| row(&world, "session", key).unwrap().cost_picousd;
    let both = line(COMPACTED) + line(&format!("{COMPACTED}#compaction"));
    let p =
        clawgate::app::cost::CurrentSpendParams { session: Some(COMPACTED.to_owned()), ..Default::default() };
    assert_eq!(world.app().current_spend(&p).unwrap().session.unwrap().cost_picousd, both);
}

#[test]
fn a_session_costs_the_same_in_every_report() {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    let dollars = |cost: &str, row: &Value| match row[cost].as_f64() {
        Some(usd) if cost.ends_with("_usd") => usd,
        Some(picousd) => (picousd / 1e8).round() / 1e4,
        None => 0.0,
    };
    let costs = |rows: &Value, key: &str, cost: &str| -> BTreeMap<String, f64> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (row[key].as_str().unwrap().to_owned(), dollars(cost, row))).collect()
    };
    let all = costs(&ok(&world, &["cost", "--by", "session", "--json"])["rows"], "key", "cost_picousd");
    let compactions = format!("{COMPACTED}#compaction");
    assert!(all[COMPACTED] > 0.0 && all[&compactions] > 0.0, "{all:?}");

    let page = Server::start(&world).get("/api/sessions?n=1000").json();
    assert_eq!(costs(&page, "session_id", "cost_usd"), all);

    let report = ok(&world, &["cost-report", "--days", "30", "--json"]);
    let top = costs(&report["top_sessions"], "session_id", "cost_usd");
    assert!(top.len() == all.len().min(5), "{top:?}");
    assert!(top.iter().all(|(key, cost)| all[key] == *cost), "{top:?}\n{all:?}");

    let inbox = ok(&world, &["inbox", "--json"]);
    let inbox = costs(&inbox["sessions"], "key", "cost_picousd");
    for (key, cost) in all.iter().filter(|(key, _)| !key.ends_with("#compaction")) {
        assert_eq!(inbox.get(key), Some(cost), "{key}");
    }
}
