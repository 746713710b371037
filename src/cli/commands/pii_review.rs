//! `clawgate pii-review`: exports unresolved findings and unread pages of a release for another reviewer.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::Failure;
use crate::app::release::{PiiDocument, PiiProvider, PiiReviewParams};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::path_arg::expand_home;

/// Export the unresolved findings and unread pages of a release to a file
///
/// Another reviewer adds findings to the file. `clawgate pii-apply` imports it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
    /// Output file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Content: "rules" for findings of rules that need a decision, "agent" for pages to read, "hybrid" for both
    #[arg(long, default_value = "hybrid")]
    provider: PiiProvider,
    /// Omit findings with a lower confidence (0 to 1)
    #[arg(long, value_name = "NUMBER")]
    min_confidence: Option<f64>,
    /// Maximum number of pages
    #[arg(long, value_name = "N")]
    pages: Option<u64>,
}

#[derive(Serialize)]
struct Written<'a> {
    release: &'a str,
    provider: PiiProvider,
    finding_count: u64,
    pages: usize,
    file: PathBuf,
}

/// The file of an export, which ClawTrace takes here, is not an id of a release.
fn not_a_file(failure: Failure, params: &PiiReviewParams) -> Failure {
    let is_file = params.release.as_deref().is_some_and(|name| name.contains(['.', '/', '\\']));
    if failure.code != "no_such_release" || !is_file {
        return failure;
    }
    let message = "Releases are reviewed, not files. `clawgate pii-review --output FILE` writes the open work of the current \
                   release to a file.";
    Failure::usage("not_a_release", message).hint("clawgate pii-review --help")
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = PiiReviewParams {
        release: args.release,
        provider: args.provider,
        min_confidence: args.min_confidence,
        pages: args.pages,
    };
    let document: PiiDocument = cli.app()?.pii_review(&params).map_err(|f| not_a_file(f, &params))?;
    let json = |e: serde_json::Error| Failure::failed("json", e.to_string());
    let mut text = serde_json::to_string_pretty(&document).map_err(json)?;
    text.push('\n');
    let Some(file) = args.output else { return cli.print_json_text(&text) };
    let file = expand_home(file, cli.home());
    crate::app::fs::write_private(&file, text.as_bytes())?;
    let written = Written {
        release: &document.release,
        provider: document.provider,
        finding_count: document.finding_count,
        pages: document.pages.len(),
        file,
    };
    cli.print_with_status(&written, |w| {
        format!(
            "Wrote {} and {} to {}\nAdd findings, set `answered` for each page that was read, then run: clawgate pii-apply {}\n",
            pluralize(w.finding_count, "finding"),
            pluralize(w.pages as u64, "page"),
            w.file.display(),
            w.file.display()
        )
    })
}
