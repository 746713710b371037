//! Replays a Gemini CLI log: messages by id, patches, rewinds.
//!
//! Later records of an id replace earlier ones. `$set.messages` replaces the model's context, not what happened: on
//! resume it repeats the history in the API's shape, without tokens and calls. So messages already known stay as
//! they are, and only text that stands nowhere else is added.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use crate::sources::common::genai;
use crate::sources::common::tool_attribution::Growth;
use crate::trace::{
    Message, Origin, Part, Role, Session, SessionKey, Timestamp, Tokens, ToolCall, ToolStatus, UsageRow,
};

use super::AGENT;

/// Builds the one session of a log.
#[derive(Default)]
pub(super) struct Builder {
    id: Option<String>,
    pub(super) hash: Option<String>,
    pub(super) directories: Vec<String>,
    title: Option<String>,
    subagent: bool,
    started: Option<Timestamp>,
    updated: Option<Timestamp>,
    records: Vec<Record>,
    index: HashMap<String, usize>,
    texts: HashSet<u64>,
}

struct Record {
    id: Option<String>,
    role: Role,
    origin: Origin,
    at: Option<Timestamp>,
    model: Option<String>,
    tokens: Option<Tokens>,
    thoughts: Vec<Part>,
    content: Vec<Part>,
    calls: Vec<ToolCall>,
    offset: u64,
    /// Known only from a replacement of the history.
    copy: bool,
    /// Taken back by a rewind: its requests still count.
    rewound: bool,
}

impl Builder {
    /// Uses one record of an event log.
    pub(super) fn record(&mut self, record: &Value, offset: u64) {
        if let Some(id) = genai::text(record, "$rewindTo") {
            if let Some(&from) = self.index.get(id) {
                self.records[from..].iter_mut().for_each(|r| r.rewound = true);
            }
        } else if let Some(patch) = record.get("$set") {
            self.header(patch);
            self.history(patch, offset, true);
        } else if record.get("type").is_some_and(Value::is_string) {
            self.upsert(record, offset, false);
        } else if record.get("sessionId").is_some() {
            self.header(record);
            self.history(record, offset, false);
        }
    }

    fn history(&mut self, of: &Value, offset: u64, copy: bool) {
        let messages = of.get("messages").and_then(Value::as_array);
        for (n, message) in messages.into_iter().flatten().enumerate() {
            self.upsert(message, offset + n as u64, copy);
        }
    }

    fn header(&mut self, header: &Value) {
        let own = |field| genai::text(header, field).map(str::to_owned);
        let at = |field| genai::text(header, field).and_then(Timestamp::parse);
        self.id = self.id.take().or_else(|| own("sessionId"));
        self.hash = self.hash.take().or_else(|| own("projectHash"));
        self.title = own("summary").or_else(|| self.title.take());
        self.subagent |= genai::text(header, "kind") == Some("subagent");
        self.started = self.started.into_iter().chain(at("startTime")).min();
        self.updated = self.updated.into_iter().chain(at("lastUpdated")).max();
        let directories = header.get("directories").and_then(Value::as_array);
        if let Some(list) = directories {
            self.directories = list.iter().filter_map(|d| d.as_str().map(str::to_owned)).collect();
        }
    }

    fn upsert(&mut self, message: &Value, offset: u64, copy: bool) {
        let role = match genai::text(message, "type") {
            Some("user") => Role::User,
            Some("gemini") => Role::Assistant,
            Some(_) => Role::System,
            None => return,
        };
        let id = genai::text(message, "id");
        let known = id.and_then(|id| self.index.get(id).copied());
        if copy && known.is_some() {
            return;
        }
        let content = message.get("content").unwrap_or(&Value::Null);
        let response = genai::is_response(content);
        let mut parts = genai::parts(content);
        if response {
            // The call holds its result already.
            parts.retain(|p| matches!(p, Part::Text { .. }));
        }
        let tokens = message.get("tokens").filter(|t| t.is_object()).map(tokens);
        let calls: Vec<_> =
            message.get("toolCalls").map(genai::each).unwrap_or_default().iter().map(call).collect();
        let mark = mark(role, &parts);
        let repeats = parts.is_empty() || !self.texts.insert(mark);
        if copy && repeats && tokens.is_none() && calls.is_empty() {
            return;
        }
        let origin = match role {
            Role::Assistant if !copy || tokens.is_some() => Origin::Model,
            Role::User if !copy && !response && !is_injected(&parts) => Origin::Human,
            _ if parts.iter().any(|p| starts(p, "<state_snapshot>")) => Origin::Compaction,
            _ => Origin::Injected,
        };
        let place = known.unwrap_or(self.records.len());
        if known.is_none() {
            if let Some(id) = id {
                self.index.insert(id.to_owned(), place);
            }
            self.records.push(Record::new(id, role, offset, copy));
        }
        let Some(record) = self.records.get_mut(place) else { return };
        (record.role, record.origin, record.copy, record.rewound) = (role, origin, copy, false);
        if message.get("content").is_some() {
            record.content = parts;
        }
        let thoughts = message.get("thoughts").map(genai::each).unwrap_or_default();
        if !thoughts.is_empty() {
            record.thoughts = thoughts.iter().filter_map(thought).collect();
        }
        record.at = record.at.or_else(|| genai::text(message, "timestamp").and_then(Timestamp::parse));
        record.model = genai::text(message, "model").map(str::to_owned).or_else(|| record.model.take());
        record.tokens = tokens.or(record.tokens);
        for call in calls {
            match record.calls.iter_mut().find(|c| !c.id.is_empty() && c.id == call.id) {
                Some(earlier) => *earlier = call,
                None => record.calls.push(call),
            }
        }
    }

    /// The session, if anything was said in it, and its requests.
    pub(super) fn finish(self, stem: &str, parent: Option<String>) -> (Option<Session>, Vec<UsageRow>) {
        let mut session = Session::empty(AGENT, self.id.as_deref().unwrap_or(stem));
        let subagent = self.subagent || parent.is_some();
        session.parent = parent.map(|id| SessionKey::new(AGENT, &id));
        // The summary of a subagent is its answer, not a title.
        session.title = self.title.filter(|t| !subagent && !t.trim().is_empty());
        let times = || self.records.iter().filter_map(|r| r.at);
        session.started = self.started.or_else(|| times().min());
        session.ended = self.updated.or_else(|| times().max());
        let mut usage = Vec::new();
        let mut growth = Growth::default();
        let mut calls = HashSet::new();
        for mut record in self.records {
            if let (Some(tokens), Role::Assistant) = (record.tokens, record.role) {
                let key = match &record.id {
                    Some(id) => format!("{AGENT}:{id}"),
                    None => format!("{}@{}", session.key, record.offset),
                };
                let mut row = UsageRow {
                    dedupe_key: key,
                    session: session.key.clone(),
                    at: record.at.or(session.started).unwrap_or_default(),
                    model: record.model.clone().unwrap_or_default(),
                    tokens,
                    subagent: subagent.then(|| "subagent".to_owned()),
                    offset: record.offset,
                    copied: record.copy,
                    ..UsageRow::default()
                };
                growth.step(&mut row, record.calls.iter().map(|c| c.name.clone()).collect());
                usage.push(row);
            }
            record.calls.retain(|c| c.id.is_empty() || calls.insert(c.id.clone()));
            let silent = record.thoughts.is_empty() && record.content.is_empty() && record.calls.is_empty();
            if record.rewound || (silent && record.tokens.is_none()) {
                continue;
            }
            // Nobody types to a subagent.
            let human = record.origin == Origin::Human && subagent;
            let mut parts = record.thoughts;
            parts.append(&mut record.content);
            parts.extend(record.calls.into_iter().map(Part::Tool));
            session.messages.push(Message {
                id: record.id,
                role: record.role,
                origin: if human { Origin::Injected } else { record.origin },
                at: record.at,
                model: record.model,
                parts,
            });
        }
        let said = session.messages.iter().any(|m| matches!(m.origin, Origin::Human | Origin::Model));
        ((said || !usage.is_empty()).then_some(session), usage)
    }
}

impl Record {
    fn new(id: Option<&str>, role: Role, offset: u64, copy: bool) -> Self {
        Record {
            id: id.map(str::to_owned),
            role,
            origin: Origin::Injected,
            at: None,
            model: None,
            tokens: None,
            thoughts: Vec::new(),
            content: Vec::new(),
            calls: Vec::new(),
            offset,
            copy,
            rewound: false,
        }
    }
}

fn mark(role: Role, parts: &[Part]) -> u64 {
    let mut hasher = DefaultHasher::new();
    role.hash(&mut hasher);
    for part in parts {
        if let Part::Text { text } = part {
            text.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn starts(part: &Part, with: &str) -> bool {
    matches!(part, Part::Text { text } if text.trim_start().starts_with(with))
}

fn is_injected(parts: &[Part]) -> bool {
    parts.first().is_some_and(|p| {
        ["<session_context>", "<state_snapshot>", "System: Please continue."].iter().any(|s| starts(p, s))
    })
}

fn thought(thought: &Value) -> Option<Part> {
    let text = ["subject", "description"].iter().filter_map(|f| genai::text(thought, f));
    let text = text.collect::<Vec<_>>().join("\n");
    (!text.trim().is_empty()).then_some(Part::Thinking { text })
}

/// Input includes what came from the cache; output excludes thoughts. Tokens of tool use are input that the prompt
/// does not hold where the total says so.
fn tokens(tokens: &Value) -> Tokens {
    let of = |field| genai::count(tokens, field);
    let (input, cached, output, thoughts, tool) =
        (of("input"), of("cached"), of("output"), of("thoughts"), of("tool"));
    let without = input.saturating_add(output).saturating_add(thoughts);
    let beside = if tool > 0 && of("total") == without.saturating_add(tool) { tool } else { 0 };
    Tokens {
        input: input.saturating_sub(cached).saturating_add(beside),
        output: output.saturating_add(thoughts),
        reasoning: thoughts,
        cache_read: cached,
        ..Tokens::default()
    }
}

fn call(call: &Value) -> ToolCall {
    let name = genai::text(call, "name").unwrap_or_default().to_owned();
    let (output, media_bytes) = genai::result(call.get("result").unwrap_or(&Value::Null));
    let said = output.as_deref().unwrap_or_default();
    let exit_code = if genai::is_shell(&name) { genai::exit_code(said) } else { None };
    let refused = ["Command rejected", "Tool execution denied", "Tool execution for"];
    let status = match genai::text(call, "status") {
        Some("cancelled" | "canceled") => ToolStatus::Denied,
        Some("error") if refused.iter().any(|r| said.starts_with(r)) => ToolStatus::Denied,
        Some("error") => ToolStatus::Error,
        // A command that fails is a success of the tool.
        Some("success") if exit_code.is_some_and(|code| code != 0) => ToolStatus::Error,
        Some("success") => ToolStatus::Success,
        _ => ToolStatus::Pending,
    };
    ToolCall {
        id: genai::text(call, "id").unwrap_or_default().to_owned(),
        name,
        input: call.get("args").cloned().unwrap_or_default(),
        output,
        status,
        exit_code,
        media_bytes,
        subagent: genai::text(call, "agentId").map(|id| SessionKey::new(AGENT, id)),
    }
}
