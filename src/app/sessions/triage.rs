//! Triage: which sessions may be shared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::Mark;
use crate::trace::SessionKey;

use crate::app::{App, Failure};

/// Marks to give.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriageParams {
    /// Session keys, or the beginnings of them.
    pub sessions: Vec<String>,
    /// The mark.
    #[schemars(with = "Mark")]
    pub status: String,
    /// Reason for the mark.
    pub reason: Option<String>,
}

/// What was marked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TriageReport {
    /// Sessions that carry the mark now.
    pub marked: Vec<SessionKey>,
    /// The mark.
    pub status: Mark,
    /// Subagent sessions that follow their parent into or out of a release.
    pub with_subagents: u64,
    /// Number of sessions by mark.
    pub totals: std::collections::BTreeMap<String, u64>,
}

impl App {
    /// The one session that a key or its beginning names.
    ///
    /// # Errors
    /// [`Failure`] where none or several match.
    pub fn resolve(&self, name: &str) -> Result<SessionKey, Failure> {
        if self.archive.session(name)?.is_some() {
            return Ok(SessionKey(name.to_owned()));
        }
        let mut found = self.archive.keys_like(name, 6)?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Failure::usage("no_such_session", format!("No session is called {:?}.", short(name)))
                .hint("clawgate inbox --json")),
            _ => {
                let keys: Vec<&str> = found.iter().map(SessionKey::as_str).collect();
                Err(Failure::usage(
                    "ambiguous_session",
                    format!("{:?} names several sessions: {}.", short(name), keys.join(", ")),
                ))
            }
        }
    }

    /// Marks sessions, all or none.
    ///
    /// # Errors
    /// [`Failure`] where a session or the mark is unknown; then nothing is marked.
    pub fn triage(&mut self, p: &TriageParams) -> Result<TriageReport, Failure> {
        if self.archive.meta("last_scan")?.is_none() {
            return Err(self.missing_first_step());
        }
        let mark = Mark::parse(&p.status).ok_or_else(|| {
            Failure::usage("bad_status", "Status is one of approved, blocked, shortlisted, new.")
        })?;
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

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}
