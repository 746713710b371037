//! The state of the workflow, and the overview that `clawgate status` shows. Both only read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::store::Mark;
use crate::workflow::{ArchiveFacts, Destination, NextStep, Phase, Refusal, next_step};

use super::{App, Failure};

/// Releases that the overview lists.
const MAX_LISTED_RELEASES: usize = 5;

/// The next step, for agents and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// Name of the MCP tool.
    pub tool: String,
    /// Command line.
    pub command: String,
}

/// The state that the user's work has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkflowState {
    /// Nothing was scanned.
    NoScan,
    /// The scope is not confirmed.
    NoScope,
    /// No release is open, so sessions can be approved.
    Triage,
    /// A release is open and has this phase.
    Release(Phase),
}

impl WorkflowState {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkflowState::NoScan => "no_scan",
            WorkflowState::NoScope => "no_scope",
            WorkflowState::Triage => "triage",
            WorkflowState::Release(phase) => phase.as_str(),
        }
    }
}

impl Serialize for WorkflowState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// The workflow state and the next step. It is a part of every answer.
#[derive(Debug, Clone, Serialize)]
pub struct WorkflowStatus {
    pub state: WorkflowState,
    /// Id of the current release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    pub next: Next,
    /// What only a person can do, if that is the next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_action: Option<String>,
}

impl WorkflowStatus {
    fn new(state: WorkflowState, release: Option<String>, next: NextStep) -> Self {
        WorkflowStatus {
            state,
            release,
            next: Next { tool: next.tool, command: next.command },
            human_action: next.human_action,
        }
    }
}

/// A release in an overview.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseBrief {
    pub id: String,
    #[schemars(with = "String")]
    pub phase: Phase,
    pub rows: u64,
    /// `None` before the first preparation.
    pub digest: Option<String>,
    pub destination: Option<Destination>,
    /// The commit, if the release is published.
    pub commit: Option<String>,
}

/// The overview.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// Version of this program.
    pub version: &'static str,
    /// When the last scan ended.
    pub last_scan: Option<String>,
    /// Sessions by agent.
    pub by_agent: BTreeMap<String, u64>,
    /// Sessions by triage mark.
    pub by_status: BTreeMap<String, u64>,
    /// Whether the current scope is confirmed.
    pub scope_confirmed: bool,
    /// The five releases that changed last, the newest change first.
    pub releases: Vec<ReleaseBrief>,
}

impl App {
    /// The facts of the archive that the workflow depends on.
    pub(crate) fn facts(&self) -> Result<ArchiveFacts, Failure> {
        Ok(ArchiveFacts {
            scanned: self.archive.meta("last_scan")?.is_some(),
            scope_confirmed: self.scope_confirmed()?,
        })
    }

    /// The refusal of a step that needs a scan or a confirmed scope first. It names that step.
    pub fn missing_first_step(&self) -> Failure {
        match self.facts() {
            Ok(facts) => Refusal::without_release(&facts, Phase::Draft).into(),
            Err(failure) => failure,
        }
    }

    /// The workflow state that the next command that acts will find.
    ///
    /// This only reads: the release is brought up to date in memory (see `App::preview_sync`).
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn workflow_status(&self) -> Result<WorkflowStatus, Failure> {
        if let Some(mut open) = self.load_release(None)? {
            self.preview_sync(&mut open)?;
            let next = next_step(&open.release);
            let state = WorkflowState::Release(open.release.phase);
            return Ok(WorkflowStatus::new(state, Some(open.release.id), next));
        }
        let facts = self.facts()?;
        let (state, next) = if !facts.scanned {
            (WorkflowState::NoScan, facts.next_step())
        } else if !facts.scope_confirmed {
            (WorkflowState::NoScope, facts.next_step())
        } else if self.has_unpublished_approval()? {
            (WorkflowState::Triage, NextStep::prepare())
        } else {
            (WorkflowState::Triage, facts.next_step())
        };
        Ok(WorkflowStatus::new(state, None, next))
    }

    /// Whether a session is approved that the last published release does not contain.
    pub(crate) fn has_unpublished_approval(&self) -> Result<bool, Failure> {
        let approved = self.archive.marked(Mark::Approved)?;
        let published = self.archive.releases()?.into_iter().find(|r| r.phase == Phase::Published);
        let Some(published) = published.filter(|_| !approved.is_empty()) else {
            return Ok(!approved.is_empty());
        };
        let row = self.archive.release(&published.id)?;
        let rows = row.map(|r| r.state.rows).unwrap_or_default();
        Ok(approved.iter().any(|key| !rows.contains_key(key)))
    }

    /// The overview of the archive and the releases.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn status(&self) -> Result<Status, Failure> {
        let mut releases = Vec::new();
        for head in self.archive.releases()?.into_iter().take(MAX_LISTED_RELEASES) {
            let Some(mut open) = self.load_release(Some(&head.id))? else { continue };
            self.preview_sync(&mut open)?;
            let r = open.release;
            releases.push(ReleaseBrief {
                id: head.id,
                phase: r.phase,
                rows: r.rows.len() as u64,
                digest: r.digest().map(str::to_owned),
                destination: r.destination,
                commit: r.published.map(|p| p.commit),
            });
        }
        Ok(Status {
            version: env!("CARGO_PKG_VERSION"),
            last_scan: self.archive.meta("last_scan")?,
            by_agent: self.archive.agents()?.into_iter().collect(),
            by_status: self.archive.marks()?.into_iter().map(|(m, n)| (m.as_str().to_owned(), n)).collect(),
            scope_confirmed: self.scope_confirmed()?,
            releases,
        })
    }
}
