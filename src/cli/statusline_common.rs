//! Shared code of `statusline`, `menubar`, `hook` and the cost commands.

use std::io::{self, IsTerminal, Read};

use serde::de::DeserializeOwned;

use crate::app::cost::{CurrentSpend, Spend};
use crate::app::text::sanitize;
use crate::pricing::format_cents;
use crate::sources;
use crate::trace::PlanWindow;
use crate::usage::BudgetLevel;

use super::context::CliContext;
use super::render::{dim, yellow};
use super::time_args::Times;

/// More input is not read. A hook receives whole tool inputs, for example the content of a file that is written.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// Parses the JSON that an agent writes to standard input. Returns the default if it is a terminal or empty.
///
/// # Errors
/// Returns a description of the problem that contains none of the input.
pub(super) fn read_stdin_json<T: DeserializeOwned + Default>() -> Result<T, String> {
    if io::stdin().is_terminal() {
        return Ok(T::default());
    }
    let mut text = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES)
        .read_to_end(&mut text)
        .map_err(|e| format!("Cannot read standard input: {e}"))?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&text)
        .map_err(|e| format!("Standard input is not valid JSON for this hook ({:?} error)", e.classify()))
}

/// Formats an amount with two decimals. Appends `+` if some tokens have no price, so that the amount is a lower bound.
pub(super) fn format_spend(s: &Spend) -> String {
    let plus = if s.unpriced_tokens > 0 { "+" } else { "" };
    format!("{}{plus}", format_cents(s.cost_picousd))
}

/// Formats a duration: `2h13m`, `3d04h`.
pub(super) fn format_duration(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match minutes {
        0..60 => format!("{minutes}m"),
        60..2880 => format!("{}h{:02}m", minutes / 60, minutes % 60),
        _ => format!("{}d{:02}h", minutes / 1440, minutes % 1440 / 60),
    }
}

/// Renders how much of a plan's limit is used, when that was reported and when the limit resets.
pub(super) fn plan_line(w: &PlanWindow, times: &Times) -> String {
    let agent = sources::by_agent(&w.agent).map_or(w.agent.as_str(), |s| s.name());
    format!(
        "{agent}: {:.0} % of {} used, resets {} (reported {})",
        w.used_percent,
        sanitize(&w.name()),
        times.minute_with_zone(w.resets),
        times.minute_with_zone(w.observed)
    )
}

/// Renders budgets that are nearly or fully spent, and alerts if `alerts` is set, as one line. Returns an empty string if
/// there are none.
pub(super) fn alert_line(live: &CurrentSpend, alerts: bool) -> String {
    let budgets = live.budgets.iter().filter(|b| b.state > BudgetLevel::Ok).map(|b| b.message());
    let messages: Vec<String> =
        budgets.chain(live.alerts.iter().filter(|_| alerts).map(|a| a.message())).collect();
    let Some(first) = messages.first() else { return String::new() };
    let more = match messages.len() {
        1 => String::new(),
        n => format!(" {} more:", n - 1),
    };
    format!("{} {}{more} {}\n", yellow("alert:"), sanitize(first), dim("clawgate cost alerts"))
}

/// Starts a background process if much unread log data is waiting or alerts must be delivered, because both take too long
/// for a status line.
pub(super) fn spawn_background_update(cli: &mut CliContext, live: &CurrentSpend) {
    let start = cli.process.run_in_background;
    let Ok(app) = cli.app() else { return };
    if app.wants_background(live) {
        // If no process can be started, the next `clawgate cost` does this work.
        let _ = start(&["cost", "alerts", "--deliver"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_durations_are_short() {
        let spend = |p, unpriced_tokens| Spend { cost_picousd: p, unpriced_tokens, ..Spend::default() };
        assert_eq!(format_spend(&spend(1_235_000_000_000, 0)), "$1.24");
        assert_eq!(format_spend(&spend(0, 7)), "$0.00+");
        assert_eq!(
            [-5, 59, 61, 47 * 60, 76 * 60].map(|minutes| format_duration(minutes * 60_000)),
            ["0m", "59m", "1h01m", "47h00m", "3d04h"]
        );
    }
}
