//! `clawgate demo`: the whole way on a bundled sample history.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::{Failure, Kind};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::demo;
use crate::cli::render::{bold, dim, green, red};
use crate::cli::table::one_line;

/// Walk a small invented history through the whole workflow
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the temporary home where it is
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut dir = tempfile::Builder::new()
        .prefix("clawgate-demo-")
        .tempdir()
        .map_err(|e| Failure::failed("io", format!("cannot make a temporary directory: {e}")))?;
    dir.disable_cleanup(args.keep);
    let root = dir.path().to_path_buf();
    let (json, clock) = (cli.json, Arc::clone(&cli.process.clock));
    let cancel = Arc::clone(&cli.process.cancel);
    if !json {
        cli.print(&format!(
            "{}\n",
            bold("A made-up history in a temporary home, from scan to publication.")
        ))?;
    }
    let mut n = 0;
    let mut steps = Vec::new();
    let walked = demo::walk(&root, clock, cancel, &mut |step| {
        n += 1;
        let text = render(n, &step);
        steps.push(step);
        if json { Ok(()) } else { cli.print(&text) }
    });
    let failure = match walked {
        Ok(()) => None,
        Err(CommandError::Failure(f)) => Some(f),
        Err(end) => return Err(end),
    };
    let held = failure.is_none() && steps.iter().all(|s| s.held);
    let kept: Option<PathBuf> = args.keep.then(|| root.clone());
    if json {
        let report = serde_json::json!({ "held": held, "steps": steps, "kept": kept, "error": failure });
        cli.print_raw(format!("{report}\n").as_bytes())?;
        return if held { Ok(()) } else { Err(CommandError::ExitCode(1)) };
    }
    if let Some(f) = failure {
        return Err(f.into());
    }
    if !held {
        return Err(Failure::new(Kind::Failed, "demo", "Not everything held; see above.").into());
    }
    let place = match &kept {
        Some(_) => format!("Everything is in {}.", one_line(&root.display().to_string())),
        None => "The temporary home is removed (--keep leaves it).".to_owned(),
    };
    cli.print(&format!(
        "\n{} {place}\n{} clawgate scan\n",
        green("All of it held."),
        bold("next, on your own logs:")
    ))
}

fn render(n: usize, step: &demo::Step) -> String {
    let mark = if step.held { green("✓") } else { red("✗") };
    let mut out = format!("\n{mark} {n}. {}\n", bold(&step.name));
    for line in &step.seen {
        out.push_str(&format!("     {}\n", one_line(line)));
    }
    out.push_str(&format!("     {}\n", dim(&format!("proves: {}", step.proves))));
    out
}
