//! `clawgate block`: marks sessions that must not be shared.

use crate::app::sessions::Mark;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Block sessions from sharing
///
/// With --all or --project, also blocks the approved sessions. A project can be blocked although it is excluded.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    marking::mark(cli, &args.sessions, Mark::Blocked)
}
