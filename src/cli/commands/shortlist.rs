//! `clawgate shortlist`: marks sessions for a closer look.

use crate::app::sessions::Mark;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Shortlist sessions for a closer look
///
/// With --all or --project, shortlists the new sessions in scope. Approved and blocked sessions keep their mark.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    marking::mark(cli, &args.sessions, Mark::Shortlisted)
}
