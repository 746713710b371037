//! `clawgate cost-report`: recent cost in one report. The JSON has the fields of ClawTrace.

use serde_json::json;

use crate::app::cost::ClawTraceParams;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::dim;
use crate::cli::table::{Column, Table, one_line};
use crate::cli::time_args::TimeZoneArg;
use crate::pricing::format_clawtrace_usd;

/// Summarize the cost of recent days, models, projects and sessions
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of days, up to today
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let timezone = args.zone.timezone;
    let params =
        ClawTraceParams { days: Some(args.days), timezone: timezone.clone(), ..ClawTraceParams::default() };
    let all = cli.app()?.clawtrace_report(&params)?;
    let width = cli.width();
    let report = json!({
        "timeseries": all.timeseries, "models": all.models, "projects": all.projects, "top_sessions": all.sessions,
    });
    let times = cli.times(&TimeZoneArg { timezone })?;
    let keys: Vec<&str> = all.sessions.iter().map(|s| s.session_id.as_str()).collect();
    let names = cli.session_names(&keys)?;
    cli.print_report(&report, |_| {
        let mut out = String::new();
        let mut section = |title: &str, rows: Vec<(&str, f64, u64)>| {
            if rows.is_empty() {
                return;
            }
            let mut table = Table::new([Column::left(title).cut_middle(16), Column::right("cost")]);
            for (name, cost, unpriced) in rows {
                table.row([name.to_owned(), format_clawtrace_usd(cost, unpriced)]);
            }
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&table.render(width));
        };
        section("day", all.timeseries.iter().map(|d| (&*d.date, d.cost_usd, d.unpriced_tokens)).collect());
        section(
            "model",
            all.models.iter().map(|m| (&*m.model, m.sums.cost_usd, m.sums.unpriced_tokens)).collect(),
        );
        section(
            "project",
            all.projects.iter().map(|p| (&*p.project, p.sums.cost_usd, p.sums.unpriced_tokens)).collect(),
        );
        section(
            "session",
            all.sessions
                .iter()
                .map(|s| (&*names[&s.session_id], s.sums.cost_usd, s.sums.unpriced_tokens))
                .collect(),
        );
        if !out.is_empty() {
            out.push_str(&dim(&format!("Days are in {}.\n", one_line(times.zone_name()))));
        }
        out
    })
}
