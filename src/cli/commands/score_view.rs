//! `clawgate score-view`: shows the score of a session, or the rubric.

use crate::app::Failure;
use crate::app::sessions::{SCORING_RUBRIC, ScoreItem};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{bold, yellow};
use crate::cli::table::one_line;

/// Show the score of a session and its reason
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session key or unique key prefix
    #[arg(value_name = "KEY", required_unless_present = "rubric")]
    key: Option<String>,
    /// Show what each score means
    #[arg(long, conflicts_with = "key")]
    rubric: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if args.rubric {
        let rubric = serde_json::json!({ "rubric": SCORING_RUBRIC });
        return cli.print_report(&rubric, |_| SCORING_RUBRIC.to_owned());
    }
    let key = args.key.ok_or_else(|| Failure::usage("no_sessions", "Name a session."))?;
    let reader = cli.reader();
    let item = cli.app()?.score_of(&key, reader)?;
    cli.print_report(&item, render)
}

pub(super) fn render(item: &ScoreItem) -> String {
    let score = bold(&format!("{} of 5", item.score));
    let mut out = format!("{score}  {}\n", one_line(item.key.as_str()));
    out.push_str(&format!("reason     {}\n", one_line(&item.reason)));
    out.push_str(&format!("scored by  {}\n", one_line(&item.scored_by)));
    if let Some(title) = &item.title {
        out.push_str(&format!("title      {}\n", one_line(title)));
    }
    if item.changed_since {
        out.push_str(&yellow("The session changed since it was scored.\n"));
    }
    out
}
