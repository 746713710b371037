//! `clawgate shortlist`: sessions worth a closer look.

use crate::cli::face::{End, Face};
use crate::cli::triage::{self, Keys};

/// Mark sessions for a closer look
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    keys: Keys,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    triage::mark(face, args.keys.read()?, "shortlisted", args.keys.reason)
}
