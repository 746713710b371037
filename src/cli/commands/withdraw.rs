//! `clawgate withdraw`: withdraws a release.

use crate::cli::context::{CliContext, CommandError};

/// Withdraw a release
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let id = cli.app()?.withdraw(args.release.as_deref())?;
    let report = serde_json::json!({ "release": id, "withdrawn": true });
    cli.print_with_status(&report, |_| {
        format!("Release {id} is withdrawn. Already published files are not deleted.\n")
    })
}
