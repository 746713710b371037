//! Computes the badges of a session: properties that need no model. A badge is `name` or `name:value`.
//!
//! The first badge is the outcome: `tests-passed`, `tests-failed` or `build-failed`, otherwise how the session ended:
//! `errored`, `interrupted` or `completed`. Then follow `long-horizon`, `tool-rich`, `debugging`, `secrets:N`, `names:N`,
//! `files:N` and `commands:N`.
//!
//! A change here takes effect on files that are already scanned only if `READER_VERSION` in `discover.rs` is raised.

use std::collections::HashSet;

use crate::rules::{Class, Classes, Engine};
use crate::trace::{ActivePeriod, IDLE_GAP_MILLIS, Origin, Part, Role, Session, ToolStatus, active_periods};

use super::tool_outcome;
use super::tool_outcome::{RunKind, RunOutcome};

/// Minimum number of tool calls of a `long-horizon` session.
const LONG_MIN_CALLS: usize = 50;
/// Minimum active time of a `long-horizon` session in milliseconds, without idle gaps.
const LONG_MIN_MILLIS: i64 = 30 * 60_000;
/// Minimum number of tool calls of a `tool-rich` session.
const RICH_MIN_CALLS: usize = 20;
/// Minimum number of different tools of a `tool-rich` session.
const RICH_MIN_TOOLS: usize = 5;
/// Minimum number of failed calls of a `debugging` session that changed a file. A session in which tests or a build failed
/// first and passed later is one without this minimum.
const DEBUG_MIN_FAILURES: usize = 3;
/// Number of bytes of human prompts in which `names` are counted. It is a sample, because the rules for names take as long
/// as those for secrets. Tool output, which is most of a session, is left out.
const NAMES_SAMPLE_BYTES: usize = 16 << 10;

/// The names of all badges.
pub(crate) const BADGE_NAMES: &[&str] = &[
    "tests-passed",
    "tests-failed",
    "build-failed",
    "errored",
    "interrupted",
    "completed",
    "long-horizon",
    "tool-rich",
    "debugging",
    "secrets",
    "names",
    "files",
    "commands",
];

/// Returns the badges of a session.
pub(super) fn badges(session: &Session, engine: &Engine) -> Vec<String> {
    let mut badges = Vec::new();
    let activity = ToolActivity::of(session);
    badges.extend(outcome(session, &activity).map(str::to_owned));
    let active_millis: i64 = active_periods(session.messages.iter().map(|m| m.at), IDLE_GAP_MILLIS)
        .iter()
        .map(ActivePeriod::millis)
        .fold(0, i64::saturating_add);
    if activity.calls >= LONG_MIN_CALLS && active_millis >= LONG_MIN_MILLIS {
        badges.push("long-horizon".to_owned());
    }
    if activity.calls >= RICH_MIN_CALLS && activity.tools.len() >= RICH_MIN_TOOLS {
        badges.push("tool-rich".to_owned());
    }
    if activity.has_fixed_failure() || (activity.failed >= DEBUG_MIN_FAILURES && !activity.files.is_empty()) {
        badges.push("debugging".to_owned());
    }
    for (name, n) in [
        ("secrets", count_secrets(session, engine)),
        ("names", count_names(session, engine)),
        ("files", activity.files.len()),
        ("commands", activity.commands),
    ] {
        if n > 0 {
            badges.push(format!("{name}:{n}"));
        }
    }
    badges
}

/// Summary of a session's tool calls.
#[derive(Default)]
struct ToolActivity<'a> {
    calls: usize,
    failed: usize,
    commands: usize,
    tools: HashSet<&'a str>,
    files: HashSet<String>,
    /// Test and build runs, in order.
    runs: Vec<(RunKind, RunOutcome)>,
}

impl<'a> ToolActivity<'a> {
    fn of(session: &'a Session) -> Self {
        let mut activity = ToolActivity::default();
        for call in session.tool_calls() {
            activity.calls += 1;
            activity.tools.insert(&call.name);
            let ran = call.status != ToolStatus::Denied;
            activity.failed += usize::from(call.status == ToolStatus::Error);
            if ran && let Some(command) = tool_outcome::command(&call.input) {
                activity.commands += 1;
                activity.runs.extend(tool_outcome::run_outcome(&command, call));
            }
            if matches!(call.status, ToolStatus::Success | ToolStatus::Pending) {
                tool_outcome::changed_files(call, &mut |path| {
                    if !activity.files.contains(path) {
                        activity.files.insert(path.to_owned());
                    }
                });
            }
        }
        activity
    }

    /// Returns whether tests or a build failed first and passed later.
    fn has_fixed_failure(&self) -> bool {
        [RunKind::Tests, RunKind::Build].iter().any(|kind| {
            let mut own = self.runs.iter().filter(|r| r.0 == *kind).map(|r| r.1);
            own.any(|v| v == RunOutcome::Failed) && own.any(|v| v == RunOutcome::Passed)
        })
    }
}

/// Returns the outcome. The last test run decides, unless a later build failed. In a session without test and build runs,
/// the last messages decide.
fn outcome(session: &Session, activity: &ToolActivity<'_>) -> Option<&'static str> {
    let last =
        |kind: RunKind| activity.runs.iter().rposition(|r| r.0 == kind).map(|i| (i, activity.runs[i].1));
    let (tests, build) = (last(RunKind::Tests), last(RunKind::Build));
    match (tests, build) {
        (t, Some((b, RunOutcome::Failed))) if t.is_none_or(|(t, _)| t < b) => return Some("build-failed"),
        (Some((_, RunOutcome::Passed)), _) => return Some("tests-passed"),
        (Some((_, RunOutcome::Failed)), _) => return Some("tests-failed"),
        _ => {}
    }
    let last_text = |m: &crate::trace::Message| {
        m.parts
            .iter()
            .rev()
            .find_map(|p| match p {
                Part::Text { text } if !text.trim().is_empty() => Some(text.trim().to_owned()),
                _ => None,
            })
            .unwrap_or_default()
    };
    // Search backwards for the last message that says how the session ended. Messages that the agent injects afterwards
    // (command output, hooks) are skipped, unless they say that a person interrupted the session.
    for m in session.messages.iter().rev() {
        let text = last_text(m);
        match (m.role, m.origin) {
            (Role::User, _)
                if text.starts_with("[Request interrupted") || text.starts_with("<turn_aborted") =>
            {
                return Some("interrupted");
            }
            (Role::User, Origin::Human) if !text.starts_with('/') => return Some("interrupted"),
            (Role::Assistant, _) if text.starts_with("API Error") => return Some("errored"),
            (Role::Assistant, Origin::Model) => {
                let last_status = m.tool_calls().last().map(|call| call.status);
                return match last_status {
                    Some(ToolStatus::Pending | ToolStatus::Denied) => Some("interrupted"),
                    Some(ToolStatus::Error) if text.is_empty() => Some("errored"),
                    None if text.is_empty() => continue,
                    _ => Some("completed"),
                };
            }
            _ => {}
        }
    }
    None
}

/// Counts the secrets in the session's texts and tool calls.
fn count_secrets(session: &Session, engine: &Engine) -> usize {
    let mut secrets = 0usize;
    let mut count = |text: &str| secrets += engine.scan(text, Classes::SECRET).len();
    for message in &session.messages {
        for part in &message.parts {
            match part {
                Part::Text { text } | Part::Thinking { text } | Part::Attachment { text, .. } => count(text),
                Part::Tool(call) => {
                    let mut input = String::new();
                    append_strings(&call.input, &mut input);
                    count(&input);
                    if let Some(output) = &call.output {
                        count(output);
                    }
                }
                Part::Media { .. } => {}
            }
        }
    }
    secrets
}

/// Counts the distinct names of other people and organizations in human prompts.
fn count_names(session: &Session, engine: &Engine) -> usize {
    let mut found: HashSet<String> = HashSet::new();
    let mut bytes_left = NAMES_SAMPLE_BYTES;
    let typed = session.messages.iter().filter(|m| m.is_prompt());
    for part in typed.flat_map(|m| &m.parts) {
        let Part::Text { text } = part else { continue };
        if text.is_empty() {
            continue;
        }
        let text = &text[..text.floor_char_boundary(bytes_left)];
        for f in engine.scan_short(text, Classes::PII.with(Classes::ENTITY)) {
            let named = f.class == Class::Entity
                || matches!(&*f.kind, "PERSON" | "ORGANIZATION" | "COMPANY" | "EMAIL");
            if named {
                found.insert(text[f.start..f.end].to_lowercase());
            }
        }
        bytes_left -= text.len();
        if text.is_empty() || bytes_left == 0 {
            break;
        }
    }
    found.len()
}

/// Appends the strings of a JSON value, one per line. A string has its key in front, so that the rules recognize
/// `"password": "…"`.
fn append_strings(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::String(s) => {
            out.push_str(s);
            out.push('\n');
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| append_strings(v, out)),
        serde_json::Value::Object(map) => {
            for (key, v) in map {
                if v.is_string() {
                    out.push_str(key);
                    out.push_str(": ");
                }
                append_strings(v, out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trace::{Message, Timestamp, ToolCall};

    fn say(role: Role, origin: Origin, parts: Vec<Part>) -> Message {
        Message { id: None, role, origin, at: None, model: None, parts }
    }

    fn text(text: &str) -> Part {
        Part::Text { text: text.to_owned() }
    }

    fn person(words: &str) -> Message {
        say(Role::User, Origin::Human, vec![text(words)])
    }

    fn model(parts: Vec<Part>) -> Message {
        say(Role::Assistant, Origin::Model, parts)
    }

    fn tool(name: &str, input: serde_json::Value, status: ToolStatus, output: &str) -> Part {
        Part::Tool(ToolCall {
            name: name.into(),
            input,
            status,
            output: Some(output.into()),
            ..ToolCall::default()
        })
    }

    fn bash(command: &str, status: ToolStatus, output: &str) -> Part {
        tool("Bash", json!({ "command": command }), status, output)
    }

    fn of(messages: Vec<Message>) -> Vec<String> {
        let mut session = Session::empty("claude", "a");
        session.messages = messages;
        let badges = badges(&session, Engine::builtin().unwrap());
        for badge in &badges {
            let name = badge.split(':').next().unwrap();
            assert!(BADGE_NAMES.contains(&name), "BADGE_NAMES lacks {name}");
        }
        badges
    }

    #[test]
    fn the_documentation_explains_every_badge() {
        let page = include_str!("../../../docs/commands.md");
        for name in BADGE_NAMES {
            assert!(page.contains(&format!("`{name}")), "docs/commands.md lacks {name}");
        }
    }

    #[test]
    fn the_last_run_decides_the_outcome_or_else_the_last_message() {
        use ToolStatus::{Denied, Error, Pending, Success};
        let pass = || bash("cargo test", Success, "test result: ok. 3 passed; 0 failed");
        let fail =
            || bash("cd x && cargo test 2>&1 | tail -5", Success, "test result: FAILED. 1 passed; 2 failed");
        let broken = || bash("cargo build", Error, "error[E0308]: mismatched types");
        let done = || text("Done.");
        for (parts, outcome) in [
            (vec![fail(), pass(), done()], Some("tests-passed")),
            (vec![pass(), fail(), done()], Some("tests-failed")),
            (vec![pass(), broken()], Some("build-failed")),
            (vec![broken(), pass()], Some("tests-passed")),
            (vec![broken(), bash("cargo build", Success, ""), done()], Some("completed")),
            (vec![done()], Some("completed")),
            (vec![text("x"), bash("ls", Pending, "")], Some("interrupted")),
            (vec![bash("ls", Denied, "")], Some("interrupted")),
            (vec![bash("ls /nowhere", Error, "no such file")], Some("errored")),
            (vec![text("API Error: 529 overloaded")], Some("errored")),
            (vec![], Some("interrupted")),
        ] {
            let what = format!("{parts:?}");
            let found = of(vec![person("go"), model(parts)]);
            assert_eq!(found.first().map(String::as_str), outcome, "{what}");
        }
        let stopped = say(Role::User, Origin::Injected, vec![text("[Request interrupted by user]")]);
        assert_eq!(of(vec![person("go"), model(vec![done()]), stopped]), ["interrupted"]);
        let hook = say(Role::User, Origin::Injected, vec![text("<local-command-stdout>x")]);
        assert_eq!(of(vec![person("go"), model(vec![done()]), hook]), ["completed"]);
        assert!(of(vec![]).is_empty());
    }

    #[test]
    fn files_and_commands_are_counted() {
        use ToolStatus::{Denied, Error, Success};
        let edit = |path: &str, status| tool("Edit", json!({ "file_path": path }), status, "");
        let found = of(vec![
            person("hello"),
            model(vec![
                bash("ls", Success, ""),
                bash("rm x", Denied, ""),
                edit("/a", Success),
                edit("/a", Success),
                edit("/b", Error),
                tool("Read", json!({ "file_path": "/c" }), Success, ""),
                tool(
                    "apply_patch",
                    json!("*** Begin Patch\n*** Add File: d é.py\n*** End Patch"),
                    Success,
                    "",
                ),
                bash("pytest", Error, "1 failed"),
                bash("pytest", Success, "2 passed"),
                text("done"),
            ]),
        ]);
        assert_eq!(found, ["tests-passed", "debugging", "files:2", "commands:3"]);
    }

    #[test]
    fn idle_time_does_not_make_a_session_long() {
        let minute = |m: i64| Some(Timestamp(m * 60_000));
        let calls = |n: usize| {
            (0..n).map(|i| tool(&format!("t{}", i % 6), json!({}), ToolStatus::Success, "")).collect()
        };
        let session = |step: i64| {
            let turn = |i| Message { at: minute(i * step), ..model(calls(10)) };
            let mut messages: Vec<Message> = (0..5).map(turn).collect();
            messages.push(model(vec![text("end")]));
            of(messages)
        };
        assert_eq!(session(10), ["completed", "long-horizon", "tool-rich"]);
        assert_eq!(session(60), ["completed", "tool-rich"]);
    }

    #[test]
    fn names_are_counted_in_human_prompts() {
        let letter = "Dear Marisol Quintanilla, please mail marisol@quintanilla-consulting.com. Regards";
        let found = of(vec![person(letter), model(vec![text("ok")])]);
        let names: Vec<_> = found.iter().filter(|b| b.starts_with("names:")).collect();
        assert_eq!(names.len(), 1, "{found:?}");
        let far = format!("{}{letter}", "word ".repeat(NAMES_SAMPLE_BYTES));
        assert!(!of(vec![person(&far)]).iter().any(|b| b.starts_with("names:")));
    }
}
