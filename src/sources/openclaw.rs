//! OpenClaw up to 2026.7.1: `~/.openclaw/agents/<agent>/sessions/<id>.jsonl`, an append-only tree of entries.
//!
//! Archived transcripts (`.jsonl.reset.<time>`, `.jsonl.deleted.<time>`) are read too; `*.trajectory.jsonl` beside
//! them repeats the sessions and is not. Later versions keep sessions in SQLite, which this reader does not open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::sources::lenient::{Flag, Float, Int, Obj, Size, Text, TextOr};
use crate::sources::lines::{Line, Used, each_line, parse};
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, open_log, walk};
use crate::trace::{
    Confidence, Env, Message, Origin, Part, Role, Session, SessionKey, Timestamp, Tokens, ToolCall,
    ToolStatus, UsageRow,
};

const AGENT: &str = "openclaw";

/// The reader of OpenClaw's JSONL transcripts.
pub(crate) struct OpenClaw;

impl Source for OpenClaw {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "OpenClaw"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let agents = env.dir("OPENCLAW_STATE_DIR", ".openclaw").join("agents");
        if agents.is_dir() { vec![agents] } else { Vec::new() }
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| native_id(p).is_some(), found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let mut builder = Builder::new(&native_id(file).unwrap_or_default());
        let mut scratch = String::new();
        each_line(file, input, opts, &mut read, |line| builder.line(line, &mut scratch))?;
        read.usage = builder.usage;
        if !builder.session.messages.is_empty() {
            read.sessions.push(builder.session);
        }
        Ok(read)
    }
}

/// The session id in a transcript's name; `None` for other files.
fn native_id(path: &Path) -> Option<String> {
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

    /// Zero means that OpenClaw had no price, not that the request was free.
    fn picousd(&self) -> Option<i64> {
        let usd = self.cost.0.as_ref()?.total.0.filter(|usd| *usd > 0.0 && *usd < 1e6)?;
        #[expect(clippy::cast_possible_truncation, reason = "below 1e18 by the line above")]
        Some((usd * 1e12).round() as i64)
    }
}

/// Builds the one session of a transcript, entry by entry.
struct Builder {
    session: Session,
    usage: Vec<UsageRow>,
    calls: HashMap<String, (usize, usize)>,
    /// When a forked transcript was started; what is older was copied into it.
    forked: Option<Timestamp>,
}

impl Builder {
    fn new(native: &str) -> Self {
        Builder {
            session: Session::empty(AGENT, native),
            usage: Vec::new(),
            calls: HashMap::new(),
            forked: None,
        }
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        let (entry, repaired) = parse::<Entry<'_>>(line.bytes, scratch)?;
        let at = Timestamp::parse(entry.timestamp.str());
        if let Some(at) = at {
            let s = &mut self.session;
            s.started = Some(s.started.map_or(at, |t| t.min(at)));
            s.ended = Some(s.ended.map_or(at, |t| t.max(at)));
        }
        match entry.kind.str() {
            "session" => self.header(&entry, at),
            "session_info" => self.session.title = entry.name.owned().or_else(|| self.session.title.take()),
            "message" => self.message(entry, at, line.offset),
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

    fn header(&mut self, entry: &Entry<'_>, at: Option<Timestamp>) {
        if let Some(id) = entry.id.some() {
            self.session.key = SessionKey::new(AGENT, id);
        }
        self.session.project = entry.cwd.owned();
        if let Some(parent) = entry.parent_session.some() {
            let id = native_id(Path::new(parent)).unwrap_or_else(|| parent.to_owned());
            self.session.forked_from = Some(SessionKey::new(AGENT, &id));
            self.forked = at;
        }
    }

    fn push(&mut self, id: &Text<'_>, origin: Origin, at: Option<Timestamp>, parts: Vec<Part>) {
        if !parts.is_empty() {
            let id = id.owned();
            self.session.messages.push(Message { id, role: Role::User, origin, at, model: None, parts });
        }
    }

    fn message(&mut self, mut entry: Entry<'_>, at: Option<Timestamp>, offset: u64) {
        let Some(mut body) = entry.message.0.take() else { return };
        let content = std::mem::take(&mut body.content);
        match body.role.str() {
            "user" => {
                let parts = parts(content);
                if !self.is_retry(&parts) {
                    self.push(&entry.id, Origin::Human, at, parts);
                }
            }
            // A copy of the run's final answer whose usage is the sum of the run.
            "assistant" if body.api.str() == "cli" => {}
            "assistant" => self.assistant(&entry, &body, content, at, offset),
            "toolResult" => self.result(&body, content),
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

    fn assistant(
        &mut self,
        entry: &Entry<'_>,
        body: &Body<'_>,
        content: TextOr<'_, Block<'_>>,
        at: Option<Timestamp>,
        offset: u64,
    ) {
        let mirror = body.provider.str() == "openclaw";
        let tokens = body.usage.0.as_ref().map(Usage::tokens).unwrap_or_default();
        let broken = tokens.is_zero() && matches!(body.stop_reason.str(), "error" | "aborted");
        if let (Some(usage), Some(model)) = (&body.usage.0, body.model.some())
            && !mirror
            && !tokens.is_zero()
        {
            self.usage.push(UsageRow {
                // Entry ids have 8 hex digits: the time keeps those of different sessions apart, a copy keeps both.
                dedupe_key: format!("{AGENT}:{}@{}", entry.id.str(), entry.timestamp.str()),
                session: self.session.key.clone(),
                at: at.unwrap_or_default(),
                model: model.to_owned(),
                tokens,
                reported_picousd: usage.picousd(),
                fast: false,
                geo: None,
                service_tier: None,
                subagent: None,
                skill: None,
                offset,
                copied: self.forked.is_some_and(|fork| at.is_some_and(|at| at < fork)),
                confidence: Confidence::Exact,
            });
        }
        let index = self.session.messages.len();
        let mut parts = Vec::new();
        let blocks = match content {
            TextOr::Text(text) => {
                vec![Block { kind: Text(Some("text".into())), text: Text(Some(text)), ..Block::default() }]
            }
            TextOr::List(blocks) => blocks,
        };
        for block in blocks {
            match block.kind.str().to_ascii_lowercase().as_str() {
                "toolcall" | "tooluse" | "functioncall" => {
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
    fn only_a_cost_above_zero_is_one() {
        let usage = |total: &str| {
            serde_json::from_str::<Usage>(&format!(r#"{{"cost":{{"total":{total}}}}}"#)).unwrap().picousd()
        };
        assert_eq!(usage("0.0"), None);
        assert_eq!(usage("\"1\""), None);
        assert_eq!(usage("0.00928125"), Some(9_281_250_000));
    }
}
