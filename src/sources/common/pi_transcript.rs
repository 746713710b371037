//! Reads the transcript format of OpenClaw and Pi: an append-only tree of entries, versions 1 to 4.
//!
//! A tool result may repeat its content in `details`, which is ignored. An entry that repeats the id of an earlier
//! entry is left out.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, Read as _};
use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;

use crate::sources::common::files::{SourceError, open_log};
use crate::sources::common::json_fields::picousd_from_f64;
use crate::sources::common::lenient_serde::{Flag, Float, Int, List, Obj, Size, Text, TextOr};
use crate::sources::common::line_reader::{
    Line, LineFilter, LineResult, TailLine, each_line, filter_lines, parse,
};
use crate::sources::common::read::{Read, ReadOptions, UsageRead};
use crate::sources::common::tool_attribution::ToolAttribution;
use crate::trace::{
    Message, Origin, Part, Role, Session, SessionFacts, SessionKey, Timestamp, Tokens, ToolCall, ToolStatus,
    UsageRow,
};

/// Returns the session id in the name of a transcript; `None` for other files.
pub(crate) fn native_id(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (id, rest) = name.split_once(".jsonl")?;
    let archived = rest.starts_with(".reset.") || rest.starts_with(".deleted.");
    ((rest.is_empty() || archived) && !id.ends_with(".trajectory")).then(|| id.to_owned())
}

/// Maximum length of the first line of a transcript.
const MAX_HEADER_BYTES: u64 = 1 << 16;

/// One line of a transcript. `C` is the type of the content: the reader of usage needs only the names of called tools.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "C: Default + Deserialize<'de>"))]
struct Entry<'a, C = TextOr<'a, Block<'a>>> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    id: Text<'a>,
    timestamp: Text<'a>,
    cwd: Text<'a>,
    parent_session: Text<'a>,
    name: Text<'a>,
    summary: Text<'a>,
    content: C,
    message: Obj<Body<'a, C>>,
    /// The request that wrote the summary of a compaction or of a branch.
    usage: Obj<Usage>,
    provider: Text<'a>,
    model: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'a, C = TextOr<'a, Block<'a>>> {
    #[serde(borrow)]
    role: Text<'a>,
    content: C,
    api: Text<'a>,
    provider: Text<'a>,
    model: Text<'a>,
    stop_reason: Text<'a>,
    usage: Obj<Usage>,
    tool_call_id: Text<'a>,
    tool_name: Text<'a>,
    details: Obj<Details<'a>>,
    is_error: Flag,
    /// A command that a person typed into Pi, and what it printed.
    command: Text<'a>,
    output: Text<'a>,
    exit_code: Int,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    text: Text<'a>,
    thinking: Text<'a>,
    id: Text<'a>,
    name: Text<'a>,
    arguments: Value,
    input: Value,
    parameters: Value,
    data: Size,
    mime_type: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    exit_code: Int,
    /// The session that the tool started, if it has a log of its own.
    session_file: Text<'a>,
    session_path: Text<'a>,
    session_id: Text<'a>,
    child_session_key: Text<'a>,
    /// The runs of several subagents.
    results: List<Details<'a>>,
}

impl Details<'_> {
    /// Whether a session that the tool started has a log of its own.
    fn names_session(&self) -> bool {
        let names = [&self.session_file, &self.session_path, &self.session_id, &self.child_session_key];
        names.into_iter().any(|name| name.some().is_some())
            || self.results.0.iter().any(Details::names_session)
    }
}

/// Kind of a subagent, which transcripts do not name.
const SUBAGENT: &str = "subagent";

/// Token counts. Input excludes cached tokens, output includes reasoning. `cost` is in US dollars.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Usage {
    input: Int,
    output: Int,
    cache_read: Int,
    cache_write: Int,
    #[serde(rename = "cacheWrite1h")]
    cache_write_1h: Int,
    /// The name that OpenClaw uses.
    reasoning_tokens: Int,
    /// The name that Pi uses.
    reasoning: Int,
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
            reasoning: self.reasoning_tokens.count().max(self.reasoning.count()).min(self.output.count()),
            cache_read: self.cache_read.count(),
            cache_write_5m: written.saturating_sub(long),
            cache_write_1h: long,
            web_search: 0,
        }
    }

    fn picousd(&self) -> Option<i64> {
        picousd_from_f64(self.cost.0.as_ref()?.total.0)
    }
}

/// Builds the session of a transcript, entry by entry.
pub(crate) struct TranscriptBuilder {
    agent: &'static str,
    pub session: Session,
    usage: Vec<UsageRow>,
    /// Message index and part index of each tool call, by the call's id.
    calls: HashMap<String, (usize, usize)>,
    /// When this transcript was forked from another one. Entries with an earlier time are copies.
    forked_at: Option<Timestamp>,
    /// Ids of the entries so far.
    seen_ids: HashSet<String>,
    /// Keys of the requests so far.
    seen_requests: HashSet<String>,
    attribution: ToolAttribution,
    /// Whether no person wrote the prompts, for example in the session of a subagent or of a timer.
    pub automatic: bool,
    /// Whether the header names the copy and not the session.
    is_copy: bool,
}

/// The record of an answer and its position in the log.
struct LoggedAnswer<'r, 'a, C> {
    id: &'r Text<'a>,
    timestamp: &'r str,
    at: Option<Timestamp>,
    body: &'r Body<'a, C>,
    offset: u64,
}

/// The usage of requests without an answer in the log.
struct LoggedUsage<'r, 'a> {
    usage: &'r Usage,
    model: &'r Text<'a>,
    provider: &'r Text<'a>,
    /// What made the requests.
    by: &'static str,
}

impl TranscriptBuilder {
    pub(crate) fn new(agent: &'static str, native: &str) -> Self {
        TranscriptBuilder {
            agent,
            session: Session::empty(agent, native),
            usage: Vec::new(),
            calls: HashMap::new(),
            forked_at: None,
            seen_ids: HashSet::new(),
            seen_requests: HashSet::new(),
            attribution: ToolAttribution::default(),
            automatic: false,
            is_copy: false,
        }
    }

    /// Adds the session and its usage to `read`. A session without messages is left out.
    pub(crate) fn finish_into(self, read: &mut Read) {
        read.usage.extend(self.usage);
        read.add_session(self.session);
    }

    pub(crate) fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> LineResult {
        self.read_entry(line.bytes, line.offset, scratch)
    }

    /// Reads one entry; `offset` is its position in the file or database.
    pub(crate) fn read_entry(&mut self, bytes: &[u8], offset: u64, scratch: &mut String) -> LineResult {
        let (entry, repaired) = parse::<Entry<'_>>(bytes, scratch)?;
        let at = self.extend_time_range(entry.timestamp.str());
        if entry.kind.str() == "message"
            && let Some(body) = &entry.message.0
            && body.role.str() == "assistant"
        {
            let called = match &body.content {
                TextOr::List(blocks) => blocks.iter().filter(|b| is_call(b.kind.str())).collect(),
                TextOr::Text(_) => Vec::new(),
            };
            let called = called.into_iter().filter_map(|b| b.name.owned()).collect();
            let answer = LoggedAnswer { id: &entry.id, timestamp: entry.timestamp.str(), at, body, offset };
            self.push_request(&answer, called);
        }
        self.push_summary_request(&entry, at, offset);
        self.push_request_of_tool(&entry, at, offset);
        if !self.is_new(entry.kind.str(), &entry.id) {
            return Ok(repaired);
        }
        match entry.kind.str() {
            "session" => self.read_header(&entry, at),
            "session_info" => self.session.title = entry.name.owned().or_else(|| self.session.title.take()),
            "message" => self.read_message(entry, at),
            "compaction" | "branch_summary" => {
                let summary = TextOr::Text(entry.summary.0.clone().unwrap_or_default());
                self.push_user(&entry.id, Origin::Compaction, at, parts(summary));
            }
            "custom_message" => {
                let id = entry.id.clone();
                self.push_user(&id, Origin::Injected, at, parts(entry.content));
            }
            _ => {}
        }
        Ok(repaired)
    }

    /// Whether this entry was not read before. The id of a header is that of the session, so it is not compared.
    fn is_new(&mut self, kind: &str, id: &Text<'_>) -> bool {
        kind == "session" || id.some().is_none_or(|id| self.seen_ids.insert(id.to_owned()))
    }

    /// Extends the session's start and end so that they include a time; returns it.
    fn extend_time_range(&mut self, timestamp: &str) -> Option<Timestamp> {
        let at = Timestamp::parse(timestamp);
        self.session.extend_time_range(at);
        at
    }

    fn read_header<C>(&mut self, entry: &Entry<'_, C>, at: Option<Timestamp>) {
        self.session.move_to(entry.cwd.some());
        if self.is_copy {
            return;
        }
        if let Some(id) = entry.id.some() {
            self.session.key = SessionKey::new(self.agent, id);
        }
        if let Some(parent) = entry.parent_session.some() {
            let id = native_id(Path::new(parent)).unwrap_or_else(|| parent.to_owned());
            // Pi names its files `<time>_<id>`.
            let id = id.rsplit_once('_').map_or(id.as_str(), |(_, id)| id);
            self.session.forked_from = Some(SessionKey::new(self.agent, id));
            self.forked_at = at;
        }
    }

    fn push_user(&mut self, id: &Text<'_>, origin: Origin, at: Option<Timestamp>, parts: Vec<Part>) {
        if !parts.is_empty() {
            let id = id.owned();
            self.session.messages.push(Message { id, role: Role::User, origin, at, model: None, parts });
        }
    }

    fn read_message(&mut self, mut entry: Entry<'_>, at: Option<Timestamp>) {
        let Some(mut body) = entry.message.0.take() else { return };
        let content = std::mem::take(&mut body.content);
        match body.role.str() {
            "user" => {
                let parts = parts(content);
                if !self.is_retry(&parts) {
                    let origin = if self.automatic { Origin::Injected } else { Origin::Human };
                    self.push_user(&entry.id, origin, at, parts);
                }
            }
            // OpenClaw repeats the final answer of a run, with the usage of the whole run.
            "assistant" if body.api.str() == "cli" => {}
            "assistant" => self.push_answer(&entry, &body, content, at),
            "toolResult" => {
                self.push_unlogged_call(&body, at);
                self.add_result(&body, content);
            }
            "bashExecution" => {
                let exit = body.exit_code.0.filter(|code| *code != 0);
                let status = exit.map_or(String::new(), |code| format!("\n(exit code {code})"));
                let text = format!("$ {}\n{}{status}", body.command.str(), body.output.str().trim_end());
                self.push_user(&entry.id, Origin::Injected, at, vec![Part::Text { text }]);
            }
            // Messages of hooks and extensions.
            _ => self.push_user(&entry.id, Origin::Injected, at, parts(content)),
        }
    }

    /// Whether a prompt repeats the previous one, with only failed answers between them. OpenClaw logs the prompt
    /// again for every retry.
    fn is_retry(&self, parts: &[Part]) -> bool {
        let mut before = self.session.messages.iter().rev().skip_while(|m| is_failed_answer(m)).peekable();
        let any_failed = self.session.messages.last().is_some_and(is_failed_answer);
        any_failed && before.peek().is_some_and(|m| m.role == Role::User && m.parts == parts)
    }

    /// Adds the request of an answer.
    fn push_request<C>(&mut self, answer: &LoggedAnswer<'_, '_, C>, called: Vec<String>) {
        let &LoggedAnswer { id, timestamp, at, body, offset } = answer;
        let (Some(usage), Some(model)) = (&body.usage.0, body.model.some()) else { return };
        let tokens = usage.tokens();
        if body.provider.str() == "openclaw" || body.api.str() == "cli" || tokens.is_zero() {
            return;
        }
        // Entry ids have only 8 hex digits, so two sessions may have the same one. The time makes the key unique. A copy
        // of an entry has the same id and time.
        let dedupe_key = format!("{}:{}@{timestamp}", self.agent, id.str());
        if !self.seen_requests.insert(dedupe_key.clone()) {
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
            subagent: self.session.parent.is_some().then(|| SUBAGENT.to_owned()),
            copied: self.forked_at.is_some_and(|fork| at.is_some_and(|at| at < fork)),
            ..UsageRow::default()
        };
        self.attribution.attribute(&mut row, called);
        self.usage.push(row);
    }

    /// Adds the request that wrote the summary of a compaction or of a branch, if the entry says what it used. An entry
    /// that does not name the model means that of the answer before it.
    fn push_summary_request<C>(&mut self, entry: &Entry<'_, C>, at: Option<Timestamp>, offset: u64) {
        if !matches!(entry.kind.str(), "compaction" | "branch_summary") {
            return;
        }
        let Some(usage) = &entry.usage.0 else { return };
        let logged = LoggedUsage { usage, model: &entry.model, provider: &entry.provider, by: "compaction" };
        self.push_logged_usage(entry, &logged, at, offset);
    }

    /// Adds the requests that a tool made, if its result says what they used. Those of a subagent with a log of its own are in
    /// that log.
    fn push_request_of_tool<C>(&mut self, entry: &Entry<'_, C>, at: Option<Timestamp>, offset: u64) {
        let body = entry.message.0.as_ref().filter(|body| body.role.str() == "toolResult");
        let Some((body, usage)) = body.and_then(|body| Some((body, body.usage.0.as_ref()?))) else { return };
        if entry.kind.str() != "message" || body.details.0.as_ref().is_some_and(Details::names_session) {
            return;
        }
        let logged = LoggedUsage { usage, model: &body.model, provider: &body.provider, by: SUBAGENT };
        self.push_logged_usage(entry, &logged, at, offset);
    }

    fn push_logged_usage<C>(
        &mut self,
        entry: &Entry<'_, C>,
        logged: &LoggedUsage<'_, '_>,
        at: Option<Timestamp>,
        offset: u64,
    ) {
        let &LoggedUsage { usage, model, provider, by } = logged;
        if usage.tokens().is_zero() {
            return;
        }
        let last = self.usage.last();
        let model = model.owned().or_else(|| last.map(|row| row.model.clone()));
        let provider = provider.owned().or_else(|| last.and_then(|row| row.provider.clone()));
        let dedupe_key = format!("{}:{}@{}", self.agent, entry.id.str(), entry.timestamp.str());
        if !self.seen_requests.insert(dedupe_key.clone()) {
            return;
        }
        self.usage.push(UsageRow {
            dedupe_key,
            session: self.session.key.clone(),
            at: at.unwrap_or_default(),
            // Without a name, the price is unknown and the tokens are listed.
            model: model.unwrap_or_else(|| "unknown".to_owned()),
            provider,
            tokens: usage.tokens(),
            reported_picousd: usage.picousd(),
            subagent: Some(by.to_owned()),
            offset,
            copied: self.forked_at.is_some_and(|fork| at.is_some_and(|at| at < fork)),
            ..UsageRow::default()
        });
    }

    fn push_answer(
        &mut self,
        entry: &Entry<'_>,
        body: &Body<'_>,
        content: TextOr<'_, Block<'_>>,
        at: Option<Timestamp>,
    ) {
        // OpenClaw itself wrote a message whose provider is `openclaw`.
        let by_openclaw = body.provider.str() == "openclaw";
        let tokens = body.usage.0.as_ref().map(Usage::tokens).unwrap_or_default();
        let failed = tokens.is_zero() && matches!(body.stop_reason.str(), "error" | "aborted");
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
        let origin = if by_openclaw || failed { Origin::Injected } else { Origin::Model };
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

    /// Adds the call of a result whose call is not in the log. If a model calls a tool that does not exist, OpenClaw
    /// logs the error result but not the answer with the call.
    fn push_unlogged_call(&mut self, body: &Body<'_>, at: Option<Timestamp>) {
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

    fn add_result(&mut self, body: &Body<'_>, content: TextOr<'_, Block<'_>>) {
        let Some(&(message, index)) = self.calls.get(body.tool_call_id.str()) else { return };
        let part = self.session.messages.get_mut(message).and_then(|m| m.parts.get_mut(index));
        let Some(Part::Tool(call)) = part else { return };
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
        // A command that exits with an error has `isError: false`; only its details say that it failed.
        let failed = body.is_error.0
            || call.exit_code.is_some_and(|code| code != 0)
            || details.is_some_and(|d| matches!(d.status.str(), "failed" | "error"));
        call.status = if failed { ToolStatus::Error } else { ToolStatus::Success };
        call.output = Some(texts.join("\n"));
    }
}

/// Whether a content block of this type is a tool call. The name of the type differs between providers.
fn is_call(kind: &str) -> bool {
    ["toolcall", "tooluse", "functioncall"].iter().any(|k| kind.eq_ignore_ascii_case(k))
}

fn is_failed_answer(message: &Message) -> bool {
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

/// A transcript and what its path tells.
pub(crate) struct Transcript<'a> {
    pub file: &'a Path,
    pub agent: &'static str,
    /// The session's id if the transcript does not name it.
    pub native: String,
    /// The session that started this one as a subagent.
    pub parent: Option<SessionKey>,
    /// Whether no person wrote the prompts. Nobody writes those of a subagent.
    pub automatic: bool,
    /// Whether it is a copy of the session `native`, of which only the requests count.
    pub is_copy: bool,
}

impl Transcript<'_> {
    fn builder(&self) -> TranscriptBuilder {
        let mut builder = TranscriptBuilder::new(self.agent, &self.native);
        builder.is_copy = self.is_copy;
        builder.automatic = self.automatic || self.parent.is_some();
        builder.session.parent = self.parent.clone();
        builder
    }

    /// Reads the transcript.
    ///
    /// # Errors
    /// [`SourceError`] if the file cannot be read.
    pub(crate) fn read(&self, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut builder = self.builder();
        let input = open_log(self.file)?;
        let mut read = each_line(self.file, input, opts, |line, scratch| builder.read_line(line, scratch))?;
        builder.finish_into(&mut read);
        if self.is_copy {
            read.sessions.clear();
            read.is_bookkeeping = true;
        }
        Ok(read)
    }

    /// Reads only the usage of the transcript.
    ///
    /// # Errors
    /// [`SourceError`] if the file cannot be read.
    pub(crate) fn read_usage(
        &self,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
    ) -> Result<UsageRead, SourceError> {
        let mut reader = TranscriptUsageReader { builder: self.builder() };
        let lost_records = filter_lines(self.file, open_log(self.file)?, opts, buffer, &mut reader)?;
        let TranscriptBuilder { session, usage, .. } = reader.builder;
        Ok(UsageRead {
            facts: vec![SessionFacts::of(&session)],
            rows: usage,
            lost_records,
            ..UsageRead::default()
        })
    }
}

/// Returns the session id in the first line of a transcript.
pub(crate) fn header_id(file: &Path) -> Option<String> {
    let mut line = Vec::new();
    let input = open_log(file).ok()?.take(MAX_HEADER_BYTES);
    std::io::BufReader::new(input).read_until(b'\n', &mut line).ok()?;
    let mut scratch = String::new();
    let (entry, _) = parse::<UsageEntry<'_>>(&line, &mut scratch).ok()?;
    entry.id.owned().filter(|_| entry.kind.str() == "session")
}

struct TranscriptUsageReader {
    builder: TranscriptBuilder,
}

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

/// One line of a transcript, without its content.
type UsageEntry<'a> = Entry<'a, List<UsageBlock<'a>>>;

/// A content block, with only the name of the called tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UsageBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    name: Text<'a>,
}

impl LineFilter for TranscriptUsageReader {
    fn accepts(&self, line: &[u8]) -> bool {
        // The first lines contain the session's start and project.
        self.builder.session.started.is_none() || USAGE.find(line).is_some()
    }

    fn needle(&self) -> Option<&'static Finder<'static>> {
        self.builder.session.started.map(|_| &*USAGE)
    }

    fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> bool {
        let Ok((entry, _)) = parse::<UsageEntry<'_>>(line.bytes, scratch) else { return false };
        let at = self.builder.extend_time_range(entry.timestamp.str());
        if entry.kind.str() == "session" {
            self.builder.read_header(&entry, at);
        } else if entry.kind.str() == "message"
            && let Some(body) = &entry.message.0
            && body.role.str() == "assistant"
        {
            let called = body.content.0.iter().filter(|b| is_call(b.kind.str()));
            let called = called.filter_map(|b| b.name.owned()).collect();
            let (id, timestamp) = (&entry.id, entry.timestamp.str());
            let answer = LoggedAnswer { id, timestamp, at, body, offset: line.offset };
            self.builder.push_request(&answer, called);
        } else {
            self.builder.push_summary_request(&entry, at, line.offset);
            self.builder.push_request_of_tool(&entry, at, line.offset);
        }
        true
    }

    fn read_tail_line(&mut self, line: &[u8], scratch: &mut String) -> TailLine {
        // The last time in the log is the session's end.
        let Ok((entry, _)) = parse::<UsageEntry<'_>>(line, scratch) else { return TailLine::Broken };
        match self.builder.extend_time_range(entry.timestamp.str()) {
            Some(_) => TailLine::Last,
            None => TailLine::NotLast,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcripts_are_distinguished_from_trajectory_files() {
        for yes in ["main/sessions/a.jsonl", "a.jsonl.reset.2026-10-04T00-00-00.000Z", "a.jsonl.deleted.1"] {
            assert_eq!(native_id(Path::new(yes)).as_deref(), Some("a"), "{yes}");
        }
        for no in ["a.trajectory.jsonl", "sessions.json", "a.jsonl.lock", "a.trajectory-path.json"] {
            assert_eq!(native_id(Path::new(no)), None, "{no}");
        }
    }

    #[test]
    fn a_call_that_is_not_in_the_log_is_added_with_its_error_result() {
        let result = |id: &str, error: bool| {
            format!(
                r#"{{"type":"message","id":"{id}","timestamp":"2026-11-21T13:48:03.341Z","message":{{"role":"toolResult","toolCallId":"c-{id}","toolName":"nicht_da","content":[{{"type":"text","text":"Tool nicht_da not found"}}],"isError":{error}}}}}"#
            )
        };
        let ask = r#"{"type":"message","id":"a","timestamp":"2026-11-21T13:48:00.000Z","message":{"role":"user","content":"用演示服务器"}}"#;
        let mut builder = TranscriptBuilder::new("openclaw", "s");
        for text in [ask.to_owned(), result("1", true), result("2", false)] {
            let line = Line { number: 1, offset: 0, bytes: text.as_bytes(), ended: true, too_long: false };
            assert!(builder.read_line(&line, &mut String::new()).is_ok());
        }
        let mut read = Read::default();
        builder.finish_into(&mut read);
        let calls: Vec<&ToolCall> = read.sessions[0].tool_calls().collect();
        assert_eq!(calls.len(), 1);
        assert_eq!((calls[0].name.as_str(), calls[0].status), ("nicht_da", ToolStatus::Error));
        assert_eq!(calls[0].output.as_deref(), Some("Tool nicht_da not found"));
    }

    #[test]
    fn the_usage_of_a_compaction_is_counted_with_the_model_of_the_answer_before_it() {
        let log = [
            r#"{"type":"session","version":3,"id":"s","timestamp":"2026-11-21T13:48:00.000Z","cwd":"/w"}"#,
            r#"{"type":"message","id":"a","timestamp":"2026-11-21T13:48:01.000Z","message":{"role":"assistant","provider":"anthropic","model":"claude-opus-5","content":[{"type":"text","text":"hi"}],"usage":{"input":10,"output":2}}}"#,
            r#"{"type":"compaction","id":"b","timestamp":"2026-11-21T13:48:02.000Z","summary":"all of it","tokensBefore":900,"usage":{"input":900,"output":50,"cacheRead":7,"cost":{"total":0.25}}}"#,
            r#"{"type":"compaction","id":"c","timestamp":"2026-11-21T13:48:03.000Z","summary":"no usage","tokensBefore":900}"#,
            r#"{"type":"branch_summary","id":"d","timestamp":"2026-11-21T13:48:04.000Z","summary":"branch","model":"other","usage":{"input":5,"output":1}}"#,
        ];
        let (mut whole, mut usage) = (
            TranscriptBuilder::new("pi", "s"),
            TranscriptUsageReader { builder: TranscriptBuilder::new("pi", "s") },
        );
        for (n, text) in log.iter().enumerate() {
            let offset = n as u64;
            let line = Line { number: 1, offset, bytes: text.as_bytes(), ended: true, too_long: false };
            assert!(whole.read_line(&line, &mut String::new()).is_ok());
            assert!(usage.read_line(&line, &mut String::new()));
        }
        let mut read = Read::default();
        whole.finish_into(&mut read);
        assert_eq!(read.usage, usage.builder.usage);
        let rows: Vec<_> = read.usage.iter().map(|r| (r.model.as_str(), r.tokens.prompt())).collect();
        assert_eq!(rows, [("claude-opus-5", 10), ("claude-opus-5", 907), ("other", 5)]);
        assert_eq!(read.usage[1].reported_picousd, Some(250_000_000_000));
    }

    #[test]
    fn the_usage_of_a_tool_counts_unless_the_subagent_has_a_log_of_its_own() {
        let result = |id: &str, details: &str| {
            format!(
                r#"{{"type":"message","id":"{id}","timestamp":"2026-11-21T13:48:03.000Z","message":{{"role":"toolResult","toolCallId":"t","content":[],"usage":{{"input":400,"output":20,"cost":{{"total":0.5}}}},"details":{details}}}}}"#
            )
        };
        let answer = r#"{"type":"message","id":"a","timestamp":"2026-11-21T13:48:01.000Z","message":{"role":"assistant","provider":"anthropic","model":"claude-opus-5","content":[{"type":"text","text":"hi"}],"usage":{"input":10,"output":2}}}"#;
        let log = [
            r#"{"type":"session","version":3,"id":"s","timestamp":"2026-11-21T13:48:00.000Z","cwd":"/w"}"#
                .to_owned(),
            answer.to_owned(),
            result("b", "{}"),
            result("c", r#"{"sessionFile":"/w/child.jsonl"}"#),
            result("d", r#"{"results":[{"sessionId":"x"}]}"#),
            result("b", "{}"),
        ];
        let (mut whole, mut usage) = (
            TranscriptBuilder::new("pi", "s"),
            TranscriptUsageReader { builder: TranscriptBuilder::new("pi", "s") },
        );
        for (n, text) in log.iter().enumerate() {
            let offset = n as u64;
            let line = Line { number: 1, offset, bytes: text.as_bytes(), ended: true, too_long: false };
            assert!(whole.read_line(&line, &mut String::new()).is_ok());
            assert!(usage.read_line(&line, &mut String::new()));
        }
        let mut read = Read::default();
        whole.finish_into(&mut read);
        assert_eq!(read.usage, usage.builder.usage);
        let rows: Vec<_> =
            read.usage.iter().map(|r| (r.tokens.input, r.reported_picousd, r.subagent.as_deref())).collect();
        assert_eq!(rows, [(10, None, None), (400, Some(500_000_000_000), Some(SUBAGENT))]);
        assert_eq!(read.usage[1].model, "claude-opus-5");
    }

    #[test]
    fn a_typed_command_and_its_output_are_in_the_session() {
        let text = r#"{"type":"message","id":"a","timestamp":"2026-11-21T13:48:00.000Z","message":{"role":"bashExecution","command":"make paint","output":"no brush\n","exitCode":2}}"#;
        let mut builder = TranscriptBuilder::new("pi", "s");
        let line = Line { number: 1, offset: 0, bytes: text.as_bytes(), ended: true, too_long: false };
        assert!(builder.read_line(&line, &mut String::new()).is_ok());
        let message = &builder.session.messages[0];
        assert_eq!((message.role, message.origin), (Role::User, Origin::Injected));
        assert_eq!(message.parts, [Part::Text { text: "$ make paint\nno brush\n(exit code 2)".into() }]);
    }

    #[test]
    fn a_cost_is_recorded_only_if_it_is_a_number_above_zero() {
        let usage = |total: &str| {
            serde_json::from_str::<Usage>(&format!(r#"{{"cost":{{"total":{total}}}}}"#)).unwrap().picousd()
        };
        assert_eq!(usage("0.0"), None);
        assert_eq!(usage("\"1\""), None);
        assert_eq!(usage("0.00928125"), Some(9_281_250_000));
    }
}
