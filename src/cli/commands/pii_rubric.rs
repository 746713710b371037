//! `clawgate pii-rubric`: prints the rubric for reviewers.

use serde::Serialize;

use crate::app::release::RUBRIC;
use crate::cli::context::{CliContext, CommandError};

/// Print the rubric for reviewers: types, confidence, examples, and what not to flag
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Rubric {
    rubric: &'static str,
}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match cli.json {
        true => cli.print_report(&Rubric { rubric: RUBRIC }, |_| String::new()),
        false => cli.print_paged(RUBRIC, false),
    }
}
