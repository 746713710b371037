//! `clawgate pii-apply`: imports a findings file. Ignores quotes that are not in the sealed text.

use std::io::Read;
use std::path::PathBuf;

use crate::app::Failure;
use crate::app::release::PiiApplied;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{green, yellow};
use crate::cli::table::one_line;

/// Redact the findings that a findings file reports
///
/// Findings whose quote is not in the sealed text are refused and listed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Findings file, or "-" for standard input
    file: PathBuf,
    /// Release ID [default: the release named in the file, else the current release]
    #[arg(long)]
    release: Option<String>,
    /// Ignore findings with a lower confidence (0 to 1)
    #[arg(long, value_name = "NUMBER", default_value_t = 0.5)]
    min_confidence: f64,
}

/// More bytes of a findings file are not read.
const MAX_FILE_BYTES: u64 = 256 << 20;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let read = |from: &mut dyn Read| {
        let mut text = String::new();
        from.take(MAX_FILE_BYTES).read_to_string(&mut text).map(|_| text)
    };
    let text = match args.file.as_os_str() == "-" {
        true => read(&mut std::io::stdin().lock()),
        false => std::fs::File::open(&args.file).and_then(|mut f| read(&mut f)),
    };
    let bad_file = |problem: String| {
        Failure::usage("bad_findings", format!("{}: {problem}.", args.file.display()))
            .hint_command("clawgate pii-review --output FILE", "writes a file for findings")
    };
    let text = text.map_err(|e| bad_file(format!("cannot read the file: {e}")))?;
    let value = serde_json::from_str(&text)
        .map_err(|e| bad_file(format!("invalid JSON at line {}, column {}", e.line(), e.column())))?;
    let done = cli.app()?.pii_apply(args.release.as_deref(), &value, args.min_confidence)?;
    cli.print_with_status(&done, render)
}

fn render(d: &PiiApplied) -> String {
    let mut out = format!(
        "{} {} of {}; resealed {}\n",
        green("applied:"),
        d.applied,
        pluralize(d.finding_count, "finding"),
        pluralize(d.resealed, "row")
    );
    for r in &d.refused {
        out.push_str(&format!("{} finding {}: {}\n", yellow("refused:"), r.index, one_line(&r.reason)));
    }
    for field in &d.unknown {
        out.push_str(&format!("{} {}\n", yellow("unknown field:"), one_line(field)));
    }
    if d.pages_answered + d.pages_again + d.pages_open > 0 {
        out.push_str(&format!(
            "pages: {} answered, {} to read again, {} unread\n",
            d.pages_answered, d.pages_again, d.pages_open
        ));
    }
    out
}
