//! `clawgate statusline`: one line for Claude Code's status line.
//!
//! Claude Code writes JSON to standard input (session_id, rate_limits, …; every field may be missing) and shows the
//! first line that comes back. A failure is said in that line: another exit code would only leave it empty.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::app::Failure;
use crate::app::cost::{BudgetLevel, Live, LiveParams};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::statusline_common::{
    format_duration, format_spend, read_stdin_json, spawn_background_update,
};
use crate::trace::{SessionKey, Timestamp};

/// One line for Claude Code's status line: today, session, block, an hour
#[derive(Debug, clap::Args)]
pub struct Args {
    /// IANA time zone of the day
    #[arg(long)]
    timezone: Option<String>,
}

/// What is looked at of what Claude Code says. Taken apart leniently: a field that changed its type costs what it says
/// and no more.
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

    /// When the plan's five hours end: seconds since the epoch, or an instant as text.
    fn block_ends(&self) -> Option<Timestamp> {
        let at = self.rate_limits.pointer("/five_hour/resets_at")?;
        let seconds = at.as_f64().filter(|s| (0.0..1e11).contains(s));
        seconds.map(|s| Timestamp((s * 1000.0) as i64)).or_else(|| Timestamp::parse(at.as_str()?))
    }

    /// Per cent of the plan's five hours that are used.
    fn plan(&self) -> Option<f64> {
        self.rate_limits.pointer("/five_hour/used_percentage")?.as_f64()
    }
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    // What the agent says is a help: without it the line still tells the day.
    let said: Input = read_stdin_json().unwrap_or_default();
    let params = LiveParams {
        timezone: args.timezone,
        session: said.session(),
        block_ends: said.block_ends(),
        log: said.transcript_path.as_str().map(PathBuf::from),
        near: !cli.json,
    };
    match look(cli, &params) {
        Ok(live) if cli.json => cli.print_report(&live, |_| String::new())?,
        Ok(live) => {
            cli.print_raw(format!("{}\n", line(&live, said.plan())).as_bytes())?;
            spawn_background_update(cli, &live);
        }
        Err(f) if cli.json => return Err(f.into()),
        Err(f) => {
            cli.print_raw(format!("clawgate: {}\n", f.message.lines().next().unwrap_or_default()).as_bytes())?
        }
    }
    Ok(())
}

fn look(cli: &mut CliContext, params: &LiveParams) -> Result<Live, Failure> {
    cli.app()?.glance(params)
}

fn line(live: &Live, plan: Option<f64>) -> String {
    let mut parts = vec![format!("{} today", format_spend(&live.today))];
    parts.extend(live.session.as_ref().map(|s| format!("{} session", format_spend(s))));
    if let Some(b) = &live.block {
        let left = format_duration(b.ends.millis().saturating_sub(live.at.millis()));
        parts.push(format!("{} block, {left} left", format_spend(&b.spend)));
    }
    parts.extend(plan.map(|p| format!("plan {p:.0} %")));
    parts.push(format!("{}/h", format_spend(&live.hour)));
    for b in live.budgets.iter().filter(|b| b.state > BudgetLevel::Ok) {
        parts.push(format!("{} budget {} %", b.budget, b.percent));
    }
    if live.unread_bytes > 0 {
        parts.push("reading new logs …".to_owned());
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_claude_code_says_is_read_leniently() {
        let read = |text: &str| {
            let said: Input = serde_json::from_str(text).unwrap();
            (said.session(), said.block_ends().map(Timestamp::millis), said.plan())
        };
        let whole = r#"{"session_id":"a-b","model":{"id":"x"},"cost":{"total_cost_usd":0.1},
            "rate_limits":{"five_hour":{"used_percentage":23.5,"resets_at":1795219200},"seven_day":null}}"#;
        assert_eq!(read(whole), (Some("claude:a-b".into()), Some(1_795_219_200_000), Some(23.5)));
        let text = r#"{"session_id":"a","rate_limits":{"five_hour":{"used_percentage":"?","resets_at":"2026-11-21T00:00:00Z"}}}"#;
        assert_eq!(read(text), (Some("claude:a".into()), Some(1_795_219_200_000), None));
        for other in ["{}", r#"{"rate_limits":null}"#, r#"{"session_id":7,"rate_limits":{"five_hour":[1]}}"#]
        {
            assert_eq!(read(other), (None, None, None), "{other}");
        }
    }
}
