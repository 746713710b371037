//! `clawgate` and `clawgate status`: where the user stands, and what is next.

use serde::Serialize;

use crate::app::cost::{LiveParams, Today};
use crate::app::status::Status;
use crate::cli::face::{End, Face};
use crate::cli::glance::{leave_to_background, standing};
use crate::cli::money::{count, dollars, of};
use crate::cli::render::{bold, destination, dim, green, yellow};
use crate::cli::table::{Set, Table, cut};
use crate::cli::times::minute;
use crate::trace::Timestamp;

use super::anomalies::usd;

/// Where you stand and what is next
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, face: &mut Face) -> Result<(), End> {
    // Reads what the logs gained, so that today is up to now.
    let live = face.app()?.live(&LiveParams::default())?;
    let (status, today) = (face.app()?.status()?, face.app()?.today()?);
    let width = face.width();
    let cost = usd(today.total_cost_picousd);
    let whole = Whole { status, total_cost_usd: cost, today };
    face.answer_placed(&whole, |w| format!("{}{}", human(w, width), standing(&live, true)))?;
    if !face.json {
        leave_to_background(face, &live);
    }
    Ok(())
}

/// Where the user stands, and what today came to in the names of ClawTrace's command line.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    status: Status,
    #[serde(flatten)]
    today: Today,
    total_cost_usd: f64,
}

fn human(w: &Whole, width: usize) -> String {
    let s = &w.status;
    let scanned = s.last_scan.as_deref().and_then(Timestamp::parse).map_or("never".to_owned(), minute);
    let tally = |map: &std::collections::BTreeMap<String, u64>| {
        let parts: Vec<String> = map.iter().map(|(k, n)| format!("{k} {}", count(*n))).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    };
    let scope = if s.scope_confirmed { green("confirmed") } else { yellow("not confirmed") };
    let total = count(s.by_agent.values().sum());
    let mut out = format!("{} {}\n", bold("clawgate"), dim(s.version));
    out.push_str(&format!("last scan  {scanned}\n"));
    out.push_str(&format!("sessions   {total}: {}\n", tally(&s.by_agent)));
    out.push_str(&format!("triage     {}\n", tally(&s.by_status)));
    out.push_str(&format!("scope      {scope}\n"));
    let t = &w.today;
    if t.total_messages > 0 {
        let today = format!("{} in {}", dollars(t.total_cost_picousd), of(t.message_count, "request"));
        out.push_str(&format!("today      {today}\n"));
    }
    if !s.releases.is_empty() {
        let mut table = Table::new(&[
            ("release", Set::Left),
            ("state", Set::Left),
            ("rows", Set::Right),
            ("digest", Set::Left),
            ("destination", Set::Cut),
        ]);
        for r in &s.releases {
            let digest = r.digest.as_deref().map_or(String::new(), |d| cut(d, 13));
            table.row([
                r.id.clone(),
                r.phase.clone(),
                count(r.rows),
                digest,
                destination(r.destination.as_ref()),
            ]);
        }
        out.push('\n');
        out.push_str(&table.render(width));
    }
    out
}
