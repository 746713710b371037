//! `clawgate` and `clawgate status`: where the user stands, and what is next.

use crate::app::Status;
use crate::cli::face::{End, Face};
use crate::cli::money::count;
use crate::cli::render::{bold, destination, dim, green, yellow};
use crate::cli::table::{Set, Table, cut};
use crate::cli::times::minute;
use crate::trace::Timestamp;

/// Where you stand and what is next
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, face: &mut Face) -> Result<(), End> {
    let status = face.app()?.status()?;
    let width = face.width();
    face.answer_placed(&status, |s| human(s, width))
}

fn human(s: &Status, width: usize) -> String {
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
