//! `clawgate forget`: permanently deletes sessions from the archive.

use crate::app::Failure;
use crate::app::sessions::{ForgetParams, ForgetPlan, ForgetReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::project_arg::absolute_project;
use crate::cli::render::{bold, yellow};
use crate::cli::time_args::{TimeZoneArg, parse_optional_instant};

/// Permanently delete sessions from the archive
///
/// Asks for confirmation. Agents' own logs are not touched; the next scan does not bring the sessions back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session keys or unique key prefixes
    #[arg(value_name = "KEY")]
    sessions: Vec<String>,
    /// Delete all sessions of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Delete all sessions of this project
    #[arg(long)]
    project: Option<String>,
    /// Delete all sessions that ended before this time: a date (2026-11-20) or an age (30d)
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Delete all sessions whose log was deleted
    #[arg(long)]
    gone: bool,
    /// Also delete the token counts of the sessions from the usage ledger
    #[arg(long)]
    usage: bool,
    /// Delete without asking
    #[arg(long)]
    yes: bool,
    /// Only rewrite the database, to erase what was deleted before
    #[arg(long, conflicts_with_all = ["sessions", "agent", "project", "before", "gone", "usage"])]
    compact: bool,
}

/// The question lists this many sessions.
const MAX_LISTED_SESSIONS: usize = 10;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if args.compact {
        let report = cli.app()?.compact_archive()?;
        return cli.print_report(&report, |r| {
            if r.compacted { "Rewrote the database.\n".to_owned() } else { not_compacted() }
        });
    }
    let times = cli.times(&TimeZoneArg::default())?;
    let before = parse_optional_instant("--before", args.before.as_deref(), cli.now(), &times.zone)?;
    let params = ForgetParams {
        sessions: args.sessions,
        agent: args.agent,
        project: args.project.as_deref().map(absolute_project),
        before,
        gone: args.gone,
        usage: args.usage,
    };
    let plan = cli.app()?.forget_plan(&params)?;
    if !args.yes && !plan.sessions.is_empty() && plan.in_releases.is_empty() {
        let mut terminal = cli.open_terminal("clawgate forget")?;
        terminal.print_line(&describe(&plan))?;
        if !terminal.agrees("This cannot be undone. Delete them?")? {
            return Err(Failure::failed("not_forgotten", "Nothing was deleted.").into());
        }
    }
    let report = cli.app()?.forget(&plan)?;
    cli.print_report(&report, render)
}

/// Explains that deleted data is still in unused pages of the database.
fn not_compacted() -> String {
    format!(
        "{} Another clawgate process is using the archive, so deleted data is still in unused pages of the database. \
         Stop that process and run `clawgate forget --compact`.\n",
        yellow("note:")
    )
}

fn describe(plan: &ForgetPlan) -> String {
    let mut out = format!("{}:\n", pluralize(plan.sessions.len() as u64, "session"));
    for key in plan.sessions.iter().take(MAX_LISTED_SESSIONS) {
        out.push_str(&format!("  {key}\n"));
    }
    if plan.sessions.len() > MAX_LISTED_SESSIONS {
        out.push_str(&format!("  … and {} more\n", plan.sessions.len() - MAX_LISTED_SESSIONS));
    }
    if plan.usage {
        out.push_str("Their token counts are deleted too.\n");
    } else {
        out.push_str("Their token counts and the names of their project directories are kept (--usage deletes them too).\n");
    }
    out
}

fn render(r: &ForgetReport) -> String {
    let sessions = pluralize(r.sessions, "session");
    let mut out = format!("Deleted {} ({})", bold(&sessions), pluralize(r.versions, "version"));
    if r.requests > 0 {
        out.push_str(&format!(" and {} from the usage ledger", pluralize(r.requests, "request")));
    }
    out.push_str(".\n");
    for (id, n) in &r.in_finished {
        out.push_str(&format!("Release {id} still contains {n} of them, redacted, as published.\n"));
    }
    if !r.compacted {
        out.push_str(&not_compacted());
    }
    out
}
