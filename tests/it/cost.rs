//! The cost engine through its use-cases: alerts once a window, dimensions that agree, prices of one's own.

use std::fs;

use clawgate::app::{Actor, App, CostParams};
use clawgate::trace::Timestamp;
use clawgate::usage::AlertKind;
use serde_json::json;

use crate::flow::World;

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

pub fn config(world: &World, text: &str) {
    let dir = world.tmp.path().join("state");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.toml"), text).unwrap();
}

pub fn cost(app: &mut App, by: &str) -> clawgate::app::CostReport {
    app.cost(&CostParams { by: Some(by.to_owned()), ..CostParams::default() }).unwrap()
}

#[test]
fn an_alert_is_raised_once_a_window_and_again_once_it_was_seen() {
    let world = World::new(&[]);
    let now = world.app_as(Actor::Person, 30).now();
    let at = Timestamp(now.millis() - 60_000).to_string();
    // 200,000 output tokens of opus-5 are 5 dollars
    log(&world, "/w/a", "s1", &[Ask { at: &at, tokens: [10, 240_000, 0, 0], ..Ask::default() }]);
    config(&world, "[alerts]\ndaily_budget_usd = 4\nhourly_token_volume = 0\n");
    let kinds = |a: Vec<clawgate::usage::Alert>| a.into_iter().map(|a| a.kind).collect::<Vec<_>>();
    let all = [AlertKind::DailyBudget, AlertKind::HourlyBurnRate, AlertKind::SessionSpike];
    assert_eq!(kinds(world.app_as(Actor::Person, 30).alerts_standing().unwrap()), all);
    let first = world.app_as(Actor::Person, 30).alerts().unwrap();
    assert!(
        first[0].message().contains("$6.00") && first[0].message().contains("$4.00"),
        "{}",
        first[0].message()
    );
    assert_eq!(kinds(first), all);
    assert_eq!(kinds(world.app_as(Actor::Person, 30).alerts().unwrap()), [], "another process");
    assert_eq!(kinds(world.app_as(Actor::Person, 30).alerts_standing().unwrap()), all);
    assert_eq!(world.app_as(Actor::Person, 30).acknowledge_alerts().unwrap(), 3);
    assert_eq!(kinds(world.app_as(Actor::Person, 30).alerts().unwrap()), all);
}

#[test]
fn what_a_tools_results_add_is_charged_to_it_and_never_more_than_the_total() {
    let world = World::new(&[]);
    let ask = |id, tokens, calls| Ask { id, tokens, calls, ..Ask::default() };
    let asks = [
        ask("a", [1000, 100, 0, 0], &["Read"][..]),
        // 2,000 more: 100 of the answer, 1,900 of Read
        ask("b", [2000, 50, 1000, 0], &["Bash", "Read"]),
        // 1,050 more: 50 of the answer, 500 each
        ask("c", [1050, 10, 3000, 0], &[]),
        // compacted: nothing is carried
        ask("d", [900, 10, 0, 0], &[]),
    ];
    log(&world, "/w/a", "s1", &asks);
    let report = cost(&mut world.app(), "tool").report;
    let row = |key: &str| report.rows.iter().find(|r| r.key == key).unwrap();
    assert_eq!((row("Read").input, row("Read").cache_read), (1900 + 500, 1900));
    assert_eq!((row("Bash").input, row("Bash").cache_read), (500, 0));
    let sum: i64 = report.rows.iter().map(|r| r.cost_picousd).sum();
    assert_eq!(sum, report.total.cost_picousd);
    assert_eq!(report.rows.iter().map(|r| r.requests).sum::<u64>(), 4);
    assert_eq!(row("Read").cost_picousd, 2400 * 5_000_000 + 1900 * 500_000);
}

#[test]
fn an_advisors_tokens_are_neither_fast_nor_elsewhere() {
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
