//! Cline: cases that the recorded logs do not contain.

use clawgate::sources::{self, Read, ReadOptions};
use clawgate::trace::Part;
use serde_json::Value;

/// Reads a task of Cline 2 with the given content of its two files.
fn cline_task(ui: &Value, api: &Value) -> Read {
    let dir = tempfile::tempdir().unwrap();
    let task = dir.path().join("data/tasks/17");
    std::fs::create_dir_all(&task).unwrap();
    std::fs::write(task.join("ui_messages.json"), ui.to_string()).unwrap();
    std::fs::write(task.join("api_conversation_history.json"), api.to_string()).unwrap();
    let cline = sources::by_agent("cline").unwrap();
    cline.read(&task.join("ui_messages.json"), &ReadOptions::default()).unwrap()
}

#[test]
fn cached_tokens_are_counted_if_the_prompt_excludes_them() {
    use serde_json::json;
    let request = |ts: u64, out: u64, cost: f64| {
        let text =
            json!({"tokensIn": 100, "tokensOut": out, "cacheWrites": 2000, "cacheReads": 8000, "cost": cost});
        json!({"ts": ts, "type": "say", "say": "api_req_started", "text": text.to_string(),
            "modelInfo": {"providerId": "anthropic", "modelId": "m"}})
    };
    let answer = |ts: u64, out: u64| {
        json!({"role": "assistant", "ts": ts, "content": [{"type": "text", "text": "ok"}],
            "modelInfo": {"modelId": "m", "providerId": "anthropic"},
            "metrics": {"tokens": {"prompt": 100, "completion": out, "cached": 10000}}})
    };
    let ui = json!([{"ts": 1, "type": "say", "say": "task", "text": "go"}, request(2, 50, 0.5), request(4, 60, 0.25)]);
    // The first answer matches no request on the screen, so it gets no cost.
    let api =
        json!([{"role": "user", "ts": 1, "content": "<task>\ngo\n</task>"}, answer(2, 51), answer(4, 60)]);
    let read = cline_task(&ui, &api);
    let rows: Vec<_> = read
        .usage
        .iter()
        .map(|r| (r.tokens.input, r.tokens.cache_write_5m, r.tokens.cache_read, r.reported_picousd))
        .collect();
    assert_eq!(rows, [(100, 0, 10000, None), (100, 2000, 8000, Some(250_000_000_000))]);
}

#[test]
fn prompts_are_in_the_right_order_if_entries_have_no_times() {
    use serde_json::json;
    let said = |ts: u64, say: &str, text: &str| json!({"ts": ts, "type": "say", "say": say, "text": text});
    let ui = json!([said(1, "task", "first"), said(9, "user_feedback", "second")]);
    let text = |role: &str, t: &str| json!({"role": role, "content": [{"type": "text", "text": t}]});
    let api = json!([
        text("user", "<task>\nfirst\n</task>"),
        text("assistant", "one"),
        text("user", "<feedback>\nsecond\n</feedback>"),
        text("assistant", "two")
    ]);
    let read = cline_task(&ui, &api);
    let texts: Vec<_> = read.sessions[0]
        .messages
        .iter()
        .map(|m| match &m.parts[0] {
            Part::Text { text } => text.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(texts, ["first", "one", "second", "two"]);
}
