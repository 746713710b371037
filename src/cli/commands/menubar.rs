//! `clawgate menubar`: prints current spend for SwiftBar and xbar (default) or Waybar.

use serde_json::json;

use crate::app::cost::{CurrentSpend, CurrentSpendParams};
use crate::app::server_token::{link_token, web_token};
use crate::app::{Failure, text::sanitize};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::statusline_common::{format_duration, format_spend, spawn_background_update};
use crate::cli::time_args::TimeZoneArg;
use crate::usage::BudgetLevel;

/// Print current spend for SwiftBar, xbar or Waybar
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON for Waybar
    #[arg(long)]
    waybar: bool,
    /// Port of `clawgate serve`, for the link in the menu
    #[arg(long, default_value_t = 8384)]
    port: u16,
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let live = match current_spend(cli, args.zone.timezone) {
        Ok(live) => live,
        Err(f) if cli.json => return Err(f.into()),
        // The menu bar hides an item whose command fails, so the error is shown in place of the amount.
        Err(f) => return cli.print_raw(failure_item(&f, args.waybar).as_bytes()),
    };
    if cli.json {
        return cli.print_report(&live, |_| String::new());
    }
    let text = if args.waybar { waybar(&live) } else { swiftbar(&live, &page_address(cli, args.port)) };
    cli.print_raw(text.as_bytes())?;
    spawn_background_update(cli, &live);
    Ok(())
}

/// Returns the address of the page. It signs the browser in for some minutes, which is longer than the menu shows it.
fn page_address(cli: &CliContext, port: u16) -> String {
    let page = format!("http://127.0.0.1:{port}/");
    match web_token(&cli.process.env.clawgate_home, false) {
        Ok(token) => format!("{page}?token={}", link_token(&token, cli.now())),
        Err(_) => page,
    }
}

fn current_spend(cli: &mut CliContext, timezone: Option<String>) -> Result<CurrentSpend, Failure> {
    cli.app()?.current_spend_quick(&CurrentSpendParams { timezone, ..CurrentSpendParams::default() })
}

fn failure_item(f: &Failure, for_waybar: bool) -> String {
    let why = f.message.lines().next().unwrap_or_default();
    match for_waybar {
        true => {
            format!("{}\n", json!({ "text": "clawgate ?", "tooltip": pango_text(why), "class": "broken" }))
        }
        false => format!("clawgate ?\n---\n{}\n", menu_text(why)),
    }
}

/// Returns the lines of the menu.
fn menu_lines(live: &CurrentSpend) -> Vec<String> {
    let requests = |n: u64| format!("{n} request{}", if n == 1 { "" } else { "s" });
    let mut out = vec![
        format!("Today {} · {}", format_spend(&live.today), requests(live.today.requests)),
        format!("Last hour {}", format_spend(&live.hour)),
    ];
    if let Some(b) = &live.block {
        let left = format_duration(b.ends.millis().saturating_sub(live.at.millis()));
        out.push(format!("Claude block {} · {left} left", format_spend(&b.spend)));
    }
    out.extend(live.week.map(|s| format!("This week {}", format_spend(&s))));
    out.extend(live.month.map(|s| format!("This month {}", format_spend(&s))));
    out
}

/// Returns the CSS class of the item: the most severe state of all budgets and alerts.
fn class(live: &CurrentSpend) -> &'static str {
    match live.budgets.iter().map(|b| b.state).max() {
        Some(BudgetLevel::Spent) => "spent",
        Some(BudgetLevel::Near) => "near",
        _ if !live.alerts.is_empty() => "alert",
        _ => "ok",
    }
}

/// Renders the item for SwiftBar and xbar: the title, then the menu. Parameters follow a `|`.
fn swiftbar(live: &CurrentSpend, page: &str) -> String {
    let colour = match class(live) {
        "spent" => " | color=red",
        "near" | "alert" => " | color=orange",
        _ => "",
    };
    let mut out = format!("{}{colour}\n---\n", format_spend(&live.today));
    for line in menu_lines(live) {
        out.push_str(&format!("{}\n", menu_text(&line)));
    }
    if !live.budgets.is_empty() || !live.alerts.is_empty() {
        out.push_str("---\n");
    }
    for b in &live.budgets {
        let colour = match b.state {
            BudgetLevel::Spent => " | color=red",
            BudgetLevel::Near => " | color=orange",
            BudgetLevel::Ok => "",
        };
        out.push_str(&format!("{}{colour}\n", menu_text(&b.message())));
    }
    for alert in &live.alerts {
        out.push_str(&format!("{} | color=orange\n", menu_text(&alert.message())));
    }
    out.push_str(&format!("---\nOpen clawgate | href={page}\nRefresh | refresh=true\n"));
    out
}

fn waybar(live: &CurrentSpend) -> String {
    let mut tip = menu_lines(live);
    tip.extend(live.budgets.iter().map(|b| b.message()));
    tip.extend(live.alerts.iter().map(|a| a.message()));
    let percent = live.budgets.iter().map(|b| b.percent.min(100)).max().unwrap_or(0);
    let value = json!({
        "text": format_spend(&live.today), "alt": class(live), "class": class(live), "percentage": percent,
        "tooltip": pango_text(&tip.join("\n")),
    });
    format!("{value}\n")
}

/// Replaces line ends and `|`, which starts parameters in a menu line.
fn menu_text(text: &str) -> String {
    sanitize(text).replace('|', "¦").replace(['\n', '\r'], " ")
}

/// Escapes text for a Waybar tooltip, which is Pango markup.
fn pango_text(text: &str) -> String {
    text.lines()
        .map(sanitize)
        .collect::<Vec<_>>()
        .join("\n")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_cannot_add_menu_parameters_or_markup() {
        assert_eq!(menu_text("a | bash=/bin/sh\nb"), "a ¦ bash=/bin/sh b");
        assert_eq!(pango_text("<b>&\nx"), "&lt;b&gt;&amp;\nx");
    }
}
