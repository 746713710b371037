//! `clawgate cost-report`: the report of the first cost engine's command line, same fields.

use serde_json::json;

use crate::app::ClassicParams;
use crate::cli::face::{End, Face};
use crate::cli::table::{Set, Table};

/// The last days, models, projects and dearest sessions in one report
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Days
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// IANA time zone of the days
    #[arg(long)]
    timezone: Option<String>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let params = ClassicParams { days: Some(args.days), timezone: args.timezone, ..ClassicParams::default() };
    let all = face.app()?.classic(&params)?;
    let width = face.width();
    let report = json!({
        "timeseries": all.timeseries, "models": all.models, "projects": all.projects, "top_sessions": all.sessions,
    });
    face.answer(&report, |_| {
        let mut out = String::new();
        let mut section = |title: &str, rows: Vec<(String, f64)>| {
            let mut table = Table::new(&[(title, Set::Cut), ("cost", Set::Right)]);
            for (name, cost) in rows {
                table.row([name, format!("${cost:.2}")]);
            }
            out.push_str(&table.render(width));
            out.push('\n');
        };
        section("day", all.timeseries.iter().map(|d| (d.date.clone(), d.cost_usd)).collect());
        section("model", all.models.iter().map(|m| (m.model.clone(), m.cost_usd)).collect());
        section("project", all.projects.iter().map(|p| (p.project.clone(), p.cost_usd)).collect());
        section("session", all.sessions.iter().map(|s| (s.session_id.clone(), s.cost_usd)).collect());
        out
    })
}
