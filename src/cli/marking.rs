//! Shared code of `approve`, `block`, `shortlist` and `unmark`.

use std::io::Read;

use crate::app::Failure;
use crate::app::sessions::{Mark, TriageParams, TriageReport};

use super::context::{CliContext, CommandError};
use super::format::{format_count, pluralize};
use super::project_arg::absolute_project;
use super::render::yellow;
use super::table::one_line;

#[derive(Debug, clap::Args)]
pub(super) struct SessionArgs {
    /// Session keys or unique key prefixes; "-" reads keys from standard input
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// All sessions in scope whose mark this command may replace
    #[arg(long, conflicts_with_all = ["keys", "project"])]
    all: bool,
    /// As --all, for the sessions of this project (name, path or glob)
    #[arg(long, value_name = "PROJECT", conflicts_with = "keys")]
    project: Option<String>,
    /// Reason, stored with the sessions
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl SessionArgs {
    /// Returns the parameters that give the sessions a mark.
    fn params(&self, status: Mark) -> Result<TriageParams, Failure> {
        let project = self.project.as_deref().map(absolute_project);
        let (sessions, reason) = (self.resolve()?, self.reason.clone());
        Ok(TriageParams { sessions, all: self.all, project, status, reason })
    }

    /// Returns the keys. Replaces `-` by the keys from standard input.
    ///
    /// # Errors
    /// Returns a [`Failure`] if standard input cannot be read.
    fn resolve(&self) -> Result<Vec<String>, Failure> {
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
pub(super) fn mark(cli: &mut CliContext, args: &SessionArgs, mark: Mark) -> Result<(), CommandError> {
    if args.keys.is_empty() && !args.all && args.project.is_none() {
        let message = "Name the sessions: their keys, --project PROJECT or --all.";
        let failure = Failure::usage("no_sessions", message);
        return Err(failure.hint_command("clawgate inbox", "lists the sessions with their keys").into());
    }
    let report = cli.app()?.triage(&args.params(mark)?)?;
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
        let of = match r.excluded.len() as u64 {
            1 if r.marked.len() == 1 => "the session".to_owned(),
            n => pluralize(n, "session"),
        };
        let line = format!(
            "The project, the agent or a directory of {of} is excluded: not in a release until \
             `clawgate scope --include` includes it."
        );
        out.push_str(&format!("{}\n", yellow(&line)));
    }
    let totals: Vec<String> = r.totals.iter().map(|(m, n)| format!("{m} {}", format_count(*n))).collect();
    out.push_str(&format!("Totals: {}\n", totals.join(", ")));
    out
}
