//! Shared code of `approve`, `block`, `shortlist` and `unmark`.

use std::io::Read;

use crate::app::Failure;
use crate::app::sessions::{Mark, TriageParams, TriageReport};

use super::context::{CliContext, CommandError};
use super::format::{format_count, pluralize};
use super::render::yellow;
use super::table::one_line;

#[derive(Debug, clap::Args)]
pub(super) struct SessionArgs {
    /// Session keys or unique key prefixes; "-" reads keys from standard input
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Reason, stored with the sessions
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

impl SessionArgs {
    /// Returns the parameters that give the named sessions a mark.
    ///
    /// # Errors
    /// As [`SessionArgs::resolve`].
    pub fn params(&self, status: Mark) -> Result<TriageParams, Failure> {
        Ok(TriageParams { reason: self.reason.clone(), ..TriageParams::named(self.resolve()?, status) })
    }

    /// Returns the keys. Replaces `-` by the keys from standard input.
    ///
    /// # Errors
    /// Returns a [`Failure`] if standard input cannot be read.
    pub fn resolve(&self) -> Result<Vec<String>, Failure> {
        let mut out = Vec::new();
        for key in &self.keys {
            if key == "-" {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .lock()
                    .read_to_end(&mut bytes)
                    .map_err(|e| Failure::failed("stdin", format!("Cannot read standard input: {e}.")))?;
                let text = String::from_utf8_lossy(&bytes);
                out.extend(text.split_whitespace().map(str::to_owned));
            } else {
                out.push(key.clone());
            }
        }
        Ok(out)
    }
}

/// Marks the sessions and prints the result.
pub(super) fn mark(cli: &mut CliContext, params: &TriageParams) -> Result<(), CommandError> {
    let report = cli.app()?.triage(params)?;
    cli.print_with_status(&report, render)
}

/// A result with more sessions prints only their number.
const MAX_LISTED_SESSIONS: usize = 10;

fn render(r: &TriageReport) -> String {
    let mut marked = pluralize(r.marked.len() as u64, "session");
    if r.with_subagents > 0 {
        marked.push_str(&format!(" and {}", pluralize(r.with_subagents, "subagent session")));
    }
    let mut out = format!("Marked {marked} as {}.\n", r.status);
    if r.marked.len() <= MAX_LISTED_SESSIONS {
        r.marked.iter().for_each(|k| out.push_str(&format!("  {}\n", one_line(k.as_str()))));
    }
    if !r.excluded.is_empty() && r.status == Mark::Approved {
        let (what, verb) = match r.excluded.len() as u64 {
            1 if r.marked.len() == 1 => ("The project or agent of the session".to_owned(), "is"),
            n => (format!("The project or agent of {}", pluralize(n, "session")), "is"),
        };
        let line =
            format!("{what} {verb} excluded: not in a release until `clawgate scope --include` includes it.");
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    let totals: Vec<String> = r.totals.iter().map(|(m, n)| format!("{m} {}", format_count(*n))).collect();
    out.push_str(&format!("Totals: {}\n", totals.join(", ")));
    out
}
