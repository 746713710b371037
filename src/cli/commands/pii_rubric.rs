//! `clawgate pii-rubric`: what a reviewer looks for.

use serde::Serialize;

use crate::app::release::RUBRIC;
use crate::cli::face::{End, Face};

/// What a reviewer looks for: types, how sure to be, examples, what not to flag
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Rubric {
    rubric: &'static str,
}

pub(super) fn run(_: Args, face: &mut Face) -> Result<(), End> {
    match face.json {
        true => face.answer(&Rubric { rubric: RUBRIC }, |_| String::new()),
        false => face.page(RUBRIC),
    }
}
