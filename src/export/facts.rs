//! Figures of a release, added up from its rows: what the card and `metadata.json` are written from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::trace::{Role, Session};

use super::{RowMeta, RowPlace};

/// Sums over some rows. All counts saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Sessions.
    pub sessions: u64,
    /// Prompts people typed.
    pub user_messages: u64,
    /// Model responses with visible text.
    pub assistant_messages: u64,
    /// Tool calls.
    pub tool_uses: u64,
    /// Tool calls that failed or were refused.
    pub failed_tool_uses: u64,
    /// Tokens the models read, cached ones included.
    pub input_tokens: u64,
    /// Tokens the models wrote, reasoning included.
    pub output_tokens: u64,
    /// The part of `input_tokens` read from a cache.
    pub cache_read_tokens: u64,
    /// The part of `input_tokens` written to a cache.
    pub cache_write_tokens: u64,
    /// The part of `output_tokens` that was reasoning.
    pub reasoning_tokens: u64,
}

impl Counts {
    fn add(&mut self, o: &Counts) {
        let pairs = [
            (&mut self.sessions, o.sessions),
            (&mut self.user_messages, o.user_messages),
            (&mut self.assistant_messages, o.assistant_messages),
            (&mut self.tool_uses, o.tool_uses),
            (&mut self.failed_tool_uses, o.failed_tool_uses),
            (&mut self.input_tokens, o.input_tokens),
            (&mut self.output_tokens, o.output_tokens),
            (&mut self.cache_read_tokens, o.cache_read_tokens),
            (&mut self.cache_write_tokens, o.cache_write_tokens),
            (&mut self.reasoning_tokens, o.reasoning_tokens),
        ];
        for (sum, n) in pairs {
            *sum = sum.saturating_add(n);
        }
    }
}

/// What one row adds to the figures; small, so that it can be kept beside a row that is not made again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFacts {
    /// Agent id.
    pub agent: String,
    /// Models in order of first use.
    pub models: Vec<String>,
    /// The model of most responses.
    pub main: Option<String>,
    /// Display name of the project.
    pub project: Option<String>,
    /// The row's counts; `sessions` is 1.
    pub counts: Counts,
}

impl RowFacts {
    /// The facts of one redacted session.
    pub fn of(session: &Session, meta: &RowMeta) -> Self {
        let models = session.models();
        let t = &meta.tokens;
        RowFacts {
            agent: session.agent.clone(),
            main: main_model(session, &models),
            models,
            project: meta.project.clone(),
            counts: Counts {
                sessions: 1,
                user_messages: session.user_messages(),
                assistant_messages: session.assistant_messages(),
                tool_uses: session.tool_calls().count() as u64,
                failed_tool_uses: session.failed_tool_calls(),
                input_tokens: t.prompt(),
                output_tokens: t.output,
                cache_read_tokens: t.cache_read,
                cache_write_tokens: t.cache_write(),
                reasoning_tokens: t.reasoning,
            },
        }
    }

    /// The model of most responses; the first used of equals.
    pub fn main_model(&self) -> Option<&str> {
        self.main.as_deref()
    }
}

fn main_model(session: &Session, models: &[String]) -> Option<String> {
    let used = |model: &str| {
        let theirs = session.messages.iter().filter(|m| m.model.as_deref() == Some(model));
        theirs.filter(|m| m.role == Role::Assistant && !m.parts.is_empty()).count()
    };
    // `max_by_key` keeps the last of equals, so the order is reversed to keep the first.
    models.iter().rev().max_by_key(|m| used(m)).cloned()
}

/// One row as `metadata.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowEntry {
    /// `session_id` of the row.
    pub session_id: String,
    /// Agent id.
    pub agent: String,
    /// Version of the session.
    pub version: String,
    /// File that holds the row.
    pub file: String,
    /// Byte offset of the row in its file.
    pub offset: u64,
    /// Length of the row in bytes, without its line feed.
    pub bytes: u64,
    /// SHA-256 of these bytes, lower-case hex.
    pub sha256: String,
}

/// What the figures do not tell: where the release goes and what made it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SummaryHead {
    /// `owner/name` on the Hub; `None` for a folder.
    pub repo: Option<String>,
    /// Licence id the person chose; `None` leaves the card without one.
    pub licence: Option<String>,
    /// Day of preparation, `YYYY-MM-DD`.
    pub generated: String,
    /// Id of the rows' format.
    pub format: String,
    /// Version of the rules that redacted.
    pub rules_version: String,
    /// Hash of the redaction policy.
    pub policy: String,
    /// Version of this program.
    pub clawgate_version: String,
}

/// Everything the card and `metadata.json` say about a release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Destination and makers.
    pub head: SummaryHead,
    /// Sums over all rows.
    pub totals: Counts,
    /// Sums by agent id.
    pub by_agent: BTreeMap<String, Counts>,
    /// Sums by the model of most responses; sessions without a model are under `unknown`.
    pub by_model: BTreeMap<String, Counts>,
    /// Sums by project display name; sessions without one are under `unknown`.
    pub by_project: BTreeMap<String, Counts>,
    /// Every model that answered, with the number of sessions it answered in.
    pub models: BTreeMap<String, u64>,
    /// Redactions by kind.
    pub redactions: BTreeMap<String, u64>,
    /// The rows in the order of the files.
    pub rows: Vec<RowEntry>,
}

impl Summary {
    /// A summary with no rows yet.
    pub fn new(head: SummaryHead) -> Self {
        Summary { head, ..Summary::default() }
    }

    /// Adds one row: what it holds, which session version it is, where it stands.
    pub fn add(&mut self, facts: &RowFacts, session_id: &str, version: &str, place: &RowPlace) {
        let unknown = || "unknown".to_owned();
        self.totals.add(&facts.counts);
        self.by_agent.entry(facts.agent.clone()).or_default().add(&facts.counts);
        let model = facts.main.clone().unwrap_or_else(unknown);
        self.by_model.entry(model).or_default().add(&facts.counts);
        let project = facts.project.clone().unwrap_or_else(unknown);
        self.by_project.entry(project).or_default().add(&facts.counts);
        for model in &facts.models {
            let n = self.models.entry(model.clone()).or_default();
            *n = n.saturating_add(1);
        }
        self.rows.push(RowEntry {
            session_id: session_id.to_owned(),
            agent: facts.agent.clone(),
            version: version.to_owned(),
            file: place.file.clone(),
            offset: place.offset,
            bytes: place.bytes,
            sha256: place.sha256.clone(),
        });
    }

    /// Adds redactions of one kind.
    pub fn redacted(&mut self, kind: &str, count: u64) {
        if count > 0 {
            let n = self.redactions.entry(kind.to_owned()).or_default();
            *n = n.saturating_add(count);
        }
    }
}
