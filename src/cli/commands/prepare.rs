//! `clawgate prepare`: redacts the chosen sessions, seals the files, fixes the digest.

use crate::app::release::{PrepareParams, PrepareReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{bold, destination, files, privacy_report, release_size, review_effort};

/// Redact the approved sessions and seal what would be published
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release to prepare again; the current one unless said otherwise
    release: Option<String>,
    /// Start a new release
    #[arg(long, conflicts_with = "release")]
    new: bool,
    /// Only these sessions, not every approved one
    #[arg(long = "session", value_delimiter = ',', value_name = "KEY")]
    sessions: Vec<String>,
    /// Dataset repository
    #[arg(long, value_name = "OWNER/NAME", conflicts_with = "folder")]
    repo: Option<String>,
    /// Destination folder
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,
    /// Who may see it: private or public
    #[arg(long)]
    visibility: Option<String>,
    /// Licence, for instance cc-by-4.0
    #[arg(long, visible_alias = "license")]
    licence: Option<String>,
    /// Leave the models' reasoning out
    #[arg(long)]
    no_thinking: bool,
    /// Include the models' reasoning
    #[arg(long, conflicts_with = "no_thinking")]
    thinking: bool,
    /// Timestamps: exact, hour or shifted
    #[arg(long)]
    timestamps: Option<String>,
    /// Stand-ins of personal data: typed ([EMAIL_k3f9qa]) or realistic (user-k3f9qa@example.com)
    #[arg(long)]
    pseudonyms: Option<String>,
}

/// A path as the person meant it from where they stand.
pub(super) fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |p| p.display().to_string())
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let thinking = if args.no_thinking { Some(false) } else { args.thinking.then_some(true) };
    let params = PrepareParams {
        release: args.release,
        new: args.new,
        sessions: args.sessions,
        repo: args.repo,
        folder: args.folder.map(|f| absolute(&f)),
        visibility: args.visibility,
        licence: args.licence,
        thinking,
        timestamps: args.timestamps,
        pseudonyms: args.pseudonyms,
    };
    let report = cli.app()?.prepare(&params)?;
    let width = cli.width();
    cli.print_with_status(&report, |r| render(r, width))
}

fn render(r: &PrepareReport, width: usize) -> String {
    let mut out = format!("release      {}\n", bold(&r.release));
    out.push_str(&format!("digest       {}\n", r.digest));
    out.push_str(&format!("holds        {}\n", release_size(r.rows, &r.files)));
    if r.rows_unchanged > 0 {
        out.push_str(&format!(
            "unchanged    {}, which keep their review\n",
            pluralize(r.rows_unchanged, "row")
        ));
    }
    out.push_str(&format!("destination  {}\n\n", destination(r.destination.as_ref())));
    out.push_str(&files(&r.files, width));
    out.push('\n');
    out.push_str(&privacy_report(&r.privacy_report, width));
    if let Some(b) = &r.review {
        out.push_str(&format!("review: {}\n", review_effort(b)));
    }
    out
}
