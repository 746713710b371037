//! `clawgate preview`: shows what a release would publish.

use crate::app::release::{JsonPosition, PageChunk, Preview, SampleRow};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::format_bytes;
use crate::cli::render::{bold, destination, dim, evidence, files, heading, privacy_report, release_size};
use crate::cli::review_page;

/// Show what a release would publish
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
    /// Do not use a pager
    #[arg(long)]
    no_pager: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    print(args.release.as_deref(), args.no_pager, cli)
}

/// Prints the preview of a release. `clawgate bundle view` does so too.
pub(super) fn print(release: Option<&str>, no_pager: bool, cli: &mut CliContext) -> Result<(), CommandError> {
    let preview = cli.app()?.preview(release)?;
    let width = cli.width();
    if cli.json {
        return cli.print_with_status(&preview, |_| String::new());
    }
    cli.print_paged(&render(&preview, width), no_pager)?;
    cli.print_next_step()
}

/// Renders the preview. `clawgate sign` shows it too.
pub(super) fn render(p: &Preview, width: usize) -> String {
    let mut out = format!("release      {} ({})\n", bold(&p.release), p.state.as_str());
    out.push_str(&format!("destination  {}\n", bold(&destination(p.destination.as_ref()))));
    out.push_str(&format!("digest       {}\n", p.digest));
    out.push_str(&format!("contents     {}\n", release_size(p.rows, &p.files)));
    if let Some(needed) = p.needed {
        out.push_str(&format!("requires     {} ({needed} or higher)\n", needed.meaning()));
    }
    out.push_str(&heading("Files"));
    out.push_str(&files(&p.files, width));
    out.push_str(&heading("Privacy report"));
    out.push_str(&privacy_report(&p.privacy_report, width));
    if let Some(e) = &p.evidence {
        out.push_str(&heading("Review"));
        out.push_str(&evidence(e));
    }
    out.push_str(&heading("Beginning of some rows"));
    out.push_str(&sample_rows(&p.sample));
    out
}

/// Lines of each row that are shown.
const MAX_ROW_LINES: usize = 5;

/// Renders the first messages of some sealed rows, as the pages of a review are shown.
fn sample_rows(rows: &[SampleRow]) -> String {
    let mut out = String::new();
    for row in rows {
        let text = row.excerpt.clone();
        let chunk = PageChunk { session: row.key.clone(), text, start: JsonPosition::default() };
        let page = review_page::render(&[chunk]);
        let mut lines = page.lines().filter(|line| !line.is_empty());
        let session = lines.next().unwrap_or_default();
        out.push_str(&format!("{session} {}\n", dim(&format!("{} of text", format_bytes(row.bytes)))));
        let lines: Vec<&str> = lines.collect();
        // The fields of the session are before its first message. They can fill the whole excerpt.
        let first = lines.iter().position(|line| review_page::is_heading(line)).unwrap_or(0);
        let shown = lines.get(first..).unwrap_or_default();
        for line in shown.iter().take(MAX_ROW_LINES) {
            out.push_str(&format!("{line}\n"));
        }
        if shown.len() > MAX_ROW_LINES || row.bytes > row.excerpt.len() as u64 {
            out.push_str(&format!("  {}\n", dim("…")));
        }
    }
    out
}
