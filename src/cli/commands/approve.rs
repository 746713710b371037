//! `clawgate approve`: marks sessions that may be shared.

use crate::app::sessions::{Mark, TriageParams};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::marking::{self, SessionArgs};
use crate::cli::project_arg::absolute_project;

/// Approve sessions for sharing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sessions: SessionArgs,
    /// Approve every session in scope that is new or shortlisted
    #[arg(long, conflicts_with_all = ["keys", "project"])]
    all: bool,
    /// Approve every new or shortlisted session of this project (name, path or glob)
    #[arg(long, value_name = "PROJECT", conflicts_with = "keys")]
    project: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let project = args.project.as_deref().map(absolute_project);
    let params = TriageParams { all: args.all, project, ..args.sessions.params(Mark::Approved)? };
    marking::mark(cli, &params)
}
