//! Show: one session, message by message, redacted unless the person asks for it raw.

use serde::{Deserialize, Serialize};

use crate::redact::{Policy, Redactor, Timestamps};
use crate::rules::Engine;
use crate::trace::{Message, Session};

use super::config::ExportConfig;
use super::{App, Failure};

/// Which session, and which part of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShowParams {
    /// Key, native id, or an unambiguous beginning of either.
    pub session: String,
    /// As it was read, with secrets. People only.
    pub raw: bool,
    /// Index of the first message.
    pub from: Option<u64>,
    /// At most so many messages.
    pub limit: Option<u64>,
    /// At most about so many bytes of text; long texts are cut and say so.
    pub max_bytes: Option<u64>,
}

/// A part of a session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionPage {
    /// The normal form; `messages` holds the page.
    #[serde(flatten)]
    pub session: Session,
    /// Version of the whole session.
    pub version: String,
    /// Whether the text was redacted.
    pub redacted: bool,
    /// Index of the first message of the page.
    pub from: u64,
    /// Messages in the whole session.
    pub message_count: u64,
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
        let from = p.from.unwrap_or(0).min(count);
        let limit = p.limit.unwrap_or(u64::MAX);
        let budget = p.max_bytes.unwrap_or(u64::MAX);
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
            version: row.version.0,
            redacted: !p.raw,
            from,
            message_count: count,
            next: (end < count).then_some(end),
        })
    }

    /// A session as a reader of ours sees it: secrets, personal data and configured strings replaced.
    pub(crate) fn redacted(&self, session: Session) -> Result<Session, Failure> {
        let engine = Engine::builtin()?;
        let key = self.local_key()?;
        let mut policy = self.policy_for(&self.config.export)?;
        policy.options.timestamps = Timestamps::Exact;
        policy.options.thinking = true;
        Ok(Redactor::new(engine, policy, key).redact_session(&session).session)
    }

    /// The redaction policy that the configuration and a release's options ask for.
    pub(crate) fn policy_for(&self, export: &ExportConfig) -> Result<Policy, Failure> {
        let mut policy = Policy {
            custom: self.config.redact.strings.clone(),
            usernames: self.config.redact.usernames.clone(),
            homes: vec![self.ctx.env.home.to_string_lossy().into_owned()],
            ..Policy::default()
        };
        policy.options.thinking = export.thinking;
        policy.options.timestamps = match export.timestamps.as_str() {
            "exact" => Timestamps::Exact,
            "hour" => Timestamps::Hour,
            "shifted" => Timestamps::Shifted,
            _ => return Err(Failure::usage("bad_timestamps", "Timestamps are exact, hour or shifted.")),
        };
        Ok(policy)
    }
}

fn size_of(message: &Message) -> u64 {
    serde_json::to_vec(message).map_or(0, |v| v.len() as u64)
}

/// Shortens the texts of one message that alone is larger than a page.
fn cut(message: &mut Message, budget: u64) {
    use crate::trace::Part;
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
