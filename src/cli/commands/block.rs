//! `clawgate block`: sessions never to be shared.

use crate::cli::face::{End, Face};
use crate::cli::triage::{self, Keys};

/// Mark sessions as not to be shared
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    keys: Keys,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    triage::mark(face, args.keys.read()?, "blocked", args.keys.reason)
}
