//! `clawgate approve`: marks sessions that may be shared.

use crate::app::sessions::Mark;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Approve sessions for sharing
///
/// With --all or --project, approves the new and the shortlisted sessions in scope. Blocked sessions stay blocked.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    marking::mark(cli, &args.sessions, Mark::Approved)
}
