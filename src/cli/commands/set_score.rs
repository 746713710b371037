//! `clawgate set-score`: scores a session.

use super::score_view::render;
use crate::cli::context::{CliContext, CommandError};

/// Score a session from 1 to 5, with the reason
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session key or unique key prefix
    #[arg(value_name = "KEY")]
    key: String,
    /// 1 (empty) to 5 (rare and complete); `clawgate score-view --rubric` explains the scale
    #[arg(value_name = "SCORE")]
    score: u8,
    /// Reason, in one sentence
    #[arg(long, value_name = "TEXT", default_value = "scored by hand")]
    reason: String,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let item = cli.app()?.set_score(&args.key, args.score, &args.reason)?;
    cli.print_report(&item, render)
}
