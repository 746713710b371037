//! Properties of every ledger: each report's rows add up to the total, and the rest is shown as a row.

use std::fs;

use clawgate::app::cost::{CostParams, ExplainParams};
use clawgate::usage::{Dimension, ReportRow};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cost::{Ask, cost, log};
use crate::world::{World, ok};

/// Clock changes, leap days, the ends of years, the past and the future.
const TIMES: [&str; 9] = [
    "2026-11-01T05:30:00.000Z",
    "2026-11-01T06:30:00.000Z",
    "2026-03-29T00:59:59.999Z",
    "2026-03-29T01:00:00.000Z",
    "2028-02-29T23:30:00.000Z",
    "2026-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00.000Z",
    "2999-01-01T00:00:00.000Z",
    "2026-11-20T10:00:00.000Z",
];

const ZONES: [&str; 4] = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"];

#[derive(Debug, Clone)]
struct Request {
    /// Requests of different logs share ids, as after a history was copied.
    id: u8,
    at: usize,
    model: &'static str,
    tokens: [i64; 4],
    tools: Vec<&'static str>,
    skill: bool,
    side: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let tokens = prop::array::uniform4(prop_oneof![0i64..50_000, Just(-3), Just(1 << 27)]);
    let model = prop::sample::select(vec!["claude-opus-5", "claude-haiku-5-5", "house-llm", "<synthetic>"]);
    let tools = prop::collection::vec(prop::sample::select(vec!["Bash", "Read", "mcp__a__b"]), 0..4);
    (any::<u8>(), 0..TIMES.len(), model, tokens, tools, any::<bool>(), any::<bool>()).prop_map(
        |(id, at, model, tokens, tools, skill, side)| Request {
            id: id % 40,
            at,
            model,
            tokens,
            tools,
            skill,
            side,
        },
    )
}

fn write(world: &World, project: &str, session: &str, requests: &[Request]) {
    let dir = world.home().join(".claude/projects").join(project.replace('/', "-"));
    let side = dir.join(session).join("subagents");
    fs::create_dir_all(&side).unwrap();
    let (mut own, mut aside) = (String::new(), String::new());
    for r in requests {
        let content: Vec<Value> = r
            .tools
            .iter()
            .enumerate()
            .map(|(i, t)| json!({ "type": "tool_use", "id": format!("{}-{i}", r.id), "name": t }))
            .collect();
        let record = json!({
            "type": "assistant", "sessionId": session, "cwd": project, "uuid": format!("u{}", r.id),
            "timestamp": TIMES[r.at], "attributionSkill": r.skill.then_some("release"),
            "message": { "id": format!("m{}", r.id), "model": r.model, "content": content, "usage": {
                "input_tokens": r.tokens[0], "output_tokens": r.tokens[1], "cache_read_input_tokens": r.tokens[2],
                "cache_creation_input_tokens": r.tokens[3] } }
        });
        let log = if r.side { &mut aside } else { &mut own };
        log.push_str(&format!("{record}\n"));
    }
    fs::write(dir.join(format!("{session}.jsonl")), own).unwrap();
    fs::write(side.join(format!("agent-a{session}.jsonl")), aside).unwrap();
    fs::write(side.join(format!("agent-a{session}.meta.json")), "{\"agentType\":\"Explore\"}").unwrap();
}

fn figures(r: &ReportRow) -> [i128; 10] {
    [
        r.requests.into(),
        r.tokens.input.into(),
        r.tokens.output.into(),
        r.tokens.reasoning.into(),
        r.tokens.cache_read.into(),
        r.tokens.cache_write_5m.into(),
        r.tokens.cache_write_1h.into(),
        r.tokens.web_search.into(),
        r.cost_picousd.into(),
        r.unpriced_tokens.into(),
    ]
}

proptest! {
    #![proptest_config(crate::testing::cases(12))]
    #[test]
    fn the_rows_of_every_report_add_up_to_the_total(logs in prop::collection::vec(prop::collection::vec(request(), 0..12), 1..5)) {
        let world = World::new(&[]);
        for (i, requests) in logs.iter().enumerate() {
            write(&world, ["/w/a", "/w/b"][i % 2], &format!("s{i}"), requests);
        }
        let mut app = world.app();
        let total = cost(&mut app, "total").report.total;
        for (by_name, by) in Dimension::ALL {
            for zone in ZONES {
                let params = CostParams {
                    by: Some(*by), timezone: Some(zone.to_owned()), ..CostParams::default()
                };
                let report = app.cost(&params).unwrap().report;
                prop_assert_eq!(&report.total, &total, "by {} in {}", by_name, zone);
                let mut sum = [0; 10];
                for row in &report.rows {
                    prop_assert!(!row.key.is_empty() && row.cost_picousd >= 0 && row.cost_picousd <= total.cost_picousd);
                    sum.iter_mut().zip(figures(row)).for_each(|(s, n): (&mut i128, _)| *s += n);
                }
                prop_assert_eq!(sum, figures(&total), "by {} in {}", by_name, zone);
                let mut keys: Vec<_> = report.rows.iter().map(|r| &r.key).collect();
                keys.sort();
                keys.dedup();
                prop_assert_eq!(keys.len(), report.rows.len());
            }
            // Explain returns exactly the requests of the row.
            for row in cost(&mut app, by_name).report.rows {
                let params = ExplainParams {
                    by: Some(*by), key: Some(row.key.clone()), limit: Some(1000), ..ExplainParams::default()
                };
                let found = app.explain(&params).unwrap();
                prop_assert_eq!(&found.figure, &row);
                let parts: i128 = found.requests.iter().map(|r| i128::from(r.cost_picousd.unwrap_or(0))).sum();
                prop_assert_eq!(parts, i128::from(row.cost_picousd), "{} {}", by_name, row.key);
                let output: i128 = found.requests.iter().map(|r| i128::from(r.usage.output)).sum();
                prop_assert_eq!(output, i128::from(row.tokens.output), "{} {}", by_name, row.key);
            }
        }
        let verified = app.verify_cost(Some(ZONES[3])).unwrap();
        prop_assert!(verified.same, "{:#?}", verified.differences);
    }
}

#[test]
fn a_clock_set_back_changes_only_the_days_of_requests() {
    let world = World::new(&[]);
    let ask = |id, at, tokens, calls| Ask { id, at, tokens, calls, ..Ask::default() };
    let asks = [
        ask("a", "2026-11-20T10:00:00.000Z", [1000, 100, 0, 0], &["Read"][..]),
        // The clock was set back by two days.
        ask("b", "2026-11-18T09:00:00.000Z", [1600, 10, 0, 0], &[]),
        ask("c", "2026-11-20T11:00:00.000Z", [1700, 10, 0, 0], &[]),
    ];
    log(&world, "/w/a", "s", &asks);
    let days = cost(&mut world.app(), "day").report;
    let keys: Vec<_> = days.rows.iter().map(|r| (r.key.as_str(), r.requests)).collect();
    assert_eq!(keys, [("2026-11-18", 1), ("2026-11-20", 2)]);
    assert_eq!(cost(&mut world.app(), "session").report.rows.len(), 1);
    assert_eq!(cost(&mut world.app(), "block").report.rows.len(), 2);
    // Tool tokens follow the order of the log, not the clock: 500 are new, then they are cached.
    let tools = cost(&mut world.app(), "tool").report;
    assert_eq!(tools.rows.iter().find(|r| r.key == "Read").unwrap().tokens.input, 1000);
    assert!(world.app().verify_cost(None).unwrap().same);
}

#[test]
fn a_limit_keeps_the_latest_days() {
    let world = World::new(&[]);
    let times: Vec<String> = (10..=20).map(|d| format!("2026-11-{d}T10:00:00.000Z")).collect();
    let asks: Vec<_> =
        times.iter().map(|at| Ask { id: at, at, tokens: [1000, 1, 0, 0], ..Ask::default() }).collect();
    log(&world, "/w/a", "s", &asks);
    let report = ok(&world, &["cost", "--by", "day", "--limit", "2", "--json"]);
    let keys: Vec<_> =
        report["rows"].as_array().unwrap().iter().map(|r| r["key"].as_str().unwrap()).collect();
    assert_eq!((keys, &report["rows_left_out"]), (vec!["2026-11-19", "2026-11-20"], &json!(9)));
    assert_eq!(report["total"]["requests"], 11);
}
