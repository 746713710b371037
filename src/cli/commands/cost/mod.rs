//! `clawgate cost`: the ledger added up along a dimension, taken apart, checked, and shared between machines.

mod alerts;
mod anomalies;
mod explain;
mod otlp;
mod report;
mod serve;
mod share;
mod verify;

use crate::cli::context::{CliContext, CommandError};

pub(super) use anomalies::render as render_anomalies;
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

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match args.what {
        None => report::run(args.report, cli),
        Some(What::Explain(args)) => explain::run(args, cli),
        Some(What::Verify(args)) => verify::run(args, cli),
        Some(What::Anomalies(args)) => anomalies::run(args, cli),
        Some(What::Alerts(args)) => alerts::run(args, cli),
        Some(What::Otlp(args)) => otlp::run(args, cli),
        Some(What::Serve(args)) => serve::run(args, cli),
        Some(What::Export(args)) => share::export(args, cli),
        Some(What::Import(args)) => share::import(args, cli),
    }
}
