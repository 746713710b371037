//! Show: one session, message by message, redacted unless the person asks for it raw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redact::{Policy, Redactor, Timestamps};
use crate::rules::Engine;
use crate::trace::{IDLE_GAP_MILLIS, Message, Origin, Part, Role, Session, SessionKey, active_periods};

use crate::app::config::ExportConfig;
use crate::app::{App, Failure};

/// Which session, and which part of it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowParams {
    /// Session key, or the beginning of one.
    pub session: String,
    /// Without redaction. People only.
    #[serde(default)]
    #[schemars(skip)]
    pub raw: bool,
    /// Index of the first message.
    pub from: Option<u64>,
    /// Maximum number of messages.
    #[schemars(skip)]
    pub limit: Option<u64>,
    /// Only this segment, counted from 1; `from` then counts from its first message.
    #[schemars(skip)]
    pub segment: Option<u64>,
    /// Idle minutes that end a segment (default 30).
    #[schemars(skip)]
    pub gap_minutes: Option<u64>,
    /// Only the message with this tool call, counted from 1.
    #[schemars(skip)]
    pub tool: Option<u64>,
    /// Page size in bytes (default 6200).
    pub max_bytes: Option<u64>,
}

/// A part of a session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionPage {
    /// The normal form; `messages` holds the page.
    #[serde(flatten)]
    pub session: Session,
    /// The title, or else the first line of the first human prompt, whichever page this is; for people.
    #[serde(skip)]
    pub heading: Option<String>,
    /// Its subagents.
    pub children: Vec<SessionKey>,
    /// The sessions that were forked from it or went on with it.
    pub forks: Vec<SessionKey>,
    /// Whether the agent's log is gone.
    pub source_gone: bool,
    /// Version of the whole session.
    pub version: String,
    /// Whether the text was redacted.
    pub redacted: bool,
    /// Index of the first message of the page.
    pub from: u64,
    /// Messages in the whole session.
    pub message_count: u64,
    /// Human prompts before the page.
    pub turns_before: u64,
    /// Tool calls before the page.
    pub tools_before: u64,
    /// Give this as `from` for the next page.
    pub next: Option<u64>,
}

impl App {
    /// A page of a session.
    ///
    /// # Errors
    /// [`Failure`] where no session or several match, or the archive refuses.
    pub fn show(&self, p: &ShowParams) -> Result<SessionPage, Failure> {
        let key = self.resolve(&p.session)?;
        let row = self.archive.session(key.as_str())?;
        let (Some(row), Some(mut session)) = (row, self.archive.load(key.as_str(), None)?) else {
            return Err(Failure::usage("no_such_session", "No such session.").hint("clawgate inbox"));
        };
        if !p.raw {
            session = self.redacted(session)?;
        }
        let count = session.messages.len() as u64;
        let (first, past) = range(&session, p)?;
        let from = first.saturating_add(p.from.unwrap_or(0)).min(past);
        let limit = p.limit.unwrap_or(u64::MAX).min(past - from);
        let budget = p.max_bytes.unwrap_or(u64::MAX);
        let before = session.messages.get(..from as usize).unwrap_or_default();
        let turns_before = before.iter().filter(|m| is_prompt(m)).count() as u64;
        let tools_before = before.iter().map(tools).sum();
        let heading = session.display_title();
        let mut page: Vec<Message> = Vec::new();
        let mut used = 0;
        let rest = std::mem::take(&mut session.messages).into_iter().skip(from as usize);
        for mut message in rest.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            let size = size_of(&message);
            if used + size > budget {
                if page.is_empty() {
                    cut(&mut message, budget);
                    page.push(message);
                }
                break;
            }
            used += size;
            page.push(message);
        }
        let end = from + page.len() as u64;
        session.messages = page;
        Ok(SessionPage {
            session,
            heading,
            children: self.archive.children(&key)?,
            forks: self.archive.forks(&key)?,
            source_gone: row.gone,
            version: row.version.0,
            redacted: !p.raw,
            from,
            message_count: count,
            turns_before,
            tools_before,
            next: (end < past).then_some(end - if p.segment.is_some() { first } else { 0 }),
        })
    }

    /// A session as a reader of ours sees it: secrets, personal data and configured strings replaced.
    pub(crate) fn redacted(&self, session: Session) -> Result<Session, Failure> {
        let engine = Engine::builtin()?;
        let key = self.local_key()?;
        let mut policy = self.policy_for(&self.config.export);
        policy.options.timestamps = Timestamps::Exact;
        policy.options.thinking = true;
        Ok(Redactor::new(engine, policy, key).redact_session(&session).session)
    }

    /// The redaction policy that the configuration and a release's options ask for.
    pub(crate) fn policy_for(&self, export: &ExportConfig) -> Policy {
        let mut policy = Policy {
            custom: self.config.redact.strings.clone(),
            usernames: self.config.redact.usernames.clone(),
            homes: vec![self.ctx.env.home.to_string_lossy().into_owned()],
            detectors: self.config.detectors.iter().map(|d| format!("{} {:?}", d.name, d.command)).collect(),
            identities: crate::app::redaction::local_identities::identities(&self.ctx.env),
            ..Policy::default()
        };
        policy.options.thinking = export.thinking;
        policy.options.timestamps = export.timestamps;
        policy.options.placeholder_style = export.pseudonyms;
        policy
    }
}

/// Whether a message opens a turn: a person typed it.
fn is_prompt(m: &Message) -> bool {
    m.role == Role::User && m.origin == Origin::Human
}

/// Number of tool calls in a message.
fn tools(m: &Message) -> u64 {
    m.parts.iter().filter(|p| matches!(p, Part::Tool(_))).count() as u64
}

/// The messages that are asked for: first, and past the last.
fn range(session: &Session, p: &ShowParams) -> Result<(u64, u64), Failure> {
    let count = session.messages.len() as u64;
    if let Some(wanted) = p.tool {
        let mut seen = 0;
        for (i, m) in (0..).zip(&session.messages) {
            seen += tools(m);
            if wanted > 0 && seen >= wanted {
                return Ok((i, i + 1));
            }
        }
        let message = format!("No such tool call; this session has {seen}, counted from 1.");
        return Err(Failure::usage("no_such_tool_call", message).hint("clawgate show KEY"));
    }
    let Some(wanted) = p.segment else { return Ok((0, count)) };
    let gap = gap_millis(p.gap_minutes);
    let all = active_periods(session.messages.iter().map(|m| m.at), gap);
    let found = usize::try_from(wanted).ok().and_then(|n| all.get(n.checked_sub(1)?));
    match found {
        Some(s) => Ok((s.from as u64, s.to as u64)),
        None => {
            let message = format!("No such segment; this session has {}, counted from 1.", all.len());
            Err(Failure::usage("no_such_segment", message).hint("clawgate segment KEY"))
        }
    }
}

/// An idle gap in milliseconds.
pub(in crate::app) fn gap_millis(minutes: Option<u64>) -> i64 {
    minutes.map_or(IDLE_GAP_MILLIS, |m| i64::try_from(m).unwrap_or(i64::MAX).saturating_mul(60_000))
}

fn size_of(message: &Message) -> u64 {
    serde_json::to_vec(message).map_or(0, |v| v.len() as u64)
}

/// Shortens the texts of one message that alone is larger than a page.
fn cut(message: &mut Message, budget: u64) {
    let parts = message.parts.len().max(1) as u64;
    let each = usize::try_from(budget / parts / 2).unwrap_or(usize::MAX).max(200);
    let shorten = |text: &mut String| {
        if text.len() > each {
            let mut at = each;
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let left = text.len() - at;
            text.truncate(at);
            text.push_str(&format!("\n[… {left} more bytes; `clawgate show` has the whole text]"));
        }
    };
    for part in &mut message.parts {
        match part {
            Part::Text { text } | Part::Thinking { text } | Part::Attachment { text, .. } => shorten(text),
            Part::Tool(call) => {
                if let Some(output) = &mut call.output {
                    shorten(output);
                }
                let mut input = call.input.to_string();
                if input.len() > each {
                    shorten(&mut input);
                    call.input = serde_json::Value::String(input);
                }
            }
            Part::Media { .. } => {}
        }
    }
}
