//! Adds the workflow state and the next step to every result, renders failures, and keeps results small.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::status::WorkflowState;
use crate::app::{App, Failure, Kind, command_of_hint, text::sanitize};

use super::untrusted::Untrusted;
use crate::workflow::Phase;

/// Maximum size of a tool's report in bytes of JSON. With the fields that are added to it the result stays below 8 KiB, which
/// every client passes on whole.
pub(super) const MAX_REPORT_BYTES: usize = 6_900;

/// Whether a call is a step of the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A step, or the question for the next one.
    Workflow,
    /// A question about sessions or costs, which may be asked at any time.
    Beside,
}

/// Renders the result of a successful call.
///
/// `human_action` is left out of what was read beside the workflow, because an agent waits for the person where it finds one.
pub(super) fn success(app: &mut App, report: Value, step: Step) -> Value {
    let mut out = match report {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    add_status(&mut out, app);
    if step == Step::Beside {
        out.shift_remove("human_action");
    }
    match Untrusted::new(app) {
        Ok(untrusted) => clean(untrusted.mark(Value::Object(out))),
        Err(f) => failure(None, &f),
    }
}

/// How far the current release had come before a call.
pub(super) struct ReleasePhase {
    release: String,
    phase: Phase,
}

impl ReleasePhase {
    /// Returns the phase of the current release. `None` if no release is open.
    pub(super) fn of(app: &App) -> Option<Self> {
        let position = app.workflow_status().ok()?;
        match (position.release, position.state) {
            (Some(release), WorkflowState::Release(phase)) => Some(ReleasePhase { release, phase }),
            _ => None,
        }
    }
}

/// Adds to an answer that the call took the current release back, because an agent could take a confirmation for given that
/// no longer holds.
pub(super) fn with_voided(mut answer: Value, app: &App, before: Option<ReleasePhase>) -> Value {
    let after = ReleasePhase::of(app);
    if let (Some(before), Some(after), Some(out)) = (before, after, answer.as_object_mut())
        && before.release == after.release
        && after.phase < before.phase
        && before.phase >= Phase::Reviewed
    {
        out.insert("voided".to_owned(), json!({ "release": before.release, "state": before.phase }));
    }
    answer
}

/// Puts what the agent itself wrote back into the commands of an answer: the person has to run them as they are.
pub(super) fn with_arguments(mut answer: Value, app: &App, args: &Map<String, Value>) -> Value {
    let Ok(mut view) = app.agent_view() else { return answer };
    let mut written = Vec::new();
    args.values().for_each(|value| collect_texts(value, &mut written));
    for text in written {
        let redacted = view.message(text);
        if redacted == *text || redacted.is_empty() {
            continue;
        }
        for field in ["/human_action", "/next/command"] {
            if let Some(Value::String(shown)) = answer.pointer_mut(field) {
                *shown = shown.replace(&redacted, text);
            }
        }
    }
    answer
}

fn collect_texts<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, out)),
        _ => {}
    }
}

/// Returns a failure without what an agent must not see in its message.
pub(super) fn redacted(app: &App, mut f: Failure) -> Failure {
    match app.agent_view() {
        Ok(mut view) => f.message = sanitize(&view.message(&f.message)),
        Err(unavailable) => f.message = unavailable.message,
    }
    f
}

/// Renders the result of a failed call. Without an application, the failure must not repeat any text of a log.
pub(super) fn failure(app: Option<&mut App>, f: &Failure) -> Value {
    let mut out = Map::new();
    // What is missing and what is next are fields of their own, so the message does not repeat them.
    let message = f.refusal.as_ref().map_or_else(|| f.message.clone(), |r| r.reason());
    out.insert("error".to_owned(), json!({ "code": f.code, "message": message, "kind": f.kind }));
    if let Some(r) = &f.refusal {
        out.insert("state".to_owned(), json!(r.state.as_str()));
        out.insert("required_state".to_owned(), json!(r.required_state.map(|p| p.as_str())));
        if !r.missing.is_empty() {
            out.insert("missing".to_owned(), json!(r.missing));
        }
        out.insert("next".to_owned(), json!({ "tool": r.next_tool, "command": r.next_command }));
        out.insert("human_action".to_owned(), json!(r.human_action));
    }
    // The fields of the refusal already contain some of the hints.
    let is_repeated = |h: &&String| {
        f.refusal.as_ref().is_some_and(|r| r.next_command == **h || r.human_action.as_ref() == Some(h))
            || f.kind == Kind::HumanNeeded && f.refusal.is_none() && h.starts_with("clawgate ")
    };
    let hints: Vec<String> = f.hints.iter().filter(|h| !is_repeated(h)).map(|h| tool_hint(h)).collect();
    if !hints.is_empty() {
        out.insert("hints".to_owned(), json!(hints));
    }
    if !f.unmatched.is_empty() {
        out.insert("unmatched".to_owned(), json!(f.unmatched));
    }
    if f.kind == Kind::HumanNeeded && f.refusal.is_none() {
        out.insert("human_action".to_owned(), json!(f.message));
        if let Some(command) = f.hints.iter().find(|h| h.starts_with("clawgate ")) {
            out.insert("next".to_owned(), json!({ "tool": "status", "command": command_of_hint(command).0 }));
        }
    }
    let untrusted = match app {
        Some(app) => {
            add_status(&mut out, app);
            Some(Untrusted::new(app))
        }
        None => None,
    };
    out.entry("state").or_insert_with(|| json!("unknown"));
    out.entry("next").or_insert_with(|| json!({ "tool": "status", "command": "clawgate doctor" }));
    match untrusted {
        None => clean(Value::Object(out)),
        Some(Ok(untrusted)) => clean(untrusted.mark(Value::Object(out))),
        Some(Err(f)) => failure(None, &f),
    }
}

/// Commands of the command line with the tool that does the same.
const TOOL_OF_COMMAND: &[(&str, &str)] = &[
    ("scan", "scan"),
    ("status", "status"),
    ("list", "list"),
    ("inbox", "list"),
    ("recent", "list"),
    ("search", "search"),
    ("show", "read_session"),
    ("scope", "set_scope"),
    ("config", "set_scope"),
    ("approve", "triage"),
    ("block", "triage"),
    ("shortlist", "triage"),
    ("unmark", "triage"),
    ("cost", "cost_report"),
    ("prepare", "prepare_release"),
    ("review", "review_pii"),
    ("confirm", "confirm"),
    ("publish", "publish"),
];

/// Returns a hint for an agent that calls tools: a command becomes the tool that does the same, or a request to the
/// person if no tool does.
fn tool_hint(hint: &str) -> String {
    let (hint, what_it_does) = command_of_hint(hint);
    let purpose = what_it_does.map_or(String::new(), |what| format!(": {what}"));
    let Some(command) = hint.strip_prefix("clawgate ").or((hint == "clawgate").then_some("status")) else {
        return hint.to_owned();
    };
    let verb = command.split(' ').next().unwrap_or_default();
    match TOOL_OF_COMMAND.iter().find(|(name, _)| *name == verb) {
        Some((_, tool)) => format!("use the tool `{tool}`{purpose}"),
        None => format!("ask the person to run `{hint}`{purpose}"),
    }
}

/// Adds the state, the next step, the release and the action of a person, unless the answer already has them.
fn add_status(out: &mut Map<String, Value>, app: &mut App) {
    let has_next = out.contains_key("next");
    let Ok(position) = app.workflow_status() else {
        out.entry("state").or_insert_with(|| json!("unknown"));
        out.entry("next").or_insert_with(|| json!({ "tool": "status", "command": "clawgate doctor" }));
        return;
    };
    // Without a release, the state of the archive is more useful than the required phase of a release.
    if position.release.is_none() && out.contains_key("error") {
        out.shift_remove("required_state");
        out.insert("state".to_owned(), json!(position.state));
    }
    out.entry("state").or_insert_with(|| json!(position.state));
    out.entry("next").or_insert_with(|| json!(position.next));
    if let Some(note) = position.note {
        out.entry("note").or_insert_with(|| json!(note));
    }
    if let Some(release) = position.release {
        out.entry("release").or_insert_with(|| json!(release));
    }
    if let (Some(action), false) = (position.human_action, has_next) {
        out.entry("human_action").or_insert_with(|| json!(action));
    }
}

/// Removes null values, and makes characters visible that hide or reorder text.
fn clean(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (sanitize(&k), clean(v))).collect()
        }
        Value::Array(list) => list.into_iter().map(clean).collect(),
        Value::String(s) => Value::String(sanitize(&s)),
        other => other,
    }
}

/// Returns the size of a value as JSON, in bytes.
pub(super) fn size(value: &Value) -> usize {
    serde_json::to_string(value).map_or(0, |s| s.len())
}

/// Shortens a list until the report fits into `room` bytes. `<name>_more` then has the number of removed items.
pub(super) fn shorten(report: &mut Value, name: &str, at_most: usize, room: usize) {
    let Some(list) = report.get_mut(name).and_then(Value::as_array_mut) else { return };
    let before = list.len();
    list.truncate(at_most);
    let over = size(report).saturating_sub(room);
    let Some(list) = report.get_mut(name).and_then(Value::as_array_mut) else { return };
    let mut freed = 0;
    while freed < over && !list.is_empty() {
        freed += list.pop().map_or(0, |v| size(&v) + 1);
    }
    let more = before - list.len();
    if more > 0 {
        report[format!("{name}_more")] = json!(more);
    }
}

/// A page of a list. Items are added until the result has its maximum size.
pub(super) struct Page<T> {
    items: Vec<T>,
    /// Bytes that are left.
    room: usize,
    /// Where the list continues after the last item of this page.
    cursor: Option<String>,
    cut: bool,
}

impl<T: Serialize> Page<T> {
    pub(super) fn new(room: usize) -> Self {
        Page { items: Vec::new(), room, cursor: None, cut: false }
    }

    /// Adds an item if it fits. The first item always does, so that every page makes progress. `cursor` continues the
    /// list after this item. Returns false if the page is full.
    pub(super) fn push(&mut self, item: T, cursor: String) -> bool {
        let bytes = serde_json::to_string(&item).map_or(0, |s| s.len()) + 1;
        if bytes > self.room && !self.items.is_empty() {
            self.cut = true;
            return false;
        }
        self.room = self.room.saturating_sub(bytes);
        self.items.push(item);
        self.cursor = Some(cursor);
        true
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns the items and, if an item did not fit, the cursor that continues the list.
    pub(super) fn finish(self) -> (Vec<T>, Option<String>) {
        (self.items, self.cursor.filter(|_| self.cut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_removed_and_hidden_characters_become_visible() {
        let out = clean(json!({ "a": null, "b": ["x\u{200b}", { "c": null }], "k\u{202e}": 1 }));
        assert_eq!(out, json!({ "b": ["x\\u{200b}", {}], "k\\u{202e}": 1 }));
    }

    #[test]
    fn a_hint_names_a_tool_that_exists() {
        for (_, tool) in TOOL_OF_COMMAND {
            assert!(super::super::tools::find(tool).is_some(), "{tool}");
        }
        assert_eq!(tool_hint("clawgate inbox --json"), "use the tool `list`");
        assert_eq!(tool_hint("clawgate"), "use the tool `status`");
        assert_eq!(
            tool_hint("clawgate block claude:1  # leaves that session out"),
            "use the tool `triage`: leaves that session out"
        );
        assert_eq!(tool_hint("clawgate keys init"), "ask the person to run `clawgate keys init`");
        assert_eq!(tool_hint("did you mean `approved`?"), "did you mean `approved`?");
    }

    #[test]
    fn a_shortened_list_says_how_many_items_are_missing() {
        let mut report = json!({ "files": (0..1000).map(|i| format!("file {i}")).collect::<Vec<_>>() });
        shorten(&mut report, "files", 500, 900);
        assert!(size(&report) <= 920, "{}", size(&report));
        let kept = report["files"].as_array().unwrap().len();
        assert_eq!(report["files_more"], json!(1000 - kept));
        assert!(kept > 50, "{kept}");
        let mut long = json!({ "files": vec!["a file"; 1000] });
        shorten(&mut long, "files", 20, 900);
        assert_eq!((long["files"].as_array().unwrap().len(), &long["files_more"]), (20, &json!(980)));
        let mut short = json!({ "files": ["a"] });
        shorten(&mut short, "files", 500, 900);
        assert_eq!(short, json!({ "files": ["a"] }));
    }
}
