//! `clawgate pii-rubric`: what a reviewer looks for.

use serde::Serialize;

use crate::app::release::RUBRIC;
use crate::cli::context::{CliContext, CommandError};

/// What a reviewer looks for: types, how sure to be, examples, what not to flag
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Rubric {
    rubric: &'static str,
}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match cli.json {
        true => cli.print_report(&Rubric { rubric: RUBRIC }, |_| String::new()),
        false => cli.print_paged(RUBRIC),
    }
}
