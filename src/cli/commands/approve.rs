//! `clawgate approve`: marks sessions that may be shared.

use crate::app::sessions::Mark;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Approve sessions for sharing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
    /// Approve every session in scope that is new or shortlisted
    #[arg(long, conflicts_with_all = ["keys", "project"])]
    all: bool,
    /// Approve every new or shortlisted session of this project (name or path)
    #[arg(long, value_name = "PROJECT", conflicts_with = "keys")]
    project: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let sessions = if args.all || args.project.is_some() {
        marking::undecided_sessions(cli, args.project.as_deref())?
    } else {
        args.sessions.resolve()?
    };
    marking::mark(cli, sessions, Mark::Approved, args.sessions.reason)
}
