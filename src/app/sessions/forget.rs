//! Deletes sessions from the archive for good.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::store::Choice;
use crate::trace::{SessionKey, Timestamp};

use crate::app::random::random_key_hex;
use crate::app::{App, Failure};

/// Which sessions to forget: named ones, or all that match a filter.
#[derive(Debug, Clone, Default)]
pub struct ForgetParams {
    /// Session keys, or the beginnings of them.
    pub sessions: Vec<String>,
    pub agent: Option<String>,
    /// Project name or path.
    pub project: Option<String>,
    /// Only sessions that ended before this time.
    pub before: Option<Timestamp>,
    /// Only sessions whose log was deleted.
    pub gone: bool,
    /// Deletes their requests from the usage ledger too.
    pub usage: bool,
}

/// What [`App::forget`] is going to do.
#[derive(Debug, Clone, Serialize)]
pub struct ForgetPlan {
    /// Sessions to forget, with the subagents of named ones.
    pub sessions: Vec<SessionKey>,
    /// Unfinished releases that contain some of the sessions, and how many. They must be withdrawn first.
    pub in_releases: BTreeMap<String, u64>,
    /// Finished releases whose redacted files contain some of the sessions. These files are not deleted.
    pub in_finished: BTreeMap<String, u64>,
    /// Whether their requests are deleted too.
    pub usage: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct ForgetReport {
    /// Number of deleted sessions.
    pub sessions: u64,
    /// Number of their versions.
    pub versions: u64,
    /// Number of deleted requests.
    pub requests: u64,
    /// Whether the database was rewritten, so that no free page contains deleted text.
    pub compacted: bool,
    /// Finished releases whose redacted files contain some of the sessions.
    pub in_finished: BTreeMap<String, u64>,
}

impl App {
    /// Rewrites the database, so that no unused page contains deleted data.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the archive cannot be written.
    pub fn compact_archive(&self) -> Result<ForgetReport, Failure> {
        Ok(ForgetReport { compacted: self.archive.compact()?, ..ForgetReport::default() })
    }

    /// Returns what [`App::forget`] is going to do.
    ///
    /// # Errors
    /// [`Failure`] if a session is unknown, no session is selected, or the archive cannot be read.
    pub fn forget_plan(&self, p: &ForgetParams) -> Result<ForgetPlan, Failure> {
        let narrowed = p.agent.is_some() || p.project.is_some() || p.before.is_some() || p.gone;
        let mut sessions: Vec<SessionKey> = if p.sessions.is_empty() {
            if !narrowed {
                return Err(Failure::usage("nothing_named", "Name the sessions to forget.")
                    .hint_command("clawgate forget KEY", "or --project, --agent, --before, --gone"));
            }
            let (agent, projects) = self.filters(p.agent.as_deref(), p.project.as_deref())?;
            let choice = Choice { agent, projects, before: p.before, gone: p.gone };
            self.archive.chosen(&choice)?
        } else {
            if narrowed {
                return Err(Failure::usage("both_named", "Name sessions or filter them, not both."));
            }
            p.sessions.iter().map(|s| self.resolve(s)).collect::<Result<_, _>>()?
        };
        let below = self.archive.descendants(&sessions)?;
        sessions.extend(below);
        sessions.sort();
        sessions.dedup();
        let (mut in_releases, mut in_finished) = (BTreeMap::new(), BTreeMap::new());
        for head in self.archive.releases()? {
            let Some(row) = self.archive.release(&head.id)? else { continue };
            let contained = sessions.iter().filter(|k| row.state.chosen.contains_key(*k)).count() as u64;
            if contained > 0 {
                let finished = row.state.phase.is_final();
                if finished { &mut in_finished } else { &mut in_releases }.insert(head.id, contained);
            }
        }
        Ok(ForgetPlan { sessions, in_releases, in_finished, usage: p.usage })
    }

    /// Carries out a plan.
    ///
    /// # Errors
    /// [`Failure`] if an unfinished release contains one of the sessions, or the archive cannot be written.
    pub fn forget(&mut self, plan: &ForgetPlan) -> Result<ForgetReport, Failure> {
        if let Some((id, n)) = plan.in_releases.first_key_value() {
            let message = format!("Release {id} contains {n} of these sessions and is not finished.");
            return Err(Failure::usage("in_release", message).hint(format!("clawgate withdraw {id}")));
        }
        let salt = random_key_hex()?;
        let now = self.now();
        let done = self.archive.forget(&plan.sessions, plan.usage, &salt, now)?;
        // A finished release stores the values that it redacted in plain text.
        for id in plan.in_finished.keys() {
            self.remove_secrets(id)?;
        }
        self.audit(
            "forgotten",
            None,
            serde_json::json!({ "sessions": done.sessions, "versions": done.versions, "usage": plan.usage }),
        )?;
        self.sync_current_release()?;
        self.ctx.progress.report("rewriting the archive", 0, 0);
        let compacted = self.archive.compact()?;
        Ok(ForgetReport {
            sessions: done.sessions,
            versions: done.versions,
            requests: done.requests,
            compacted,
            in_finished: plan.in_finished.clone(),
        })
    }
}
