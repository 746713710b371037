//! `clawgate cost anomalies`: days out of the ordinary by both rules, and alerts that stand.

use crate::app::cost::{AnomalyParams, Standing};
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::format_dollars;
use crate::cli::render::{green, heading, red, yellow};
use crate::usage::Severity;

/// What is looked at.
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
    let report = cli.app()?.standing(&AnomalyParams { timezone: args.timezone, days: args.days })?;
    cli.print_report(&report, render)
}

fn coloured(severity: Severity, text: &str) -> String {
    if severity == Severity::Critical { red(text) } else { yellow(text) }
}

/// Alerts and anomalies for people.
pub(in crate::cli::commands) fn render(s: &Standing) -> String {
    let mut out = String::new();
    for a in &s.alerts {
        out.push_str(&format!("{}\n", coloured(a.severity, &sanitize(&a.message()))));
    }
    let a = &s.anomalies;
    if !a.robust.is_empty() {
        out.push_str(&heading("far from the usual day (median and deviation)"));
        for day in &a.robust {
            out.push_str(&format!("{}\n", sanitize(&day.message())));
        }
    }
    if !a.anomalies.is_empty() {
        out.push_str(&heading("above the mean of the active days before"));
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
        out = format!("{}\n", green("nothing out of the ordinary"));
    }
    out
}
