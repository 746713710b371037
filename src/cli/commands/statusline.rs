//! `clawgate statusline`: one line for Claude Code's status line.
//!
//! Claude Code writes JSON to standard input (session_id, rate_limits, …; every field may be missing) and shows the
//! first line that comes back. A failure is said in that line: another exit code would only leave it empty.

use serde::Deserialize;

use crate::app::{BudgetLevel, Failure, Live, LiveParams};
use crate::cli::face::{End, Face};
use crate::cli::glance::{amount, input, leave_to_background, length};
use crate::trace::{SessionKey, Timestamp};

/// One line for Claude Code's status line: today, session, block, an hour
#[derive(Debug, clap::Args)]
pub struct Args {
    /// IANA time zone of the day
    #[arg(long)]
    timezone: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    session_id: Option<String>,
    rate_limits: Option<Limits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    five_hour: Option<Window>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Window {
    used_percentage: Option<f64>,
    /// Seconds since the epoch.
    resets_at: Option<f64>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    // What the agent says is a help: without it the line still tells the day.
    let said: Input = input().unwrap_or_default();
    let window = said.rate_limits.and_then(|l| l.five_hour).unwrap_or_default();
    let params = LiveParams {
        timezone: args.timezone,
        session: said.session_id.map(|id| SessionKey::new("claude", &id).0),
        block_ends: window
            .resets_at
            .filter(|s| (0.0..1e11).contains(s))
            .map(|s| Timestamp((s * 1000.0) as i64)),
    };
    match look(face, &params) {
        Ok(live) if face.json => face.answer(&live, |_| String::new())?,
        Ok(live) => {
            face.print_raw(format!("{}\n", line(&live, window.used_percentage)).as_bytes())?;
            leave_to_background(face, &live);
        }
        Err(f) if face.json => return Err(f.into()),
        Err(f) => face
            .print_raw(format!("clawgate: {}\n", f.message.lines().next().unwrap_or_default()).as_bytes())?,
    }
    Ok(())
}

fn look(face: &mut Face, params: &LiveParams) -> Result<Live, Failure> {
    face.app()?.live(params)
}

fn line(live: &Live, plan: Option<f64>) -> String {
    let mut parts = vec![format!("{} today", amount(&live.today))];
    parts.extend(live.session.as_ref().map(|s| format!("{} session", amount(s))));
    if let Some(b) = &live.block {
        let left = length(b.ends.millis().saturating_sub(live.at.millis()));
        parts.push(format!("{} block, {left} left", amount(&b.spend)));
    }
    parts.extend(plan.filter(|p| p.is_finite()).map(|p| format!("plan {p:.0} %")));
    parts.push(format!("{}/h", amount(&live.hour)));
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
        let whole = r#"{"session_id":"a-b","model":{"id":"x"},"cost":{"total_cost_usd":0.1},
            "rate_limits":{"five_hour":{"used_percentage":23.5,"resets_at":1795219200},"seven_day":null}}"#;
        let said: Input = serde_json::from_str(whole).unwrap();
        let window = said.rate_limits.unwrap().five_hour.unwrap();
        assert_eq!((said.session_id.as_deref(), window.resets_at), (Some("a-b"), Some(1_795_219_200.0)));
        for other in
            ["{}", r#"{"rate_limits":null}"#, r#"{"session_id":null,"rate_limits":{"five_hour":{}}}"#]
        {
            assert!(serde_json::from_str::<Input>(other).is_ok(), "{other}");
        }
    }
}
