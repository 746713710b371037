//! `clawgate cost-report`: the last days at a glance, in the shape of ClawTrace's engine.

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::CostParams;
use crate::cli::face::{End, Face};
use crate::cli::money::dollars;
use crate::cli::render::heading;
use crate::cli::table::{Set, Table};
use crate::usage::ReportRow;

use super::anomalies::usd;

/// Sessions named.
const TOP: usize = 5;

/// The last days at a glance: days, models, projects, dearest sessions
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Days, today among them
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3660))]
    days: u16,
    /// IANA time zone of the days
    #[arg(long)]
    timezone: Option<String>,
}

#[derive(Serialize)]
struct Glance {
    timeseries: Vec<Value>,
    models: Vec<Value>,
    projects: Vec<Value>,
    top_sessions: Vec<Value>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let zone = face.app()?.zone(args.timezone.as_deref())?.1;
    let today = zone.to_datetime(face.now().to_jiff()).date();
    let mut rows = |by: &str| -> Result<Vec<ReportRow>, End> {
        let params =
            CostParams { by: Some(by.to_owned()), timezone: args.timezone.clone(), ..CostParams::default() };
        Ok(face.app()?.cost(&params)?.report.rows)
    };
    let (days, models, projects, sessions) =
        (rows("day")?, rows("model")?, rows("project")?, rows("session")?);
    let timeseries = (0..i64::from(args.days)).rev().map(|ago| {
        let day = today.saturating_sub(jiff::Span::new().days(ago)).to_string();
        let cost = days.iter().find(|r| r.key == day).map_or(0, |r| r.cost_picousd);
        json!({ "date": day, "cost_usd": usd(cost) })
    });
    let line = |name: &'static str| {
        move |r: &ReportRow| {
            json!({ name: r.key, "cost_usd": usd(r.cost_picousd), "total_tokens": r.total_tokens(),
                "message_count": r.requests })
        }
    };
    let glance = Glance {
        timeseries: timeseries.collect(),
        models: models.iter().map(line("model")).collect(),
        projects: projects.iter().map(line("project")).collect(),
        top_sessions: sessions.iter().take(TOP).map(line("session_id")).collect(),
    };
    let width = face.width();
    face.answer(&glance, |g| {
        let mut out = String::new();
        for d in &g.timeseries {
            out.push_str(&format!("{}  ${:.4}\n", d["date"].as_str().unwrap_or_default(), d["cost_usd"]));
        }
        for (title, rows) in [("models", &models), ("projects", &projects), ("dearest sessions", &sessions)] {
            out.push_str(&heading(title));
            let mut table = Table::new(&[("", Set::Cut), ("", Set::Right)]);
            for r in rows.iter().take(if title == "dearest sessions" { TOP } else { 20 }) {
                table.row([r.key.clone(), dollars(r.cost_picousd)]);
            }
            out.push_str(&table.render(width));
        }
        out
    })
}
