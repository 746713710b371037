//! `clawgate unmark`: sessions without a mark.

use crate::cli::face::{End, Face};
use crate::cli::triage::{self, Keys};

/// Take the mark off sessions
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    keys: Keys,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    triage::mark(face, args.keys.read()?, "new", args.keys.reason)
}
