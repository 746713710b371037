//! `clawgate unmark`: removes the mark of sessions.

use crate::app::sessions::Mark;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Clear the mark of sessions
///
/// With --all or --project, clears the marks of the shortlisted and the approved sessions in scope. Blocked sessions stay
/// blocked unless you name them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    marking::mark(cli, &args.sessions, Mark::New)
}
