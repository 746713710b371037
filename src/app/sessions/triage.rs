//! Marks which sessions may be shared.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{Inbox, Mark};
use crate::trace::SessionKey;

use crate::app::text::echo;
use crate::app::{App, Failure};

/// A mark and the sessions that get it: named ones, all undecided ones in scope, or those of them in one project.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriageParams {
    /// Keys or prefixes.
    #[serde(default)]
    pub sessions: Vec<String>,
    /// All in scope.
    #[serde(default)]
    pub all: bool,
    /// All of this project.
    pub project: Option<String>,
    /// Mark.
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
            (true, true) => self.undecided_sessions(p.project.as_deref())?,
            (true, false) => {
                let failure = Failure::usage("no_sessions", "Name at least one session, a project or all.");
                return Err(failure.hint("clawgate inbox --json"));
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

    /// Returns the sessions in scope that are neither approved nor blocked. Omits subagents, because they follow their parent.
    fn undecided_sessions(&self, project: Option<&str>) -> Result<Vec<SessionKey>, Failure> {
        let projects = self.filters(None, project)?.1;
        if let (Some(name), Some(names)) = (project, &projects) {
            let known = self.projects_in_scope()?.0;
            if known.iter().filter(|p| names.contains(&p.name)).all(|p| p.excluded) {
                let message =
                    format!("The project {:?} is excluded: its sessions are in no release.", echo(name));
                let failure = Failure::usage("project_excluded", message);
                return Err(failure.hint(format!("clawgate scope --include {}", names.join(","))));
            }
        }
        let in_scope = self.scope_filter()?;
        let mut keys = Vec::new();
        for status in [Mark::New, Mark::Shortlisted] {
            let query = Inbox { projects: projects.clone(), status: Some(status), ..Inbox::default() };
            let rows = self.archive.inbox(&query)?;
            keys.extend(rows.into_iter().filter(|s| s.parent.is_none() && in_scope(s)).map(|s| s.key));
        }
        Ok(keys)
    }
}
