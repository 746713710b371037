//! `clawgate stage`: prepares a release of new sessions, for a timer or a hook at the end of a session.

use serde::Serialize;

use crate::app::Failure;
use crate::app::release::{StageOutcome, StageReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{bold, cyan, green, yellow};
use crate::cli::table::one_line;

/// Scan, redact and seal new sessions, so that a person only has to review and sign
///
/// For a timer or a hook at the end of a session. Prepares a release of the approved sessions that are not published yet, as
/// `clawgate prepare --new-only` does. A later run prepares the same release again, until somebody begins to review it.
/// Releases that were prepared in another way are not touched, and nothing is ever sent. `clawgate status` shows what is ready.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do it in the background and return at once
    #[arg(long)]
    background: bool,
}

/// The answer to `--background`.
#[derive(Serialize)]
struct Started {
    outcome: &'static str,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if args.background {
        let start = cli.process.run_in_background;
        start(&["stage"])
            .map_err(|e| Failure::failed("background", format!("Cannot start a process: {e}.")))?;
        return cli.print_report(&Started { outcome: "started" }, |_| String::new());
    }
    let report = cli.app()?.stage()?;
    cli.print_report(&report, render)
}

fn render(r: &StageReport) -> String {
    let label = match r.run.outcome {
        StageOutcome::Staged | StageOutcome::Unchanged => green("staged:"),
        StageOutcome::NothingNew => cyan("nothing new:"),
        _ => yellow("waiting:"),
    };
    let mut out = String::new();
    if let Some(scanned) = r.scanned {
        out.push_str(&format!(
            "{}: {} new, {} updated\n",
            pluralize(scanned.total, "session"),
            format_count(scanned.new),
            format_count(scanned.updated)
        ));
    }
    out.push_str(&format!(
        "{label} {}\n{} {}\n",
        one_line(&r.run.message),
        cyan("next:"),
        bold(&one_line(&r.run.next_command))
    ));
    out
}
