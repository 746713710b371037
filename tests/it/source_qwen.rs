//! Qwen Code: a recorded log, and cases that it does not contain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;

use clawgate::sources::{self, Read, ReadOptions, Source};
use clawgate::trace::{Env, Origin, Part, ToolStatus};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sources::{Found, check_folder, fixtures, read_bytes};

fn source() -> &'static dyn Source {
    sources::by_agent("qwen").unwrap()
}

fn read(records: &[Value]) -> Read {
    let bytes: Vec<u8> = records.iter().flat_map(|r| format!("{r}\n").into_bytes()).collect();
    read_bytes(source(), Path::new("s1.jsonl"), &bytes, &ReadOptions::default())
}

fn record(id: &str, kind: &str, parts: Value) -> Value {
    json!({"uuid": id, "sessionId": "s1", "timestamp": "2026-01-02T03:04:05Z", "type": kind,
        "cwd": "/work/mit Leerzeichen", "gitBranch": "main", "version": "1", "model": "q",
        "message": {"role": "user", "parts": parts}})
}

#[test]
fn qwen_0_24() {
    check_folder("qwen-0.24.4", "qwen");
    let found = Found::scan(source(), &fixtures().join("qwen-0.24.4/HOME"));
    assert!(found.sessions().all(|s| s.agent_version.as_deref() == Some("0.24.4")));
}

#[test]
fn results_images_and_compressions_are_read_once() {
    let mut ask = record(
        "u",
        "user",
        json!([{"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
    );
    ask["provenance"] = json!("real_user");
    let mut hook = record("h", "user", json!([{"text": "by a hook"}]));
    hook["provenance"] = json!("hook");
    let mut calls = record(
        "a",
        "assistant",
        json!([
        {"text": "thinking", "thought": true}, {"text": "answer"},
        {"functionCall": {"id": "c1", "name": "run_shell_command", "args": {"command": "x"}}},
        {"functionCall": {"id": "c2", "name": "edit", "args": {}}},
        {"functionCall": {"id": "c3", "name": "edit", "args": {}}}]),
    );
    calls["usageMetadata"] =
        json!({"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13});
    let result = |id: &str, call: &str, status: &str, output: &str| {
        let parts = json!([{"functionResponse": {"id": call, "response": {"output": output}}}]);
        let mut of = record(id, "tool_result", parts);
        of["toolCallResult"] = json!({"callId": call, "status": status});
        of
    };
    let mut packed = record("p", "system", json!([]));
    packed["subtype"] = json!("chat_compression");
    packed["systemPayload"] =
        json!({"compressedHistory": [{"parts": [{"text": "summary"}]}, {"parts": [{"text": "answer"}]}]});
    let mut again = record("t", "system", json!([]));
    again["subtype"] = json!("ui_telemetry");
    again["usageMetadata"] = calls["usageMetadata"].clone();
    let got = read(&[
        ask,
        hook,
        calls.clone(),
        calls,
        again,
        result("r1", "c1", "success", "Output: x\nExit Code: 3"),
        result("r2", "c2", "cancelled", ""),
        packed,
    ]);
    let session = &got.sessions[0];
    assert_eq!((session.user_messages(), session.assistant_messages(), got.usage.len()), (1, 1, 1));
    let status: Vec<_> = session.tool_calls().map(|c| c.status).collect();
    assert_eq!(status, [ToolStatus::Error, ToolStatus::Denied, ToolStatus::Pending]);
    assert_eq!(session.project.as_deref(), Some("/work/mit Leerzeichen"));
    let media = Part::Media { media_type: "image/png".to_owned(), bytes: 4 };
    assert!(session.messages[0].parts.contains(&media));
    let last = session.messages.last().unwrap();
    assert_eq!((last.origin, last.parts.len()), (Origin::Compaction, 1));
}

#[test]
fn both_directory_variables_are_used() {
    let dir = tempfile::tempdir().unwrap();
    for below in ["Ána 家/projects", "conf/projects", ".qwen/projects"] {
        std::fs::create_dir_all(dir.path().join(below)).unwrap();
    }
    let mut env = Env::bare(dir.path(), dir.path().join("own"));
    assert_eq!(source().roots(&env), [dir.path().join(".qwen/projects")]);
    env.vars.insert("QWEN_HOME".to_owned(), "~/conf".to_owned());
    assert_eq!(source().roots(&env), [dir.path().join("conf/projects")]);
    env.vars.insert("QWEN_RUNTIME_DIR".to_owned(), dir.path().join("Ána 家").to_str().unwrap().to_owned());
    assert_eq!(source().roots(&env), [dir.path().join("Ána 家/projects"), dir.path().join("conf/projects")]);
}

proptest! {
    #![proptest_config(crate::testing::cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_bytes(source(), Path::new("a.jsonl"), &bytes, &ReadOptions::default());
    }

    #[test]
    fn fields_of_the_wrong_type_do_not_lose_the_line(field in 0usize..10, odd in 0usize..5, kind in 0usize..4) {
        let name = ["uuid", "sessionId", "timestamp", "type", "message", "usageMetadata", "toolCallResult",
            "subtype", "systemPayload", "provenance"][field];
        let value = [json!(null), json!(-1.5), json!("x"), json!([[], {}, 1]), json!({"parts": {"functionCall": 1}})][odd].clone();
        let kind = ["user", "assistant", "tool_result", "system"][kind];
        let mut broken = record("b", kind, json!([{"functionCall": {"id": "c", "name": value.clone()}}, value.clone()]));
        broken[name] = value;
        let got = read(&[broken, record("end", "user", json!([{"text": "end"}]))]);
        prop_assert_eq!(got.skipped_lines.total, 0);
        prop_assert!(got.sessions[0].user_messages() >= 1);
    }

    #[test]
    fn a_truncated_log_has_no_broken_lines(part in 0usize..30_000) {
        let found = Found::scan(source(), &fixtures().join("qwen-0.24.4/HOME"));
        for (path, _) in &found.files {
            let bytes = std::fs::read(path).unwrap();
            let got = read_bytes(source(), path, &bytes[..part.min(bytes.len())], &ReadOptions::default());
            prop_assert_eq!(got.skipped_lines.total, 0);
        }
    }
}
