//! `clawgate anomalies`: unusually expensive days. The JSON has the fields of ClawTrace.

use serde_json::{Value, json};

use crate::app::cost::{AnomalyParams, AnomalyReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::time_args::TimeZoneArg;
use crate::pricing::rounded_usd;

use super::cost::render_anomalies;

/// List days that cost much more than usual
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    zone: TimeZoneArg,
    /// Number of days to check, up to today [default: 30]
    #[arg(long, value_name = "N")]
    days: Option<u16>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let standing = cli.app()?.anomalies(&AnomalyParams { timezone: args.zone.timezone, days: args.days })?;
    if cli.json {
        return cli.print_report(&clawtrace_days(&standing), |_| String::new());
    }
    cli.print_report(&standing, render_anomalies)
}

/// Returns the days over all projects as ClawTrace lists them, oldest first.
fn clawtrace_days(s: &AnomalyReport) -> Value {
    let days = s.warnings.days.anomalies.iter().rev().filter(|d| d.project.is_none());
    let day = |f: &crate::usage::Anomaly| {
        json!({
            "date": f.date,
            "expected_cost": rounded_usd(f.expected_picousd.into()),
            "actual_cost": rounded_usd(f.actual_picousd.into()),
            "severity": f.severity,
            "pct_over": (f.pct_over * 10.0).round() / 10.0,
        })
    };
    days.map(|d| day(&d.found)).collect()
}
