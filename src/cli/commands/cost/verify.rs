//! `clawgate cost verify`: recomputes all figures independently and compares them.

use crate::app::cost::VerifyReport;
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, format_dollars, pluralize};
use crate::cli::render::{green, red, yellow};
use crate::cli::table::{Column, Table};
use crate::cli::time_args::TimeZoneArg;

/// Recompute all figures from the logs independently and compare them
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let report = cli.app()?.verify_cost(args.zone.timezone.as_deref())?;
    let width = cli.width();
    cli.print_report(&report, |r| render(r, width))?;
    if report.same { Ok(()) } else { Err(CommandError::ExitCode(1)) }
}

fn render(r: &VerifyReport, width: usize) -> String {
    let mut out = format!(
        "Read {} completely: {}, {} only in the ledger, {}\n",
        pluralize(r.files, "log"),
        pluralize(r.records, "record"),
        pluralize(r.kept, "record"),
        pluralize(r.requests, "request"),
    );
    if r.unreadable > 0 {
        out.push_str(&format!("Could not read {}.\n", pluralize(r.unreadable, "log")));
    }
    if r.own_totals_same > 0 {
        let same = pluralize(r.own_totals_same, "total");
        out.push_str(&format!("The logs match {same} that agents store for their sessions.\n"));
    }
    for b in &r.beyond_logs {
        let t = &b.usage;
        let line = format!(
            "not in any log: {} {}, {} input, {} output, {}: {}",
            sanitize(&b.key),
            sanitize(&b.model),
            format_count(t.prompt()),
            format_count(t.output),
            b.cost_picousd.map_or("no price".to_owned(), format_dollars),
            b.label,
        );
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    if r.same {
        out.push_str(&green(&format!("Compared {}: no difference.\n", pluralize(r.compared, "figure"))));
        return out;
    }
    out.push_str(&red(&format!(
        "Compared {}: {}.\n",
        pluralize(r.compared, "figure"),
        pluralize(r.different, "difference")
    )));
    let mut table = Table::new([
        Column::left("by"),
        Column::left("key").cut_middle(12),
        Column::left("figure"),
        Column::right("ledger"),
        Column::right("recomputed"),
    ]);
    for d in &r.differences {
        table.row([
            d.by.name().to_owned(),
            sanitize(&d.key),
            d.figure.clone(),
            d.ledger.clone(),
            d.recomputed.clone(),
        ]);
    }
    out.push_str(&table.render(width));
    out
}
