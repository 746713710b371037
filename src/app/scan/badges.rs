//! Badges: what can be said of a session without a model. `name` or `name:value`; the thresholds stand here.
//!
//! Outcome (one): `tests-passed`, `tests-failed`, `build-failed`, else how it ended: `errored`, `interrupted`,
//! `completed`. Then `long-horizon`, `tool-rich`, `debugging`, `secrets:N`, `names:N`, `files:N`, `commands:N`.

use std::collections::HashSet;

use crate::rules::{Class, Classes, Engine};
use crate::trace::{IDLE_GAP_MILLIS, Origin, Part, Role, Session, Stretch, ToolStatus, stretches};

use super::tool_outcome;
use super::tool_outcome::{Kind, Verdict};

/// `long-horizon`: at least so many tool calls …
const LONG_CALLS: usize = 50;
/// … and so many milliseconds at work, idle gaps not counted: half an hour.
const LONG_MILLIS: i64 = 30 * 60_000;
/// `tool-rich`: at least so many tool calls …
const RICH_CALLS: usize = 20;
/// … of so many different tools.
const RICH_TOOLS: usize = 5;
/// `debugging`: so many failed calls and a change of a file; or a test or build that failed first and passed later.
const DEBUG_FAILURES: usize = 3;
/// `names`: persons, organisations' hosts and private links in the first so many bytes of what people typed. A
/// sample: the rules for names take as long as those for secrets, and tool output is most of a session.
const NAMES_BYTES: usize = 16 << 10;

/// What can be said of a session without a model.
pub(super) fn badges(session: &Session, engine: &Engine) -> Vec<String> {
    let mut badges = Vec::new();
    let work = Work::of(session);
    badges.extend(outcome(session, &work).map(str::to_owned));
    let spent: i64 = stretches(session.messages.iter().map(|m| m.at), IDLE_GAP_MILLIS)
        .iter()
        .map(Stretch::millis)
        .fold(0, i64::saturating_add);
    if work.calls >= LONG_CALLS && spent >= LONG_MILLIS {
        badges.push("long-horizon".to_owned());
    }
    if work.calls >= RICH_CALLS && work.tools.len() >= RICH_TOOLS {
        badges.push("tool-rich".to_owned());
    }
    if work.mended() || (work.failed >= DEBUG_FAILURES && !work.files.is_empty()) {
        badges.push("debugging".to_owned());
    }
    for (name, n) in [
        ("secrets", secrets(session, engine)),
        ("names", names(session, engine)),
        ("files", work.files.len()),
        ("commands", work.commands),
    ] {
        if n > 0 {
            badges.push(format!("{name}:{n}"));
        }
    }
    badges
}

/// What the tools of a session did.
#[derive(Default)]
struct Work<'a> {
    calls: usize,
    failed: usize,
    commands: usize,
    tools: HashSet<&'a str>,
    files: HashSet<String>,
    /// Verdicts on tests and builds, in order.
    runs: Vec<(Kind, Verdict)>,
}

impl<'a> Work<'a> {
    fn of(session: &'a Session) -> Self {
        let mut work = Work::default();
        for call in session.tool_calls() {
            work.calls += 1;
            work.tools.insert(&call.name);
            let ran = call.status != ToolStatus::Denied;
            work.failed += usize::from(call.status == ToolStatus::Error);
            if ran && let Some(command) = tool_outcome::command(&call.input) {
                work.commands += 1;
                work.runs.extend(tool_outcome::judge(&command, call));
            }
            if matches!(call.status, ToolStatus::Success | ToolStatus::Pending) {
                tool_outcome::files(call, &mut |path| {
                    if !work.files.contains(path) {
                        work.files.insert(path.to_owned());
                    }
                });
            }
        }
        work
    }

    /// Whether a kind of run failed first and passed later.
    fn mended(&self) -> bool {
        [Kind::Tests, Kind::Build].iter().any(|kind| {
            let mut own = self.runs.iter().filter(|r| r.0 == *kind).map(|r| r.1);
            own.any(|v| v == Verdict::Failed) && own.any(|v| v == Verdict::Passed)
        })
    }
}

/// The one outcome. The last run of the tests decides, unless a later build failed; without either, the end does.
fn outcome(session: &Session, work: &Work<'_>) -> Option<&'static str> {
    let last = |kind: Kind| work.runs.iter().rposition(|r| r.0 == kind).map(|i| (i, work.runs[i].1));
    let (tests, build) = (last(Kind::Tests), last(Kind::Build));
    match (tests, build) {
        (t, Some((b, Verdict::Failed))) if t.is_none_or(|(t, _)| t < b) => return Some("build-failed"),
        (Some((_, Verdict::Passed)), _) => return Some("tests-passed"),
        (Some((_, Verdict::Failed)), _) => return Some("tests-failed"),
        _ => {}
    }
    let texts = |m: &crate::trace::Message| {
        m.parts
            .iter()
            .rev()
            .find_map(|p| match p {
                Part::Text { text } if !text.trim().is_empty() => Some(text.trim().to_owned()),
                _ => None,
            })
            .unwrap_or_default()
    };
    // What the agent put in after the end (command output, hooks) says nothing, but that a person broke it off.
    for m in session.messages.iter().rev() {
        let text = texts(m);
        match (m.role, m.origin) {
            (Role::User, _)
                if text.starts_with("[Request interrupted") || text.starts_with("<turn_aborted") =>
            {
                return Some("interrupted");
            }
            (Role::User, Origin::Human) if !text.starts_with('/') => return Some("interrupted"),
            (Role::Assistant, _) if text.starts_with("API Error") => return Some("errored"),
            (Role::Assistant, Origin::Model) => {
                let calls: Vec<ToolStatus> = m
                    .parts
                    .iter()
                    .filter_map(|p| match p {
                        Part::Tool(call) => Some(call.status),
                        _ => None,
                    })
                    .collect();
                return match calls.last() {
                    Some(ToolStatus::Pending | ToolStatus::Denied) => Some("interrupted"),
                    Some(ToolStatus::Error) if text.is_empty() => Some("errored"),
                    _ if text.is_empty() && calls.is_empty() => continue,
                    _ => Some("completed"),
                };
            }
            _ => {}
        }
    }
    None
}

fn secrets(session: &Session, engine: &Engine) -> usize {
    let mut secrets = 0usize;
    let mut count = |text: &str| secrets += engine.scan(text, Classes::SECRET).len();
    for message in &session.messages {
        for part in &message.parts {
            match part {
                Part::Text { text } | Part::Thinking { text } => count(text),
                Part::Attachment { text, .. } => count(text),
                Part::Tool(call) => {
                    let mut input = String::new();
                    string_leaves(&call.input, &mut input);
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

/// Number of different names of others in what people typed.
fn names(session: &Session, engine: &Engine) -> usize {
    let mut found: HashSet<String> = HashSet::new();
    let mut room = NAMES_BYTES;
    let typed = session.messages.iter().filter(|m| m.role == Role::User && m.origin == Origin::Human);
    for part in typed.flat_map(|m| &m.parts) {
        let Part::Text { text } = part else { continue };
        if text.is_empty() {
            continue;
        }
        let text = &text[..tool_outcome::border(text, room)];
        for f in engine.scan_short(text, Classes::PII.with(Classes::ENTITY)) {
            let named = f.class == Class::Entity
                || matches!(&*f.kind, "PERSON" | "ORGANIZATION" | "COMPANY" | "EMAIL");
            if named {
                found.insert(text[f.start..f.end].to_lowercase());
            }
        }
        room -= text.len();
        if text.is_empty() || room == 0 {
            break;
        }
    }
    found.len()
}

/// The string leaves of a JSON value, a line each, with their keys so that `"password": "…"` is seen as one.
fn string_leaves(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::String(s) => {
            out.push_str(s);
            out.push('\n');
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| string_leaves(v, out)),
        serde_json::Value::Object(map) => {
            for (key, v) in map {
                if v.is_string() {
                    out.push_str(key);
                    out.push_str(": ");
                }
                string_leaves(v, out);
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
        badges(&session, Engine::builtin().unwrap())
    }

    #[test]
    fn the_outcome_is_the_last_run_or_else_the_end() {
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
    fn what_was_done_is_counted() {
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
    fn long_and_rich_sessions_are_named_and_idle_time_does_not_count() {
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
    fn names_of_others_are_counted_in_what_people_type() {
        let letter = "Dear Marisol Quintanilla, please mail marisol@quintanilla-consulting.com. Regards";
        let found = of(vec![person(letter), model(vec![text("ok")])]);
        let names: Vec<_> = found.iter().filter(|b| b.starts_with("names:")).collect();
        assert_eq!(names.len(), 1, "{found:?}");
        let far = format!("{}{letter}", "word ".repeat(NAMES_BYTES));
        assert!(!of(vec![person(&far)]).iter().any(|b| b.starts_with("names:")));
    }
}
