//! `clawgate prep`: reads new logs, lists the projects and says what a release still needs.

use serde::Serialize;

use super::list;
use crate::app::scan::{ScanParams, SessionCounts};
use crate::app::sessions::ProjectList;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{bold, dim, yellow};

/// Read new logs, list the projects and show what a release still needs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only logs and projects of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
}

/// The state of everything that a release needs.
#[derive(Serialize)]
struct PrepReport {
    sessions: SessionCounts,
    /// Files that the scan could not read. `clawgate scan --json` names them.
    skipped_files: usize,
    #[serde(flatten)]
    list: ProjectList,
    /// Fingerprint of this machine's approver key.
    approver_key: Option<String>,
    /// Whether a Hub token is stored.
    hub_token_sealed: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let width = cli.width();
    let app = cli.app()?;
    let scanned = app.scan(&ScanParams { agent: args.agent.clone(), ..ScanParams::default() })?;
    let list = app.list(args.agent.as_deref(), None)?;
    let keys = app.keys()?;
    let report = PrepReport {
        sessions: scanned.sessions,
        skipped_files: scanned.skipped.len(),
        list,
        approver_key: keys.fingerprint,
        hub_token_sealed: keys.hub_token_sealed,
    };
    // In an archive without sessions, the next step says where clawgate looked.
    let empty = if report.sessions.total == 0 { "" } else { "No project matches.\n" };
    cli.print_with_status(&report, |r| render(r, empty, width))
}

fn render(r: &PrepReport, empty: &str, width: usize) -> String {
    let mut out =
        format!("{}, {} new\n", bold(&pluralize(r.sessions.total, "session")), format_count(r.sessions.new));
    if r.skipped_files > 0 {
        let skipped = pluralize(r.skipped_files as u64, "file");
        out.push_str(&format!("{} {skipped}; `clawgate scan --json` names them\n", yellow("skipped")));
    }
    match r.list.projects.is_empty() {
        true => out.push_str(empty),
        false => out.push_str(&list::render(&r.list, width)),
    }
    let key = r.approver_key.clone().unwrap_or_else(|| dim("none"));
    out.push_str(&format!("approver key  {key}\n"));
    let token = if r.hub_token_sealed { "stored, encrypted".to_owned() } else { dim("none") };
    out.push_str(&format!("Hub token     {token}\n"));
    out
}
