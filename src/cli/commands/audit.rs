//! `clawgate audit`: the hash-chained log of every workflow step.

use clap::Subcommand;
use serde_json::json;

use crate::app::audit::AuditLog;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{green, red};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::time_args::TimeZoneArg;

/// Verify or print the audit log
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Verify that no entry was edited, removed or reordered
    Verify,
    /// Print the entries, oldest first
    Log {
        /// Print only the last N entries
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        zone: TimeZoneArg,
    },
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let AuditLog { mut entries, broken } = cli.app()?.audit_log()?;
    match args.command {
        AuditCommand::Verify => {
            let last = entries.last().map(|e| e.hash.clone());
            let broken = broken.map(|b| json!({ "seq": b.seq, "what": b.what }));
            let whole = broken.is_none();
            let report = json!({ "whole": whole, "entries": entries.len(), "last": last, "broken": broken });
            cli.print_report(&report, |_| match &broken {
                None => format!(
                    "{} The audit log is intact: {}, last hash {}\n",
                    green("ok:"),
                    pluralize(entries.len() as u64, "entry"),
                    last.as_deref().unwrap_or("none")
                ),
                Some(b) => {
                    format!(
                        "{} The audit log is broken at entry {}: {}\n",
                        red("broken:"),
                        b["seq"],
                        b["what"]
                    )
                }
            })?;
            if whole { Ok(()) } else { Err(CommandError::ExitCode(1)) }
        }
        AuditCommand::Log { limit, zone } => {
            let times = cli.times(&zone)?;
            let skip = entries.len().saturating_sub(limit.unwrap_or(usize::MAX));
            entries.drain(..skip);
            let width = cli.width();
            let report = json!({ "entries": entries });
            cli.print_report(&report, |_| {
                let mut table = Table::new([
                    Column::right("#"),
                    Column::left("at").short_form().rank(3),
                    Column::left("by").rank(3),
                    Column::left("what").rank(4),
                    Column::left("release").optional().rank(1),
                    Column::left("detail").cut_end(16).optional().rank(2),
                ]);
                for e in &entries {
                    table.row([
                        Cell::from(e.seq.to_string()),
                        times.cell(Some(e.at)),
                        Cell::from(e.actor.as_str()),
                        Cell::from(e.kind.as_str()),
                        Cell::from(e.release.clone().unwrap_or_default()),
                        Cell::from(e.detail.to_string()),
                    ]);
                }
                format!("{}{}", table.render(width), times.note())
            })
        }
    }
}
