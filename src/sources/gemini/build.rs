//! Builds a session from a Gemini CLI log by replaying its messages, patches and rewinds.
//!
//! A later record replaces an earlier one with the same id. `$set.messages` replaces the model's context and not the
//! conversation: when a session is resumed, it repeats the history in the format of the API, without tokens and tool
//! calls. So it changes no known message and adds only text that is in no other message.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use crate::sources::common::genai;
use crate::sources::common::tool_attribution::ToolAttribution;
use crate::trace::{
    Message, Origin, Part, Role, Session, SessionKey, Timestamp, Tokens, ToolCall, ToolStatus, UsageRow,
};

use super::AGENT;

/// Builds the session of a log.
#[derive(Default)]
pub(super) struct Builder {
    id: Option<String>,
    pub(super) hash: Option<String>,
    pub(super) directories: Vec<String>,
    title: Option<String>,
    subagent: bool,
    started: Option<Timestamp>,
    updated: Option<Timestamp>,
    messages: Vec<LoggedMessage>,
    /// Index of each message, by its id.
    index: HashMap<String, usize>,
    /// Hashes of the texts of all messages.
    texts: HashSet<u64>,
}

/// A message while the log is replayed.
struct LoggedMessage {
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
    /// Whether the message is only in a replacement of the history.
    copy: bool,
    /// Whether a rewind removed the message. Its request still counts.
    rewound: bool,
}

impl Builder {
    /// Reads one record of an event log, or a whole document.
    pub(super) fn read_record(&mut self, record: &Value, offset: u64) {
        if let Some(id) = genai::text(record, "$rewindTo") {
            if let Some(&from) = self.index.get(id) {
                self.messages[from..].iter_mut().for_each(|r| r.rewound = true);
            }
        } else if let Some(patch) = record.get("$set") {
            self.read_header(patch);
            self.read_history(patch, offset, true);
        } else if record.get("type").is_some_and(Value::is_string) {
            self.upsert(record, offset, false);
        } else if record.get("sessionId").is_some() {
            self.read_header(record);
            self.read_history(record, offset, false);
        }
    }

    fn read_history(&mut self, record: &Value, offset: u64, copy: bool) {
        let messages = record.get("messages").and_then(Value::as_array);
        for (n, message) in messages.into_iter().flatten().enumerate() {
            self.upsert(message, offset + n as u64, copy);
        }
    }

    fn read_header(&mut self, header: &Value) {
        let text = |field| genai::text(header, field).map(str::to_owned);
        let at = |field| genai::text(header, field).and_then(Timestamp::parse);
        self.id = self.id.take().or_else(|| text("sessionId"));
        self.hash = self.hash.take().or_else(|| text("projectHash"));
        self.title = text("summary").or_else(|| self.title.take());
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
            // The tool call in the answer already has this result.
            parts.retain(|p| matches!(p, Part::Text { .. }));
        }
        let tokens = message.get("tokens").filter(|t| t.is_object()).map(tokens);
        let calls: Vec<_> =
            message.get("toolCalls").map(genai::each).unwrap_or_default().iter().map(tool_call).collect();
        let repeats = parts.is_empty() || !self.texts.insert(text_hash(role, &parts));
        if copy && repeats && tokens.is_none() && calls.is_empty() {
            return;
        }
        let origin = match role {
            Role::Assistant if !copy || tokens.is_some() => Origin::Model,
            Role::User if !copy && !response && !is_injected(&parts) => Origin::Human,
            _ if parts.iter().any(|p| starts_with(p, "<state_snapshot>")) => Origin::Compaction,
            _ => Origin::Injected,
        };
        let index = known.unwrap_or(self.messages.len());
        if known.is_none() {
            if let Some(id) = id {
                self.index.insert(id.to_owned(), index);
            }
            self.messages.push(LoggedMessage::new(id, role, offset, copy));
        }
        let Some(record) = self.messages.get_mut(index) else { return };
        (record.role, record.origin, record.copy, record.rewound) = (role, origin, copy, false);
        if message.get("content").is_some() {
            record.content = parts;
        }
        let thoughts = message.get("thoughts").map(genai::each).unwrap_or_default();
        if !thoughts.is_empty() {
            record.thoughts = thoughts.iter().filter_map(thinking_part).collect();
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

    /// Whether the log names a session and has no message.
    pub(super) fn has_only_header(&self) -> bool {
        self.id.is_some() && self.messages.is_empty()
    }

    /// Returns the requests, and the session unless it is empty.
    pub(super) fn finish(self, stem: &str, parent: Option<String>) -> (Option<Session>, Vec<UsageRow>) {
        let mut session = Session::empty(AGENT, self.id.as_deref().unwrap_or(stem));
        let subagent = self.subagent || parent.is_some();
        session.parent = parent.map(|id| SessionKey::new(AGENT, &id));
        // The summary in a subagent's log is its answer, not a title.
        session.title = self.title.filter(|t| !subagent && !t.trim().is_empty());
        let times = || self.messages.iter().filter_map(|r| r.at);
        session.started = self.started.or_else(|| times().min());
        session.ended = self.updated.or_else(|| times().max());
        let mut usage = Vec::new();
        let mut attribution = ToolAttribution::default();
        let mut call_ids = HashSet::new();
        for mut record in self.messages {
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
                attribution.attribute(&mut row, record.calls.iter().map(|c| c.name.clone()).collect());
                usage.push(row);
            }
            record.calls.retain(|c| c.id.is_empty() || call_ids.insert(c.id.clone()));
            let is_empty = record.thoughts.is_empty() && record.content.is_empty() && record.calls.is_empty();
            if record.rewound || (is_empty && record.tokens.is_none()) {
                continue;
            }
            // No person types the prompts of a subagent.
            let injected = record.origin == Origin::Human && subagent;
            let mut parts = record.thoughts;
            parts.append(&mut record.content);
            parts.extend(record.calls.into_iter().map(Part::Tool));
            session.messages.push(Message {
                id: record.id,
                role: record.role,
                origin: if injected { Origin::Injected } else { record.origin },
                at: record.at,
                model: record.model,
                parts,
            });
        }
        let conversation = session.messages.iter().any(|m| matches!(m.origin, Origin::Human | Origin::Model));
        ((conversation || !usage.is_empty()).then_some(session), usage)
    }
}

impl LoggedMessage {
    fn new(id: Option<&str>, role: Role, offset: u64, copy: bool) -> Self {
        LoggedMessage {
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

/// Returns a hash of the role and the text of a message.
fn text_hash(role: Role, parts: &[Part]) -> u64 {
    let mut hasher = DefaultHasher::new();
    role.hash(&mut hasher);
    for part in parts {
        if let Part::Text { text } = part {
            text.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn starts_with(part: &Part, with: &str) -> bool {
    matches!(part, Part::Text { text } if text.trim_start().starts_with(with))
}

fn is_injected(parts: &[Part]) -> bool {
    parts.first().is_some_and(|p| {
        ["<session_context>", "<state_snapshot>", "System: Please continue."]
            .iter()
            .any(|s| starts_with(p, s))
    })
}

fn thinking_part(thought: &Value) -> Option<Part> {
    let text = ["subject", "description"].iter().filter_map(|f| genai::text(thought, f));
    let text = text.collect::<Vec<_>>().join("\n");
    (!text.trim().is_empty()).then_some(Part::Thinking { text })
}

/// Returns the token counts of an answer. Gemini's input includes cached tokens, its output excludes thoughts unless the
/// total shows that it includes them.
fn tokens(tokens: &Value) -> Tokens {
    let of = |field| genai::count(tokens, field);
    let (input, cached, output, thoughts, tool) =
        (of("input"), of("cached"), of("output"), of("thoughts"), of("tool"));
    let included = thoughts > 0 && of("total") == input.saturating_add(output);
    let thoughts_beside = if included { 0 } else { thoughts };
    let without = input.saturating_add(output).saturating_add(thoughts);
    // In some versions `input` already includes the tool tokens. The total shows whether it does.
    let additional = if tool > 0 && of("total") == without.saturating_add(tool) { tool } else { 0 };
    let prompt = input.saturating_add(additional);
    let cache_read = cached.min(prompt);
    let output = output.saturating_add(thoughts_beside);
    Tokens {
        input: prompt - cache_read,
        output,
        reasoning: thoughts.min(output),
        cache_read,
        ..Tokens::default()
    }
}

fn tool_call(call: &Value) -> ToolCall {
    let name = genai::text(call, "name").unwrap_or_default().to_owned();
    let (output, media_bytes) = genai::result(call.get("result").unwrap_or(&Value::Null));
    let text = output.as_deref().unwrap_or_default();
    let exit_code = if genai::is_shell(&name) { genai::exit_code(text) } else { None };
    let refused = ["Command rejected", "Tool execution denied", "Tool execution for"];
    let status = match genai::text(call, "status") {
        Some("cancelled" | "canceled") => ToolStatus::Denied,
        Some("error") if refused.iter().any(|r| text.starts_with(r)) => ToolStatus::Denied,
        Some("error") => ToolStatus::Error,
        // The shell tool succeeds even if the command fails.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cached_tokens_are_a_part_of_the_prompt_and_thoughts_of_the_output() {
        let of = |counts: Value| {
            let t = tokens(&counts);
            (t.input, t.cache_read, t.output, t.reasoning)
        };
        let counts = |tool: u64, total: u64| json!({"input": 1000, "output": 50, "cached": 400, "thoughts": 20, "tool": tool, "total": total});
        assert_eq!(of(counts(0, 1070)), (600, 400, 70, 20));
        assert_eq!(of(counts(30, 1100)), (630, 400, 70, 20), "tool tokens beside the input");
        assert_eq!(of(counts(30, 1070)), (600, 400, 70, 20), "tool tokens in the input");
        assert_eq!(of(counts(0, 1050)), (600, 400, 50, 20), "thoughts in the output");
        let much = json!({"input": 100, "output": 5, "cached": 130, "tool": 40, "total": 145});
        assert_eq!(of(much), (10, 130, 5, 0), "tool tokens can be cached too");
        assert_eq!(of(json!({"input": 100, "output": 5, "cached": 130, "total": 105})), (0, 100, 5, 0));
    }
}
