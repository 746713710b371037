//! `clawgate cost verify`: everything recomputed by a second path.

use crate::app::cost::VerifyReport;
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, format_dollars, pluralize};
use crate::cli::render::{green, red, yellow};
use crate::cli::table::{Align, Table};

/// How days are told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// IANA time zone of the days that are compared
    #[arg(long)]
    timezone: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let report = cli.app()?.verify_cost(args.timezone.as_deref())?;
    let width = cli.width();
    cli.print_report(&report, |r| render(r, width))?;
    if report.same { Ok(()) } else { Err(CommandError::ExitCode(1)) }
}

fn render(r: &VerifyReport, width: usize) -> String {
    let mut out = format!(
        "read {} whole: {} of requests; {} only in the ledger; {} counted\n",
        pluralize(r.files, "log"),
        pluralize(r.records, "record"),
        pluralize(r.kept, "record"),
        pluralize(r.requests, "request"),
    );
    if r.unreadable > 0 {
        out.push_str(&format!("{} could not be read\n", pluralize(r.unreadable, "log")));
    }
    if r.own_totals_same > 0 {
        let same = pluralize(r.own_totals_same, "total");
        out.push_str(&format!("{same} that agents keep of their sessions agree with their logs\n"));
    }
    for b in &r.beyond_logs {
        let t = &b.tokens;
        let line = format!(
            "not in any log: {} {}, {} input, {} output, {}: {}",
            sanitize(&b.session),
            sanitize(&b.model),
            format_count(t.prompt()),
            format_count(t.output),
            b.cost_picousd.map_or("no price".to_owned(), format_dollars),
            b.label,
        );
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    if r.same {
        out.push_str(&green(&format!("all {} figures are the same both ways\n", format_count(r.compared))));
        return out;
    }
    out.push_str(&red(&format!(
        "{} of {} figures differ\n",
        format_count(r.different),
        format_count(r.compared)
    )));
    let mut table = Table::new(&[
        ("by", Align::Left),
        ("key", Align::Truncate),
        ("figure", Align::Left),
        ("ledger", Align::Right),
        ("recomputed", Align::Right),
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
