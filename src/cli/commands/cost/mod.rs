//! `clawgate cost`: the ledger added up along a dimension, taken apart, checked, and shared between machines.

mod alerts;
mod anomalies;
mod explain;
mod otlp;
mod report;
mod serve;
mod share;
mod verify;

use crate::cli::face::{End, Face};

pub(super) use anomalies::human as anomalies_human;
pub(super) use serve::listen;

/// Add up tokens and cost
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    report: report::ReportArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Take a figure apart: requests, where their records stand, and what priced them
    Explain(explain::Args),
    /// Recompute everything from the logs by a second path, and compare
    Verify(verify::Args),
    /// Days out of the ordinary, and why
    Anomalies(anomalies::Args),
    Alerts(alerts::Args),
    Otlp(otlp::Args),
    Serve(serve::Args),
    /// Write this machine's ledger as JSON Lines
    Export(share::ExportArgs),
    /// Read in the ledgers of other machines
    Import(share::ImportArgs),
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    match args.what {
        None => report::run(args.report, face),
        Some(What::Explain(args)) => explain::run(args, face),
        Some(What::Verify(args)) => verify::run(args, face),
        Some(What::Anomalies(args)) => anomalies::run(args, face),
        Some(What::Alerts(args)) => alerts::run(args, face),
        Some(What::Otlp(args)) => otlp::run(args, face),
        Some(What::Serve(args)) => serve::run(args, face),
        Some(What::Export(args)) => share::export(args, face),
        Some(What::Import(args)) => share::import(args, face),
    }
}
