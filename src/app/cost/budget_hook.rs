//! Budgets: what is left of each, and what a hook says when one is spent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pricing::format_usd;
use crate::store::Archive;
use crate::trace::{SessionKey, Timestamp};

use crate::app::config::{BudgetAction, BudgetConfig};
use crate::app::cost::current::{Live, LiveParams};
use crate::app::{App, Failure};

/// A budget and what it stands at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetState {
    /// `daily`, `weekly`, `monthly`, `session` or `block`.
    pub budget: &'static str,
    /// Spent, pico-USD.
    pub spent_picousd: i64,
    /// The budget, pico-USD.
    pub limit_picousd: i64,
    /// Per cent that is spent, rounded down.
    pub percent: u64,
    /// How it stands.
    pub state: BudgetLevel,
    /// Tokens without a price in the same span: the budget cannot see what they cost.
    pub unpriced_tokens: u64,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLevel {
    /// Below the share that warns.
    Ok,
    /// At or above it.
    Near,
    /// Spent.
    Spent,
}

impl BudgetState {
    /// How it stands, in a sentence.
    pub fn message(&self) -> String {
        let usd = |n: i64| format!("${}", format_usd(n, 2));
        let (spent, limit) = (usd(self.spent_picousd), usd(self.limit_picousd));
        let mut text = match self.state {
            BudgetLevel::Spent => format!("The {} budget is spent: {spent} of {limit}", self.budget),
            _ => format!("{} % of the {} budget is spent: {spent} of {limit}", self.percent, self.budget),
        };
        if self.unpriced_tokens > 0 {
            text.push_str(&format!(", and {} tokens have no known price", self.unpriced_tokens));
        }
        text.push('.');
        text
    }
}

impl BudgetConfig {
    /// How each budget that is set stands.
    pub(in crate::app) fn states(&self, live: &Live) -> Vec<BudgetState> {
        let block = live.block.map(|b| b.spend);
        let all = [
            ("daily", self.daily_usd, Some(live.today)),
            ("weekly", self.weekly_usd, live.week),
            ("monthly", self.monthly_usd, live.month),
            ("session", self.session_usd, live.session),
            ("block", self.block_usd, block),
        ];
        let warn = i128::from(self.warn_percent);
        all.into_iter()
            .filter_map(|(budget, limit, spend)| Some((budget, limit?.0, spend?)))
            .map(|(budget, limit, spend)| {
                let spent = spend.cost_picousd;
                let hundredfold = i128::from(spent).max(0) * 100;
                let state = if spent >= limit {
                    BudgetLevel::Spent
                } else if hundredfold >= i128::from(limit) * warn {
                    BudgetLevel::Near
                } else {
                    BudgetLevel::Ok
                };
                let percent = if limit > 0 { hundredfold / i128::from(limit) } else { 100 };
                BudgetState {
                    budget,
                    spent_picousd: spent,
                    limit_picousd: limit,
                    percent: u64::try_from(percent).unwrap_or(u64::MAX),
                    state,
                    unpriced_tokens: spend.unpriced_tokens,
                }
            })
            .collect()
    }

    /// Whether any budget is set.
    pub fn any(&self) -> bool {
        let all = [self.daily_usd, self.weekly_usd, self.monthly_usd, self.session_usd, self.block_usd];
        all.iter().any(Option::is_some)
    }
}

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
    pub fn hook(&mut self, agent: &str, input: &HookInput) -> Result<(HookVerdict, Option<Live>), Failure> {
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
        let live = self.glance(&LiveParams {
            session: session.clone(),
            log: input.transcript_path.clone(),
            near: true,
            ..LiveParams::default()
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
    pub fn wants_background(&mut self, live: &Live) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Usd;
    use crate::app::cost::current::Spend;
    use crate::pricing::PICO_PER_USD;

    fn live(today: i64, session: Option<i64>) -> Live {
        let spend = |usd: i64| Spend { cost_picousd: usd * PICO_PER_USD / 100, ..Spend::default() };
        Live {
            at: Timestamp(0),
            timezone: "UTC".into(),
            today: spend(today),
            week: Some(spend(today)),
            month: Some(spend(today)),
            hour: spend(0),
            session: session.map(spend),
            block: None,
            budgets: Vec::new(),
            alerts: Vec::new(),
            unread_bytes: 0,
        }
    }

    #[test]
    fn levels_at_their_edges() {
        let config = BudgetConfig { daily_usd: Some(Usd(10 * PICO_PER_USD)), ..BudgetConfig::default() };
        let level = |cents| config.states(&live(cents, None))[0].state;
        assert_eq!([level(0), level(799), level(800)], [BudgetLevel::Ok, BudgetLevel::Ok, BudgetLevel::Near]);
        assert_eq!(
            [level(999), level(1000), level(5000)],
            [BudgetLevel::Near, BudgetLevel::Spent, BudgetLevel::Spent]
        );
        assert_eq!(config.states(&live(1234, None))[0].percent, 123);
        let zero = BudgetConfig { daily_usd: Some(Usd(0)), ..BudgetConfig::default() };
        assert_eq!(zero.states(&live(0, None))[0].state, BudgetLevel::Spent, "nothing may be spent");
    }

    #[test]
    fn a_budget_without_its_span_is_not_judged() {
        let config = BudgetConfig {
            session_usd: Some(Usd(PICO_PER_USD)),
            block_usd: Some(Usd(PICO_PER_USD)),
            ..BudgetConfig::default()
        };
        assert!(config.any() && config.states(&live(1000, None)).is_empty());
        let states = config.states(&live(0, Some(150)));
        assert_eq!((states.len(), states[0].budget, states[0].state), (1, "session", BudgetLevel::Spent));
        assert_eq!(states[0].message(), "The session budget is spent: $1.50 of $1.00.");
    }
}
