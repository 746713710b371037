//! `clawgate pii-apply`: takes a findings file; only words that stand in the sealed text count.

use std::io::Read;
use std::path::PathBuf;

use crate::app::Failure;
use crate::app::release::PiiApplied;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{green, yellow};
use crate::cli::table::one_line;

/// Redact what a findings file reports, as far as it stands in the sealed text
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file; - for standard input
    file: PathBuf,
    /// Release; the file's own, else the current one
    #[arg(long)]
    release: Option<String>,
    /// Leave out findings that are less sure, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    min_confidence: f64,
}

/// A file of findings is not longer.
const MOST: u64 = 256 << 20;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let read = |from: &mut dyn Read| {
        let mut text = String::new();
        from.take(MOST).read_to_string(&mut text).map(|_| text)
    };
    let text = match args.file.as_os_str() == "-" {
        true => read(&mut std::io::stdin().lock()),
        false => std::fs::File::open(&args.file).and_then(|mut f| read(&mut f)),
    };
    let named = |what: String| Failure::usage("bad_findings", format!("{}: {what}", args.file.display()));
    let text = text.map_err(|e| named(format!("cannot be read: {e}")))?;
    let value = serde_json::from_str(&text)
        .map_err(|e| named(format!("is no JSON (line {}, column {})", e.line(), e.column())))?;
    let done = cli.app()?.pii_apply(args.release.as_deref(), &value, args.min_confidence)?;
    cli.print_with_status(&done, render)
}

fn render(d: &PiiApplied) -> String {
    let mut out = format!(
        "{} {} of {}; {} sealed again\n",
        green("taken:"),
        d.applied,
        pluralize(d.finding_count, "finding"),
        pluralize(d.resealed, "row")
    );
    for r in &d.refused {
        out.push_str(&format!("{} finding {}: {}\n", yellow("not taken:"), r.index, one_line(&r.reason)));
    }
    for what in &d.unknown {
        out.push_str(&format!("{} {}\n", yellow("unknown:"), one_line(what)));
    }
    if d.pages_answered + d.pages_again + d.pages_open > 0 {
        out.push_str(&format!(
            "pages: {} answered, {} to be read again, {} open\n",
            d.pages_answered, d.pages_again, d.pages_open
        ));
    }
    out
}
