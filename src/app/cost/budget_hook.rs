//! Budgets: what is left of each, and what a hook says when one is spent.

use std::path::PathBuf;

use serde::Deserialize;

use crate::store::Archive;
use crate::trace::{SessionKey, Timestamp};
use crate::usage::{BudgetLevel, BudgetState};

use crate::app::config::BudgetAction;
use crate::app::cost::current::{CurrentSpend, CurrentSpendParams};
use crate::app::{App, Failure};

/// What an agent tells its hook; everything else in it is left alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HookInput {
    /// The agent's own session id.
    pub session_id: Option<String>,
    /// The log of the session.
    pub transcript_path: Option<PathBuf>,
    /// `PreToolUse`, `UserPromptSubmit`, …
    pub hook_event_name: Option<String>,
    /// Where a subagent takes the step: its id, beside the session's. With Codex it is the id of the subagent's log.
    pub agent_id: Option<String>,
}

/// What the hook answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookVerdict {
    /// Nothing to say.
    Pass,
    /// Go on, and tell the person this.
    Warn(String),
    /// Do not go on, for this reason.
    Deny(String),
}

impl App {
    /// Judges an agent's next step by the budgets. A budget that is nearly spent, or spent where the person only wants
    /// a warning, is said once for each session and budget. Also returns what it looked at.
    ///
    /// # Errors
    /// [`Failure`] where the archive cannot be read.
    pub fn hook(
        &mut self,
        agent: &str,
        input: &HookInput,
    ) -> Result<(HookVerdict, Option<CurrentSpend>), Failure> {
        if !self.config.budgets.any() {
            return Ok((HookVerdict::Pass, None));
        }
        let session = input.session_id.as_ref().map(|id| SessionKey::new(agent, id).0);
        if let (Some(session), Some(id)) = (&session, &input.agent_id) {
            let child = SessionKey::new(agent, id).0;
            let now = self.now();
            // Without it, what the subagent spends counts to the session after the next scan.
            let _ = self.archive.record_subagent(session, &child, now);
        }
        let live = self.current_spend_quick(&CurrentSpendParams {
            session: session.clone(),
            log: input.transcript_path.clone(),
            skip_week_and_month: true,
            ..CurrentSpendParams::default()
        })?;
        let spent: Vec<&BudgetState> =
            live.budgets.iter().filter(|b| b.state == BudgetLevel::Spent).collect();
        if self.config.budgets.action == BudgetAction::Deny && !spent.is_empty() {
            let said: Vec<String> = spent.iter().map(|b| b.message()).collect();
            // A prompt that is blocked is shown to who wrote it, a tool that is denied to the model. Without a full
            // stop: Codex goes on with one.
            let next = match input.hook_event_name.as_deref() {
                Some("UserPromptSubmit") => "To go on, raise [budgets] in clawgate's config.toml",
                _ => {
                    "Stop here and tell the person: they go on by raising [budgets] in clawgate's config.toml"
                }
            };
            let deny = HookVerdict::Deny(format!("{} {next}", said.join(" ")));
            return Ok((deny, Some(live)));
        }
        let mut said = Vec::new();
        for b in live.budgets.iter().filter(|b| b.state > BudgetLevel::Ok) {
            if first_time(&mut self.archive, b, session.as_deref().unwrap_or(agent), live.at) {
                said.push(b.message());
            }
        }
        let verdict = if said.is_empty() { HookVerdict::Pass } else { HookVerdict::Warn(said.join(" ")) };
        Ok((verdict, Some(live)))
    }

    /// Whether there is work that takes longer than a glance: logs that were too many to read, alerts to deliver.
    /// Says so once a minute, however many glances there are.
    pub fn wants_background(&mut self, live: &CurrentSpend) -> bool {
        let work = live.unread_bytes > 0 || (self.delivers() && !live.alerts.is_empty());
        work && self.archive.claim_notice("background", live.at, BACKGROUND_MS).unwrap_or(false)
    }
}

/// Whether this has not been said yet. A warning that cannot be noted is said: twice is better than never.
fn first_time(archive: &mut Archive, b: &BudgetState, whom: &str, now: Timestamp) -> bool {
    let level = if b.state == BudgetLevel::Spent { "spent" } else { "near" };
    let what = format!("budget {} {level} {} {whom}", b.budget, b.limit_picousd);
    archive.claim_notice(&what, now, SILENT_MS).unwrap_or(true)
}

/// Background work is started no more often.
const BACKGROUND_MS: i64 = 60_000;

/// A warning that was said is not said again for so long.
const SILENT_MS: i64 = 12 * 3_600_000;
