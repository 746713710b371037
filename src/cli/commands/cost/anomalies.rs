//! `clawgate cost anomalies`: unusually expensive days by two rules, and current alerts.

use crate::app::cost::{AnomalyParams, AnomalyReport};
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::format_dollars;
use crate::cli::render::{green, heading, red, yellow};
use crate::cli::time_args::TimeZoneArg;
use crate::usage::Severity;

/// List unusually expensive days, with the cause
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    zone: TimeZoneArg,
    /// Number of days to check, up to today [default: 30]
    #[arg(long, value_name = "N")]
    days: Option<u16>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let report = cli.app()?.anomalies(&AnomalyParams { timezone: args.zone.timezone, days: args.days })?;
    cli.print_report(&report, render)
}

fn coloured(severity: Severity, text: &str) -> String {
    if severity == Severity::Critical { red(text) } else { yellow(text) }
}

/// Renders alerts and unusual days.
pub(in crate::cli::commands) fn render(s: &AnomalyReport) -> String {
    let mut out = String::new();
    for a in &s.warnings.alerts {
        out.push_str(&format!("{}\n", coloured(a.severity, &sanitize(&a.message()))));
    }
    let a = &s.warnings.days;
    if !a.robust.is_empty() {
        out.push_str(&heading("Days far above the median"));
        for day in &a.robust {
            out.push_str(&format!("{}\n", sanitize(&day.message())));
        }
    }
    if !a.anomalies.is_empty() {
        out.push_str(&heading("Days above the mean of the previous active days"));
        for day in &a.anomalies {
            let f = &day.found;
            let of = day.project.as_deref().map(|p| format!(" in {}", sanitize(p))).unwrap_or_default();
            let line = format!(
                "{}{of} cost {}, {:.0} % above {}",
                f.date,
                format_dollars(f.actual_picousd),
                f.pct_over,
                format_dollars(f.expected_picousd)
            );
            out.push_str(&format!("{}\n", coloured(f.severity, &line)));
        }
    }
    if out.is_empty() {
        out = format!("{}\n", green("No anomalies."));
    }
    out
}
