//! `clawgate cost alerts`: lists and delivers alerts.

use serde::Serialize;

use crate::app::cost::{CurrentSpendParams, Delivery, RaisedAlert};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{green, red, yellow};
use crate::usage::{BudgetLevel, BudgetState, Severity};

/// List exceeded thresholds and the state of budgets
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Send new alerts to the webhook and the command configured in config.toml
    #[arg(long)]
    deliver: bool,
    /// Acknowledge all alerts, so that the next alert of each kind is sent immediately
    #[arg(long, conflicts_with = "deliver")]
    acknowledge: bool,
}

#[derive(Serialize)]
struct AlertsReport {
    alerts: Vec<RaisedAlert>,
    budgets: Vec<BudgetState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let run = cli.process.run_command;
    let app = cli.app()?;
    let acknowledged = if args.acknowledge { Some(app.acknowledge_alerts()?) } else { None };
    let delivery = if args.deliver { Some(app.deliver_alerts(run)?) } else { None };
    // Reads all new log entries first. The status line skips this if it takes too long.
    app.refresh_usage()?;
    let live = app.current_spend(&CurrentSpendParams::default())?;
    let alerts = live.alerts.into_iter().map(RaisedAlert::from).collect();
    let report = AlertsReport { alerts, budgets: live.budgets, acknowledged, delivery };
    let failed = report.delivery.as_ref().is_some_and(|d| !d.problems.is_empty());
    let text = render(&report);
    if cli.json {
        cli.print_report(&report, |_| text)?;
    } else {
        cli.print(&text)?;
    }
    if failed { Err(CommandError::ExitCode(1)) } else { Ok(()) }
}

fn render(s: &AlertsReport) -> String {
    let mut out = String::new();
    for a in &s.alerts {
        let mark = if a.alert.severity == Severity::Critical { red("critical") } else { yellow("warning ") };
        out.push_str(&format!("{mark}  {}\n", a.message));
    }
    for b in &s.budgets {
        let mark = match b.state {
            BudgetLevel::Ok => green("ok      "),
            BudgetLevel::Near => yellow("near    "),
            BudgetLevel::Spent => red("spent   "),
        };
        out.push_str(&format!("{mark}  {}\n", b.message()));
    }
    if out.is_empty() {
        out.push_str("No alerts.\n");
    }
    if let Some(n) = s.acknowledged {
        out.push_str(&format!("Acknowledged {}.\n", pluralize(n, "alert")));
    }
    if let Some(d) = &s.delivery {
        let count = pluralize(d.alerts.len() as u64, "new alert");
        out.push_str(&match (d.alerts.is_empty(), d.delivered_to.is_empty()) {
            (true, _) => "No new alert to deliver.\n".to_owned(),
            (false, true) => format!("Delivered {count} to no destination.\n"),
            (false, false) => format!("Delivered {count} to {}.\n", d.delivered_to.join(" and ")),
        });
        for problem in &d.problems {
            out.push_str(&format!("{}  {problem}\n", red("failed  ")));
        }
    }
    out
}
