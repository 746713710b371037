//! Gemini CLI: recorded logs of four versions, and cases that they do not contain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clawgate::sources::{self, Read, ReadOptions, Source};
use clawgate::trace::{Env, Origin, Part, Role, ToolStatus};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sources::{Found, check_folder, check_folder_with, fixtures, read_bytes};
use crate::world::{World, ok};

fn source() -> &'static dyn Source {
    sources::by_agent("gemini").unwrap()
}

fn knowing(dirs: &[&str]) -> ReadOptions {
    ReadOptions { known_dirs: dirs.iter().map(|d| (*d).to_owned()).collect(), ..ReadOptions::default() }
}

fn lines(records: &[Value]) -> Vec<u8> {
    records.iter().flat_map(|r| format!("{r}\n").into_bytes()).collect()
}

fn read(records: &[Value]) -> Read {
    read_bytes(source(), Path::new("session-x.jsonl"), &lines(records), &ReadOptions::default())
}

fn header() -> Value {
    json!({"sessionId": "s1", "projectHash": "h", "startTime": "2026-01-02T03:04:05Z",
        "lastUpdated": "2026-01-02T03:04:05Z", "kind": "main"})
}

fn user(id: &str, text: &str) -> Value {
    json!({"id": id, "timestamp": "2026-01-02T03:04:06Z", "type": "user", "content": [{"text": text}]})
}

fn answer(id: &str, text: &str) -> Value {
    json!({"id": id, "timestamp": "2026-01-02T03:04:07Z", "type": "gemini", "content": text,
        "tokens": {"input": 10, "output": 2, "cached": 4, "thoughts": 1, "tool": 0, "total": 13}, "model": "m"})
}

#[test]
fn gemini_0_4() {
    // The log contains no path. A scan knows the directories from other logs.
    let dirs = ["/elsewhere", "/home/mquintanilla/work/ledger-api", "/home/mquintanilla/work/calc-app"];
    check_folder_with("gemini-0.4.1", "gemini", &knowing(&dirs));
    let found = Found::scan(source(), &fixtures().join("gemini-0.4.1/HOME"));
    assert!(found.sessions().all(|s| s.project.is_none()), "a directory is not guessed");
}

#[test]
fn gemini_0_17() {
    check_folder("gemini-0.17.0", "gemini");
}

#[test]
fn gemini_0_36() {
    check_folder("gemini-0.36.0", "gemini");
}

#[test]
fn gemini_0_61() {
    check_folder("gemini-0.61.0", "gemini");
}

#[test]
fn a_resumed_session_repeats_nothing_and_copied_prompts_are_not_human() {
    let copy = json!([
        user("u0", "<session_context>\nx"), user("u1", "hello"), user("new", "hello"),
        {"id": "g1", "type": "gemini", "content": [{"text": "hi"}, {"functionCall": {"id": "c1", "name": "ls"}}]},
        {"id": "new2", "type": "user", "content": [{"functionResponse": {"id": "c1", "response": {"output": "o"}}}]},
        user("new3", "<state_snapshot>summary"),
    ]);
    let mut called = answer("g1", "hi");
    called["toolCalls"] = json!([{"id": "c1", "name": "ls", "args": {}, "status": "success",
        "result": [{"functionResponse": {"id": "c1", "response": {"output": "o"}}}]}]);
    let got = read(&[
        header(),
        user("u1", "hello"),
        answer("g1", "hi"),
        called,
        header(),
        json!({"$set": {"messages": copy}}),
        user("u2", "hello"),
        json!({"$set": {"lastUpdated": "2026-01-02T04:00:00Z", "summary": "A title"}}),
    ]);
    let session = &got.sessions[0];
    assert_eq!((session.user_messages(), session.assistant_messages()), (2, 1));
    assert_eq!(session.tool_calls().count(), 1);
    assert_eq!(session.title.as_deref(), Some("A title"));
    let injected = |o| session.messages.iter().filter(|m| m.origin == o).count();
    assert_eq!((injected(Origin::Injected), injected(Origin::Compaction)), (1, 1));
    let tokens: Vec<_> = got.usage.iter().map(|u| u.tokens).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!((tokens[0].input, tokens[0].output, tokens[0].reasoning, tokens[0].cache_read), (6, 3, 1, 4));
    assert_eq!(got.usage[0].dedupe_key, "gemini:g1");
    assert_eq!(session.ended, clawgate::trace::Timestamp::parse("2026-01-02T04:00:00Z"));
}

#[test]
fn a_rewind_removes_messages_but_not_their_tokens() {
    let got = read(&[
        header(),
        user("u1", "one"),
        answer("g1", "first"),
        user("u2", "two"),
        answer("g2", "second"),
        json!({"$rewindTo": "u2"}),
        json!({"$rewindTo": "unknown"}),
        user("u3", "three"),
    ]);
    let ids: Vec<_> = got.sessions[0].messages.iter().filter_map(|m| m.id.as_deref()).collect();
    assert_eq!(ids, ["u1", "g1", "u3"]);
    assert_eq!(got.usage.len(), 2);
}

#[test]
fn images_exit_codes_and_refusals_are_read() {
    let mut asked = answer("g1", "");
    let call = |id: &str, name: &str, status: &str, output: &str| {
        json!({"id": id, "name": name, "args": {}, "status": status,
            "result": [{"functionResponse": {"id": id, "response": {"output": output}}}]})
    };
    asked["toolCalls"] = json!([
        call("a", "run_shell_command", "success", "Output: x\nExit Code: 3"),
        call("b", "read_file", "success", "Exit Code: 3"),
        call("c", "run_shell_command", "cancelled", ""),
        {"id": "d", "name": "read_file", "status": "success", "result": [
            {"functionResponse": {"id": "d", "response": {"output": "image"}}},
            {"inlineData": {"mimeType": "image/png", "data": "AAAAAAAA"}}]},
        {"id": "e", "name": "read_file", "status": "executing"},
    ]);
    let picture = json!({"id": "u", "type": "user", "content": [{"text": "look"},
        {"inlineData": {"mimeType": "image/jpeg", "data": "BBBB"}}]});
    let got = read(&[header(), picture, asked]);
    let calls: Vec<_> = got.sessions[0].tool_calls().collect();
    let status: Vec<_> = calls.iter().map(|c| c.status).collect();
    use ToolStatus::{Denied, Error, Pending, Success};
    assert_eq!(status, [Error, Success, Denied, Success, Pending]);
    assert_eq!((calls[0].exit_code, calls[1].exit_code, calls[3].media_bytes), (Some(3), None, 8));
    let media = Part::Media { media_type: "image/jpeg".to_owned(), bytes: 4 };
    assert!(got.sessions[0].messages[0].parts.contains(&media));
    assert_eq!(got.sessions[0].messages[0].role, Role::User);
}

#[test]
fn a_subagent_and_its_call_refer_to_each_other_and_it_has_no_human_prompts() {
    let found = Found::scan(source(), &fixtures().join("gemini-0.61.0/HOME"));
    let child = found.sessions().find(|s| s.parent.is_some()).unwrap();
    let parent = found.sessions().find(|s| Some(&s.key) == child.parent.as_ref()).unwrap();
    assert!(parent.tool_calls().any(|c| c.subagent.as_ref() == Some(&child.key)));
    assert_eq!((child.user_messages(), child.title.as_deref()), (0, None));
    assert!(found.usage().filter(|u| u.session == child.key).all(|u| u.subagent.is_some()));
}

#[test]
fn the_project_is_read_from_the_files_next_to_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("Ána Bé 家");
    let tmp = home.join(".gemini/tmp");
    for (slug, root) in [("one", Some("/work/mit Leerzeichen\n")), ("two", None), ("three", None)] {
        std::fs::create_dir_all(tmp.join(slug).join("chats")).unwrap();
        if let Some(root) = root {
            std::fs::write(tmp.join(slug).join(".project_root"), root).unwrap();
        }
        let mut head = header();
        head["sessionId"] = json!(slug);
        let log = lines(&[head, user("u", "hello")]);
        std::fs::write(tmp.join(slug).join("chats/session-a.jsonl"), log).unwrap();
    }
    std::fs::write(home.join(".gemini/projects.json"), r#"{"projects":{"/work/zwei":"two"}}"#).unwrap();
    let mut env = Env::bare(dir.path(), dir.path().join("own"));
    assert_eq!(source().roots(&env), Vec::<PathBuf>::new());
    env.vars.insert("GEMINI_CLI_HOME".to_owned(), home.to_str().unwrap().to_owned());
    assert_eq!(source().roots(&env), std::slice::from_ref(&tmp));
    let found = Found::scan(source(), &home);
    let got: BTreeMap<_, _> = found.sessions().map(|s| (s.key.native(), s.project.as_deref())).collect();
    let want = [("one", Some("/work/mit Leerzeichen")), ("three", None), ("two", Some("/work/zwei"))];
    assert_eq!(got, BTreeMap::from(want));
    let companions = source().companions(&tmp.join("one/chats/session-a.jsonl"));
    assert_eq!(companions, [tmp.join("one/.project_root"), home.join(".gemini/projects.json")]);
}

#[test]
fn a_document_may_be_complete_incomplete_broken_or_too_long() {
    let path = fixtures().join("gemini-0.36.0/HOME/.gemini/tmp/ledger-api/chats");
    let path = std::fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&path).unwrap();
    let read = |bytes: &[u8], opts: &ReadOptions| read_bytes(source(), &path, bytes, opts);
    let all = ReadOptions::default();
    assert_eq!(read(&bytes, &all).sessions.len(), 1);
    let cut = read(&bytes[..bytes.len() / 2], &all);
    assert!(cut.truncated_tail && cut.skipped_lines.total == 0 && cut.sessions.is_empty());
    let broken = read(b"{\"sessionId\": oops}", &all);
    assert!(!broken.truncated_tail && broken.skipped_lines.total == 1);
    assert!(!broken.skipped_lines.first[0].1.contains("oops"));
    let long = read(&bytes, &ReadOptions { line_limit: bytes.len() - 1, ..ReadOptions::default() });
    assert_eq!(long.skipped_lines.first[0].1, format!("longer than {} bytes", bytes.len() - 1));
    assert_eq!(read(b"", &all), Read::default());
}

#[test]
fn reading_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let chats = dir.path().join(".gemini/tmp/a b/chats");
    std::fs::create_dir_all(&chats).unwrap();
    std::fs::write(chats.join("session-a.jsonl"), lines(&[header(), user("u", "x")])).unwrap();
    std::fs::write(chats.join("session-b.json"), "{\"sessionId\":").unwrap();
    let state = || {
        let mut all: Vec<_> = walkdir::WalkDir::new(dir.path())
            .into_iter()
            .map(Result::unwrap)
            .map(|e| {
                let meta = e.metadata().unwrap();
                (e.path().to_owned(), meta.len(), meta.modified().unwrap())
            })
            .collect();
        all.sort();
        all
    };
    let before = state();
    assert_eq!(Found::scan(source(), dir.path()).files.len(), 2);
    assert_eq!(state(), before);
}

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(-1.5)),
        Just(json!(u64::MAX)),
        Just(json!("x")),
        Just(json!([1, {}, [[]]])),
        Just(json!({"text": 3, "parts": {}})),
    ]
}

proptest! {
    #![proptest_config(crate::testing::cases(64))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for name in ["a.json", "a.jsonl"] {
            read_bytes(source(), Path::new(name), &bytes, &ReadOptions::default());
        }
    }

    #[test]
    fn fields_of_the_wrong_type_never_panic(field in 0usize..12, value in odd()) {
        let name = ["id", "timestamp", "type", "content", "tokens", "model", "toolCalls", "thoughts", "$set",
            "$rewindTo", "sessionId", "messages"][field];
        for mut record in [header(), user("u", "x"), answer("g", "y"), json!({"$set": {}})] {
            record[name] = value.clone();
            let mut inner = answer("g2", "z");
            inner["toolCalls"] = json!([{name: value.clone(), "result": value.clone(), "status": value.clone()}]);
            inner["tokens"] = json!({"input": value.clone(), "cached": value.clone()});
            read(&[header(), record, inner, json!({"$set": {name: value.clone()}}), user("end", "end")]);
        }
    }

    #[test]
    fn a_truncated_log_has_no_broken_lines(part in 0usize..100) {
        for folder in ["gemini-0.17.0", "gemini-0.61.0"] {
            let found = Found::scan(source(), &fixtures().join(folder).join("HOME"));
            for (path, _) in &found.files {
                let bytes = std::fs::read(path).unwrap();
                let at = bytes.len() * part / 100;
                let got = read_bytes(source(), path, &bytes[..at], &ReadOptions::default());
                prop_assert!(got.skipped_lines.total == 0);
            }
        }
    }
}

#[test]
fn a_session_that_goes_on_in_another_file_keeps_the_messages_of_both() {
    let world = World::new(&[]);
    let chats = world.home().join(".gemini/tmp/tea/chats");
    std::fs::create_dir_all(&chats).unwrap();
    let at = |mut message: Value, time: &str| {
        message["timestamp"] = json!(time);
        message
    };
    let first = [header(), user("u1", "plan the menu"), answer("a1", "done")];
    let later = [
        header(),
        at(user("u2", "add the prices"), "2026-01-02T04:00:00Z"),
        at(answer("a2", "added"), "2026-01-02T04:00:01Z"),
    ];
    for (name, records) in
        [("session-1-s1", &first[..]), ("session-2-s1", &later), ("session-3-s1", &later[..1])]
    {
        std::fs::write(chats.join(format!("{name}.jsonl")), lines(records)).unwrap();
    }
    let scan = ok(&world, &["scan", "--json"]);
    assert_eq!(scan["skipped"], json!([]), "a file with only a header loses nothing");
    let shown = ok(&world, &["show", "gemini:s1", "--json"]);
    let texts: Vec<_> =
        shown["messages"].as_array().unwrap().iter().map(|m| m["parts"][0]["text"].clone()).collect();
    assert_eq!(texts, ["plan the menu", "done", "add the prices", "added"]);
    assert_eq!(ok(&world, &["cost", "--json"])["total"]["requests"], 2);
}
