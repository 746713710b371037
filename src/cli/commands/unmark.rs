//! `clawgate unmark`: sessions without a mark.

use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Take the mark off sessions
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    marking::mark(cli, args.sessions.resolve()?, "new", args.sessions.reason)
}
