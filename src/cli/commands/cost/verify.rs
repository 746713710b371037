//! `clawgate cost verify`: everything recomputed by a second path.

use crate::app::cost::VerifyReport;
use crate::app::text::sanitize;
use crate::cli::face::{End, Face};
use crate::cli::money::{count, dollars, of};
use crate::cli::render::{green, red, yellow};
use crate::cli::table::{Set, Table};

/// How days are told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// IANA time zone of the days that are compared
    #[arg(long)]
    timezone: Option<String>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let report = face.app()?.verify_cost(args.timezone.as_deref())?;
    let width = face.width();
    face.answer(&report, |r| human(r, width))?;
    if report.same { Ok(()) } else { Err(End::Code(1)) }
}

fn human(r: &VerifyReport, width: usize) -> String {
    let mut out = format!(
        "read {} whole: {} of requests; {} only in the ledger; {} counted\n",
        of(r.files, "log"),
        of(r.records, "record"),
        of(r.kept, "record"),
        of(r.requests, "request"),
    );
    if r.unreadable > 0 {
        out.push_str(&format!("{} could not be read\n", of(r.unreadable, "log")));
    }
    if r.own_totals_same > 0 {
        let same = of(r.own_totals_same, "total");
        out.push_str(&format!("{same} that agents keep of their sessions agree with their logs\n"));
    }
    for b in &r.beyond_logs {
        let t = &b.tokens;
        let line = format!(
            "not in any log: {} {}, {} input, {} output, {}: {}",
            sanitize(&b.session),
            sanitize(&b.model),
            count(t.prompt()),
            count(t.output),
            b.cost_picousd.map_or("no price".to_owned(), dollars),
            b.label,
        );
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    if r.same {
        out.push_str(&green(&format!("all {} figures are the same both ways\n", count(r.compared))));
        return out;
    }
    out.push_str(&red(&format!("{} of {} figures differ\n", count(r.different), count(r.compared))));
    let mut table = Table::new(&[
        ("by", Set::Left),
        ("key", Set::Cut),
        ("figure", Set::Left),
        ("ledger", Set::Right),
        ("recomputed", Set::Right),
    ]);
    for d in &r.differences {
        table.row([
            sanitize(&d.by),
            sanitize(&d.key),
            d.figure.clone(),
            d.ledger.clone(),
            d.recomputed.clone(),
        ]);
    }
    out.push_str(&table.render(width));
    out
}
