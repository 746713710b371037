//! What the status line, the menu bar and the hook share: standard input, amounts, and work that is left to the
//! background.

use std::io::{self, IsTerminal, Read};

use serde::de::DeserializeOwned;

use crate::app::cost::{BudgetLevel, Live, Spend};
use crate::app::text::sanitize;
use crate::pricing::format_usd;

use super::face::Face;
use super::render::{dim, yellow};

/// No agent tells more than this; what it writes goes through its hook whole.
const MOST_INPUT: u64 = 64 << 20;

/// What an agent says on standard input; nothing where a person sits there.
///
/// # Errors
/// What is wrong with the text, without any of it.
pub(super) fn input<T: DeserializeOwned + Default>() -> Result<T, String> {
    if io::stdin().is_terminal() {
        return Ok(T::default());
    }
    let mut text = Vec::new();
    io::stdin().lock().take(MOST_INPUT).read_to_end(&mut text).map_err(|e| format!("standard input: {e}"))?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&text)
        .map_err(|e| format!("standard input is not the JSON that was expected ({:?})", e.classify()))
}

/// Dollars and cents; a `+` where tokens have no known price and the amount is too small.
pub(super) fn amount(s: &Spend) -> String {
    let plus = if s.unpriced_tokens > 0 { "+" } else { "" };
    format!("${}{plus}", format_usd(s.cost_picousd, 2))
}

/// A length of time: `2h13m`.
pub(super) fn length(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    if minutes < 60 { format!("{minutes}m") } else { format!("{}h{:02}m", minutes / 60, minutes % 60) }
}

/// What is near a budget or, where wanted, passed a threshold, in one line for those who look at figures; empty where
/// nothing did.
pub(super) fn standing(live: &Live, alerts: bool) -> String {
    let budgets = live.budgets.iter().filter(|b| b.state > BudgetLevel::Ok).map(|b| b.message());
    let said: Vec<String> =
        budgets.chain(live.alerts.iter().filter(|_| alerts).map(|a| a.message())).collect();
    let Some(first) = said.first() else { return String::new() };
    let more = match said.len() {
        1 => String::new(),
        n => format!(" And {} more:", n - 1),
    };
    format!("{} {}{more} {}\n", yellow("alert:"), sanitize(first), dim("clawgate cost alerts"))
}

/// Leaves to a process of its own what takes longer than a glance: reading many new logs, delivering alerts.
pub(super) fn leave_to_background(face: &mut Face, live: &Live) {
    let background = face.edge.background;
    let Ok(app) = face.app() else { return };
    if app.wants_background(live) {
        // Where no process can be started, the next `clawgate cost` does it.
        let _ = background(&["cost", "alerts", "--deliver"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_lengths() {
        let spend = |p, unpriced_tokens| Spend { cost_picousd: p, unpriced_tokens, ..Spend::default() };
        assert_eq!(amount(&spend(1_235_000_000_000, 0)), "$1.24");
        assert_eq!(amount(&spend(0, 7)), "$0.00+");
        assert_eq!([length(-5), length(59 * 60_000), length(61 * 60_000)], ["0m", "59m", "1h01m"]);
    }
}
