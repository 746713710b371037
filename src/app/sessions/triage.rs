//! Marks which sessions may be shared.

use std::collections::HashSet;

use serde::Serialize;

use crate::store::{Inbox, Mark};
use crate::trace::SessionKey;

use crate::app::shell;
use crate::app::text::echo;
use crate::app::{Actor, App, Failure};

/// A mark and the sessions that get it: named ones, or those of a project or of the scope whose present mark it may replace.
#[derive(Debug, Clone)]
pub struct TriageParams {
    /// Keys or unique prefixes of the sessions to mark.
    pub sessions: Vec<String>,
    /// All sessions in scope.
    pub all: bool,
    /// All sessions of this project.
    pub project: Option<String>,
    pub status: Mark,
    /// Stored with the sessions.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TriageReport {
    /// Sessions that now have the mark.
    pub marked: Vec<SessionKey>,
    pub status: Mark,
    /// Number of other sessions that have the mark because they are subagents of these.
    pub with_subagents: u64,
    /// Those of the marked sessions that are in no release, because their project or agent is excluded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<SessionKey>,
    /// Number of sessions by mark.
    pub totals: std::collections::BTreeMap<String, u64>,
}

impl TriageParams {
    /// Returns the parameters that give the named sessions a mark.
    pub fn named(sessions: Vec<String>, status: Mark) -> Self {
        TriageParams { sessions, all: false, project: None, status, reason: None }
    }
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
        let by_filter = p.all || p.project.is_some();
        let mut keys = match (p.sessions.is_empty(), by_filter) {
            (false, true) => {
                let message = "Name sessions, or choose all sessions or a project, not both.";
                return Err(Failure::usage("both_named", message));
            }
            (false, false) => p.sessions.iter().map(|s| self.resolve(s)).collect::<Result<Vec<_>, _>>()?,
            (true, true) => self.sessions_to_mark(mark, p.project.as_deref())?,
            (true, false) => {
                let failure = Failure::usage("no_sessions", "Name at least one session, a project or all.");
                return Err(failure.hint("clawgate inbox"));
            }
        };
        let mut seen = HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        for key in &keys {
            self.archive.mark(key.as_str(), mark, p.reason.as_deref())?;
        }
        let mut with_subagents = 0;
        for key in self.archive.descendants(&keys)? {
            let row = self.archive.session(key.as_str())?;
            with_subagents += u64::from(row.is_some_and(|s| s.status == mark));
        }
        let excluded = self.excluded_sessions(&keys)?;
        self.audit(
            "triage",
            None,
            serde_json::json!({ "status": mark.as_str(), "sessions": keys, "reason": p.reason.is_some() }),
        )?;
        self.sync_current_release()?;
        let totals = self.archive.marks()?.into_iter().map(|(m, n)| (m.as_str().to_owned(), n)).collect();
        Ok(TriageReport { marked: keys, status: mark, with_subagents, excluded, totals })
    }

    /// Returns those of the sessions whose project or agent is excluded.
    fn excluded_sessions(&self, keys: &[SessionKey]) -> Result<Vec<SessionKey>, Failure> {
        let in_scope = self.scope_filter()?;
        let mut out = Vec::new();
        for key in keys {
            if self.archive.session(key.as_str())?.is_some_and(|s| !in_scope(&s)) {
                out.push(key.clone());
            }
        }
        Ok(out)
    }

    /// Returns the sessions in scope, or those of a project, whose mark is replaced if all of them are marked at once.
    /// Omits subagents that follow their parent.
    fn sessions_to_mark(&self, mark: Mark, project: Option<&str>) -> Result<Vec<SessionKey>, Failure> {
        let projects = self.filters(None, project)?.1;
        // An excluded project can be blocked as well, so that it stays out of releases if it is included again.
        let outside_too = mark == Mark::Blocked && project.is_some();
        if let (Some(name), Some(names), false) = (project, &projects, outside_too) {
            let known = self.projects_in_scope()?.0;
            if known.iter().filter(|p| names.contains(&p.name)).all(|p| p.excluded) {
                let message =
                    format!("The project {:?} is excluded: its sessions are in no release.", echo(name));
                let failure = Failure::usage("project_excluded", message);
                return Err(failure.hint(format!("clawgate scope --include {}", shell::list(names))));
            }
        }
        let in_scope = self.scope_filter()?;
        let mut keys = Vec::new();
        for status in replaces(mark, self.ctx.actor) {
            let query = Inbox { projects: projects.clone(), status: Some(*status), ..Inbox::default() };
            for row in self.archive.inbox(&query)?.into_iter().filter(|s| outside_too || in_scope(s)) {
                let parent = row.parent.as_ref().filter(|_| row.status == Mark::New);
                let parent = parent.map(|key| self.archive.session(key.as_str())).transpose()?.flatten();
                // The log of the parent can be missing, and its project can be excluded.
                if !parent.is_some_and(|parent| outside_too || in_scope(&parent)) {
                    keys.push(row.key);
                }
            }
        }
        Ok(keys)
    }
}

/// Returns the marks that a mark replaces if all sessions of a project or of the scope are marked at once. What is more
/// careful stays: for an agent, only a session that is named loses the mark `blocked`, and no approved session becomes
/// shortlisted. A person can take back all marks.
fn replaces(mark: Mark, by: Actor) -> &'static [Mark] {
    match mark {
        Mark::Approved => &[Mark::New, Mark::Shortlisted],
        Mark::Shortlisted => &[Mark::New],
        Mark::Blocked => &[Mark::New, Mark::Shortlisted, Mark::Approved],
        Mark::New if by == Actor::Person => &[Mark::Shortlisted, Mark::Approved, Mark::Blocked],
        Mark::New => &[Mark::Shortlisted, Mark::Approved],
    }
}
