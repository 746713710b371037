//! `clawgate anomalies`: days above the mean of the active days before, in the shape of ClawTrace's engine.

use serde_json::{Value, json};

use crate::app::cost::{AnomalyParams, Standing};
use crate::cli::context::{CliContext, CommandError};

use super::cost::render_anomalies;

/// Days that cost more than they should
#[derive(Debug, clap::Args)]
pub struct Args {
    /// IANA time zone of the days
    #[arg(long)]
    timezone: Option<String>,
    /// Days looked back on (default: 30)
    #[arg(long)]
    days: Option<u16>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let standing = cli.app()?.standing(&AnomalyParams { timezone: args.timezone, days: args.days })?;
    if cli.json {
        return cli.print_report(&seed_shape(&standing), |_| String::new());
    }
    cli.print_report(&standing, render_anomalies)
}

/// A list of days, oldest first, over all projects.
fn seed_shape(s: &Standing) -> Value {
    let days = s.anomalies.anomalies.iter().rev().filter(|d| d.project.is_none());
    let day = |f: &crate::usage::Anomaly| {
        json!({
            "date": f.date,
            "expected_cost": usd(f.expected_picousd),
            "actual_cost": usd(f.actual_picousd),
            "severity": f.severity,
            "pct_over": (f.pct_over * 10.0).round() / 10.0,
        })
    };
    days.map(|d| day(&d.found)).collect()
}

/// Pico-USD as dollars with four decimals.
pub(super) fn usd(picousd: i64) -> f64 {
    (picousd as f64 / 1e8).round() / 1e4
}
