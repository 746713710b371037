//! `clawgate statusline`: prints one line for the status line of Claude Code.
//!
//! Claude Code writes JSON to standard input (session_id, rate_limits, …; every field may be missing) and shows the
//! first line of the output. Errors appear in that line, because another exit code would leave it empty.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::app::Failure;
use crate::app::cost::{CurrentSpend, CurrentSpendParams};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::statusline_common::{
    format_duration, format_spend, read_stdin_json, spawn_background_update,
};
use crate::cli::time_args::TimeZoneArg;
use crate::trace::{FIVE_HOURS, PlanWindow, SessionKey, Timestamp, WEEK};
use crate::usage::BudgetLevel;

/// Print current spend for the status line of Claude Code
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    zone: TimeZoneArg,
}

/// The fields of Claude Code's JSON that this command uses. They are untyped, so that a field whose type changed is
/// ignored and the others still work.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    session_id: Value,
    transcript_path: Value,
    rate_limits: Value,
}

impl Input {
    fn session(&self) -> Option<String> {
        self.session_id.as_str().map(|id| SessionKey::new("claude", id).0)
    }

    /// Returns the end of the plan's five-hour block.
    fn block_ends(&self) -> Option<Timestamp> {
        instant(self.rate_limits.pointer("/five_hour/resets_at")?)
    }

    /// Returns how much of the plan's limits is used: `five_hour`, `seven_day`, and `seven_day_<model>`.
    fn plan_windows(&self, now: Timestamp) -> Vec<PlanWindow> {
        let window = |(name, value): (&String, &Value)| {
            let (minutes, rest) = match name.strip_prefix("five_hour") {
                Some(rest) => (FIVE_HOURS, rest),
                None => (WEEK, name.strip_prefix("seven_day")?),
            };
            let resets = instant(value.get("resets_at")?)?;
            let used = value.get("used_percentage")?.as_f64()?;
            let window = PlanWindow::new("claude", minutes, used, now, Some(resets))?;
            let limit = rest.trim_start_matches('_');
            Some(PlanWindow { limit: (!limit.is_empty()).then(|| limit.to_owned()), ..window })
        };
        self.rate_limits.as_object().into_iter().flatten().filter_map(window).collect()
    }
}

/// Parses an instant in seconds since the epoch or in RFC 3339.
fn instant(at: &Value) -> Option<Timestamp> {
    let seconds = at.as_f64().filter(|s| (0.0..1e11).contains(s));
    seconds.map(|s| Timestamp((s * 1000.0) as i64)).or_else(|| Timestamp::parse(at.as_str()?))
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    // Without valid input, the line still shows today's spend.
    let input: Input = read_stdin_json().unwrap_or_default();
    let params = CurrentSpendParams {
        timezone: args.zone.timezone,
        session: input.session(),
        block_ends: input.block_ends(),
        log: input.transcript_path.as_str().map(PathBuf::from),
        plan_windows: input.plan_windows(cli.now()),
        skip_week_and_month: !cli.json,
    };
    match current_spend(cli, &params) {
        Ok(live) if cli.json => cli.print_report(&live, |_| String::new())?,
        Ok(live) => {
            cli.print_raw(format!("{}\n", line(&live)).as_bytes())?;
            spawn_background_update(cli, &live);
        }
        Err(f) if cli.json => return Err(f.into()),
        Err(f) => {
            cli.print_raw(format!("clawgate: {}\n", f.message.lines().next().unwrap_or_default()).as_bytes())?
        }
    }
    Ok(())
}

fn current_spend(cli: &mut CliContext, params: &CurrentSpendParams) -> Result<CurrentSpend, Failure> {
    cli.app()?.current_spend_quick(params)
}

fn line(live: &CurrentSpend) -> String {
    let mut parts = vec![format!("{} today", format_spend(&live.today))];
    parts.extend(live.session.as_ref().map(|s| format!("{} session", format_spend(s))));
    if let Some(b) = &live.block {
        let left = format_duration(b.ends.millis().saturating_sub(live.at.millis()));
        parts.push(format!("{} block, {left} left", format_spend(&b.spend)));
    }
    parts.extend(plan(live));
    parts.push(format!("{}/h", format_spend(&live.hour)));
    for b in live.budgets.iter().filter(|b| b.state > BudgetLevel::Ok) {
        parts.push(format!("{} budget {} %", b.budget, b.percent));
    }
    if live.unread_bytes > 0 {
        parts.push("reading new logs …".to_owned());
    }
    parts.join(" · ")
}

/// Renders the windows of the agent's plan. A report that is not from now says when it was made.
fn plan(live: &CurrentSpend) -> Option<String> {
    let windows = live.plan_windows.iter().filter(|w| w.agent == "claude");
    let part = |w: &PlanWindow| {
        let left = format_duration(w.resets.millis().saturating_sub(live.at.millis()));
        let age = live.at.millis().saturating_sub(w.observed.millis());
        let seen = if age < 60_000 { String::new() } else { format!(", {} ago", format_duration(age)) };
        format!("{:.0} % of {} ({left} left{seen})", w.used_percent, w.name())
    };
    let parts: Vec<String> = windows.map(part).collect();
    (!parts.is_empty()).then(|| format!("plan {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_of_claude_code_is_parsed_leniently() {
        let read = |text: &str| {
            let input: Input = serde_json::from_str(text).unwrap();
            let windows = input.plan_windows(Timestamp(7));
            let windows: Vec<_> =
                windows.into_iter().map(|w| (w.name(), w.used_percent, w.resets.millis())).collect();
            (input.session(), input.block_ends().map(Timestamp::millis), windows)
        };
        let whole = r#"{"session_id":"a-b","model":{"id":"x"},"cost":{"total_cost_usd":0.1},
            "rate_limits":{"five_hour":{"used_percentage":23.5,"resets_at":1795219200},"seven_day":{"used_percentage":41,"resets_at":"2026-11-24T00:00:00Z"},"seven_day_opus":{"used_percentage":1,"resets_at":1795219200},"overage":null}}"#;
        let windows = vec![
            ("5 h".to_owned(), 23.5, 1_795_219_200_000),
            ("week".to_owned(), 41.0, 1_795_478_400_000),
            ("week (opus)".to_owned(), 1.0, 1_795_219_200_000),
        ];
        assert_eq!(read(whole), (Some("claude:a-b".into()), Some(1_795_219_200_000), windows));
        let text = r#"{"session_id":"a","rate_limits":{"five_hour":{"used_percentage":"?","resets_at":"2026-11-21T00:00:00Z"}}}"#;
        assert_eq!(read(text), (Some("claude:a".into()), Some(1_795_219_200_000), vec![]));
        for other in ["{}", r#"{"rate_limits":null}"#, r#"{"session_id":7,"rate_limits":{"five_hour":[1]}}"#]
        {
            assert_eq!(read(other), (None, None, vec![]), "{other}");
        }
    }
}
