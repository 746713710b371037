//! `clawgate forget`: takes sessions out of the archive for good.

use crate::app::Failure;
use crate::app::sessions::{ForgetParams, ForgetPlan, ForgetReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{bold, yellow};
use crate::cli::time_args::parse_optional_instant;

/// Take sessions out of the archive for good
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sessions, by key or its beginning
    sessions: Vec<String>,
    /// All sessions of this agent
    #[arg(long)]
    agent: Option<String>,
    /// All sessions of this project
    #[arg(long)]
    project: Option<String>,
    /// All sessions that ended before then (2026-11-20, 30d)
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// All sessions whose log is gone
    #[arg(long)]
    gone: bool,
    /// Their token counts too; else they stay counted
    #[arg(long)]
    usage: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Only clear the database's pages of what was forgotten before
    #[arg(long, conflicts_with_all = ["sessions", "agent", "project", "before", "gone", "usage"])]
    compact: bool,
}

/// How many sessions are named before they are only counted.
const NAMED: usize = 10;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if args.compact {
        let done = cli.app()?.archive.compact().map_err(Failure::from)?;
        let report = ForgetReport { compacted: done, ..ForgetReport::default() };
        return cli.print_report(&report, |r| {
            if r.compacted { "The archive was rewritten.\n".to_owned() } else { render(r) }
        });
    }
    let before = parse_optional_instant(args.before.as_deref(), cli.now(), &jiff::tz::TimeZone::UTC)?;
    let params = ForgetParams {
        sessions: args.sessions,
        agent: args.agent,
        project: args.project,
        before,
        gone: args.gone,
        usage: args.usage,
    };
    let plan = cli.app()?.forget_plan(&params)?;
    if !args.yes && !plan.sessions.is_empty() && plan.in_releases.is_empty() {
        let mut terminal = cli.open_terminal("clawgate forget")?;
        terminal.print_line(&describe(&plan))?;
        let answer = terminal.line("This cannot be undone. Forget them? [y/N] ")?.unwrap_or_default();
        if !matches!(answer.to_lowercase().as_str(), "y" | "yes") {
            return Err(Failure::usage("not_forgotten", "Nothing was forgotten.").into());
        }
    }
    let report = cli.app()?.forget(&plan)?;
    cli.print_report(&report, render)
}

fn describe(plan: &ForgetPlan) -> String {
    let mut out = format!("{}:\n", pluralize(plan.sessions.len() as u64, "session"));
    for key in plan.sessions.iter().take(NAMED) {
        out.push_str(&format!("  {key}\n"));
    }
    if plan.sessions.len() > NAMED {
        out.push_str(&format!("  … and {} more\n", plan.sessions.len() - NAMED));
    }
    if plan.usage {
        out.push_str("Their token counts go too.\n");
    } else {
        out.push_str("Their token counts stay, and with them the name of the project's directory (--usage takes them too).\n");
    }
    out
}

fn render(r: &ForgetReport) -> String {
    let sessions = pluralize(r.sessions, "session");
    let mut out = format!("{} forgotten, in {}", bold(&sessions), pluralize(r.versions, "version"));
    if r.requests > 0 {
        out.push_str(&format!("; {} requests are counted no more", format_count(r.requests)));
    }
    out.push('\n');
    for (id, n) in &r.in_finished {
        out.push_str(&format!("Release {id} still holds {n} of them, redacted, as it was published.\n"));
    }
    if !r.compacted {
        out.push_str(&format!(
            "{} another clawgate has the archive open; end it and run `clawgate forget --compact` to clear its pages.\n",
            yellow("not rewritten:")
        ));
    }
    out
}
