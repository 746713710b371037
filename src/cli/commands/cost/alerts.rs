//! `clawgate cost alerts`: what passed a threshold, and its delivery.

use serde::Serialize;

use crate::app::cost::{BudgetLevel, BudgetState, Delivery, LiveParams, RaisedAlert};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{green, red, yellow};
use crate::usage::Severity;

/// What passed a threshold or is near a budget
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Send what is newly due to the webhook and the command of config.toml
    #[arg(long)]
    deliver: bool,
    /// Count every alert as seen: the next of its kind is due at once
    #[arg(long, conflicts_with = "deliver")]
    acknowledge: bool,
}

#[derive(Serialize)]
struct Standing {
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
    // Not a glance: whatever is new is read first.
    app.refresh_usage()?;
    let live = app.live(&LiveParams::default())?;
    let alerts = live.alerts.into_iter().map(RaisedAlert::from).collect();
    let standing = Standing { alerts, budgets: live.budgets, acknowledged, delivery };
    let failed = standing.delivery.as_ref().is_some_and(|d| !d.problems.is_empty());
    let text = render(&standing);
    if cli.json {
        cli.print_report(&standing, |_| text)?;
    } else {
        cli.print(&text)?;
    }
    if failed { Err(CommandError::ExitCode(1)) } else { Ok(()) }
}

fn render(s: &Standing) -> String {
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
        out.push_str("Nothing is above its threshold.\n");
    }
    if let Some(n) = s.acknowledged {
        out.push_str(&format!("{n} alerts count as seen.\n"));
    }
    if let Some(d) = &s.delivery {
        let to = if d.delivered_to.is_empty() { "nowhere".to_owned() } else { d.delivered_to.join(" and ") };
        out.push_str(&format!("{} newly due; delivered to {to}.\n", d.alerts.len()));
        for problem in &d.problems {
            out.push_str(&format!("{}  {problem}\n", red("failed  ")));
        }
    }
    out
}
