//! `clawgate demo`: runs the whole workflow on bundled sample logs.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::{Failure, Kind};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::demo;
use crate::cli::render::{bold, dim, green, red};
use crate::cli::table::one_line;

/// Run the whole workflow on sample data in a temporary directory
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the temporary directory
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut dir = tempfile::Builder::new()
        .prefix("clawgate-demo-")
        .tempdir()
        .map_err(|e| Failure::failed("io", format!("Cannot create a temporary directory: {e}.")))?;
    dir.disable_cleanup(args.keep);
    let root = dir.path().to_path_buf();
    let (json, clock) = (cli.json, Arc::clone(&cli.process.clock));
    let (env, cancel) = (cli.process.env.clone(), Arc::clone(&cli.process.cancel));
    if !json {
        cli.print(&format!("{}\n", bold("The whole workflow on sample data, in a temporary directory.")))?;
    }
    let mut n = 0;
    let mut steps = Vec::new();
    let outcome = demo::run_workflow(&root, &env, clock, cancel, &mut |step| {
        n += 1;
        let text = render(n, &step);
        steps.push(step);
        if json { Ok(()) } else { cli.print(&text) }
    });
    let failure = match outcome {
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
        return Err(Failure::new(Kind::Failed, "demo", "A check of the demo failed; see above.").into());
    }
    let location = match &kept {
        Some(_) => format!("The files are in {}.", one_line(&root.display().to_string())),
        None => "The temporary directory is removed (--keep keeps it).".to_owned(),
    };
    cli.print(&format!(
        "\n{} {location}\n{} clawgate scan\n",
        green("Every check passed."),
        bold("next, on your own logs:")
    ))
}

fn render(n: usize, step: &demo::DemoStep) -> String {
    let mark = if step.held { green("✓") } else { red("✗") };
    let mut out = format!("\n{mark} {n}. {}\n", bold(&step.name));
    for line in &step.seen {
        out.push_str(&format!("     {}\n", one_line(line)));
    }
    out.push_str(&format!("     {}\n", dim(step.proves)));
    out
}
