//! `clawgate cost-report`: the report of the first cost engine's command line, same fields.

use serde_json::json;

use crate::app::cost::ClassicParams;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::table::{Align, Table};

/// The last days, models, projects and dearest sessions in one report
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Days
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// IANA time zone of the days
    #[arg(long)]
    timezone: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = ClassicParams { days: Some(args.days), timezone: args.timezone, ..ClassicParams::default() };
    let all = cli.app()?.classic(&params)?;
    let width = cli.width();
    let report = json!({
        "timeseries": all.timeseries, "models": all.models, "projects": all.projects, "top_sessions": all.sessions,
    });
    cli.print_report(&report, |_| {
        let mut out = String::new();
        let mut section = |title: &str, rows: Vec<(&str, f64, u64)>| {
            if rows.is_empty() {
                return;
            }
            let mut table = Table::new(&[(title, Align::Truncate), ("cost", Align::Right)]);
            for (name, cost, unpriced) in rows {
                table.row([name.to_owned(), said(cost, unpriced)]);
            }
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&table.render(width));
        };
        section("day", all.timeseries.iter().map(|d| (&*d.date, d.cost_usd, d.unpriced_tokens)).collect());
        section("model", all.models.iter().map(|m| (&*m.model, m.cost_usd, m.unpriced_tokens)).collect());
        section(
            "project",
            all.projects.iter().map(|p| (&*p.project, p.cost_usd, p.unpriced_tokens)).collect(),
        );
        section(
            "session",
            all.sessions.iter().map(|s| (&*s.session_id, s.cost_usd, s.unpriced_tokens)).collect(),
        );
        out
    })
}

/// Dollars and cents; a `+` where tokens have no known price, and words where none has.
fn said(usd: f64, unpriced_tokens: u64) -> String {
    match unpriced_tokens {
        0 => format!("${usd:.2}"),
        _ if usd == 0.0 => "no price".to_owned(),
        _ => format!("${usd:.2}+"),
    }
}
