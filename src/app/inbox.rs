//! Lists: projects, and sessions page by page.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::store::{Inbox, ProjectRow, SessionRow};
use crate::trace::{SessionKey, Timestamp, Tokens};

use super::{App, Failure};

/// All projects.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectList {
    /// Projects, the one with the newest session first.
    pub projects: Vec<ProjectRow>,
}

/// Which sessions to list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboxParams {
    /// Agent id.
    pub agent: Option<String>,
    /// Project name or path.
    pub project: Option<String>,
    /// Triage mark.
    pub status: Option<String>,
    /// Only sessions that ended at or after this instant.
    pub since: Option<Timestamp>,
    /// At most so many; 20 unless said otherwise.
    pub limit: Option<u64>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
}

/// A session as the inbox shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SessionItem {
    /// Key.
    pub key: SessionKey,
    /// Agent id.
    pub agent: String,
    /// Project's display name.
    pub project: Option<String>,
    /// Title, redacted.
    pub title: Option<String>,
    /// Models that answered.
    pub models: Vec<String>,
    /// First instant.
    pub started: Option<Timestamp>,
    /// Last instant.
    pub ended: Option<Timestamp>,
    /// Human prompts.
    pub user_messages: u64,
    /// Model answers with text.
    pub assistant_messages: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Tool calls that failed.
    pub failed_tool_calls: u64,
    /// Tokens of the requests the session owns.
    pub usage: Tokens,
    /// Their cost in pico-USD, without unpriced requests.
    pub cost_picousd: i64,
    /// Triage mark.
    pub status: &'static str,
    /// Whether the session changed since it was marked.
    pub changed_since: bool,
    /// Score 1 to 5.
    pub score: Option<i64>,
    /// Badges.
    pub badges: Vec<String>,
    /// Parent, for a subagent.
    pub parent: Option<SessionKey>,
    /// Whether the agent's own file is gone.
    pub source_gone: bool,
}

/// A page of sessions.
#[derive(Debug, Clone, Serialize)]
pub struct InboxPage {
    /// Sessions, newest first.
    pub sessions: Vec<SessionItem>,
    /// Give this as `cursor` for the next page.
    pub next_cursor: Option<String>,
}

impl App {
    /// All projects with whether the configuration excludes them.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn list(&self) -> Result<ProjectList, Failure> {
        Ok(ProjectList { projects: self.archive.projects(&|n, p| self.excludes(n, p))? })
    }

    /// A page of sessions, newest first.
    ///
    /// # Errors
    /// [`Failure`] where the cursor is not one of ours or the archive refuses.
    pub fn inbox(&self, p: &InboxParams) -> Result<InboxPage, Failure> {
        let limit = p.limit.unwrap_or(20).clamp(1, 1000);
        let after = p.cursor.as_deref().map(decode_cursor).transpose()?;
        let query = Inbox {
            agent: p.agent.clone(),
            project: p.project.clone(),
            status: p.status.clone(),
            since: p.since,
            roots_only: false,
            limit: limit + 1,
            after,
        };
        let mut rows = self.archive.inbox(&query)?;
        let more = rows.len() as u64 > limit;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|r| {
            let at = (r.started.map_or(0, Timestamp::millis), r.id);
            data_encoding::BASE64URL_NOPAD.encode(format!("{}.{}", at.0, at.1).as_bytes())
        });
        let keys: Vec<&str> = rows.iter().map(|r| r.key.as_str()).collect();
        let usage = self.usage_of(&keys)?;
        let sessions = rows.into_iter().map(|r| self.item(r, &usage)).collect();
        Ok(InboxPage { sessions, next_cursor })
    }

    /// A session as the inbox shows it; `usage` as [`App::usage_of`] gives it.
    pub(crate) fn item(&self, r: SessionRow, usage: &HashMap<String, (Tokens, i64)>) -> SessionItem {
        let (usage, cost_picousd) = usage.get(r.key.as_str()).copied().unwrap_or_default();
        SessionItem {
            agent: r.agent,
            project: r.project,
            title: r.title.as_deref().map(super::sanitize),
            models: r.models,
            started: r.started,
            ended: r.ended,
            user_messages: r.user_messages,
            assistant_messages: r.assistant_messages,
            tool_calls: r.tool_calls,
            failed_tool_calls: r.failed_tool_calls,
            usage,
            cost_picousd,
            status: r.status.as_str(),
            changed_since: r.changed_since,
            score: r.score,
            badges: r.badges,
            parent: r.parent,
            source_gone: r.gone,
            key: r.key,
        }
    }
}

fn decode_cursor(text: &str) -> Result<(i64, i64), Failure> {
    let bad = || {
        Failure::usage("bad_cursor", "The cursor is not one this clawgate gave; leave it out to start over.")
    };
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    let (a, b) = text.split_once('.').ok_or_else(bad)?;
    Ok((a.parse().map_err(|_| bad())?, b.parse().map_err(|_| bad())?))
}
