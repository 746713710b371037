//! `clawgate menubar`: what is spent, for SwiftBar and xbar (default) or Waybar.

use serde_json::json;

use crate::app::cost::{BudgetLevel, Live, LiveParams};
use crate::app::{Failure, text::sanitize};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::statusline_common::{format_duration, format_spend, spawn_background_update};

/// What is spent, for SwiftBar, xbar or Waybar
#[derive(Debug, clap::Args)]
pub struct Args {
    /// In Waybar's JSON
    #[arg(long)]
    waybar: bool,
    /// Port of `clawgate serve`, for the link to its page
    #[arg(long, default_value_t = 8384)]
    port: u16,
    /// IANA time zone of the day
    #[arg(long)]
    timezone: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let live = match look(cli, args.timezone) {
        Ok(live) => live,
        Err(f) if cli.json => return Err(f.into()),
        // An item that vanished says nothing: the failure is shown where the figure would be.
        Err(f) => return cli.print_raw(broken(&f, args.waybar).as_bytes()),
    };
    if cli.json {
        return cli.print_report(&live, |_| String::new());
    }
    let text = if args.waybar { waybar(&live) } else { bar(&live, args.port) };
    cli.print_raw(text.as_bytes())?;
    spawn_background_update(cli, &live);
    Ok(())
}

fn look(cli: &mut CliContext, timezone: Option<String>) -> Result<Live, Failure> {
    cli.app()?.glance(&LiveParams { timezone, ..LiveParams::default() })
}

fn broken(f: &Failure, for_waybar: bool) -> String {
    let why = f.message.lines().next().unwrap_or_default();
    match for_waybar {
        true => format!("{}\n", json!({ "text": "clawgate ?", "tooltip": pango(why), "class": "broken" })),
        false => format!("clawgate ?\n---\n{}\n", plain(why)),
    }
}

/// What the menu says, line by line.
fn lines(live: &Live) -> Vec<String> {
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

/// How it stands altogether: the worst of budgets and alerts.
fn class(live: &Live) -> &'static str {
    match live.budgets.iter().map(|b| b.state).max() {
        Some(BudgetLevel::Spent) => "spent",
        Some(BudgetLevel::Near) => "near",
        _ if !live.alerts.is_empty() => "alert",
        _ => "ok",
    }
}

/// SwiftBar and xbar: the title, then the menu; parameters stand after a bar.
fn bar(live: &Live, port: u16) -> String {
    let colour = match class(live) {
        "spent" => " | color=red",
        "near" | "alert" => " | color=orange",
        _ => "",
    };
    let mut out = format!("{}{colour}\n---\n", format_spend(&live.today));
    for line in lines(live) {
        out.push_str(&format!("{}\n", plain(&line)));
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
        out.push_str(&format!("{}{colour}\n", plain(&b.message())));
    }
    for alert in &live.alerts {
        out.push_str(&format!("{} | color=orange\n", plain(&alert.message())));
    }
    out.push_str(&format!("---\nOpen clawgate | href=http://127.0.0.1:{port}/\nRefresh | refresh=true\n"));
    out
}

fn waybar(live: &Live) -> String {
    let mut tip = lines(live);
    tip.extend(live.budgets.iter().map(|b| b.message()));
    tip.extend(live.alerts.iter().map(|a| a.message()));
    let percent = live.budgets.iter().map(|b| b.percent.min(100)).max().unwrap_or(0);
    let value = json!({
        "text": format_spend(&live.today), "alt": class(live), "class": class(live), "percentage": percent,
        "tooltip": pango(&tip.join("\n")),
    });
    format!("{value}\n")
}

/// One line without what a menu would take for parameters.
fn plain(text: &str) -> String {
    sanitize(text).replace('|', "¦").replace(['\n', '\r'], " ")
}

/// Waybar reads its tooltips as markup.
fn pango(text: &str) -> String {
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
    fn session_names_cannot_act_in_a_menu() {
        assert_eq!(plain("a | bash=/bin/sh\nb"), "a ¦ bash=/bin/sh b");
        assert_eq!(pango("<b>&\nx"), "&lt;b&gt;&amp;\nx");
    }
}
