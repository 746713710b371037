//! Current spend: status line, menu bar, budget hooks, alert delivery, OpenTelemetry export.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use clawgate::app::Actor;
use clawgate::app::cost::{CurrentSpendParams, HookInput, HookVerdict};
use serde_json::{Value, json};

use crate::http_double::HttpDouble;
use crate::world::{NOW, World, ok, run, run_with};

const SESSION: &str = "0b5e55ed-0000-4000-8000-000000000001";

/// Writes a Claude Code log whose requests (age in minutes, dollars) end before `now` (milliseconds).
fn spent_before(world: &World, now: i64, requests: &[(i64, u64)]) {
    session_before(world, SESSION, now, requests);
}

/// The same for a given session id.
fn session_before(world: &World, session: &str, now: i64, requests: &[(i64, u64)]) {
    let dir = world.home().join(".claude/projects/-home-u-shop");
    fs::create_dir_all(&dir).unwrap();
    let mut text = String::new();
    for (i, (age, usd)) in requests.iter().enumerate() {
        let at = clawgate::trace::Timestamp(now - age * 60_000).to_string();
        // claude-sonnet-5 costs ten dollars per million output tokens.
        let row = json!({
            "type": "assistant", "sessionId": session, "uuid": format!("u{i}{session}"), "requestId": format!("req_{i}{session}"),
            "cwd": "/home/u/shop", "timestamp": at,
            "message": { "id": format!("msg_{i}{session}"), "role": "assistant", "model": "claude-sonnet-5", "type": "message",
                "content": [{ "type": "text", "text": "private words" }],
                "usage": { "input_tokens": 7, "output_tokens": usd * 100_000 } },
        });
        text.push_str(&format!("{row}\n"));
    }
    fs::write(dir.join(format!("{session}.jsonl")), text).unwrap();
}

/// A world with such a log before `NOW`.
fn spent(requests: &[(i64, u64)]) -> World {
    let world = World::new(&[]);
    fs::create_dir_all(world.home()).unwrap();
    spent_before(&world, NOW.millis(), requests);
    world
}

fn event(name: &str) -> String {
    json!({ "session_id": SESSION, "hook_event_name": name, "tool_name": "Bash", "tool_input": { "command": "ls" } })
        .to_string()
}

#[test]
fn the_status_line_is_always_one_line() {
    let world = spent(&[(200, 2), (30, 3)]);
    let said = json!({ "session_id": SESSION, "model": { "id": "x" }, "cost": { "total_cost_usd": 1.0 } });
    let ran = run_with(&world, &["statusline"], &said.to_string());
    assert_eq!((ran.code, ran.err.as_str(), ran.out.lines().count()), (0, "", 1), "{}", ran.out);
    for part in ["today", "$5.00 session", "$5.00 block", "$3.00/h"] {
        assert!(ran.out.contains(part), "{part} in {}", ran.out);
    }
    for other in ["", "{}", "not json", "[1]", "{\"session_id\":5}"] {
        let ran = run_with(&world, &["statusline"], other);
        assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{other}: {}", ran.out);
        assert!(!ran.out.contains("session"), "{other}: {}", ran.out);
    }
    world.configure("[budgets]\nsession_usd = 6\n");
    let ran = run_with(&world, &["statusline"], &said.to_string());
    assert!(ran.out.trim_end().ends_with("session budget 83 %"), "{}", ran.out);
    world.configure("[budget]\n");
    let ran = run_with(&world, &["statusline"], &said.to_string());
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1));
    assert!(ran.out.starts_with("clawgate: config.toml line 1"), "{}", ran.out);
}

#[test]
fn the_block_is_the_five_hour_window_that_the_agent_reports() {
    let world = spent(&[(350, 2), (200, 4), (10, 8)]);
    let now = NOW.millis() / 1000;
    // The window began 250 minutes ago.
    let said =
        json!({ "rate_limits": { "five_hour": { "used_percentage": 41.6, "resets_at": now + 3000 } } });
    let ran = run_with(&world, &["statusline"], &said.to_string());
    assert!(ran.out.contains("$12.00 block, 50m left · plan 42 %"), "{}", ran.out);
    let said = json!({ "rate_limits": { "five_hour": { "used_percentage": null, "resets_at": 1e300 } } });
    assert_eq!(run_with(&world, &["statusline"], &said.to_string()).code, 0);
}

#[test]
fn menu_bars_show_spend_and_budgets() {
    let world = spent(&[(5, 3)]);
    world.configure("[budgets]\nmonthly_usd = 2\n");
    let bar = run(&world, &["menubar"]);
    let lines: Vec<&str> = bar.out.lines().collect();
    assert_eq!((bar.code, lines[1]), (0, "---"));
    assert!(lines[0].contains('$') && lines[0].ends_with("| color=red"), "{}", lines[0]);
    assert!(bar.out.contains("The monthly budget is spent: $3.00 of $2.00. | color=red"), "{}", bar.out);
    assert!(bar.out.contains("href=http://127.0.0.1:8384/"));
    let bar = run(&world, &["menubar", "--waybar"]).json();
    assert_eq!((bar["class"].as_str(), bar["percentage"].as_u64()), (Some("spent"), Some(100)));
    assert!(bar["tooltip"].as_str().unwrap().contains("This month $3.00"));
    world.configure("[budget]\n");
    assert!(
        run(&world, &["menubar", "--waybar"]).json()["tooltip"].as_str().unwrap().contains("config.toml")
    );
    assert!(run(&world, &["menubar"]).out.starts_with("clawgate ?\n---\n"));
}

#[test]
fn a_hook_denies_a_step_if_a_budget_is_spent() {
    let world = spent(&[(5, 3)]);
    let hook = |agent: &str, event: &str| run_with(&world, &["hook", agent], event);
    let pre = hook("claude", &event("PreToolUse"));
    assert_eq!((pre.code, pre.out.as_str(), pre.err.as_str()), (0, "", ""), "no budget, nothing to say");
    world.configure("[budgets]\nsession_usd = 3\naction = \"deny\"\n");
    let pre = hook("claude", &event("PreToolUse"));
    let out = &pre.json()["hookSpecificOutput"];
    assert_eq!((pre.code, out["hookEventName"].as_str()), (0, Some("PreToolUse")));
    assert_eq!(out["permissionDecision"], "deny");
    let why = out["permissionDecisionReason"].as_str().unwrap();
    assert!(why.starts_with("The session budget is spent: $3.00 of $3.00. Stop here"), "{why}");
    let prompt = hook("claude", &event("UserPromptSubmit")).json();
    assert_eq!(prompt["decision"], "block");
    assert!(prompt["reason"].as_str().unwrap().contains("To continue, raise [budgets]"), "{prompt}");
    let codex = hook("codex", &event("PreToolUse"));
    assert_eq!((codex.code, codex.out.as_str()), (0, ""), "that session is not one of Codex");
    world.configure("[budgets]\nmonthly_usd = 2.99\naction = \"deny\"\n");
    let codex = hook("codex", &event("PreToolUse")).json();
    assert_eq!(codex.as_object().unwrap().len(), 1, "Codex refuses what it does not know");
    assert_eq!(codex["hookSpecificOutput"]["permissionDecision"], "deny");
    world.configure("[budgets]\nsession_usd = 3.01\naction = \"deny\"\n");
    let near = hook("claude", &event("PreToolUse")).json();
    assert!(near["systemMessage"].as_str().unwrap().starts_with("99 % of the session budget"), "{near}");
    assert_eq!(hook("claude", &event("PreToolUse")).out, "", "a warning is said once");
    world.configure("[budgets]\nsession_usd = 1\n");
    assert!(
        hook("claude", &event("PreToolUse")).json()["systemMessage"].is_string(),
        "warning is the default"
    );
    assert_eq!(hook("claude", &event("PreToolUse")).out, "");
}

#[test]
fn subagent_spend_counts_for_the_session() {
    let world = spent(&[(5, 3)]);
    let logs = world.home().join(".claude/projects/-home-u-shop");
    let below = logs.join(SESSION).join("subagents");
    fs::create_dir_all(&below).unwrap();
    let log = fs::read_to_string(logs.join(format!("{SESSION}.jsonl"))).unwrap();
    for (file, id) in [("agent-a1.jsonl", "x"), ("agent-a2.jsonl", "y")] {
        let own = log.replace("msg_", &format!("msg_{id}")).replace("req_", &format!("req_{id}"));
        fs::write(below.join(file), own).unwrap();
        fs::write(below.join(file).with_extension("meta.json"), r#"{"agentType":"Explore"}"#).unwrap();
    }
    let said = json!({ "session_id": SESSION }).to_string();
    let ran = run_with(&world, &["statusline"], &said);
    assert!(ran.out.contains("$9.00 session"), "{}", ran.out);
    world.configure("[budgets]\nsession_usd = 9\naction = \"deny\"\n");
    let pre = run_with(&world, &["hook", "claude"], &event("PreToolUse")).json();
    assert_eq!(pre["hookSpecificOutput"]["permissionDecision"], "deny", "{pre}");
    for other in ["a1", "", "/", "%"] {
        let said = json!({ "session_id": other }).to_string();
        assert!(!run_with(&world, &["statusline"], &said).out.contains("$9.00 session"), "{other}");
    }
}

/// Codex keeps a subagent's log next to the others. Only the hook's input names the session before the log does.
#[test]
fn a_subagent_named_by_a_hook_belongs_to_the_session() {
    let world = spent(&[(5, 3)]);
    let logs = world.home().join(".claude/projects/-home-u-shop");
    let log = fs::read_to_string(logs.join(format!("{SESSION}.jsonl"))).unwrap();
    let own = log.replace("msg_", "msg_x").replace("req_", "req_x").replace(SESSION, "zz");
    fs::write(logs.join("zz.jsonl"), own).unwrap();
    world.configure("[budgets]\nsession_usd = 6\naction = \"deny\"\n");
    let hook = |agent: Value| {
        let said = json!({ "session_id": SESSION, "hook_event_name": "PreToolUse", "agent_id": agent });
        run_with(&world, &["hook", "claude"], &said.to_string()).out
    };
    assert_eq!(hook(Value::Null), "");
    assert!(hook(json!("zz")).contains("deny"));
    assert!(hook(Value::Null).contains("$6.00 of $6.00"), "from then on");
}

#[test]
fn a_hook_that_fails_allows_the_step() {
    let world = spent(&[(5, 3)]);
    let budget = "[budgets]\nsession_usd = 1\naction = \"deny\"\n";
    // Exit code 2 denies the step, so no failure may use it.
    let fails_open = |args: &[&str], stdin: &str| {
        let ran = run_with(&world, args, stdin);
        assert_eq!(ran.code, 1, "{args:?}: {} {}", ran.out, ran.err);
        assert!(!ran.out.contains("deny"), "{}", ran.out);
        ran.err
    };
    for args in
        [&["hook"][..], &["hook", "cursor"], &["hook", "claude", "--nope"], &["hook", "cursor", "--json"]]
    {
        fails_open(args, &event("PreToolUse"));
    }
    world.configure(budget);
    assert!(fails_open(&["hook", "claude"], "not json").contains("the step continues"));
    world.configure("[budgets]\ndaily = 1\n");
    let err = fails_open(&["hook", "claude"], &event("PreToolUse"));
    assert!(err.contains("the step continues") && err.contains("daily_usd"), "{err}");
    world.configure(budget);
    let db = world.state().join("clawgate.db");
    for file in ["clawgate.db-wal", "clawgate.db-shm"] {
        let _ = fs::remove_file(world.state().join(file));
    }
    fs::write(&db, vec![7u8; 8192]).unwrap();
    let err = fails_open(&["hook", "claude"], &event("PreToolUse"));
    assert!(err.contains("could not check the budget, so the step continues: archive"), "{err}");
}

#[test]
fn budgets_apply_to_the_day_week_month_and_block() {
    let world = World::new(&["claude-2.1.329"]);
    // 2026-11-20T17:20Z, a Friday.
    let now = 1_795_195_200_000;
    spent_before(&world, now, &[(30, 1), (26 * 60, 2), (15 * 24 * 60, 4), (30 * 24 * 60, 8)]);
    let mut app = world.app_as(Actor::Agent, -400);
    assert_eq!(app.now().millis(), now);
    let live = app.current_spend(&CurrentSpendParams::default()).unwrap();
    let logs = live.today.cost_picousd - 1_000_000_000_000 - 14;
    assert!(logs > 0, "the fixture's own requests are of today: {live:?}");
    let (week, month) = (live.week.unwrap().cost_picousd, live.month.unwrap().cost_picousd);
    assert_eq!(week - live.today.cost_picousd, 2_000_014_000_000);
    assert_eq!(month - week, 4_000_014_000_000);
    let near = app
        .current_spend(&CurrentSpendParams { skip_week_and_month: true, ..CurrentSpendParams::default() })
        .unwrap();
    assert_eq!((near.week, near.month), (None, None));
    assert_eq!((near.today, near.hour, near.block), (live.today, live.hour, live.block));
    let by = |by: &str| {
        let p = clawgate::app::cost::CostParams { by: Some(by.parse().unwrap()), ..Default::default() };
        world.app_as(Actor::Agent, -400).cost(&p).unwrap().report
    };
    let row = |by_: &str, key: &str| by(by_).rows.into_iter().find(|r| r.key == key).unwrap().cost_picousd;
    assert_eq!(live.today.cost_picousd, row("day", "2026-11-20"));
    assert_eq!(week, row("week", "2026-W47"));
    assert_eq!(month, row("month", "2026-11"));
    world.configure(
        "[budgets]\ndaily_usd = 1\nweekly_usd = 3\nmonthly_usd = 100\nblock_usd = 0.5\naction = \"deny\"\n",
    );
    let mut app = world.app_as(Actor::Agent, -400);
    let input = HookInput { session_id: Some(SESSION.into()), ..HookInput::default() };
    let (HookVerdict::Deny(why), _) = app.hook("claude", &input).unwrap() else { panic!("not denied") };
    for budget in ["daily", "weekly", "block"] {
        assert!(why.contains(&format!("The {budget} budget is spent")), "{why}");
    }
    assert!(!why.contains("monthly"), "{why}");
}

#[test]
fn current_spend_and_reports_agree_with_the_ledger_after_every_change() {
    const DAY: i64 = 24 * 60;
    let world = World::new(&[]);
    // 2026-11-20T17:20Z, a Friday: sixteen earlier days and one session of today.
    let now = 1_795_195_200_000;
    for day in 1..=18i64 {
        session_before(&world, &format!("old-{day}"), now, &[(day * DAY + 60, 1)]);
    }
    session_before(&world, "today", now, &[(30, 6)]);
    let agree = || {
        let mut app = world.app_as(Actor::Agent, -400);
        let live = app.current_spend(&CurrentSpendParams::default()).unwrap();
        let mut of = |by: &str, key: &str| {
            let p = clawgate::app::cost::CostParams { by: Some(by.parse().unwrap()), ..Default::default() };
            let rows = app.cost(&p).unwrap().report.rows;
            let row = rows.into_iter().find(|r| r.key == key).unwrap();
            (row.cost_picousd, row.requests)
        };
        let (week, month) = (of("week", "2026-W47"), of("month", "2026-11"));
        let spends = [live.week.unwrap(), live.month.unwrap()].map(|s| (s.cost_picousd, s.requests));
        assert_eq!(spends, [week, month]);
        for (name, by) in clawgate::usage::Dimension::ALL {
            let mut report = |since| {
                let by = Some(*by);
                let p = clawgate::app::cost::CostParams { by, since, watch: true, ..Default::default() };
                let found = app.cost(&p).unwrap();
                let plain = clawgate::app::cost::CostParams { watch: false, ..p };
                assert_eq!(app.cost(&plain).unwrap().report, found.report);
                let warnings = found.warnings.unwrap();
                assert_eq!(warnings.days.robust.len(), 1, "today is an anomaly");
                (found.report, warnings)
            };
            let (whole, kept) = (report(Some(clawgate::trace::Timestamp(0))), report(None));
            assert_eq!(kept, whole, "by {name}");
            assert_eq!(report(None), whole, "by {name}, again");
        }
        [week, month].map(|(cost, requests)| (cost / 1_000_000_000_000, requests))
    };
    assert_eq!(agree(), [(10, 5), (24, 19)]);
    assert_eq!(agree(), [(10, 5), (24, 19)]);
    session_before(&world, "today", now, &[(30, 6), (10, 4)]);
    assert_eq!(agree(), [(14, 6), (28, 20)], "the present session grows");
    session_before(&world, "old-12", now, &[(12 * DAY + 60, 1), (11 * DAY, 8)]);
    assert_eq!(agree(), [(14, 6), (36, 21)], "so does an old one");
    session_before(&world, "found", now, &[(9 * DAY, 16)]);
    assert_eq!(agree(), [(14, 6), (52, 22)], "an old log is found");
    world.configure("[[price]]\nmodel = \"claude-sonnet-5\"\ninput = \"0\"\noutput = \"100\"\n");
    assert_eq!(agree(), [(140, 6), (520, 22)], "prices change");
    world.configure("");
    assert_eq!(agree(), [(14, 6), (52, 22)]);
    ok(&world, &["scan", "--json"]);
    let gone = run(&world, &["forget", "claude:found", "--yes", "--usage"]);
    assert_eq!(gone.code, 0, "{}", gone.err);
    assert_eq!(agree(), [(14, 6), (36, 21)], "a session is forgotten");
}

static RAN: Mutex<Vec<(Vec<String>, String)>> = Mutex::new(Vec::new());

#[test]
fn alerts_are_delivered_once_per_window() {
    let hook = HttpDouble::start(200);
    let world = World::new(&[]);
    let now = NOW.millis();
    spent_before(&world, now, &[(30, 6)]);
    world.configure(&format!(
        "[alerts]\nwebhook = \"{}/T0/secret\"\ncommand = [\"tell\", \"me\"]\n",
        hook.url
    ));
    let run = |command: &[String], text: &str| {
        RAN.lock().unwrap().push((command.to_vec(), text.to_owned()));
        Ok(true)
    };
    let mut app = world.app();
    let done = app.deliver_alerts(run).unwrap();
    assert_eq!(done.delivered_to, ["webhook", "command"], "{:?}", done.problems);
    let kinds: Vec<Value> =
        done.alerts.iter().map(|a| serde_json::to_value(a).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["hourly_burn_rate", "session_spike"]);
    let again = app.deliver_alerts(run).unwrap();
    assert!(again.alerts.is_empty() && again.delivered_to.is_empty());
    assert!(world.app_as(Actor::Agent, 20).deliver_alerts(run).unwrap().alerts.is_empty(), "another process");
    let sent = hook.sent();
    assert_eq!((sent.len(), sent[0].line.as_str()), (1, "POST /T0/secret HTTP/1.1"));
    let body: Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(
        (body["source"].as_str(), body["alerts"].as_array().map(Vec::len)),
        (Some("clawgate"), Some(2))
    );
    assert!(body["text"].as_str().unwrap().contains("The last hour cost $6.00"), "{body}");
    assert!(!sent[0].body.contains("private words") && !sent[0].body.contains("/home/u"));
    let ran = RAN.lock().unwrap().clone();
    assert_eq!((ran.len(), ran[0].0.join(" ")), (1, "tell me".into()));
    assert_eq!(serde_json::from_str::<Value>(&ran[0].1).unwrap(), body);
    // One window later the condition still applies, so the alerts are delivered again.
    spent_before(&world, now + 90 * 60_000, &[(120, 6), (10, 5)]);
    let later = world.app_as(Actor::Agent, 90).deliver_alerts(run).unwrap();
    assert_eq!(later.alerts.len(), 2, "a new day: {later:?}");
}

#[test]
fn a_failed_webhook_is_reported_without_its_address() {
    let hook = HttpDouble::start(500);
    let world = spent(&[(5, 30)]);
    world.configure(&format!("[alerts]\nwebhook = \"{}/T0/secret\"\n", hook.url));
    let ran = run(&world, &["cost", "alerts", "--deliver"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("webhook: It answered with status 500.") && !ran.out.contains("secret"),
        "{}",
        ran.out
    );
    assert_eq!(hook.sent().len(), 3, "it was tried again");
    assert_eq!(run(&world, &["cost", "alerts", "--deliver"]).code, 0, "its window has to be over first");
    assert_eq!(hook.sent().len(), 3);
}

#[cfg(unix)]
#[test]
fn the_configured_command_gets_the_alerts() {
    let world = spent(&[(5, 30)]);
    let out: PathBuf = world.tmp.path().join("alerts.json");
    let script = format!("/bin/cat > {}", out.display());
    world.configure(&format!("[alerts]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n"));
    let ran = ok(&world, &["cost", "alerts", "--deliver", "--json"]);
    assert_eq!(ran["delivery"]["delivered_to"], json!(["command"]), "{ran}");
    let sent: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(sent["alerts"], ran["delivery"]["alerts"]);
    world.configure("[alerts]\ncommand = [\"/nowhere/at/all\"]\n");
    ok(&world, &["cost", "alerts", "--acknowledge", "--json"]);
    let ran = run(&world, &["cost", "alerts", "--deliver"]);
    assert!(ran.code == 1 && ran.out.contains("cannot start it"), "{}", ran.out);
}

#[test]
fn status_and_cost_show_alerts_and_budgets() {
    // `NOW` is the first instant of a day, and `status` reports the spend of that day.
    let world = spent(&[(0, 30)]);
    let alert =
        |args: &[&str]| run(&world, args).out.lines().find(|l| l.starts_with("alert:")).map(str::to_owned);
    let line = alert(&["status"]).unwrap();
    assert!(line.contains("$30.00") && line.contains("clawgate cost alerts"), "{line}");
    assert_eq!(alert(&["cost"]), None, "the report has a line of its own for each");
    assert!(run(&world, &["cost"]).out.contains("The last hour cost $30.00"));
    let status = ok(&world, &["status", "--json"]);
    assert_eq!((status["total_cost_usd"].as_f64(), status["file_count"].as_u64()), (Some(30.0), Some(1)));
    let off = "[alerts]\nsession_spike_usd = 0\nhourly_burn_rate_usd = 0\ndaily_budget_usd = 0\nhourly_token_volume = 0\n";
    world.configure(off);
    assert_eq!((alert(&["status"]), alert(&["cost"])), (None, None));
    world.configure(&format!("{off}[budgets]\nmonthly_usd = 31\n"));
    for args in [&["status"][..], &["cost"]] {
        assert!(alert(args).unwrap().contains("96 % of the monthly budget"), "{args:?}");
    }
}

#[test]
fn otlp_sends_only_figures_to_the_configured_endpoint() {
    let world = World::new(&["claude-2.1.329", "codex-0.169.0"]);
    let total = ok(&world, &["cost", "--json"])["total"].clone();
    assert_eq!(run(&world, &["cost", "otlp"]).code, 2, "nothing is sent unless a collector is named");
    let collector = HttpDouble::start(200);
    let dry = ok(&world, &["cost", "otlp", "--endpoint", &collector.url, "--dry-run", "--json"]);
    assert_eq!((dry["sent"].as_bool(), collector.sent().len()), (Some(false), 0));
    let sent = ok(&world, &["cost", "otlp", "--endpoint", &collector.url, "--header", "x-key=abc", "--json"]);
    assert_eq!(sent["sent"], true);
    let request = &collector.sent()[0];
    assert_eq!(request.line, "POST /v1/metrics HTTP/1.1");
    assert_eq!(
        (request.header("content-type"), request.header("x-key")),
        (Some("application/json"), Some("abc"))
    );
    let body: Value = serde_json::from_str(&request.body).unwrap();
    for private in ["/home/", "calc-app", "session"] {
        assert!(!request.body.contains(private), "{private} left the machine");
    }
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let points = |name: &str| {
        let metric = metrics.iter().find(|m| m["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let data = if metric["sum"].is_null() { &metric["histogram"] } else { &metric["sum"] };
        assert_eq!(data["aggregationTemporality"], 2);
        data["dataPoints"].as_array().unwrap().clone()
    };
    let sum = |name: &str| {
        points(name).iter().map(|p| p["asInt"].as_str().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let of = |field: &str| total[field].as_u64().unwrap();
    let input = of("input") + of("cache_read") + of("cache_write_5m") + of("cache_write_1h");
    assert_eq!(sum("gen_ai.client.inference.usage.input_tokens"), input);
    assert_eq!(sum("gen_ai.client.inference.usage.output_tokens"), of("output"));
    assert_eq!(sum("gen_ai.client.inference.usage.cache_read.input_tokens"), of("cache_read"));
    assert_eq!(sum("gen_ai.client.inference.usage.reasoning.output_tokens"), of("reasoning"));
    assert_eq!(sum("clawgate.requests"), of("requests"));
    let cost: f64 = points("clawgate.cost").iter().map(|p| p["asDouble"].as_f64().unwrap()).sum();
    assert!((cost - total["cost_picousd"].as_f64().unwrap() / 1e12).abs() < 1e-9);
    for point in points("gen_ai.client.token.usage") {
        let counts: u64 = point["bucketCounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(counts.to_string(), point["count"].as_str().unwrap());
        assert_eq!(
            point["bucketCounts"].as_array().unwrap().len(),
            point["explicitBounds"].as_array().unwrap().len() + 1
        );
        let keys: Vec<&str> =
            point["attributes"].as_array().unwrap().iter().map(|a| a["key"].as_str().unwrap()).collect();
        for key in
            ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.token.type"]
        {
            assert!(keys.contains(&key), "{key}");
        }
        let (start, end) = (&point["startTimeUnixNano"], &point["timeUnixNano"]);
        assert!(start.as_str().unwrap().len() == 19 && end.as_str().unwrap().len() == 19, "{start} {end}");
    }
    let bad = HttpDouble::start(400);
    let ran = run(&world, &["cost", "otlp", "--endpoint", &bad.url]);
    assert!(ran.code == 1 && ran.err.contains("status 400"), "{}", ran.err);
    let moved = HttpDouble::start(307);
    assert!(
        run(&world, &["cost", "otlp", "--endpoint", &moved.url]).err.contains("status 307"),
        "no redirect is followed"
    );
    for wrong in ["collector", "ftp://c", "file:///etc"] {
        assert_eq!(run(&world, &["cost", "otlp", "--endpoint", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn cost_report_and_anomalies_keep_the_fields_of_clawtrace() {
    let world = spent(&[(5, 3)]);
    let report = ok(&world, &["cost-report", "--days", "3", "--json"]);
    let keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["timeseries", "models", "projects", "top_sessions"]);
    assert_eq!(report["timeseries"].as_array().unwrap().len(), 3);
    assert_eq!(report["top_sessions"][0]["cost_usd"], 3.0);
    assert_eq!(ok(&world, &["anomalies", "--json"]), json!([]));
    assert!(run(&world, &["cost-report"]).out.contains("claude-sonnet-5"));
}
