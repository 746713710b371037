//! `clawgate pii-review`: what is open in a release, as a findings file for another reviewer.

use std::path::PathBuf;

use serde::Serialize;

use crate::app::release::{PiiDocument, PiiReviewParams};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;

/// Write what is open in a release as a findings file, with pages and rubric
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
    /// Where the file goes; standard output unless said otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// rules: what rules found and waits for a decision; agent: pages to read; hybrid: both
    #[arg(long, default_value = "hybrid", value_parser = ["rules", "agent", "ai", "hybrid"])]
    provider: String,
    /// Leave out findings that are less sure, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    min_confidence: Option<f64>,
    /// At most so many pages
    #[arg(long, value_name = "N")]
    pages: Option<u64>,
}

#[derive(Serialize)]
struct Written<'a> {
    release: &'a str,
    provider: &'a str,
    finding_count: u64,
    pages: usize,
    file: PathBuf,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = PiiReviewParams {
        release: args.release,
        provider: args.provider,
        min_confidence: args.min_confidence,
        pages: args.pages,
    };
    let document: PiiDocument = cli.app()?.pii_review(&params)?;
    let json = |e: serde_json::Error| crate::app::Failure::failed("json", e.to_string());
    let mut text = serde_json::to_string_pretty(&document).map_err(json)?;
    text.push('\n');
    let Some(file) = args.output else { return cli.print_raw(text.as_bytes()) };
    crate::app::config::write_private(&file, text.as_bytes())?;
    let written = Written {
        release: &document.release,
        provider: &document.provider,
        finding_count: document.finding_count,
        pages: document.pages.len(),
        file,
    };
    cli.print_with_status(&written, |w| {
        format!(
            "{} and {} written to {}\nadd findings, set `answered` of each page that was read, then: clawgate pii-apply {}\n",
            pluralize(w.finding_count, "finding"),
            pluralize(w.pages as u64, "page"),
            w.file.display(),
            w.file.display()
        )
    })
}
