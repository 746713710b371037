//! From the records of a Codex rollout to a session.

use std::collections::HashMap;

use serde_json::Value;

use crate::sources::codex::AGENT;
use crate::sources::codex::record::{LightRecord, Payload, Piece, Record};
use crate::sources::codex::usage::{At, Origin as Header, Requests};
use crate::sources::common::lenient_serde::{Text, TextOr};
use crate::sources::common::line_reader::{Line, Used, parse};
use crate::sources::{Read, UsageRead};
use crate::trace::{
    Message, Origin, Part, Role, Session, SessionFacts, SessionKey, Timestamp, ToolCall, ToolStatus,
};

/// Starts of user messages that Codex wrote itself.
const INJECTED: [&str; 5] = [
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md",
    "<turn_aborted>",
    "<subagent_notification>",
];

/// Starts of outputs that say a call never ran or broke.
const FAILED: [&str; 8] = [
    "unsupported ",
    "failed to parse",
    "execution error",
    "exec_command failed",
    "write_stdin failed",
    "tool call error",
    "apply_patch verification failed",
    "aborted",
];

/// Starts of outputs that say a person refused the call.
const DENIED: [&str; 3] = ["exec command rejected", "patch rejected", "rejected by user"];

/// Kinds of items that call a tool of this machine.
const CALLS: [&str; 3] = ["function_call", "custom_tool_call", "local_shell_call"];

/// A tool as it is known to people.
fn tool_name(namespace: &Text<'_>, name: &Text<'_>) -> String {
    match (namespace.some(), name.str()) {
        (Some(space), name) => format!("{space}__{name}"),
        (None, "") => "local_shell".to_owned(),
        (None, name) => name.to_owned(),
    }
}

/// How an `item_completed` event says a call ended.
struct Outcome {
    status: Option<ToolStatus>,
    exit_code: Option<i64>,
    subagent: Option<String>,
}

/// Builds the one session of a rollout, line by line.
pub(super) struct Builder {
    session: Session,
    usage: Requests,
    model: Option<String>,
    now: Option<Timestamp>,
    /// Thread id → the thread it was forked from, of every `session_meta` in the file; the first is this file's.
    forks: HashMap<String, Option<String>>,
    own_meta: bool,
    /// Another thread's `session_meta` in the file: its history was copied in.
    foreign: Option<String>,
    subagent: Option<String>,
    provider: Option<String>,
    /// Only usage is wanted: conversations are passed over.
    usage_only: bool,
    calls: HashMap<String, (usize, usize)>,
    outcomes: HashMap<String, Outcome>,
    /// The assistant message that further items of the same response join.
    open: Option<usize>,
}

impl Builder {
    pub(super) fn new(native: String) -> Self {
        Builder {
            session: Session::empty(AGENT, &native),
            usage: Requests::default(),
            model: None,
            now: None,
            forks: HashMap::new(),
            own_meta: false,
            foreign: None,
            subagent: None,
            provider: None,
            usage_only: false,
            calls: HashMap::new(),
            outcomes: HashMap::new(),
            open: None,
        }
    }

    /// A builder that keeps no conversation.
    pub(super) fn of_usage(native: String) -> Self {
        Builder { usage_only: true, ..Builder::new(native) }
    }

    pub(super) fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        let mut repaired = false;
        let mut bare = false;
        {
            let (record, fixed) = parse::<Record<'_>>(line.bytes, scratch)?;
            repaired |= fixed;
            self.tick(record.timestamp.str());
            match record.payload.0 {
                Some(payload) => self.envelope(record.kind.str(), payload, line.offset),
                None => bare = true,
            }
        }
        if bare {
            let (payload, _) = parse::<Payload<'_>>(line.bytes, scratch)?;
            match payload.kind.some() {
                Some(_) => self.item(payload),
                // 0.29's first line: the header.
                None if payload.id.some().is_some() => self.meta(&payload),
                None => {}
            }
        }
        Ok(repaired)
    }

    /// Reads of a line what counting needs; whether that was enough. If not, nothing was taken from it.
    pub(super) fn light(&mut self, line: &Line<'_>, scratch: &mut String) -> bool {
        let Ok((record, _)) = parse::<LightRecord<'_>>(line.bytes, scratch) else { return false };
        let Some(payload) = record.payload.0 else { return false };
        let calls = CALLS.contains(&payload.kind.str());
        match (record.kind.str(), payload.kind.str()) {
            ("turn_context", _) => {
                self.tick(record.timestamp.str());
                self.settings(&payload.model, &payload.cwd);
            }
            ("token_usage_record", _) | ("event_msg", "token_count") => {
                self.tick(record.timestamp.str());
                let at = At {
                    at: self.now.unwrap_or_default(),
                    model: self.model.as_deref().unwrap_or_default(),
                    offset: line.offset,
                };
                match (&payload.usage.0, &payload.info.0) {
                    (Some(counts), _) if record.kind.str() == "token_usage_record" => {
                        self.usage.record(payload.response_id.some(), counts, &at);
                    }
                    (_, Some(info)) if record.kind.str() == "event_msg" => self.usage.count(info, &at),
                    _ => {}
                }
            }
            ("response_item", _) if calls => {
                self.tick(record.timestamp.str());
                self.usage.called(&tool_name(&payload.namespace, &payload.name));
            }
            _ => return false,
        }
        true
    }

    /// Puts the session and its usage into the answer; a file without a message holds no session.
    pub(super) fn finish(mut self, read: &mut Read) {
        self.settle_calls();
        let mut root = self.session.key.native().to_owned();
        // Follow the forks as far as this file tells, which is as far as any copy of it can tell; an endless chain
        // of forks is cut by the number of threads named.
        for _ in 0..=self.forks.len() {
            match self.forks.get(&root).cloned().flatten() {
                Some(from) if from != root => root = from,
                _ => break,
            }
        }
        if let Some(other) = self.foreign.filter(|_| root == self.session.key.native()) {
            root = other;
        }
        let header = Header { subagent: self.subagent.as_deref(), provider: self.provider.as_deref() };
        read.usage = self.usage.finish(&self.session.key, &root, &header);
        if !self.session.messages.is_empty() {
            read.sessions.push(self.session);
        }
    }

    /// The usage alone, with what counting needs to know of the session.
    pub(super) fn finish_usage(self) -> UsageRead {
        let mut read = Read::default();
        let facts = SessionFacts::of(&self.session);
        self.finish(&mut read);
        UsageRead { rows: read.usage, facts: vec![facts] }
    }

    /// Whether any time was seen yet.
    pub(super) fn begun(&self) -> bool {
        self.session.started.is_some()
    }

    /// Takes a later time into account; whether it is one.
    pub(super) fn reached(&mut self, timestamp: &str) -> bool {
        let at = Timestamp::parse(timestamp);
        self.session.ended = self.session.ended.max(at);
        at.is_some()
    }

    fn tick(&mut self, timestamp: &str) {
        if let Some(at) = Timestamp::parse(timestamp) {
            let s = &mut self.session;
            s.started = Some(s.started.map_or(at, |t| t.min(at)));
            s.ended = Some(s.ended.map_or(at, |t| t.max(at)));
            self.now = Some(at);
        }
    }

    fn envelope(&mut self, kind: &str, payload: Payload<'_>, offset: u64) {
        match kind {
            "response_item" => self.item(payload),
            "session_meta" => self.meta(&payload),
            "turn_context" => self.settings(&payload.model, &payload.cwd),
            "compacted" => self.compacted(&payload),
            "token_usage_record" | "event_msg" => self.event(kind, &payload, offset),
            _ => {}
        }
    }

    fn settings(&mut self, model: &Text<'_>, cwd: &Text<'_>) {
        self.model = model.owned().or_else(|| self.model.take());
        let project = &mut self.session.project;
        *project = project.take().or_else(|| cwd.owned());
    }

    fn event(&mut self, kind: &str, payload: &Payload<'_>, offset: u64) {
        let model = self.model.as_deref().unwrap_or_default();
        let at = At { at: self.now.unwrap_or_default(), model, offset };
        match (kind, payload.kind.str()) {
            ("token_usage_record", _) => {
                if let Some(counts) = &payload.usage.0 {
                    self.usage.record(payload.response_id.some(), counts, &at);
                }
            }
            (_, "token_count") => {
                if let Some(info) = &payload.info.0 {
                    self.usage.count(info, &at);
                }
            }
            (_, "item_completed") => self.outcome(payload),
            _ => {}
        }
    }

    fn meta(&mut self, payload: &Payload<'_>) {
        let Some(id) = payload.id.some() else { return };
        self.forks.entry(id.to_owned()).or_insert_with(|| payload.forked_from_id.owned());
        if self.own_meta {
            if id != self.session.key.native() {
                self.foreign = Some(id.to_owned());
            }
            return;
        }
        self.own_meta = true;
        let spawned = payload.source.pointer("/subagent/thread_spawn");
        let spawn =
            |field: &str| spawned.and_then(|s| s.get(field)).and_then(Value::as_str).map(str::to_owned);
        let parent = payload.parent_thread_id.owned().or_else(|| spawn("parent_thread_id"));
        let named = payload.source.get("subagent").and_then(Value::as_str).map(str::to_owned);
        if parent.is_some()
            || payload.source.get("subagent").is_some()
            || payload.thread_source.str() == "subagent"
        {
            let kind = spawn("agent_role").or(named).unwrap_or_else(|| "default".to_owned());
            self.subagent = Some(kind);
        }
        let s = &mut self.session;
        s.key = SessionKey::new(AGENT, id);
        s.parent = parent.map(|p| SessionKey::new(AGENT, &p));
        s.forked_from = payload.forked_from_id.some().map(|f| SessionKey::new(AGENT, f));
        s.project = payload.cwd.owned();
        self.provider = payload.model_provider.owned();
        s.agent_version = payload.cli_version.owned();
        s.git_branch = payload.git.0.as_ref().and_then(|g| g.branch.owned());
    }

    fn item(&mut self, payload: Payload<'_>) {
        match payload.kind.str() {
            "message" => self.message(payload),
            "reasoning" => {
                let texts: Vec<String> =
                    payload.summary.0.into_iter().map(|p| p.text.into_string()).collect();
                let thoughts = texts.into_iter().filter(|t| !t.is_empty());
                let parts: Vec<Part> = thoughts.map(|text| Part::Thinking { text }).collect();
                if !parts.is_empty() {
                    // Thinking opens a response: what stood before it belongs to the one before.
                    self.open = None;
                    let index = self.answer(None);
                    self.extend(index, parts);
                }
            }
            kind if CALLS.contains(&kind) => self.call(payload),
            "function_call_output" | "custom_tool_call_output" => self.output(payload),
            _ => {}
        }
    }

    fn message(&mut self, payload: Payload<'_>) {
        let id = payload.id.owned();
        let marks = payload.marks.0.as_ref().map(|m| m.content_item_kinds.0.as_slice()).unwrap_or_default();
        let marked = !marks.is_empty() && !marks.iter().any(|k| k.str().starts_with("user."));
        let role = payload.role.str().to_owned();
        let parts = pieces(payload.content);
        if parts.is_empty() {
            return;
        }
        match role.as_str() {
            "assistant" => {
                let spoken = |m: &Message| m.parts.iter().any(|p| !matches!(p, Part::Thinking { .. }));
                if self.open.and_then(|i| self.session.messages.get(i)).is_some_and(spoken) {
                    self.open = None;
                }
                let index = self.answer(id);
                self.extend(index, parts);
            }
            "user" => {
                self.open = None;
                self.environment(&parts);
                let typed = |p: &Part| match p {
                    Part::Text { text } => !INJECTED.iter().any(|start| text.trim_start().starts_with(start)),
                    _ => true,
                };
                let human = !marked && self.subagent.is_none() && parts.iter().any(typed);
                let origin = if human { Origin::Human } else { Origin::Injected };
                self.session.messages.push(Message {
                    id,
                    role: Role::User,
                    origin,
                    at: self.now,
                    model: None,
                    parts,
                });
            }
            // Developer and system messages hold the vendor's instructions.
            _ => {}
        }
    }

    /// 0.29 says the working directory only inside the first message.
    fn environment(&mut self, parts: &[Part]) {
        if self.session.project.is_some() {
            return;
        }
        let Some(Part::Text { text }) = parts.first() else { return };
        if text.trim_start().starts_with("<environment_context>") {
            let cwd = text.split_once("<cwd>").and_then(|(_, rest)| rest.split_once("</cwd>"));
            self.session.project = cwd.map(|(cwd, _)| cwd.to_owned());
        }
    }

    /// The message that items of the present response go into.
    fn answer(&mut self, id: Option<String>) -> usize {
        if let Some(index) = self.open {
            if let Some(message) = self.session.messages.get_mut(index) {
                message.id = message.id.take().or(id);
            }
            return index;
        }
        let (at, model) = (self.now, self.model.clone());
        let message =
            Message { id, role: Role::Assistant, origin: Origin::Model, at, model, parts: Vec::new() };
        self.session.messages.push(message);
        let index = self.session.messages.len() - 1;
        self.open = Some(index);
        index
    }

    fn extend(&mut self, index: usize, parts: Vec<Part>) {
        if let Some(message) = self.session.messages.get_mut(index) {
            message.parts.extend(parts);
        }
    }

    fn call(&mut self, payload: Payload<'_>) {
        let name = tool_name(&payload.namespace, &payload.name);
        self.usage.called(&name);
        let id = payload.call_id.owned().or_else(|| payload.id.owned()).unwrap_or_default();
        if self.usage_only || (!id.is_empty() && self.calls.contains_key(&id)) {
            return;
        }
        let input = match (payload.arguments.some(), payload.input.some()) {
            (Some(json), _) => serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned())),
            (None, Some(text)) => Value::String(text.to_owned()),
            _ => payload.action,
        };
        let index = self.answer(None);
        if let Some(message) = self.session.messages.get(index) {
            self.calls.insert(id.clone(), (index, message.parts.len()));
        }
        self.extend(index, vec![Part::Tool(ToolCall { id, name, input, ..ToolCall::default() })]);
    }

    fn output(&mut self, payload: Payload<'_>) {
        self.open = None;
        let id = payload.call_id.str();
        let at = self.calls.get(id).copied();
        let Some((message, part)) = at else { return };
        let place = self.session.messages.get_mut(message).and_then(|m| m.parts.get_mut(part));
        let Some(Part::Tool(call)) = place else { return };
        let mut text = String::new();
        for piece in pieces(payload.output) {
            match piece {
                Part::Text { text: t } => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(&t);
                }
                Part::Media { bytes, .. } => call.media_bytes += bytes,
                _ => {}
            }
        }
        let (text, exit) = unwrap(text);
        let starts = |list: &[&str]| list.iter().any(|s| text.starts_with(s));
        call.exit_code = exit;
        call.status = match exit {
            Some(0) => ToolStatus::Success,
            Some(_) => ToolStatus::Error,
            None if starts(&DENIED) => ToolStatus::Denied,
            None if starts(&FAILED) => ToolStatus::Error,
            None => ToolStatus::Success,
        };
        call.output = Some(text);
    }

    fn outcome(&mut self, payload: &Payload<'_>) {
        let Some(item) = &payload.item.0 else { return };
        let Some(id) = item.id.some() else { return };
        let status = match item.status.str() {
            "completed" => Some(ToolStatus::Success),
            "failed" => Some(ToolStatus::Error),
            "declined" => Some(ToolStatus::Denied),
            _ => None,
        };
        let spawned = item.tool.str() == "spawn_agent";
        let subagent = item.receiver_thread_ids.0.first().and_then(|t| t.owned()).filter(|_| spawned);
        if status.is_some() {
            self.outcomes.insert(id.to_owned(), Outcome { status, exit_code: item.exit_code.0, subagent });
        }
    }

    /// Lets what `item_completed` said of a call win over what its output looks like.
    fn settle_calls(&mut self) {
        for (id, outcome) in std::mem::take(&mut self.outcomes) {
            let Some(&(message, part)) = self.calls.get(&id) else { continue };
            let place = self.session.messages.get_mut(message).and_then(|m| m.parts.get_mut(part));
            let Some(Part::Tool(call)) = place else { continue };
            call.exit_code = outcome.exit_code.or(call.exit_code);
            let broken = call.exit_code.is_some_and(|code| code != 0) || call.status == ToolStatus::Error;
            call.status = match outcome.status {
                Some(ToolStatus::Success) if broken => ToolStatus::Error,
                Some(status) => status,
                None => call.status,
            };
            call.subagent = outcome.subagent.map(|id| SessionKey::new(AGENT, &id));
        }
    }

    /// A compaction: its summary is the answer just before, or else stands only in this line.
    fn compacted(&mut self, payload: &Payload<'_>) {
        self.open = None;
        let message = payload.message.str();
        let summary = |p: &Part| match p {
            Part::Text { text } => message.is_empty() || message.contains(text.trim()),
            Part::Thinking { .. } => true,
            _ => false,
        };
        if let Some(last) = self.session.messages.last_mut()
            && last.role == Role::Assistant
            && last.parts.iter().all(summary)
        {
            last.origin = Origin::Compaction;
        } else if !message.is_empty() {
            let parts = vec![Part::Text { text: message.to_owned() }];
            let origin = Origin::Compaction;
            self.session.messages.push(Message {
                id: None,
                role: Role::User,
                origin,
                at: self.now,
                model: None,
                parts,
            });
        }
    }
}

fn pieces(content: TextOr<'_, Piece<'_>>) -> Vec<Part> {
    let list = match content {
        TextOr::Text(text) if text.is_empty() => return Vec::new(),
        TextOr::Text(text) => return vec![Part::Text { text: text.into_owned() }],
        TextOr::List(list) => list,
    };
    let part = |piece: Piece<'_>| match piece.image_url.some() {
        Some(url) => {
            let media = url.strip_prefix("data:").and_then(|rest| rest.split_once(';'));
            let (media_type, data) = media.unwrap_or(("image/*", url));
            Some(Part::Media { media_type: media_type.to_owned(), bytes: data.len() as u64 })
        }
        None => piece.text.some().is_some().then(|| Part::Text { text: piece.text.into_string() }),
    };
    // An attached image stands between two marks that nobody typed.
    let image = |piece: &Piece<'_>| piece.image_url.some().is_some();
    let before = |i: usize| list.get(i + 1).is_some_and(image) && is_mark(list[i].text.str());
    let after = |i: usize| i > 0 && list.get(i - 1).is_some_and(image) && list[i].text.str() == "</image>";
    let marks: Vec<bool> = (0..list.len()).map(|i| before(i) || after(i)).collect();
    list.into_iter().zip(marks).filter(|(_, mark)| !mark).filter_map(|(piece, _)| part(piece)).collect()
}

/// Whether a text is the mark that opens an image: `<image>` or `<image name=[Image #1] path="…">`.
fn is_mark(text: &str) -> bool {
    text == "<image>" || (text.starts_with("<image name=") && text.ends_with('>'))
}

/// The text and exit code of a tool's output.
///
/// Three shapes: a JSON object `{"output", "metadata": {"exit_code"}}`, a header that ends with `Output:` and says
/// `Process exited with code N` or `Exit code: N`, or plain text.
fn unwrap(output: String) -> (String, Option<i64>) {
    #[derive(serde::Deserialize)]
    struct Wrapped {
        output: String,
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        exit_code: Option<i64>,
    }
    if output.starts_with('{')
        && let Ok(wrapped) = serde_json::from_str::<Wrapped>(&output)
    {
        return (wrapped.output, wrapped.metadata.exit_code);
    }
    let header = output.split_once("\nOutput:").map_or("", |(header, _)| header);
    let code = |line: &str| {
        let code =
            line.strip_prefix("Process exited with code ").or_else(|| line.strip_prefix("Exit code: "))?;
        code.trim().parse().ok()
    };
    let exit = header.lines().take(8).find_map(code);
    (output, exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_around_an_image_are_no_words_of_a_person() {
        let log = [
            r#"{"type":"session_meta","payload":{"id":"t","cwd":"/дом/мой проект"}}"#,
            r#"{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"<image name=[Image #1] path=\"/дом/мой проект/я.png\">"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"},{"type":"input_text","text":"</image>"},{"type":"input_text","text":"что тут? </image>"}]}}"#,
        ];
        let mut builder = Builder::new("t".to_owned());
        for bytes in log {
            let line = Line { number: 1, offset: 0, bytes: bytes.as_bytes(), ended: true, too_long: false };
            assert!(builder.line(&line, &mut String::new()).is_ok());
        }
        let mut read = Read::default();
        builder.finish(&mut read);
        let said = &read.sessions[0].messages[0];
        assert_eq!(said.origin, Origin::Human);
        assert!(matches!(said.parts[0], Part::Media { .. }), "{:?}", said.parts);
        assert_eq!(said.parts[1], Part::Text { text: "что тут? </image>".to_owned() });
        assert_eq!(said.parts.len(), 2);
    }

    #[test]
    fn exit_codes_come_from_the_header_only() {
        let exit = |text: &str| unwrap(text.to_owned()).1;
        assert_eq!(exit("Chunk ID: a\nProcess exited with code 3\nOutput:\nx"), Some(3));
        assert_eq!(exit("Exit code: 0\nWall time: 1 seconds\nOutput:\nx"), Some(0));
        assert_eq!(exit("Wall time: 1\nOutput:\nProcess exited with code 3\n"), None);
        assert_eq!(exit("Process exited with code 3"), None);
        let wrapped =
            unwrap(r#"{"output":"x\n","metadata":{"exit_code":7,"duration_seconds":0.1}}"#.to_owned());
        assert_eq!(wrapped, ("x\n".to_owned(), Some(7)));
        assert_eq!(unwrap(r#"{"status":1}"#.to_owned()), (r#"{"status":1}"#.to_owned(), None));
    }
}
