//! `clawgate cost`: reports on the usage ledger, and commands that explain, verify and exchange it.

mod alerts;
mod anomalies;
mod explain;
mod otlp;
mod report;
mod serve;
mod share;
mod verify;

use crate::app::Failure;
use crate::cli::context::{CliContext, CommandError};
use crate::usage::Dimension;

pub(super) use anomalies::render as render_anomalies;
pub(super) use serve::listen;

/// Report tokens and cost
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<CostCommand>,
    #[command(flatten)]
    report: report::ReportArgs,
}

#[derive(Debug, clap::Subcommand)]
enum CostCommand {
    Explain(explain::Args),
    Verify(verify::Args),
    Anomalies(anomalies::Args),
    Alerts(alerts::Args),
    Otlp(otlp::Args),
    Serve(serve::Args),
    Export(share::ExportArgs),
    Import(share::ImportArgs),
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match args.command {
        None => report::run(args.report, cli),
        Some(CostCommand::Explain(args)) => explain::run(args, cli),
        Some(CostCommand::Verify(args)) => verify::run(args, cli),
        Some(CostCommand::Anomalies(args)) => anomalies::run(args, cli),
        Some(CostCommand::Alerts(args)) => alerts::run(args, cli),
        Some(CostCommand::Otlp(args)) => otlp::run(args, cli),
        Some(CostCommand::Serve(args)) => serve::run(args, cli),
        Some(CostCommand::Export(args)) => share::export(args, cli),
        Some(CostCommand::Import(args)) => share::import(args, cli),
    }
}

/// Parses the name of a dimension.
fn dimension(name: &str) -> Result<Dimension, Failure> {
    name.parse().map_err(|message: String| Failure::usage("bad_dimension", message))
}
