//! `clawgate withdraw`: takes a release back.

use crate::cli::face::{End, Face};

/// Take a release back
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let id = face.app()?.withdraw(args.release.as_deref())?;
    let report = serde_json::json!({ "release": id, "withdrawn": true });
    face.answer_placed(&report, |_| {
        format!(
            "{id} is withdrawn. What already stands at a destination stays there until it is deleted there.\n"
        )
    })
}
