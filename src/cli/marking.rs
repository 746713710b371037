//! Shared code of `approve`, `block`, `shortlist` and `unmark`.

use std::collections::BTreeSet;
use std::io::Read;

use crate::app::Failure;
use crate::app::sessions::{InboxParams, Mark, TriageParams, TriageReport};

use super::context::{CliContext, CommandError};
use super::format::{format_count, pluralize};
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

/// Sessions loaded per page, the maximum that the inbox allows.
const PAGE_SIZE: u64 = 1000;

/// Returns the sessions in scope that are neither approved nor blocked. Omits subagents, because marking a session marks
/// its subagents too.
pub(super) fn undecided_sessions(
    cli: &mut CliContext,
    project: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let app = cli.app()?;
    let projects = app.list()?.projects;
    if let Some(wanted) = project
        && !projects.iter().any(|p| p.name == wanted || p.path == wanted)
    {
        return Err(
            Failure::usage("no_such_project", "No project has this name or path.").hint("clawgate list")
        );
    }
    let excluded: BTreeSet<String> = projects.into_iter().filter(|p| p.excluded).map(|p| p.name).collect();
    let mut keys = Vec::new();
    for status in [Mark::New, Mark::Shortlisted] {
        let mut params = InboxParams {
            project: project.map(str::to_owned),
            status: Some(status),
            limit: Some(PAGE_SIZE),
            ..InboxParams::default()
        };
        loop {
            let page = app.inbox(&params)?;
            for s in page.sessions {
                let outside = s.project.is_some_and(|p| excluded.contains(&p));
                if s.parent.is_none() && !outside && app.agent_in_scope(&s.agent) {
                    keys.push(s.key.0);
                }
            }
            params.cursor = page.next_cursor;
            if params.cursor.is_none() {
                break;
            }
        }
    }
    Ok(keys)
}

/// Marks the sessions and prints the result.
pub(super) fn mark(
    cli: &mut CliContext,
    sessions: Vec<String>,
    status: Mark,
    reason: Option<String>,
) -> Result<(), CommandError> {
    let params = TriageParams { sessions, status, reason };
    let report = cli.app()?.triage(&params)?;
    cli.print_with_status(&report, render)
}

/// A result with more sessions prints only their number.
const MAX_LISTED_SESSIONS: usize = 10;

fn render(r: &TriageReport) -> String {
    let mut out = format!("Marked {} as {}", pluralize(r.marked.len() as u64, "session"), r.status.as_str());
    if r.with_subagents > 0 {
        out.push_str(&format!(", including {}", pluralize(r.with_subagents, "subagent session")));
    }
    out.push_str(".\n");
    if r.marked.len() <= MAX_LISTED_SESSIONS {
        r.marked.iter().for_each(|k| out.push_str(&format!("  {}\n", one_line(k.as_str()))));
    }
    let totals: Vec<String> = r.totals.iter().map(|(m, n)| format!("{m} {}", format_count(*n))).collect();
    out.push_str(&format!("Totals: {}\n", totals.join(", ")));
    out
}
