//! The verdict of an agent's hook, from the budgets.

use std::path::PathBuf;

use serde::Deserialize;

use crate::store::Archive;
use crate::trace::{SessionKey, Timestamp};
use crate::usage::{BudgetLevel, BudgetState};

use crate::app::config::BudgetAction;
use crate::app::cost::current::{CurrentSpend, CurrentSpendParams};
use crate::app::{App, Failure};

/// The fields that clawgate reads from an agent's hook input. Other fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HookInput {
    /// The agent's own session id.
    pub session_id: Option<String>,
    /// The log of the session.
    pub transcript_path: Option<PathBuf>,
    /// Name of the event, such as `PreToolUse` or `UserPromptSubmit`.
    pub hook_event_name: Option<String>,
    /// The id of the subagent, if a subagent takes the step. Codex passes the id of the subagent's log.
    pub agent_id: Option<String>,
}

/// The verdict of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookVerdict {
    /// The agent continues without a message.
    Pass,
    /// The agent continues, and the user sees this warning.
    Warn(String),
    /// The agent stops for this reason.
    Deny(String),
}

impl App {
    /// Decides about an agent's next step by the budgets. A session is warned once about a budget that is nearly spent,
    /// or that is spent while the configured action is a warning. Also returns the current spend, if a budget is
    /// configured.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
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
            // If this fails, the subagent's cost is added to the session only after the next scan.
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
            let messages: Vec<String> = spent.iter().map(|b| b.message()).collect();
            // The user sees the reason of a blocked prompt, the model sees the reason of a denied tool. The reason has
            // no final full stop because Codex appends one.
            let next = match input.hook_event_name.as_deref() {
                Some("UserPromptSubmit") => "To continue, raise [budgets] in clawgate's config.toml",
                _ => "Stop here and tell the user to raise [budgets] in clawgate's config.toml to continue",
            };
            let deny = HookVerdict::Deny(format!("{} {next}", messages.join(" ")));
            return Ok((deny, Some(live)));
        }
        let mut warnings = Vec::new();
        for b in live.budgets.iter().filter(|b| b.state > BudgetLevel::Ok) {
            if first_time(&mut self.archive, b, session.as_deref().unwrap_or(agent), live.at) {
                warnings.push(b.message());
            }
        }
        let verdict =
            if warnings.is_empty() { HookVerdict::Pass } else { HookVerdict::Warn(warnings.join(" ")) };
        Ok((verdict, Some(live)))
    }

    /// Returns whether a background process should read the remaining logs or deliver alerts. Returns `true` at most
    /// once a minute.
    pub fn wants_background(&mut self, live: &CurrentSpend) -> bool {
        let work = live.unread_bytes > 0 || (self.delivers() && !live.alerts.is_empty());
        work && self.archive.claim_notice("background", live.at, BACKGROUND_INTERVAL_MS).unwrap_or(false)
    }
}

/// Returns whether this warning has not been given yet. If the archive cannot record it, the warning is given, perhaps
/// repeatedly.
fn first_time(archive: &mut Archive, b: &BudgetState, recipient: &str, now: Timestamp) -> bool {
    let level = if b.state == BudgetLevel::Spent { "spent" } else { "near" };
    let what = format!("budget {} {level} {} {recipient}", b.budget, b.limit_picousd);
    archive.claim_notice(&what, now, WARNING_INTERVAL_MS).unwrap_or(true)
}

/// Minimum time between two starts of background work, in milliseconds.
const BACKGROUND_INTERVAL_MS: i64 = 60_000;

/// Minimum time between two identical warnings, in milliseconds.
const WARNING_INTERVAL_MS: i64 = 12 * 3_600_000;
