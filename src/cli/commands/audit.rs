//! `clawgate audit`: the hash-chained record of every step.

use clap::Subcommand;
use serde_json::json;

use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{green, red};
use crate::cli::table::{Align, Table};
use crate::cli::time_args::format_minute;

/// Verify or print the record of every step
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Prove that nothing in the record was edited, removed or moved
    Verify,
    /// Print the record
    Log {
        /// Only the last so many entries
        #[arg(long)]
        limit: Option<usize>,
    },
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let (mut entries, broken) = cli.app()?.audit_log()?;
    match args.what {
        What::Verify => {
            let last = entries.last().map(|e| e.hash.clone());
            let broken = broken.map(|b| json!({ "seq": b.seq, "what": b.what }));
            let whole = broken.is_none();
            let report = json!({ "whole": whole, "entries": entries.len(), "last": last, "broken": broken });
            cli.print_with_status(&report, |_| match &broken {
                None => format!(
                    "{} {}, the chain is whole; last hash {}\n",
                    green("ok"),
                    pluralize(entries.len() as u64, "entry").replace("entrys", "entries"),
                    last.as_deref().unwrap_or("none")
                ),
                Some(b) => {
                    format!("{} the chain breaks at entry {}: {}\n", red("broken"), b["seq"], b["what"])
                }
            })?;
            if whole { Ok(()) } else { Err(CommandError::ExitCode(1)) }
        }
        What::Log { limit } => {
            let skip = entries.len().saturating_sub(limit.unwrap_or(usize::MAX));
            entries.drain(..skip);
            let width = cli.width();
            let report = json!({ "entries": entries });
            cli.print_with_status(&report, |_| {
                let mut table = Table::new(&[
                    ("#", Align::Right),
                    ("at", Align::Left),
                    ("by", Align::Left),
                    ("what", Align::Left),
                    ("release", Align::Left),
                    ("detail", Align::Truncate),
                ]);
                for e in &entries {
                    table.row([
                        e.seq.to_string(),
                        format_minute(e.at),
                        e.actor.clone(),
                        e.kind.clone(),
                        e.release.clone().unwrap_or_default(),
                        e.detail.to_string(),
                    ]);
                }
                table.render(width)
            })
        }
    }
}
