//! Homes for the test of the JSON of all commands that have what the fixtures lack: spending over budgets, days out of the
//! ordinary, settings that differ from the defaults, exclusions that match nothing, and findings of a review.

use std::fs;
use std::path::Path;

use clawgate::app::Actor;
use clawgate::app::release::{DecisionIn, FindingIn, ReviewParams, check_quote};
use clawgate::workflow::EntityDecision;
use serde_json::{Value, json};

use crate::json_schema::Session;
use crate::world::{World, confirm, ok, review_to_end, run};

/// Two weeks of one request a day, and a hundred requests on the last day. The last one is fast, by a service tier, and in a
/// place of its own.
fn write_spending(world: &World) {
    let folder = world.home().join(".claude/projects/-srv-shop");
    fs::create_dir_all(&folder).unwrap();
    let request = |id: String, at: String, usage: Value| {
        let message = json!({ "id": format!("msg_{id}"), "role": "assistant", "model": "claude-opus-4-8",
            "content": [{ "type": "text", "text": "Done." }], "usage": usage });
        let record = json!({ "type": "assistant", "uuid": id, "parentUuid": null, "sessionId": "spending", "cwd": "/srv/shop",
            "version": "2.1.329", "timestamp": at, "message": message });
        format!("{record}\n")
    };
    let usage = || json!({ "input_tokens": 90_000, "output_tokens": 9_000 });
    let mut text = String::new();
    for day in 6..20 {
        text.push_str(&request(format!("d{day}"), format!("2026-11-{day:02}T12:00:00.000Z"), usage()));
    }
    for n in 0..100 {
        text.push_str(&request(format!("n{n}"), format!("2026-11-20T23:{:02}:00.000Z", n % 60), usage()));
    }
    let mut last = usage();
    last["speed"] = json!("fast");
    last["service_tier"] = json!("priority");
    last["inference_geo"] = json!("us");
    text.push_str(&request("last".to_owned(), "2026-11-20T23:59:00.000Z".to_owned(), last));
    fs::write(folder.join("spending.jsonl"), text).unwrap();

    let codex = world.home().join(".codex/sessions/2026/11/20");
    fs::create_dir_all(&codex).unwrap();
    let id = "01a1f9bd-0000-7ab1-bd80-f5c271416ae0";
    let records = [
        json!({ "type": "session_meta", "payload": { "id": id, "cwd": "/srv/shop", "model_provider": "lmstudio",
            "originator": "codex_cli_rs", "cli_version": "0.169.0", "timestamp": "2026-11-20T12:00:00.000Z" } }),
        json!({ "type": "turn_context", "payload": { "model": "mystery-8", "cwd": "/srv/shop" } }),
        json!({ "type": "event_msg", "payload": { "type": "token_count",
            "info": { "total_token_usage": { "input_tokens": 900, "output_tokens": 90, "total_tokens": 990 },
                "last_token_usage": { "input_tokens": 900, "output_tokens": 90, "total_tokens": 990 } },
            "rate_limits": { "limit_id": "mystery", "limit_name": "mystery",
                "primary": { "used_percent": 12.0, "window_minutes": 300, "resets_at": 1_795_222_200 } } } }),
    ];
    let lines = records.map(|mut record| {
        record["timestamp"] = json!("2026-11-20T23:50:00.000Z");
        format!("{record}\n")
    });
    fs::write(codex.join(format!("rollout-2026-11-20T12-00-00-{id}.jsonl")), lines.concat()).unwrap();
}

/// Runs commands on spending that exceeds its budgets.
pub fn run_with_spending(s: &mut Session) {
    s.world = World::new(&["claude-2.1.329", "opencode-1.18.33"]);
    write_spending(&s.world);
    s.world.configure(
        "[budgets]\ndaily_usd = 0.01\n[alerts]\nwebhook = \"http://127.0.0.1:1/alerts\"\ncommand = [\"true\"]\n",
    );
    s.ok("scan", &[]);
    for by in ["day", "model"] {
        s.ok("cost", &["--by", by]);
    }
    s.ok("cost", &["--by", "day", "--limit", "1"]);
    s.ok("cost anomalies", &[]);
    s.ok("cost alerts", &[]);
    s.run("cost alerts", &["--deliver"], "");
    s.ok("cost alerts", &["--acknowledge"]);
    s.ok("cost explain", &["claude:spending", "--limit", "200"]);
    s.ok("cost export", &[]);
    s.ok("pricing check", &[]);
    s.ok("menubar", &[]);
    s.run("statusline", &[], "{}");
    s.ok("status", &[]);
    let list = ok(&s.world, &["inbox", "--limit", "1000", "--json"]);
    for session in list["sessions"].as_array().unwrap() {
        s.ok("show", &[session["key"].as_str().unwrap()]);
    }
    s.ok("forget", &["claude:spending", "--yes"]);
    write_spending(&s.world);
    s.ok("scan", &[]);
    let ledger = "{\"format\":\"clawgate-ledger\",\"version\":1,\"device\":\"tablet\",\"exported\":\"2026-11-20T00:00:00.000Z\"}\n\
                  {\"session\":7}\n";
    s.run("cost import", &["-"], ledger);
    s.ok("scope", &["--agent", "claude"]);
    s.run("approve", &["--all"], "");
    s.ok("scope", &["--exclude", "ledger-api", "--confirm"]);
    s.ok("config", &["--remove-exclude", "ledger-api"]);
    s.ok("scope", &["--exclude", "ledger-api"]);
    s.ok("scope", &["--include", "ledger-api"]);
    s.ok("scope", &["--exclude", "ledger-api", "--confirm"]);
    s.ok("approve", &["claude:d887a41e"]);
    let settings = "timezone = \"UTC\"\n[scope]\nagents = [\"claude\"]\nexclude = [\"gone\"]\n[alerts]\ndaily_budget_usd = 1\nwebhook = \"https://example.com\"\ncommand = [\"true\"]\n\
        [anomalies]\nmin_days = 5\n[budgets]\ndaily_usd = 0.01\nweekly_usd = 1\nmonthly_usd = 1\nsession_usd = 1\nblock_usd = 1\n[cost]\ndevice = \"laptop\"\n[review]\nfloor_percent = 70\n\
        [[price]]\nmodel = \"local\"\nprovider = \"lmstudio\"\nproject = \"shop\"\ninput = 1\noutput = 2\ncache_read = 1\n\
        cache_write_5m = 1\ncache_write_1h = 1\nweb_search = 1\n\
        [[detectors]]\nname = \"names\"\ncommand = [\"/nonexistent\"]\ntimeout_seconds = 5\n";
    s.world.configure(settings);
    for command in ["config", "scope", "status"] {
        s.ok(command, &[]);
    }
    s.ok("pricing show", &[]);
}

/// Returns the text of all sealed rows below a directory.
fn sealed_rows(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sealed_rows(&path));
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// Returns whether a word is nowhere a part of a name that cannot be redacted, such as a field, a tool or a model.
fn is_only_prose(rows: &str, word: &str) -> bool {
    let mut places = rows.match_indices(word).peekable();
    places.peek().is_some()
        && places
            .all(|(at, _)| rows[..at].ends_with(' ') && rows[at + word.len()..].starts_with([' ', '.', ',']))
}

/// Runs commands on a release whose review found something and kept something.
pub fn run_with_findings(s: &mut Session) {
    s.world = World::new(&["claude-2.1.329", "codex-0.169.0", "kimi-code-2.1.0"]);
    s.ok("scan", &[]);
    s.ok("scope", &["--confirm"]);
    s.ok("approve", &["--all"]);
    let folder = s.world.out().display().to_string();
    s.ok("prepare", &["--folder", &folder, "--licence", "cc-by-4.0"]);
    s.ok("review", &[]);
    s.ok("review", &["--inventory"]);
    let mut person = s.world.app_as(Actor::Person, 1);
    let items = person.inventory(None, true).unwrap().entities;
    s.ok("review", &["--redact", &items[1].id]);
    let keep = DecisionIn {
        id: items[0].id.clone(),
        decision: EntityDecision::Keep,
        reason: Some("it is public".to_owned()),
        ..DecisionIn::default()
    };
    let redact = DecisionIn { id: "all".to_owned(), ..DecisionIn::default() };
    for decision in [redact, keep] {
        person.decide(None, &[decision]).unwrap();
        person.seal_again(None).unwrap();
    }
    let page = person.review(&ReviewParams::default()).unwrap().page.unwrap();
    let rows = sealed_rows(&s.world.state());
    let mut words = page.text.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 4);
    let words = words
        .find(|word| is_only_prose(&rows, word) && check_quote(word, &page.chunks).is_ok())
        .unwrap()
        .to_owned();
    let finding = FindingIn {
        quote: words,
        kind: "ORG".to_owned(),
        confidence: Some(0.9),
        reason: Some("a client".to_owned()),
        ..FindingIn::default()
    };
    let params = ReviewParams { nonce: Some(page.nonce), findings: vec![finding], ..ReviewParams::default() };
    person.review(&params).unwrap();
    drop(person);
    s.ok("review", &[]);
    let nonce = ok(&s.world, &["review", "--json"])["page"]["nonce"].as_str().unwrap().to_owned();
    s.ok("review", &["--nonce", &nonce, "--finding", "ORG=words that are nowhere in the page"]);
    s.ok("review", &["--inventory"]);
    s.ok("privacy", &[]);
    s.ok("preview", &[]);
    let mut document = run(&s.world, &["pii-review", "--json"]).json();
    document["findings"] = json!([
        { "entity_text": "nowhere in the page", "entity_type": "org", "confidence": 0.9, "mood": "good" },
    ]);
    let file = s.world.tmp.path().join("findings.json");
    fs::write(&file, document.to_string()).unwrap();
    s.run("pii-apply", &[&file.display().to_string()], "");
    review_to_end(&mut s.world.app());
    confirm(&mut s.world.app()).unwrap();
    s.ok("preview", &[]);
}
