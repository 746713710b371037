//! From the records of a Claude Code log to a session.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::path::Path;

use crate::sources::Read;
use crate::sources::claude::record::{Attachment, Block, Inner, Message as RawMessage, Record};
use crate::sources::claude::spawned::{Spawned, UNNAMED};
use crate::sources::claude::usage::{Answer, Requests};
use crate::sources::claude::{AGENT, Place};
use crate::sources::common::lenient_serde::TextOr;
use crate::sources::common::line_reader::{Line, Used, parse};
use crate::trace::{Message, Origin, Part, Role, Session, SessionKey, Timestamp, ToolCall, ToolStatus};

/// Starts of text that the agent, not a person, put into a user record.
const INJECTED: [&str; 6] = [
    "<command-name>",
    "<command-message>",
    "<local-command-",
    "<system-reminder>",
    "<task-notification>",
    "Caveat:",
];

/// Records that repeat the conversation or describe the client: never imported, and often large.
const NOT_IMPORTED: [&[u8]; 9] = [
    b"api-request",
    b"queue-operation",
    b"last-prompt",
    b"cost-state",
    b"mode\"",
    b"atis-latch",
    b"tools-used",
    b"file-history-snapshot",
    b"progress\"",
];

/// Where a message or tool call stands in the session being built.
#[derive(Clone, Copy)]
struct CallAt {
    message: usize,
    part: usize,
}

/// Builds the one session of a file, line by line.
pub(super) struct Builder {
    place: Place,
    session: Session,
    usage: Requests,
    /// Whether an answer was counted.
    begun: bool,
    spawned: Spawned,
    messages: HashMap<String, usize>,
    calls: HashMap<String, CallAt>,
    seen: HashSet<u64>,
    hasher: RandomState,
    /// Title and how much it is worth: a person's beats the model's beats a summary.
    title: Option<(u8, String)>,
    /// Whether the agent wrote running totals of its own.
    totals: bool,
}

impl Builder {
    pub(super) fn new(place: Place) -> Self {
        let mut session = Session::empty(AGENT, &place.native);
        session.parent = place.parent.as_deref().map(|p| SessionKey::new(AGENT, p));
        let title = place.meta.as_ref().and_then(|m| m.description.clone()).map(|t| (u8::MAX, t));
        Builder {
            place,
            session,
            usage: Requests::default(),
            begun: false,
            spawned: Spawned::default(),
            messages: HashMap::new(),
            calls: HashMap::new(),
            seen: HashSet::new(),
            hasher: RandomState::new(),
            title,
            totals: false,
        }
    }

    pub(super) fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        if self.place.bare() && !self.begun {
            self.spawned.line(line.bytes);
        }
        if line.ended && not_imported(line.bytes) {
            self.totals |= is_total(line.bytes);
            return Ok(false);
        }
        let (record, repaired) = parse::<Record<'_>>(line.bytes, scratch)?;
        if !self.spawned.decided() && matches!(record.kind.str(), "user" | "assistant") {
            let said = (&record.prompt_id, &record.attribution_agent, &record.source_answer);
            self.spawned.record(record.kind.str() == "assistant", said.0, said.1, said.2);
        }
        match record.kind.str() {
            "user" if self.header(&record) => self.user(record),
            "assistant" => {
                let fresh = self.header(&record);
                self.count(&record, line.offset);
                if fresh {
                    self.assistant(record);
                }
            }
            "attachment" if self.fresh(&record) => self.attachment(&record),
            "summary" => self.name(1, record.summary.some()),
            "ai-title" => self.name(2, record.ai_title.some()),
            "custom-title" => self.name(3, record.custom_title.some()),
            "cost-state" => self.totals = true,
            _ => {}
        }
        Ok(repaired)
    }

    /// Puts the session and its usage into the answer; a file without a message holds no session. Returns whether the
    /// log holds totals, by which requests without a record are known.
    pub(super) fn finish(mut self, read: &mut Read) -> bool {
        let (parent, key) = (self.session.parent.as_ref(), &self.session.key);
        self.usage.book(&self.spawned.books(parent, key, &self.place));
        read.usage = self.usage.finish();
        if !self.session.messages.is_empty() {
            self.session.title = self.title.map(|(_, t)| t);
            read.sessions.push(self.session);
        }
        self.totals
    }

    /// Whether a record is new in this file: a resumed session can repeat records with their ids.
    fn fresh(&mut self, record: &Record<'_>) -> bool {
        record.uuid.some().is_none_or(|uuid| self.seen.insert(self.hasher.hash_one(uuid)))
    }

    /// Takes what every user and assistant record says of the session; whether the record is new.
    fn header(&mut self, record: &Record<'_>) -> bool {
        if let Some(at) = Timestamp::parse(record.timestamp.str()) {
            let s = &mut self.session;
            s.started = Some(s.started.map_or(at, |t| t.min(at)));
            s.ended = Some(s.ended.map_or(at, |t| t.max(at)));
        }
        if !self.fresh(record) {
            return false;
        }
        let s = &mut self.session;
        s.project = s.project.take().or_else(|| record.cwd.owned());
        s.git_branch = s.git_branch.take().or_else(|| record.git_branch.owned());
        if record.version.some().is_some_and(|v| s.agent_version.as_deref() != Some(v)) {
            s.agent_version = record.version.owned();
        }
        let own = record.session_id.str();
        if self.place.subagent {
            // 2.0 puts subagents beside the sessions; their records name the parent.
            s.parent =
                s.parent.take().or_else(|| record.session_id.some().map(|p| SessionKey::new(AGENT, p)));
        } else if s.forked_from.is_none() {
            let fork = record.forked_from.0.as_ref().and_then(|f| f.session_id.some());
            let first =
                record.request_session_id.some().or(fork).filter(|f| *f != own && *f != self.place.native);
            s.forked_from = first.map(|f| SessionKey::new(AGENT, f));
        }
        true
    }

    fn name(&mut self, worth: u8, title: Option<&str>) {
        // The first of a kind stays: later summaries describe later stretches.
        if let Some(title) = title.filter(|_| self.title.as_ref().is_none_or(|(w, _)| *w < worth)) {
            self.title = Some((worth, title.to_owned()));
        }
    }

    fn push(&mut self, message: Message) -> usize {
        self.session.messages.push(message);
        self.session.messages.len() - 1
    }

    fn user(&mut self, mut record: Record<'_>) {
        let Some(message) = record.message.0.take() else { return };
        let at = Timestamp::parse(record.timestamp.str());
        let inside =
            |r: &Record<'_>| r.is_meta.0 || r.is_sidechain.0 || self.place.subagent || !r.origin.is_null();
        let injected = inside(&record);
        let mut parts = Vec::new();
        let mut human = false;
        let mut text = |text: String, parts: &mut Vec<Part>| {
            if !text.trim().is_empty() {
                human |= !INJECTED.iter().any(|start| text.trim_start().starts_with(start));
                parts.push(Part::Text { text });
            }
        };
        match message.content {
            TextOr::Text(t) => text(t.into_owned(), &mut parts),
            TextOr::List(blocks) => {
                for mut block in blocks {
                    match block.kind.str() {
                        "text" => text(std::mem::take(&mut block.text).into_string(), &mut parts),
                        "tool_result" => self.result(&record, block),
                        _ => parts.extend(media(&block)),
                    }
                }
            }
        }
        if parts.is_empty() {
            return;
        }
        let origin = match (record.is_compact_summary.0, injected || !human) {
            (true, _) => Origin::Compaction,
            (_, true) => Origin::Injected,
            _ => Origin::Human,
        };
        self.push(Message { id: record.uuid.owned(), role: Role::User, origin, at, model: None, parts });
    }

    /// Counts a record's request, which its message's id identifies, however often the record stands here.
    fn count(&mut self, record: &Record<'_>, offset: u64) {
        let at = Timestamp::parse(record.timestamp.str());
        self.begun = true;
        // 1.0 kept subagents in the session's own log.
        let kind = self.spawned.kind(&self.place).or(record.is_sidechain.0.then_some(UNNAMED));
        let called = record.message.0.iter().flat_map(|m| match &m.content {
            TextOr::List(blocks) => blocks.as_slice(),
            TextOr::Text(_) => &[],
        });
        let called = called.filter(|b| is_call(b.kind.str())).filter_map(|b| b.name.owned()).collect();
        let Some(message) = &record.message.0 else { return };
        let answer = Answer {
            id: message.id.some().or(record.uuid.some()),
            model: message.model.some(),
            usage: message.usage.0.as_ref(),
            stopped: message.stop_reason.some().is_some(),
            provider: record.provider.some(),
            agent: record.attribution_agent.some(),
            skill: record.attribution_skill.some(),
            copied: record.request_session_id.some().is_some_and(|o| o != record.session_id.str()),
        };
        self.usage.add(&answer, at.or(self.session.ended), offset, &self.session.key, kind, called);
    }

    fn assistant(&mut self, mut record: Record<'_>) {
        let at = Timestamp::parse(record.timestamp.str());
        let Some(RawMessage { id, model, content, .. }) = record.message.0.take() else { return };
        let id = id.owned().or_else(|| record.uuid.owned());
        let known = id.as_ref().and_then(|id| self.messages.get(id).copied());
        let index = known.unwrap_or_else(|| {
            // A local error notice of the agent, not an answer of a model.
            let synthetic = model.str() == "<synthetic>";
            let index = self.push(Message {
                id: id.clone(),
                role: Role::Assistant,
                origin: if synthetic { Origin::Injected } else { Origin::Model },
                at,
                model: model.owned().filter(|_| !synthetic),
                parts: Vec::new(),
            });
            self.messages.extend(id.map(|id| (id, index)));
            index
        });
        match content {
            TextOr::Text(text) => self.part(index, Part::Text { text: text.into_owned() }),
            TextOr::List(blocks) => blocks.into_iter().for_each(|b| self.block(&record, index, b)),
        }
    }

    fn part(&mut self, index: usize, part: Part) {
        if let Some(message) = self.session.messages.get_mut(index) {
            message.parts.push(part);
        }
    }

    fn block(&mut self, record: &Record<'_>, index: usize, block: Block<'_>) {
        match block.kind.str() {
            "text" if !block.text.str().is_empty() => {
                self.part(index, Part::Text { text: block.text.into_string() })
            }
            "thinking" if !block.thinking.str().is_empty() => {
                self.part(index, Part::Thinking { text: block.thinking.into_string() });
            }
            kind if is_call(kind) => {
                let id = block.id.into_string();
                if !id.is_empty() && self.calls.contains_key(&id) {
                    return;
                }
                let part = self.session.messages.get(index).map_or(0, |m| m.parts.len());
                if !id.is_empty() {
                    self.calls.insert(id.clone(), CallAt { message: index, part });
                }
                let call = ToolCall {
                    id,
                    name: block.name.into_string(),
                    input: block.input,
                    ..ToolCall::default()
                };
                self.part(index, Part::Tool(call));
            }
            // Results of tools that the provider ran come inside the answer.
            kind if kind.ends_with("_tool_result") => self.result(record, block),
            _ => media(&block).into_iter().for_each(|part| self.part(index, part)),
        }
    }

    fn result(&mut self, record: &Record<'_>, block: Block<'_>) {
        let Some(at) = self.calls.get(block.tool_use_id.str()).copied() else { return };
        let part = self.session.messages.get_mut(at.message).and_then(|m| m.parts.get_mut(at.part));
        let Some(Part::Tool(call)) = part else { return };
        let mut output = String::new();
        match block.content {
            TextOr::Text(text) => output = text.into_owned(),
            TextOr::List(inner) => {
                for piece in inner {
                    call.media_bytes += piece.source.0.as_ref().map_or(0, |s| s.data.0);
                    for text in [&piece.title, &piece.url, &piece.text].into_iter().filter_map(|t| t.some()) {
                        if !output.is_empty() {
                            output.push('\n');
                        }
                        output.push_str(text);
                    }
                }
            }
        }
        let decision = record.permission_decision.0.as_ref().map_or("", |p| p.decision.str());
        let denied =
            record.tool_denial_kind.some().is_some() || matches!(decision, "reject" | "deny" | "denied");
        call.status = match (denied, block.is_error.0) {
            (true, _) => ToolStatus::Denied,
            (_, true) => ToolStatus::Error,
            _ => ToolStatus::Success,
        };
        if let Some(extra) = &record.tool_use_result.0 {
            call.subagent = extra.agent_id.some().map(|id| SessionKey::new(AGENT, id));
            call.exit_code = extra.exit_code.0;
        }
        if call.exit_code.is_none() && block.is_error.0 {
            call.exit_code = exit_code(&output);
        }
        call.media_bytes += persisted(&output, &self.place.results);
        call.output = Some(output);
    }

    fn attachment(&mut self, record: &Record<'_>) {
        let Some(attachment) = &record.attachment.0 else { return };
        let parts = match attachment.kind.str() {
            "file" => vec![attached_file(attachment)],
            "queued_command" => queued_text(&attachment.prompt),
            _ => return,
        };
        if parts.is_empty() {
            return;
        }
        let at = Timestamp::parse(record.timestamp.str());
        let id = record.uuid.owned();
        self.push(Message { id, role: Role::User, origin: Origin::Injected, at, model: None, parts });
    }
}

/// Whether a content block calls a tool.
pub(super) fn is_call(kind: &str) -> bool {
    matches!(kind, "tool_use" | "server_tool_use" | "mcp_tool_use")
}

/// Whether a line starts with a type that is never imported; saves parsing it.
pub(super) fn not_imported(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"{\"type\":") else { return false };
    let kind = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"\"").unwrap_or_default();
    NOT_IMPORTED.iter().any(|name| kind.starts_with(name)) && line.last() == Some(&b'}')
}

/// Whether a line that starts with its type is a running total of the agent.
pub(super) fn is_total(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"{\"type\":") else { return false };
    rest.strip_prefix(b" ").unwrap_or(rest).starts_with(b"\"cost-state\"")
}

fn media(block: &Block<'_>) -> Option<Part> {
    let source = block.source.0.as_ref()?;
    let media_type = source.media_type.owned().unwrap_or_else(|| block.kind.str().to_owned());
    Some(Part::Media { media_type, bytes: source.data.0 })
}

fn attached_file(attachment: &Attachment<'_>) -> Part {
    let file = attachment.content.0.as_ref().and_then(|c| c.file.0.as_ref());
    let name =
        attachment.filename.owned().or_else(|| file.and_then(|f| f.file_path.owned())).unwrap_or_default();
    Part::Attachment { name, text: file.map(|f| f.content.str().to_owned()).unwrap_or_default() }
}

fn queued_text(prompt: &TextOr<'_, Inner<'_>>) -> Vec<Part> {
    let texts: Vec<String> = match prompt {
        TextOr::Text(text) => vec![text.to_string()],
        TextOr::List(blocks) => blocks.iter().filter_map(|b| b.text.owned()).collect(),
    };
    texts.into_iter().filter(|t| !t.trim().is_empty()).map(|text| Part::Text { text }).collect()
}

/// Size of an output that was too large for the log: the log has its beginning and names the file that has it all.
/// Only a file of that name among the session's own results counts, wherever the log says it stands.
fn persisted(output: &str, results: &Path) -> u64 {
    let Some(rest) = output.trim_start().strip_prefix("<persisted-output>") else { return 0 };
    let Some((_, path)) = rest.split_once("saved to: ") else { return 0 };
    let name = path.lines().next().unwrap_or_default().trim();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if name.is_empty() || name == ".." {
        return 0;
    }
    match std::fs::symlink_metadata(results.join(name)) {
        Ok(meta) if meta.is_file() => meta.len(),
        _ => 0,
    }
}

/// The code of a failed command: the shell tool starts its output with `Exit code N`.
fn exit_code(output: &str) -> Option<i64> {
    output.strip_prefix("Exit code ")?.lines().next()?.trim().parse().ok()
}
