//! `clawgate approve`: sessions that may be shared.

use crate::cli::face::{End, Face};
use crate::cli::triage::{self, Keys};

/// Mark sessions as fit to be shared
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    keys: Keys,
    /// Every session in scope that carries no mark yet or is shortlisted
    #[arg(long, conflicts_with_all = ["keys", "project"])]
    all: bool,
    /// The same, of one project (name or path)
    #[arg(long, conflicts_with = "keys")]
    project: Option<String>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let sessions = if args.all || args.project.is_some() {
        triage::open_sessions(face, args.project.as_deref())?
    } else {
        args.keys.read()?
    };
    triage::mark(face, sessions, "approved", args.keys.reason)
}
