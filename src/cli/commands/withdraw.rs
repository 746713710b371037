//! `clawgate withdraw`: takes a release back.

use crate::cli::context::{CliContext, CommandError};

/// Take a release back
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let id = cli.app()?.withdraw(args.release.as_deref())?;
    let report = serde_json::json!({ "release": id, "withdrawn": true });
    cli.print_with_status(&report, |_| {
        format!(
            "{id} is withdrawn. What already stands at a destination stays there until it is deleted there.\n"
        )
    })
}
