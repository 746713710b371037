//! The state of the workflow, and the overview that `clawgate status` shows. Both only read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::pricing::format_count;
use crate::sources;
use crate::store::Mark;
use crate::workflow::{ArchiveFacts, Destination, NextStep, Phase, Refusal, Release, Target, next_step};

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
    /// A scan found no sessions.
    NoSessions,
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
            WorkflowState::NoSessions => "no_sessions",
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
    /// What the next step does not say: why nothing can be done yet, what is new, or what will be needed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl WorkflowStatus {
    fn new(state: WorkflowState, release: Option<String>, next: NextStep, note: Option<String>) -> Self {
        WorkflowStatus {
            state,
            release,
            next: Next { tool: next.tool, command: next.command },
            human_action: next.human_action,
            note,
        }
    }
}

/// The last publication, compared with the sessions that are approved now.
struct Publication {
    release: String,
    /// Approved sessions that the release does not contain.
    unpublished: usize,
}

/// A release in an overview.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReleaseBrief {
    /// Id of the release.
    pub release: String,
    #[schemars(with = "String")]
    pub state: Phase,
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
        self.first_step_refusal(Phase::Draft).map_or_else(|failure| failure, Failure::from)
    }

    /// The refusal of a step before a release exists. It names the step that comes first.
    pub(crate) fn first_step_refusal(&self, required: Phase) -> Result<Refusal, Failure> {
        let facts = self.facts()?;
        if facts.scanned && self.archive.is_empty()? {
            return Ok(Refusal::without_sessions(required));
        }
        Ok(Refusal::without_release(&facts, required))
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
            let release = &open.release;
            let next = match (release.phase, next_step(release)) {
                (Phase::Confirmed, next) if next == NextStep::sign(&release.id) => {
                    self.approval_step(release)
                }
                (_, next) => next,
            };
            let note = self.missing_token(release);
            let state = WorkflowState::Release(release.phase);
            return Ok(WorkflowStatus::new(state, Some(open.release.id), next, note));
        }
        let facts = self.facts()?;
        let (state, next, note) = if !facts.scanned {
            (WorkflowState::NoScan, facts.next_step(), None)
        } else if self.archive.is_empty()? {
            (WorkflowState::NoSessions, NextStep::find_logs(), Some(self.searched_for()))
        } else if !facts.scope_confirmed {
            (WorkflowState::NoScope, facts.next_step(), None)
        } else {
            let (next, note) = self.next_release()?;
            (WorkflowState::Triage, next, note)
        };
        Ok(WorkflowStatus::new(state, None, next, note))
    }

    /// The preparation of a new release. It names the option for the destination if none is configured.
    fn prepare_step(&self) -> NextStep {
        let publish = &self.config.publish;
        match publish.repo.is_none() && publish.folder.is_none() {
            true => NextStep::prepare_for_destination(),
            false => NextStep::prepare(),
        }
    }

    /// The next step if no release is open, and what is new since the last publication.
    fn next_release(&self) -> Result<(NextStep, Option<String>), Failure> {
        let Some(last) = self.last_publication()? else {
            let approved = !self.archive.approved()?.is_empty();
            return Ok((if approved { self.prepare_step() } else { NextStep::choose() }, None));
        };
        let release = last.release;
        if last.unpublished > 0 {
            let note = format!(
                "Release {release} is published. Approved since then: {}.",
                sessions(last.unpublished as u64)
            );
            return Ok((self.prepare_step(), Some(note)));
        }
        let new = self.archive.marks()?.into_iter().find(|(mark, _)| *mark == Mark::New);
        Ok(match new.map_or(0, |(_, n)| n) {
            0 => (
                NextStep::look_for_new(),
                Some(format!("Release {release} is published. No session is new since then.")),
            ),
            n => (
                NextStep::list_new(),
                Some(format!(
                    "Release {release} is published and contains every approved session. Not approved or blocked \
                     yet: {}.",
                    sessions(n)
                )),
            ),
        })
    }

    /// The last publication. `None` if nothing is published.
    fn last_publication(&self) -> Result<Option<Publication>, Failure> {
        let Some(published) = self.archive.releases()?.into_iter().find(|r| r.phase == Phase::Published)
        else {
            return Ok(None);
        };
        let rows = self.archive.release(&published.id)?.map(|r| r.state.rows).unwrap_or_default();
        let approved = self.archive.approved()?;
        let is_new = |(key, version): &&(_, _)| rows.get(key).is_none_or(|row| row.version != *version);
        let unpublished = approved.iter().filter(is_new).count();
        Ok(Some(Publication { release: published.id, unpublished }))
    }

    /// Whether a session is approved that the last published release does not contain, or not in this version.
    pub(crate) fn has_unpublished_approval(&self) -> Result<bool, Failure> {
        Ok(match self.last_publication()? {
            Some(last) => last.unpublished > 0,
            None => !self.archive.approved()?.is_empty(),
        })
    }

    /// What a person does to approve a confirmed release: create a key, store a Hub token, or sign.
    pub(crate) fn approval_step(&self, release: &Release) -> NextStep {
        // A key file that cannot be read is reported by `sign`.
        match self.keys() {
            Ok(keys) if keys.fingerprint.is_none() => NextStep::create_key(&release.id),
            Ok(keys) if is_for_hub(release) && !keys.hub_token_sealed => NextStep::store_token(&release.id),
            _ => NextStep::sign(&release.id),
        }
    }

    /// Says that no Hub token is stored, if the release will need one.
    fn missing_token(&self, release: &Release) -> Option<String> {
        let keys = self.keys().ok().filter(|k| is_for_hub(release) && !k.hub_token_sealed)?;
        Some(match keys.fingerprint {
            Some(_) => {
                "No Hub token is stored. Publishing this release needs one: `clawgate login`.".to_owned()
            }
            None => "No Hub token is stored. Publishing this release needs an approver key and a token: \
                     `clawgate keys init` asks for both."
                .to_owned(),
        })
    }

    /// Says for which logs a scan looked, and where.
    pub fn searched_for(&self) -> String {
        let agents: Vec<&str> = sources::REGISTRY.iter().map(|s| s.name()).collect();
        format!(
            "No agent logs were found in {}. clawgate looks for {}. `clawgate doctor` lists the directories, and \
             `clawgate demo` runs the workflow on sample data.",
            self.ctx.env.home.display(),
            agents.join(", ")
        )
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
                release: head.id,
                state: r.phase,
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

/// Whether a release is published to the Hub.
fn is_for_hub(release: &Release) -> bool {
    matches!(release.destination.as_ref().map(|d| &d.target), Some(Target::Hub { .. }))
}

/// A number of sessions in words.
fn sessions(n: u64) -> String {
    format!("{} session{}", format_count(n), if n == 1 { "" } else { "s" })
}
