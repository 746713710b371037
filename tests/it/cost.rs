//! Cost through the use cases: alerts, dimensions that add up to the same total, custom prices, imported ledgers.

use std::fs;

use clawgate::app::cost::CostParams;
use clawgate::app::{Actor, App};
use clawgate::trace::Timestamp;
use clawgate::usage::AlertKind;
use serde_json::json;

use crate::world::{World, keys, ok, run, run_with};

/// One Claude Code request.
pub struct Ask<'a> {
    pub id: &'a str,
    pub at: &'a str,
    pub model: &'a str,
    /// Input, output, cache reads, five-minute cache writes.
    pub tokens: [i64; 4],
    pub calls: &'a [&'a str],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Ask {
            id: "m",
            at: "2026-11-20T10:00:00.000Z",
            model: "claude-opus-5",
            tokens: [10, 20, 0, 0],
            calls: &[],
        }
    }
}

/// Writes a Claude Code log of one session.
pub fn log(world: &World, project: &str, session: &str, asks: &[Ask<'_>]) {
    let dir = world.home().join(".claude/projects").join(project.replace('/', "-"));
    fs::create_dir_all(&dir).unwrap();
    let mut text = String::new();
    for a in asks {
        let content: Vec<_> = a
            .calls
            .iter()
            .enumerate()
            .map(|(i, name)| json!({ "type": "tool_use", "id": format!("{}-{i}", a.id), "name": name, "input": {} }))
            .collect();
        let record = json!({
            "type": "assistant", "sessionId": session, "cwd": project, "uuid": format!("u-{}", a.id), "timestamp": a.at,
            "message": { "id": a.id, "model": a.model, "role": "assistant", "content": content, "usage": {
                "input_tokens": a.tokens[0], "output_tokens": a.tokens[1], "cache_read_input_tokens": a.tokens[2],
                "cache_creation_input_tokens": a.tokens[3] } }
        });
        text.push_str(&format!("{record}\n"));
    }
    fs::write(dir.join(format!("{session}.jsonl")), text).unwrap();
}

pub fn cost(app: &mut App, by: &str) -> clawgate::app::cost::CostReport {
    app.cost(&CostParams { by: Some(by.parse().unwrap()), ..CostParams::default() }).unwrap()
}

#[test]
fn a_report_from_the_rollup_is_equal_to_one_from_the_requests() {
    let world = World::with_every_agent();
    // Long after the last request, so that all of them may be summed.
    let mut app = world.app_as(Actor::Person, 60 * 24 * 7);
    for (name, by) in clawgate::usage::Dimension::ALL {
        // 10:07 is not the beginning of a quarter of an hour.
        let times = ["2026-11-01T00:00:00Z", "2026-11-20T10:07:00Z"].map(Timestamp::parse);
        for since in [None, times[0], times[1]] {
            let from_rollup = CostParams { by: Some(*by), since, watch: true, ..CostParams::default() };
            // The current spend needs every request, so this report does not use the rollup.
            let from_requests = CostParams { with_current: true, ..from_rollup.clone() };
            let want = serde_json::to_value(app.cost(&from_requests).unwrap()).unwrap();
            for _ in 0..2 {
                assert_eq!(serde_json::to_value(app.cost(&from_rollup).unwrap()).unwrap(), want, "{name}");
            }
        }
    }
}

#[test]
fn verify_detects_a_rollup_that_differs_from_the_logs() {
    let world = World::new(&["claude-2.1.329"]);
    let mut app = world.app_as(Actor::Person, 60 * 24 * 7);
    for _ in 0..2 {
        app.cost(&CostParams::default()).unwrap();
    }
    let verify = |app: &mut App| app.verify_cost(None).unwrap();
    assert!(verify(&mut app).same);
    let db = rusqlite::Connection::open(world.state().join("clawgate.db")).unwrap();
    let rollups: i64 = db.query_row("SELECT count(*) FROM rollup", [], |r| r.get(0)).unwrap();
    assert_eq!(rollups, 1);
    let log = fs::read_dir(world.home().join(".claude/projects")).unwrap().next().unwrap().unwrap().path();
    fs::write(
        log.join("1.jsonl"),
        r#"{"type":"assistant","sessionId":"1","timestamp":"2026-11-20T10:00:00Z","requestId":"r","message":{"id":"m","role":"assistant","model":"claude-sonnet-4-5","usage":{"input_tokens":9,"output_tokens":9},"content":[]}}"#,
    )
    .unwrap();
    app.refresh_usage().unwrap();
    assert!(verify(&mut app).same);
    db.execute("UPDATE rollup SET generation = (SELECT value FROM meta WHERE key = 'ledger_generation')", [])
        .unwrap();
    assert!(!verify(&mut app).same);
}

#[test]
fn an_alert_is_raised_once_per_window_and_again_after_it_is_acknowledged() {
    let world = World::new(&[]);
    let now = world.app_as(Actor::Person, 30).now();
    let at = Timestamp(now.millis() - 60_000).to_string();
    // 240,000 output tokens of opus-5 cost 6 dollars.
    log(&world, "/w/a", "s1", &[Ask { at: &at, tokens: [10, 240_000, 0, 0], ..Ask::default() }]);
    world.configure("[alerts]\ndaily_budget_usd = 4\nhourly_token_volume = 0\n");
    let kinds = |a: Vec<clawgate::usage::Alert>| a.into_iter().map(|a| a.kind).collect::<Vec<_>>();
    let all = [AlertKind::DailyBudget, AlertKind::HourlyBurnRate, AlertKind::SessionSpike];
    assert_eq!(kinds(world.app_as(Actor::Person, 30).current_alerts().unwrap()), all);
    let first = world.app_as(Actor::Person, 30).alerts().unwrap();
    assert!(
        first[0].message().contains("$6.00") && first[0].message().contains("$4.00"),
        "{}",
        first[0].message()
    );
    assert_eq!(kinds(first), all);
    assert_eq!(kinds(world.app_as(Actor::Person, 30).alerts().unwrap()), [], "another process");
    assert_eq!(kinds(world.app_as(Actor::Person, 30).current_alerts().unwrap()), all);
    assert_eq!(world.app_as(Actor::Person, 30).acknowledge_alerts().unwrap(), 3);
    assert_eq!(kinds(world.app_as(Actor::Person, 30).alerts().unwrap()), all);
}

#[test]
fn a_tool_is_charged_for_the_tokens_of_its_results_and_rows_add_up_to_the_total() {
    let world = World::new(&[]);
    let ask = |id, tokens, calls| Ask { id, tokens, calls, ..Ask::default() };
    let asks = [
        ask("a", [1000, 100, 0, 0], &["Read"][..]),
        // 2,000 tokens more: 100 of the answer, 1,900 of Read.
        ask("b", [2000, 50, 1000, 0], &["Bash", "Read"]),
        // 1,050 tokens more: 50 of the answer, 500 of each tool.
        ask("c", [1050, 10, 3000, 0], &[]),
        // Compacted: no earlier result is in the context.
        ask("d", [900, 10, 0, 0], &[]),
    ];
    log(&world, "/w/a", "s1", &asks);
    let report = cost(&mut world.app(), "tool").report;
    let row = |key: &str| report.rows.iter().find(|r| r.key == key).unwrap();
    assert_eq!((row("Read").tokens.input, row("Read").tokens.cache_read), (1900 + 500, 1900));
    assert_eq!((row("Bash").tokens.input, row("Bash").tokens.cache_read), (500, 0));
    let sum: i64 = report.rows.iter().map(|r| r.cost_picousd).sum();
    assert_eq!(sum, report.total.cost_picousd);
    assert_eq!(report.rows.iter().map(|r| r.requests).sum::<u64>(), 4);
    assert_eq!(row("Read").cost_picousd, 2400 * 5_000_000 + 1900 * 500_000);
}

#[test]
fn advisor_tokens_are_charged_at_the_standard_rate() {
    let world = World::new(&[]);
    let dir = world.home().join(".claude/projects/-w");
    fs::create_dir_all(&dir).unwrap();
    let record = json!({
        "type": "assistant", "sessionId": "s", "cwd": "/w", "uuid": "u", "timestamp": "2026-11-20T10:00:00Z",
        "message": { "id": "m", "model": "claude-opus-4-6", "usage": {
            "input_tokens": 10, "output_tokens": 10, "speed": "fast", "inference_geo": "us", "service_tier": "batch",
            "iterations": [{ "type": "advisor_message", "model": "claude-opus-5", "input_tokens": 100, "output_tokens": 10 }]
        } }
    });
    fs::write(dir.join("s.jsonl"), format!("{record}\n")).unwrap();
    let report = cost(&mut world.app(), "model").report;
    let row = report.rows.iter().find(|r| r.key == "claude-opus-5").unwrap();
    assert_eq!(row.cost_picousd, 100 * 5_000_000 + 10 * 25_000_000);
}

#[test]
fn a_custom_price_applies_in_its_project_and_unpriced_models_are_listed() {
    let world = World::new(&[]);
    let ask = |id, model| Ask { id, model, tokens: [1000, 0, 0, 0], ..Ask::default() };
    log(&world, "/w/a", "s1", &[ask("a", "house-llm"), ask("b", "claude-opus-5")]);
    log(&world, "/w/b", "s2", &[ask("c", "house-llm")]);
    let without = ok(&world, &["cost", "--json", "--by", "project"]);
    assert_eq!(without["unpriced"], json!([{ "model": "house-llm", "requests": 2, "tokens": 2000 }]));
    assert_eq!(run(&world, &["cost", "--fail-on-unpriced", "--json"]).code, 1);
    assert_eq!(run(&world, &["pricing", "check", "--json"]).code, 1);
    let set = ["pricing", "set", "house-llm", "--input", "0.5", "--output", "2", "--json"];
    ok(&world, &set);
    let there =
        ["pricing", "set", "house-llm", "--input", "1", "--output", "2", "--project", "/w/b", "--json"];
    ok(&world, &there);
    let priced = ok(&world, &["cost", "--json", "--by", "project", "--fail-on-unpriced"]);
    let cost = |key: &str| {
        let rows = priced["rows"].as_array().unwrap();
        rows.iter().find(|r| r["path"] == key).unwrap()["cost_picousd"].as_i64().unwrap()
    };
    assert_eq!((cost("/w/a"), cost("/w/b")), (1000 * (500_000 + 5_000_000), 1000 * 1_000_000));
    assert_eq!(priced["unpriced"], serde_json::Value::Null);
    let text = fs::read_to_string(world.state().join("config.toml")).unwrap();
    assert_eq!(text.matches("[[price]]").count(), 2, "{text}");
    ok(&world, &["pricing", "set", "house-llm", "--project", "/w/b", "--remove", "--json"]);
    assert_eq!(run(&world, &["pricing", "set", "house-llm", "--project", "/w/b", "--remove"]).code, 2);
    assert_eq!(run(&world, &["pricing", "set", "house-llm", "--input", "cheap", "--output", "2"]).code, 2);
    let shown = ok(&world, &["pricing", "show", "house-llm", "--json"]);
    assert_eq!(shown["models"][0]["found_by"], "a custom price");
    assert_eq!(shown["models"][0]["prices"][0]["input"], "0.5");
}

#[test]
fn a_price_file_is_imported_only_if_it_is_valid_and_its_signature_is_trusted() {
    let world = World::new(&[]);
    log(&world, "/w/a", "s1", &[Ask { tokens: [1000, 0, 0, 0], ..Ask::default() }]);
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let public = data_encoding::HEXLOWER.encode(key.verifying_key().as_bytes());
    let file = world.tmp.path().join("prices.json");
    let write = |text: &str, with: &ed25519_dalek::SigningKey| {
        use ed25519_dalek::Signer;
        fs::write(&file, text).unwrap();
        fs::write(world.tmp.path().join("prices.json.sig"), with.sign(text.as_bytes()).to_bytes()).unwrap();
    };
    let table = |as_of: &str, input: &str| {
        format!(
            r#"{{"source":"me","as_of":"{as_of}","rows":[{{"model":"claude-opus-5","input":"{input}","output":"1"}}]}}"#
        )
    };
    let path = file.display().to_string();
    let import = |key: &str| run(&world, &["pricing", "import", &path, "--key", key, "--json"]);
    let total = || ok(&world, &["cost", "--json"])["total"]["cost_picousd"].as_i64().unwrap();
    let (good, other) = (table("2026-12-01", "7"), ed25519_dalek::SigningKey::from_bytes(&[6; 32]));
    write(&good, &other);
    assert_eq!(import(&public).json()["error"]["code"], "bad_signature");
    write("{", &key);
    assert!(import(&public).json()["error"]["message"].as_str().unwrap().contains("does not parse"));
    write(&table("2026-01-01", "7"), &key);
    assert_eq!(import(&public).json()["error"]["code"], "older_prices");
    assert_eq!(import("not a key").json()["error"]["code"], "bad_key");
    assert_eq!(run(&world, &["pricing", "import", &path, "--json"]).json()["error"]["code"], "no_key");
    let builtin = 1000 * 5_000_000;
    assert_eq!(total(), builtin, "nothing was imported so far");
    write(&good, &key);
    world.configure(&format!("[pricing]\ntrusted_keys = [\"{public}\"]\n"));
    let imported = ok(&world, &["pricing", "import", &path, "--json"]);
    assert_eq!((&imported["as_of"], &imported["signed_by"]), (&json!("2026-12-01"), &json!(public)));
    assert_eq!(total(), 1000 * 7_000_000);
    // A damaged table is an error: no other prices replace it.
    fs::write(world.state().join("prices.json"), "[]").unwrap();
    let broken = run(&world, &["cost", "--json"]);
    assert_eq!((broken.code, &broken.json()["error"]["code"]), (1, &json!("bad_prices")));
    ok(&world, &["pricing", "import", &path, "--json"]);
    assert_eq!(total(), 1000 * 7_000_000);
}

#[test]
fn explain_lists_the_records_of_a_figure_at_their_real_positions() {
    let world = World::new(&[]);
    let asks = [
        Ask { id: "a", ..Ask::default() },
        Ask { id: "a", tokens: [10, 400, 0, 0], ..Ask::default() },
        Ask { id: "b", at: "2026-11-19T10:00:00Z", model: "house-llm", ..Ask::default() },
    ];
    log(&world, "/w/a", "s-one", &asks);
    // A resumed session copies the history.
    log(&world, "/w/a", "s-two", &asks[..2]);
    let all = ok(&world, &["cost", "explain", "--json"]);
    assert_eq!((&all["figure"]["requests"], all["requests"].as_array().unwrap().len()), (&json!(2), 2));
    let day = ok(&world, &["cost", "explain", "2026-11-20", "--json"]);
    assert_eq!(
        (&day["by"], &day["figure"]["cost_picousd"]),
        (&json!("day"), &json!(10 * 5_000_000 + 400 * 25_000_000i64))
    );
    let request = &day["requests"][0];
    assert_eq!(request["priced_by"], "claude-opus-5@2026-11-20");
    assert_eq!(request["parts"]["output"], json!(400 * 25_000_000i64));
    assert_eq!(request["copies"].as_array().unwrap().len(), 2);
    for place in request["copies"].as_array().unwrap().iter().chain([&request["place"]]) {
        let text = fs::read_to_string(place["file"].as_str().unwrap()).unwrap();
        let line = text[place["offset"].as_u64().unwrap() as usize..].lines().next().unwrap();
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["message"]["usage"]["output_tokens"], 400, "the record whose figures count");
    }
    for (key, by) in
        [("house-llm", "model"), ("claude:s-one", "session"), ("/w/a", "project"), ("a", "project")]
    {
        assert_eq!(ok(&world, &["cost", "explain", key, "--json"])["by"], by, "{key}");
    }
    let block = ok(&world, &["cost", "explain", "2026-11-19T10:00:00.000Z", "--json"]);
    assert_eq!((&block["by"], &block["requests"][0]["priced_by"]), (&json!("block"), &json!("no price")));
    let shown = ok(&world, &["cost", "explain", "2026-11-19 10:00–15:00", "--json"]);
    assert_eq!(shown["figure"], block["figure"], "as tables show it");
    assert_eq!(run(&world, &["cost", "explain", "nothing"]).code, 2);
}

#[test]
fn verify_agrees_for_every_agent_and_detects_a_changed_ledger() {
    let world = World::with_every_agent();
    let report = world.app().verify_cost(Some("Asia/Kolkata")).unwrap();
    assert!(report.same, "{:#?}", report.differences);
    assert!(report.compared > 500 && report.requests > 50, "{report:?}");
    // One session has a compaction. With its row, every total that the agent recorded agrees.
    assert_eq!(report.beyond_logs, []);
    assert!(report.own_totals_same >= 12, "{}", report.own_totals_same);
    // Both paths still count a deleted log.
    let gone = world.home().join(".claude/projects");
    fs::remove_dir_all(&gone).unwrap();
    let after = world.app().verify_cost(None).unwrap();
    assert!(after.same && after.kept > 0 && after.requests == report.requests, "{after:?}");
    let db = rusqlite::Connection::open(world.state().join("clawgate.db")).unwrap();
    let changed = db.execute("DELETE FROM segments WHERE session LIKE 'codex:%'", []).unwrap();
    assert!(changed > 0);
    let ran = run(&world, &["cost", "verify", "--json"]);
    assert_eq!((ran.code, &ran.json()["same"]), (1, &json!(false)));
    assert!(ran.json()["differences"].to_string().contains("codex"));
}

#[test]
fn importing_another_machines_ledger_twice_changes_nothing() {
    let (one, two) =
        (World::new(&["claude-2.1.329", "codex-0.169.0"]), World::new(&["codex-0.169.0", "pi-0.73.1"]));
    let total = |w: &World| cost(&mut w.app(), "total").report.total;
    let both = World::new(&["claude-2.1.329", "codex-0.169.0", "pi-0.73.1"]);
    let file = one.tmp.path().join("ledger.jsonl").display().to_string();
    let written = ok(&one, &["cost", "export", "--device", "laptop", "--output", &file, "--json"]);
    assert_eq!(written["device"], "laptop");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&one.home().display().to_string()), "no path of a log leaves");
    let tools = |w: &World| cost(&mut w.app(), "tool").report;
    let own = total(&two);
    let first = ok(&two, &["cost", "import", &file, "--json"]);
    assert!(first[0]["new_requests"].as_u64().unwrap() > 0 && first[0]["skipped"] == 0);
    let merged = total(&two);
    assert_eq!(merged, total(&both));
    assert_eq!(tools(&two), tools(&both));
    let again = ok(&two, &["cost", "import", &file, "--json"]);
    assert_eq!((&again[0]["new_requests"], total(&two)), (&json!(0), merged.clone()));
    let devices = cost(&mut two.app(), "device").report;
    let keys: Vec<_> = devices.rows.iter().map(|r| r.key.as_str()).collect();
    assert!(keys.contains(&"laptop") && keys.contains(&"(this machine)"), "{keys:?}");
    assert!(two.app().verify_cost(None).unwrap().same);
    // Imported rows are not exported again, and a scan does not change them.
    two.app().scan(&clawgate::app::scan::ScanParams::default()).unwrap();
    assert_eq!(total(&two), merged);
    let back = run(&two, &["cost", "export", "--device", "desktop"]).out;
    assert_eq!(back.lines().count() as u64 - 1, {
        let mut n = 0;
        World::new(&["codex-0.169.0", "pi-0.73.1"])
            .app()
            .export_ledger(Some("x"), &mut std::io::sink())
            .map(|r| n = r.records)
            .unwrap();
        n
    });
    assert!(own.requests < merged.requests);
    // Broken lines are counted and the other lines are read. A ledger with this machine's name is refused.
    let broken = text.lines().take(1).chain(["{}", "nonsense"]).collect::<Vec<_>>().join("\n");
    let skipped = run_with(&two, &["cost", "import", "-", "--json"], &broken).json();
    assert_eq!(skipped[0]["skipped"], 2);
    assert_eq!(run_with(&two, &["cost", "import", "-"], "{}").code, 2);
    two.configure("[cost]\ndevice = \"laptop\"\n");
    assert_eq!(run(&two, &["cost", "import", &file]).code, 2);
}

#[test]
fn an_older_export_of_a_ledger_removes_nothing() {
    let (one, two) = (World::new(&[]), World::new(&[]));
    fs::create_dir_all(two.home()).unwrap();
    let export = |to: &str| {
        let file = one.tmp.path().join(to).display().to_string();
        ok(&one, &["cost", "export", "--device", "laptop", "--output", &file, "--json"]);
        file
    };
    let ask = |id: &'static str, output| Ask { id, tokens: [10, output, 0, 0], ..Ask::default() };
    log(&one, "/w/a", "s1", &[ask("a", 5)]);
    let early = export("early.jsonl");
    // The answer grew, and another request follows.
    log(&one, "/w/a", "s1", &[ask("a", 5000), ask("b", 7)]);
    let late = export("late.jsonl");
    let total = || {
        let t = cost(&mut two.app(), "total").report.total;
        (t.requests, t.tokens.output)
    };
    let import = |file: &str| ok(&two, &["cost", "import", file, "--json"])[0]["new_requests"].clone();
    assert_eq!((import(&early), total()), (json!(1), (1, 5)));
    assert_eq!((import(&late), total()), (json!(1), (2, 5007)));
    for file in [&early, &late, &early] {
        assert_eq!((import(file), total()), (json!(0), (2, 5007)), "{file}");
    }
    assert!(two.app().verify_cost(None).unwrap().same);
    // This machine's ledger with another name adds nothing.
    assert_eq!(ok(&one, &["cost", "import", &late, "--json"])[0]["new_requests"], 0);
}

#[test]
fn each_line_of_a_hostile_ledger_is_checked_separately() {
    let (one, two) = (World::new(&[]), World::new(&[]));
    fs::create_dir_all(two.home()).unwrap();
    log(&one, "/w/a", "s1", &[Ask { id: "a", tokens: [10, 20, 0, 0], ..Ask::default() }]);
    let text = run(&one, &["cost", "export", "--device", "laptop"]).out;
    let head: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let row: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    let import = |device: &str, lines: &[String]| {
        let mut head = head.clone();
        head["device"] = json!(device);
        run_with(&two, &["cost", "import", "-", "--json"], &format!("{head}\n{}\n", lines.join("\n")))
    };
    let line = |n: usize, field: &str, value: serde_json::Value| {
        let mut row = row.clone();
        row["key"] = json!(format!("k{n}"));
        *row.pointer_mut(field).unwrap() = value;
        row.to_string()
    };
    for device in ["../../etc/passwd", "/etc", "a:b", "a\\b", "", " ", ".", "..", "-", "\u{1b}[31m", "a\nb"] {
        let ran = import(device, &[line(0, "/model", json!("m"))]);
        assert!(ran.code == 2 && ran.out.contains("bad_device"), "{device:?}: {} {}", ran.out, ran.err);
    }
    let mut twice = vec![line(9, "/tokens/input", json!(1)); 20];
    twice.push(line(9, "/tokens/input", json!(2)));
    twice.push(line(9, "/tokens/output", json!(3)));
    let mut lines = vec![
        line(1, "/tokens/input", json!(-5)),
        line(2, "/tokens/input", json!(1.5)),
        line(3, "/tokens/input", json!("7")),
        line(4, "/session", json!("no-agent")),
        line(5, "/file", json!("../../x")),
        line(6, "/at", json!("yesterday")),
        line(7, "/model", json!("x".repeat(3 << 20))),
        line(8, "/model", json!("cut"))[..60].to_owned(),
        "[".repeat(100_000),
        "\0".repeat(100),
    ];
    let bad = lines.len();
    lines.extend(twice);
    let mut refund = row.clone();
    refund["key"] = json!("k10");
    refund["reported_picousd"] = json!(-1_000_000_000_000_i64);
    lines.push(refund.to_string());
    let got = import("other", &lines).json();
    assert_eq!((&got[0]["skipped"], &got[0]["new_requests"]), (&json!(bad), &json!(2)), "{got}");
    let report = cost(&mut two.app(), "device").report;
    assert_eq!(
        (report.total.tokens.input, report.total.tokens.output),
        (2 + 10, 20 + 20),
        "the last of the longest counts"
    );
    assert!(report.total.cost_picousd > 0, "nothing is refunded");
    assert!(two.app().verify_cost(None).unwrap().same);
}

#[test]
fn the_commands_of_clawtrace_keep_their_output_fields() {
    let world = World::new(&[]);
    let now = world.app().now().millis();
    let day = |ago: i64| Timestamp(now - ago * 86_400_000).to_string();
    let days: Vec<String> = (0..12).map(day).collect();
    let ids: Vec<String> = (0..12).map(|i| format!("m{i}")).collect();
    let asks: Vec<Ask<'_>> = (0..12)
        .map(|i| Ask {
            id: &ids[i],
            at: &days[i],
            tokens: [0, if i == 2 { 400_000 } else { 40_000 }, 0, 0],
            ..Ask::default()
        })
        .collect();
    log(&world, "/w/a", "s1", &asks);
    let list = ok(&world, &["anomalies", "--json"]);
    let found = &list[0];
    assert_eq!(keys(found), ["actual_cost", "date", "expected_cost", "pct_over", "severity"].into());
    assert_eq!((&found["expected_cost"], &found["actual_cost"]), (&json!(1.0), &json!(10.0)));
    assert_eq!((&found["severity"], &found["pct_over"]), (&json!("critical"), &json!(900.0)));
    let status = ok(&world, &["status", "--json"]);
    let seed = [
        "date",
        "total_cost_usd",
        "total_tokens",
        "session_count",
        "message_count",
        "file_count",
        "total_messages",
    ];
    assert!(seed.iter().all(|k| keys(&status).contains(k)), "{status}");
    assert_eq!((&status["total_messages"], &status["file_count"]), (&json!(12), &json!(1)));
    let report = ok(&world, &["cost-report", "--days", "3", "--json"]);
    assert_eq!(keys(&report), ["models", "projects", "timeseries", "top_sessions"].into());
    assert_eq!(report["timeseries"].as_array().unwrap().len(), 3);
    assert_eq!(report["timeseries"][0], json!({ "date": &days[2][..10], "cost_usd": 10.0 }));
    let both = ok(&world, &["cost", "--json", "--by", "day"]);
    assert_eq!(both["robust"][0]["cause"], "volume");
    assert!(both["alerts"].is_array() && both["anomalies"].is_array());
    let human = run(&world, &["cost", "anomalies"]).out;
    assert!(human.contains("more tokens"), "{human}");
}

#[test]
fn the_output_count_of_a_partly_recorded_answer_is_a_lower_bound() {
    let world = World::new(&[]);
    let ask = |id, output| Ask { id, tokens: [5, output, 0, 0], ..Ask::default() };
    log(&world, "/w/a", "begun", &[ask("a", 1)]);
    log(&world, "/w/b", "whole", &[ask("b", 1), ask("b", 30)]);
    let report = cost(&mut world.app(), "session").report;
    let found: Vec<_> = report.rows.iter().map(|r| (r.key.as_str(), r.confidence)).collect();
    use clawgate::trace::Confidence::{Exact, LowerBound};
    assert_eq!(found, [("claude:whole", Exact), ("claude:begun", LowerBound)]);
}

#[test]
fn negative_huge_and_future_records_have_a_defined_count() {
    let world = World::new(&[]);
    let asks = [
        Ask { id: "negative", tokens: [-5, -1, 0, 10], ..Ask::default() },
        Ask {
            id: "absurd",
            at: "2026-11-19T10:00:00Z",
            tokens: [i64::MAX, i64::MAX, i64::MAX, 0],
            ..Ask::default()
        },
        Ask { id: "future", at: "2999-01-01T00:00:00Z", tokens: [0, 1_000_000, 0, 0], ..Ask::default() },
        Ask { id: "ancient", at: "0001-01-01T00:00:00Z", ..Ask::default() },
        Ask { id: "timeless", at: "not a time", ..Ask::default() },
    ];
    log(&world, "/w/a", "s1", &asks);
    let report = cost(&mut world.app(), "day").report;
    assert_eq!(report.total.requests, 5);
    assert_eq!(report.total.cost_picousd, i64::MAX, "saturated, and no panic");
    let keys: Vec<_> = report.rows.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(keys, ["0001-01-01", "2026-11-19", "2026-11-20", "2999-01-01"]);
    let day = |key: &str| report.rows.iter().find(|r| r.key == key).unwrap();
    // A negative count is 0. A record without a time gets the time of the record before it in the session.
    assert_eq!((day("2026-11-20").tokens.input, day("2026-11-20").tokens.cache_write_5m), (0, 10));
    assert_eq!(day("2999-01-01").requests, 2);
    // Future records are counted and raise no alert.
    let mut app = world.app();
    assert!(app.alerts().unwrap().iter().all(|a| a.kind != AlertKind::DailyBudget));
    let found = app.anomalies(&clawgate::app::cost::AnomalyParams::default()).unwrap();
    assert!(
        found.warnings.days.robust.iter().all(|d| d.date.year() < 2999)
            && found.warnings.days.anomalies.iter().all(|d| d.found.date.year() < 2999)
    );
    for by in ["week", "month", "block", "session", "tool"] {
        let sum: u64 = cost(&mut app, by).report.rows.iter().map(|r| r.requests).sum();
        assert_eq!(sum, 5, "{by}");
    }
    assert!(app.verify_cost(None).unwrap().same);
}

/// An exported ledger with `n` sessions of one request each.
fn many_sessions(n: usize) -> String {
    let mut text = String::from(
        "{\"format\":\"clawgate-ledger\",\"version\":1,\"device\":\"big\",\"exported\":\"2026-11-20T00:00:00.000Z\"}\n",
    );
    for i in 0..n {
        let at = Timestamp(1_790_000_000_000 + i as i64 * 3_000);
        text.push_str(&format!(
            "{{\"file\":\"{i:x}\",\"key\":\"claude:m{i}\",\"session\":\"claude:s{i}\",\"at\":\"{at}\",\"model\":\"claude-opus-5\",\"tokens\":{{\"input\":1,\"output\":1,\"reasoning\":0,\"cache_read\":0,\"cache_write_5m\":0,\"cache_write_1h\":0,\"web_search\":0}}}}\n"
        ));
    }
    text
}

/// `CLAWGATE_SESSIONS` sets the number of sessions; the times are printed for docs/performance.md.
#[test]
fn thousands_of_imported_sessions_are_counted() {
    let n = std::env::var("CLAWGATE_SESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let world = World::new(&[]);
    let mut app = world.app();
    let mut timed = |what: &str, work: &mut dyn FnMut(&mut App)| {
        let started = std::time::Instant::now();
        work(&mut app);
        println!("{what}: {:.2?}", started.elapsed());
    };
    timed("import", &mut |app| {
        let report = app.import_ledger(&mut many_sessions(n).as_bytes()).unwrap();
        assert_eq!((report.records, report.new_requests, report.skipped), (n as u64, n as u64, 0));
    });
    timed("total", &mut |app| assert_eq!(cost(app, "total").report.total.requests, n as u64));
    timed("sessions", &mut |app| assert_eq!(cost(app, "session").report.rows.len(), n));
    timed("explain", &mut |app| {
        let found = app.explain(&clawgate::app::cost::ExplainParams::default()).unwrap();
        assert_eq!(found.requests.len() as u64 + found.requests_left_out.unwrap_or(0), n as u64);
    });
}
