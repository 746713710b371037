//! `clawgate withdraw`: withdraws a release.

use crate::app::Failure;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;

/// Withdraw a release
///
/// Asks for confirmation. Its review, confirmation and approval are void. Already published files are not deleted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
    /// Withdraw without asking
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if !args.yes {
        let found = cli.app()?.release_item(args.release.as_deref())?;
        let mut terminal = cli.open_terminal(&format!("clawgate withdraw {}", found.release))?;
        let rows = pluralize(found.rows, "row");
        terminal.print_line(&format!("Release {} ({}) has {rows}.", found.release, found.state))?;
        if !terminal.agrees("Its review and approval will be void. Withdraw it?")? {
            return Err(Failure::failed("not_withdrawn", "Nothing was withdrawn.").into());
        }
    }
    let id = cli.app()?.withdraw(args.release.as_deref())?;
    let report = serde_json::json!({ "release": id, "withdrawn": true });
    cli.print_with_status(&report, |_| {
        format!("Release {id} is withdrawn. Already published files are not deleted.\n")
    })
}
