//! Marks which sessions may be shared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::Mark;
use crate::trace::SessionKey;

use crate::app::{App, Failure};

/// A mark and the sessions that get it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriageParams {
    /// Session keys or prefixes.
    pub sessions: Vec<String>,
    /// The mark.
    pub status: Mark,
    /// Why.
    pub reason: Option<String>,
}

/// The marked sessions.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TriageReport {
    /// Sessions that now have the mark.
    pub marked: Vec<SessionKey>,
    /// The mark.
    pub status: Mark,
    /// Number of subagent sessions that follow their parent into or out of a release.
    pub with_subagents: u64,
    /// Number of sessions by mark.
    pub totals: std::collections::BTreeMap<String, u64>,
}

impl App {
    /// Marks all of the sessions, or none.
    ///
    /// # Errors
    /// [`Failure`] if there was no scan yet, no session is named or one of them is unknown. Nothing is marked then.
    pub fn triage(&mut self, p: &TriageParams) -> Result<TriageReport, Failure> {
        if self.archive.meta("last_scan")?.is_none() {
            return Err(self.missing_first_step());
        }
        let mark = p.status;
        if p.sessions.is_empty() {
            return Err(
                Failure::usage("no_sessions", "Name at least one session.").hint("clawgate inbox --json")
            );
        }
        let keys = p.sessions.iter().map(|s| self.resolve(s)).collect::<Result<Vec<_>, _>>()?;
        for key in &keys {
            self.archive.mark(key.as_str(), mark, p.reason.as_deref())?;
        }
        let with_subagents = self.archive.descendants(&keys)?.len() as u64;
        self.audit(
            "triage",
            None,
            serde_json::json!({ "status": mark.as_str(), "sessions": keys, "reason": p.reason.is_some() }),
        )?;
        self.sync_current_release()?;
        let totals = self.archive.marks()?.into_iter().map(|(m, n)| (m.as_str().to_owned(), n)).collect();
        Ok(TriageReport { marked: keys, status: mark, with_subagents, totals })
    }
}
