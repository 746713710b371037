//! The transcript grammar that OpenClaw and Pi share: an append-only tree of entries, versions 1 to 4.
//!
//! Content that a record repeats in its `details` is read once; a record that repeats an entry's id is left out.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;

use crate::sources::common::lenient_serde::{Flag, Float, Int, List, Obj, Size, Text, TextOr};
use crate::sources::common::line_reader::{Line, Sieve, Used, parse};
use crate::sources::common::tool_attribution::Growth;
use crate::sources::{Read, UsageRead};
use crate::trace::{
    Message, Origin, Part, Role, Session, SessionFacts, SessionKey, Timestamp, Tokens, ToolCall, ToolStatus,
    UsageRow,
};

/// The session id in a transcript's name; `None` for other files.
pub(crate) fn native_id(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (id, rest) = name.split_once(".jsonl")?;
    let archived = rest.starts_with(".reset.") || rest.starts_with(".deleted.");
    ((rest.is_empty() || archived) && !id.ends_with(".trajectory")).then(|| id.to_owned())
}

/// One entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    cwd: Text<'a>,
    #[serde(borrow)]
    parent_session: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    summary: Text<'a>,
    #[serde(borrow)]
    content: TextOr<'a, Block<'a>>,
    #[serde(borrow)]
    message: Obj<Body<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    content: TextOr<'a, Block<'a>>,
    #[serde(borrow)]
    api: Text<'a>,
    #[serde(borrow)]
    provider: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    usage: Obj<Usage>,
    #[serde(borrow)]
    tool_call_id: Text<'a>,
    #[serde(borrow)]
    tool_name: Text<'a>,
    #[serde(borrow)]
    details: Obj<Details<'a>>,
    is_error: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    arguments: Value,
    input: Value,
    parameters: Value,
    data: Size,
    #[serde(borrow)]
    mime_type: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    exit_code: Int,
}

/// Token counts: input excludes cache, output includes reasoning; `cost` is in US dollars.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Usage {
    input: Int,
    output: Int,
    cache_read: Int,
    cache_write: Int,
    #[serde(rename = "cacheWrite1h")]
    cache_write_1h: Int,
    reasoning_tokens: Int,
    cost: Obj<Cost>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cost {
    total: Float,
}

impl Usage {
    fn tokens(&self) -> Tokens {
        let (written, long) = (self.cache_write.count(), self.cache_write_1h.count());
        Tokens {
            input: self.input.count(),
            output: self.output.count(),
            reasoning: self.reasoning_tokens.count(),
            cache_read: self.cache_read.count(),
            cache_write_5m: written.saturating_sub(long),
            cache_write_1h: long,
            web_search: 0,
        }
    }

    /// Zero means that the agent had no price, not that the request was free.
    fn picousd(&self) -> Option<i64> {
        let usd = self.cost.0.as_ref()?.total.0.filter(|usd| *usd > 0.0 && *usd < 1e6)?;
        #[expect(clippy::cast_possible_truncation, reason = "below 1e18 by the line above")]
        Some((usd * 1e12).round() as i64)
    }
}

/// Builds the one session of a transcript, entry by entry.
pub(crate) struct Builder {
    agent: &'static str,
    pub session: Session,
    usage: Vec<UsageRow>,
    calls: HashMap<String, (usize, usize)>,
    /// When a forked transcript was started; what is older was copied into it.
    forked: Option<Timestamp>,
    /// Ids of the entries so far.
    seen: HashSet<String>,
    /// Keys of the requests so far.
    counted: HashSet<String>,
    growth: Growth,
    /// Whether no person wrote its prompts: a subagent's task, a timer's.
    pub automatic: bool,
}

impl Builder {
    pub(crate) fn new(agent: &'static str, native: &str) -> Self {
        Builder {
            agent,
            session: Session::empty(agent, native),
            usage: Vec::new(),
            calls: HashMap::new(),
            forked: None,
            seen: HashSet::new(),
            counted: HashSet::new(),
            growth: Growth::default(),
            automatic: false,
        }
    }

    /// Puts the session and its usage into the answer; without a message there is no session.
    pub(crate) fn finish(self, read: &mut Read) {
        read.usage.extend(self.usage);
        if !self.session.messages.is_empty() {
            read.sessions.push(self.session);
        }
    }

    pub(crate) fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        self.entry(line.bytes, line.offset, scratch)
    }

    /// Takes one entry in; `offset` says where it stands.
    pub(crate) fn entry(&mut self, bytes: &[u8], offset: u64, scratch: &mut String) -> Used {
        let (entry, repaired) = parse::<Entry<'_>>(bytes, scratch)?;
        let at = self.tick(entry.timestamp.str());
        if entry.kind.str() == "message"
            && let Some(body) = &entry.message.0
            && body.role.str() == "assistant"
        {
            let called = match &body.content {
                TextOr::List(blocks) => blocks.iter().filter(|b| is_call(b.kind.str())).collect(),
                TextOr::Text(_) => Vec::new(),
            };
            let called = called.into_iter().filter_map(|b| b.name.owned()).collect();
            self.request(&entry.id, entry.timestamp.str(), at, body, offset, called);
        }
        if !self.fresh(entry.kind.str(), &entry.id) {
            return Ok(repaired);
        }
        match entry.kind.str() {
            "session" => self.header(&entry, at),
            "session_info" => self.session.title = entry.name.owned().or_else(|| self.session.title.take()),
            "message" => self.message(entry, at),
            "compaction" | "branch_summary" => {
                let summary = TextOr::Text(entry.summary.0.clone().unwrap_or_default());
                self.push(&entry.id, Origin::Compaction, at, parts(summary));
            }
            "custom_message" => {
                let id = entry.id.clone();
                self.push(&id, Origin::Injected, at, parts(entry.content));
            }
            _ => {}
        }
        Ok(repaired)
    }

    /// Whether an entry is new; a header's id is the session's.
    fn fresh(&mut self, kind: &str, id: &Text<'_>) -> bool {
        kind == "session" || id.some().is_none_or(|id| self.seen.insert(id.to_owned()))
    }

    fn tick(&mut self, timestamp: &str) -> Option<Timestamp> {
        let at = Timestamp::parse(timestamp)?;
        let s = &mut self.session;
        s.started = Some(s.started.map_or(at, |t| t.min(at)));
        s.ended = Some(s.ended.map_or(at, |t| t.max(at)));
        Some(at)
    }

    fn header(&mut self, entry: &Entry<'_>, at: Option<Timestamp>) {
        if let Some(id) = entry.id.some() {
            self.session.key = SessionKey::new(self.agent, id);
        }
        self.session.project = entry.cwd.owned().or_else(|| self.session.project.take());
        if let Some(parent) = entry.parent_session.some() {
            let id = native_id(Path::new(parent)).unwrap_or_else(|| parent.to_owned());
            // Pi names its files `<time>_<id>`.
            let id = id.rsplit_once('_').map_or(id.as_str(), |(_, id)| id);
            self.session.forked_from = Some(SessionKey::new(self.agent, id));
            self.forked = at;
        }
    }

    fn push(&mut self, id: &Text<'_>, origin: Origin, at: Option<Timestamp>, parts: Vec<Part>) {
        if !parts.is_empty() {
            let id = id.owned();
            self.session.messages.push(Message { id, role: Role::User, origin, at, model: None, parts });
        }
    }

    fn message(&mut self, mut entry: Entry<'_>, at: Option<Timestamp>) {
        let Some(mut body) = entry.message.0.take() else { return };
        let content = std::mem::take(&mut body.content);
        match body.role.str() {
            "user" => {
                let parts = parts(content);
                if !self.is_retry(&parts) {
                    let origin = if self.automatic { Origin::Injected } else { Origin::Human };
                    self.push(&entry.id, origin, at, parts);
                }
            }
            // A copy of the run's final answer whose usage is the sum of the run.
            "assistant" if body.api.str() == "cli" => {}
            "assistant" => self.assistant(&entry, &body, content, at),
            "toolResult" => {
                self.orphan(&body, at);
                self.result(&body, content);
            }
            // Hook and custom messages.
            _ => self.push(&entry.id, Origin::Injected, at, parts(content)),
        }
    }

    /// Whether a prompt repeats the last one with nothing but failed answers since: OpenClaw writes it again for
    /// every retry.
    fn is_retry(&self, parts: &[Part]) -> bool {
        let mut before = self.session.messages.iter().rev().skip_while(|m| failed(m)).peekable();
        let any_failed = self.session.messages.last().is_some_and(failed);
        any_failed && before.peek().is_some_and(|m| m.role == Role::User && m.parts == parts)
    }

    /// Counts the request of an answer.
    fn request(
        &mut self,
        id: &Text<'_>,
        timestamp: &str,
        at: Option<Timestamp>,
        body: &Body<'_>,
        offset: u64,
        called: Vec<String>,
    ) {
        let (Some(usage), Some(model)) = (&body.usage.0, body.model.some()) else { return };
        let tokens = usage.tokens();
        if body.provider.str() == "openclaw" || body.api.str() == "cli" || tokens.is_zero() {
            return;
        }
        // Entry ids have 8 hex digits: the time keeps those of different sessions apart, a copy keeps both.
        let dedupe_key = format!("{}:{}@{timestamp}", self.agent, id.str());
        if !self.counted.insert(dedupe_key.clone()) {
            return;
        }
        let mut row = UsageRow {
            dedupe_key,
            session: self.session.key.clone(),
            at: at.unwrap_or_default(),
            model: model.to_owned(),
            provider: body.provider.owned(),
            tokens,
            reported_picousd: usage.picousd(),
            offset,
            copied: self.forked.is_some_and(|fork| at.is_some_and(|at| at < fork)),
            ..UsageRow::default()
        };
        self.growth.step(&mut row, called);
        self.usage.push(row);
    }

    fn assistant(
        &mut self,
        entry: &Entry<'_>,
        body: &Body<'_>,
        content: TextOr<'_, Block<'_>>,
        at: Option<Timestamp>,
    ) {
        let mirror = body.provider.str() == "openclaw";
        let tokens = body.usage.0.as_ref().map(Usage::tokens).unwrap_or_default();
        let broken = tokens.is_zero() && matches!(body.stop_reason.str(), "error" | "aborted");
        let index = self.session.messages.len();
        let mut parts = Vec::new();
        let blocks = match content {
            TextOr::Text(text) => {
                vec![Block { kind: Text(Some("text".into())), text: Text(Some(text)), ..Block::default() }]
            }
            TextOr::List(blocks) => blocks,
        };
        for block in blocks {
            match block.kind.str() {
                kind if is_call(kind) => {
                    let id = block.id.into_string();
                    if self.calls.contains_key(&id) {
                        continue;
                    }
                    self.calls.insert(id.clone(), (index, parts.len()));
                    let input =
                        [block.arguments, block.input, block.parameters].into_iter().find(|v| !v.is_null());
                    let name = block.name.into_string();
                    parts.push(Part::Tool(ToolCall {
                        id,
                        name,
                        input: input.unwrap_or_default(),
                        ..ToolCall::default()
                    }));
                }
                _ => parts.extend(part(block)),
            }
        }
        let origin = if mirror || broken { Origin::Injected } else { Origin::Model };
        let model = body.model.owned().filter(|_| origin == Origin::Model);
        self.session.messages.push(Message {
            id: entry.id.owned(),
            role: Role::Assistant,
            origin,
            at,
            model,
            parts,
        });
    }

    /// The answer to a call of a tool that the agent does not have stands in the log without the call: the answer
    /// that held it is left out there.
    fn orphan(&mut self, body: &Body<'_>, at: Option<Timestamp>) {
        let (Some(id), Some(name)) = (body.tool_call_id.some(), body.tool_name.some()) else { return };
        if !body.is_error.0 || self.calls.contains_key(id) {
            return;
        }
        self.calls.insert(id.to_owned(), (self.session.messages.len(), 0));
        let call = ToolCall { id: id.to_owned(), name: name.to_owned(), ..ToolCall::default() };
        self.session.messages.push(Message {
            id: None,
            role: Role::Assistant,
            origin: Origin::Model,
            at,
            model: None,
            parts: vec![Part::Tool(call)],
        });
    }

    fn result(&mut self, body: &Body<'_>, content: TextOr<'_, Block<'_>>) {
        let Some(&(message, index)) = self.calls.get(body.tool_call_id.str()) else { return };
        let place = self.session.messages.get_mut(message).and_then(|m| m.parts.get_mut(index));
        let Some(Part::Tool(call)) = place else { return };
        let mut texts = Vec::new();
        for part in parts(content) {
            match part {
                Part::Text { text } => texts.push(text),
                Part::Media { bytes, .. } => call.media_bytes += bytes,
                _ => {}
            }
        }
        let details = body.details.0.as_ref();
        call.exit_code = details.and_then(|d| d.exit_code.0);
        // A command that fails has isError false and says so only in its details.
        let failed = body.is_error.0
            || call.exit_code.is_some_and(|code| code != 0)
            || details.is_some_and(|d| matches!(d.status.str(), "failed" | "error"));
        call.status = if failed { ToolStatus::Error } else { ToolStatus::Success };
        call.output = Some(texts.join("\n"));
    }
}

/// Whether a content block calls a tool.
fn is_call(kind: &str) -> bool {
    ["toolcall", "tooluse", "functioncall"].iter().any(|k| kind.eq_ignore_ascii_case(k))
}

fn failed(message: &Message) -> bool {
    message.role == Role::Assistant && message.origin == Origin::Injected
}

fn parts(content: TextOr<'_, Block<'_>>) -> Vec<Part> {
    match content {
        TextOr::Text(text) if text.trim().is_empty() => Vec::new(),
        TextOr::Text(text) => vec![Part::Text { text: text.into_owned() }],
        TextOr::List(blocks) => blocks.into_iter().filter_map(part).collect(),
    }
}

fn part(block: Block<'_>) -> Option<Part> {
    match block.kind.str() {
        "text" if block.text.some().is_some() => Some(Part::Text { text: block.text.into_string() }),
        "thinking" if block.thinking.some().is_some() => {
            Some(Part::Thinking { text: block.thinking.into_string() })
        }
        "image" => {
            let media_type = block.mime_type.owned().unwrap_or_else(|| "image/*".to_owned());
            Some(Part::Media { media_type, bytes: block.data.0 })
        }
        _ => None,
    }
}

/// A transcript's usage without its conversation.
pub(crate) struct Quick {
    builder: Builder,
}

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Light<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    cwd: Text<'a>,
    #[serde(borrow)]
    parent_session: Text<'a>,
    #[serde(borrow)]
    message: Obj<LightBody<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LightBody<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow)]
    api: Text<'a>,
    #[serde(borrow)]
    provider: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    usage: Obj<Usage>,
    #[serde(borrow)]
    content: List<LightBlock<'a>>,
}

/// A content block, of which only the name of a tool called is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LightBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

impl Quick {
    pub(crate) fn new(agent: &'static str, native: &str) -> Self {
        Quick { builder: Builder::new(agent, native) }
    }

    pub(crate) fn finish(self) -> UsageRead {
        UsageRead { facts: vec![SessionFacts::of(&self.builder.session)], rows: self.builder.usage }
    }
}

impl Sieve for Quick {
    fn wants(&self, line: &[u8]) -> bool {
        self.builder.session.started.is_none() || USAGE.find(line).is_some()
    }

    fn needle(&self) -> Option<&'static Finder<'static>> {
        self.builder.session.started.map(|_| &*USAGE)
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) {
        let Ok((light, _)) = parse::<Light<'_>>(line.bytes, scratch) else { return };
        let at = self.builder.tick(light.timestamp.str());
        if light.kind.str() == "session" {
            let Light { kind, id, timestamp, cwd, parent_session, .. } = light;
            let entry = Entry { kind, id, timestamp, cwd, parent_session, ..Entry::default() };
            self.builder.header(&entry, at);
        } else if light.kind.str() == "message"
            && let Some(body) = light.message.0.filter(|b| b.role.str() == "assistant")
        {
            let LightBody { role, api, provider, model, usage, content } = body;
            let called = content.0.iter().filter(|b| is_call(b.kind.str())).filter_map(|b| b.name.owned());
            let called = called.collect();
            let body = Body { role, api, provider, model, usage, ..Body::default() };
            self.builder.request(&light.id, light.timestamp.str(), at, &body, line.offset, called);
        }
    }

    fn last(&mut self, line: &[u8], scratch: &mut String) -> bool {
        let Ok((light, _)) = parse::<Light<'_>>(line, scratch) else { return false };
        self.builder.tick(light.timestamp.str()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcripts_are_told_from_flight_recorders() {
        for yes in ["main/sessions/a.jsonl", "a.jsonl.reset.2026-10-04T00-00-00.000Z", "a.jsonl.deleted.1"] {
            assert_eq!(native_id(Path::new(yes)).as_deref(), Some("a"), "{yes}");
        }
        for no in ["a.trajectory.jsonl", "sessions.json", "a.jsonl.lock", "a.trajectory-path.json"] {
            assert_eq!(native_id(Path::new(no)), None, "{no}");
        }
    }

    #[test]
    fn a_refused_call_that_the_agent_left_out_is_seen_in_its_answer() {
        let result = |id: &str, error: bool| {
            format!(
                r#"{{"type":"message","id":"{id}","timestamp":"2026-11-21T13:48:03.341Z","message":{{"role":"toolResult","toolCallId":"c-{id}","toolName":"nicht_da","content":[{{"type":"text","text":"Tool nicht_da not found"}}],"isError":{error}}}}}"#
            )
        };
        let ask = r#"{"type":"message","id":"a","timestamp":"2026-11-21T13:48:00.000Z","message":{"role":"user","content":"用演示服务器"}}"#;
        let mut builder = Builder::new("openclaw", "s");
        for text in [ask.to_owned(), result("1", true), result("2", false)] {
            let line = Line { number: 1, offset: 0, bytes: text.as_bytes(), ended: true, too_long: false };
            assert!(builder.line(&line, &mut String::new()).is_ok());
        }
        let mut read = Read::default();
        builder.finish(&mut read);
        let calls: Vec<&ToolCall> = read.sessions[0].tool_calls().collect();
        assert_eq!(calls.len(), 1);
        assert_eq!((calls[0].name.as_str(), calls[0].status), ("nicht_da", ToolStatus::Error));
        assert_eq!(calls[0].output.as_deref(), Some("Tool nicht_da not found"));
    }

    #[test]
    fn only_a_cost_above_zero_is_one() {
        let usage = |total: &str| {
            serde_json::from_str::<Usage>(&format!(r#"{{"cost":{{"total":{total}}}}}"#)).unwrap().picousd()
        };
        assert_eq!(usage("0.0"), None);
        assert_eq!(usage("\"1\""), None);
        assert_eq!(usage("0.00928125"), Some(9_281_250_000));
    }
}
