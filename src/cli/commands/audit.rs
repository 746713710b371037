//! `clawgate audit`: the hash-chained record of every step.

use clap::Subcommand;
use serde_json::json;

use crate::cli::face::{End, Face};
use crate::cli::money::of;
use crate::cli::render::{green, red};
use crate::cli::table::{Set, Table};
use crate::cli::times::minute;

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

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let (mut entries, broken) = face.app()?.audit_log()?;
    match args.what {
        What::Verify => {
            let last = entries.last().map(|e| e.hash.clone());
            let broken = broken.map(|b| json!({ "seq": b.seq, "what": b.what }));
            let whole = broken.is_none();
            let report = json!({ "whole": whole, "entries": entries.len(), "last": last, "broken": broken });
            face.answer_placed(&report, |_| match &broken {
                None => format!(
                    "{} {}, the chain is whole; last hash {}\n",
                    green("ok"),
                    of(entries.len() as u64, "entry").replace("entrys", "entries"),
                    last.as_deref().unwrap_or("none")
                ),
                Some(b) => {
                    format!("{} the chain breaks at entry {}: {}\n", red("broken"), b["seq"], b["what"])
                }
            })?;
            if whole { Ok(()) } else { Err(End::Code(1)) }
        }
        What::Log { limit } => {
            let skip = entries.len().saturating_sub(limit.unwrap_or(usize::MAX));
            entries.drain(..skip);
            let width = face.width();
            let report = json!({ "entries": entries });
            face.answer_placed(&report, |_| {
                let mut table = Table::new(&[
                    ("#", Set::Right),
                    ("at", Set::Left),
                    ("by", Set::Left),
                    ("what", Set::Left),
                    ("release", Set::Left),
                    ("detail", Set::Cut),
                ]);
                for e in &entries {
                    table.row([
                        e.seq.to_string(),
                        minute(e.at),
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
