//! Every agent's real logs against the figures that a careful reader must count.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use clawgate::sources::{self, Read, ReadOptions, Skip, Source};
use clawgate::trace::{Env, Origin, Session, Timestamp, Tokens, UsageRow};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agents")
}

/// Everything below one home directory: sessions and usage, file by file, and what was left out.
#[derive(Default)]
struct Found {
    files: Vec<(PathBuf, Read)>,
    skips: Vec<Skip>,
}

impl Found {
    fn scan(source: &dyn Source, home: &Path) -> Found {
        let env = Env::bare(home, home.join("own"));
        let mut found = Found::default();
        for root in source.roots(&env) {
            let mut paths = Vec::new();
            source.discover(&root, &mut |c| paths.push(c.path), &mut |s| found.skips.push(s));
            for path in paths {
                let read = source.read(&path, &ReadOptions::default()).unwrap();
                found.files.push((path, read));
            }
        }
        found
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.files.iter().flat_map(|(_, read)| &read.sessions)
    }

    fn usage(&self) -> impl Iterator<Item = &UsageRow> {
        self.files.iter().flat_map(|(_, read)| &read.usage)
    }
}

fn add(sum: &mut Tokens, t: &Tokens) {
    sum.input += t.input;
    sum.output += t.output;
    sum.reasoning += t.reasoning;
    sum.cache_read += t.cache_read;
    sum.cache_write_5m += t.cache_write_5m;
    sum.cache_write_1h += t.cache_write_1h;
}

/// Requests counted once: originals before copies, then the earliest.
fn deduped<'a>(rows: impl Iterator<Item = &'a UsageRow>) -> Vec<&'a UsageRow> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|r| (r.copied, r.at));
    let mut seen = HashSet::new();
    rows.retain(|r| seen.insert(r.dedupe_key.clone()));
    rows
}

/// `[input, cache_read, cache_write_5m, cache_write_1h, output, reasoning]`.
fn figures(tokens: &Tokens) -> [u64; 6] {
    [
        tokens.input,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.output,
        tokens.reasoning,
    ]
}

fn expected_figures(value: &Value) -> Option<[u64; 6]> {
    let keys = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];
    value.is_object().then(|| keys.map(|k| value[k].as_u64().unwrap()))
}

fn check_folder(folder: &str, agent: &str) {
    let source = sources::by_agent(agent).unwrap();
    let dir = fixtures().join(folder);
    let found = Found::scan(source, &dir.join("HOME"));
    assert_eq!(found.skips, [], "{folder}");
    for (path, read) in &found.files {
        assert_eq!(
            (read.skipped_lines.total, read.repaired_lines, read.truncated_tail),
            (0, 0, false),
            "{path:?}"
        );
        assert_eq!(read.bytes_read, std::fs::metadata(path).unwrap().len(), "{path:?}");
    }
    let by_key: BTreeMap<&str, &Session> = found.sessions().map(|s| (s.key.as_str(), s)).collect();
    assert_eq!(by_key.len(), found.sessions().count(), "{folder}: a key twice");
    let expected: Value = serde_json::from_slice(&std::fs::read(dir.join("expected.json")).unwrap()).unwrap();
    let mut known = 0;
    for want in expected["sessions"].as_array().unwrap() {
        let key = format!("{agent}:{}", want["id"].as_str().unwrap());
        let Some(got) = by_key.get(key.as_str()) else {
            assert_eq!(want["user_messages"], 0, "{folder} {key} is missing");
            assert_eq!(want["assistant_messages"], 0, "{folder} {key} is missing");
            continue;
        };
        known += 1;
        check_session(folder, agent, got, want);
        let rows: Vec<_> = found.usage().filter(|r| r.session == got.key).collect();
        let sum = |rows: &[&UsageRow]| {
            rows.iter().fold(Tokens::default(), |mut s, r| (add(&mut s, &r.tokens), s).1)
        };
        match expected_figures(&want["tokens"]) {
            Some(figs) => assert_eq!(figures(&sum(&rows)), figs, "{folder} {key} tokens"),
            None => assert_eq!(rows.len(), 0, "{folder} {key} records no usage"),
        }
        if let Some(responses) = want["model_responses"].as_u64() {
            assert_eq!(rows.len() as u64, responses, "{folder} {key} requests");
        }
        if let Some(new) = expected_figures(&want["tokens_new"]) {
            let all = deduped(found.usage());
            let own: Vec<_> = all.into_iter().filter(|r| r.session == got.key).collect();
            assert_eq!(figures(&sum(&own)), new, "{folder} {key} own tokens");
        }
    }
    assert_eq!(known, by_key.len(), "{folder}: sessions nobody expects");
    let total =
        deduped(found.usage()).iter().fold(Tokens::default(), |mut s, r| (add(&mut s, &r.tokens), s).1);
    match expected_figures(&expected["totals"]["tokens"]) {
        Some(figs) => assert_eq!(figures(&total), figs, "{folder} total"),
        None => assert!(total.is_zero(), "{folder} total"),
    }
}

fn check_session(folder: &str, agent: &str, got: &Session, want: &Value) {
    let at = |field: &str| format!("{folder} {} {field}", got.key);
    let text = |field: &str| want[field].as_str().map(str::to_owned);
    let key = |field: &str| text(field).map(|id| format!("{agent}:{id}"));
    assert_eq!(got.agent, agent);
    assert_eq!(got.user_messages(), want["user_messages"], "{}", at("user_messages"));
    assert_eq!(got.assistant_messages(), want["assistant_messages"], "{}", at("assistant_messages"));
    assert_eq!(got.tool_calls().count() as u64, want["tool_calls"], "{}", at("tool_calls"));
    assert_eq!(got.failed_tool_calls(), want["failed_tool_calls"], "{}", at("failed_tool_calls"));
    let mut models = got.models();
    models.sort();
    assert_eq!(serde_json::json!(models), want["models"], "{}", at("models"));
    assert_eq!(got.project, text("cwd"), "{}", at("cwd"));
    assert_eq!(got.git_branch, text("git_branch"), "{}", at("git_branch"));
    assert_eq!(got.title, text("title"), "{}", at("title"));
    assert_eq!(got.parent.as_ref().map(|k| k.0.clone()), key("parent_id"), "{}", at("parent"));
    assert_eq!(got.forked_from.as_ref().map(|k| k.0.clone()), key("forked_from"), "{}", at("forked_from"));
    let instant = |field: &str| want[field].as_str().and_then(Timestamp::parse);
    assert_eq!(got.started, instant("first_timestamp"), "{}", at("started"));
    assert_eq!(got.ended, instant("last_timestamp"), "{}", at("ended"));
    let first =
        got.messages.iter().find(|m| m.origin == Origin::Human).map(|_| got.clone()).and_then(|mut s| {
            s.title = None;
            s.display_title()
        });
    assert_eq!(first.is_some(), want["first_prompt"].is_string(), "{}", at("first_prompt"));
    if let (Some(first), Some(prompt)) = (first, want["first_prompt"].as_str()) {
        assert!(prompt.starts_with(first.trim_end()) || first.starts_with(prompt), "{}", at("first_prompt"));
    }
}

#[test]
fn claude_1_0() {
    check_folder("claude-1.0.128", "claude");
}

#[test]
fn claude_2_0() {
    check_folder("claude-2.0.76", "claude");
}

#[test]
fn claude_2_1() {
    check_folder("claude-2.1.329", "claude");
}

#[test]
fn codex_0_29() {
    check_folder("codex-0.29.0", "codex");
}

#[test]
fn codex_0_55() {
    check_folder("codex-0.55.0", "codex");
}

#[test]
fn codex_0_113() {
    check_folder("codex-0.113.0", "codex");
}

#[test]
fn codex_0_169() {
    check_folder("codex-0.169.0", "codex");
}
