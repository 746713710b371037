//! `clawgate approve`: sessions that may be shared.

use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};

/// Mark sessions as fit to be shared
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
    /// Every session in scope that carries no mark yet or is shortlisted
    #[arg(long, conflicts_with_all = ["keys", "project"])]
    all: bool,
    /// The same, of one project (name or path)
    #[arg(long, conflicts_with = "keys")]
    project: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let sessions = if args.all || args.project.is_some() {
        marking::undecided_sessions(cli, args.project.as_deref())?
    } else {
        args.sessions.resolve()?
    };
    marking::mark(cli, sessions, "approved", args.sessions.reason)
}
