//! `clawgate recent`: lists the most recent sessions.

use super::inbox::display_keys;
use crate::app::sessions::{InboxPage, InboxParams, SortKey};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::project_arg::absolute_project;
use crate::cli::table::{Align, Table};
use crate::cli::time_args::format_minute;

/// List the most recent sessions of all agents, one line each
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of sessions, 1 to 1000
    #[arg(default_value_t = 10)]
    count: u64,
    /// Only sessions of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only sessions of this project (name, path or glob)
    #[arg(long)]
    project: Option<String>,
    /// Include subagent sessions
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = InboxParams {
        agent: args.agent,
        project: args.project.as_deref().map(absolute_project),
        roots: !args.all,
        sort: Some(SortKey::Ended),
        limit: Some(args.count),
        ..InboxParams::default()
    };
    let page = cli.app()?.inbox(&params)?;
    let (width, short) = (cli.width(), cli.stdout_is_terminal());
    let empty = cli.empty_note("No session matches.")?;
    cli.print_report(&page, |p| if p.sessions.is_empty() { empty } else { render(p, width, short) })
}

fn render(page: &InboxPage, width: usize, short: bool) -> String {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("", Align::Left),
        ("", Align::Truncate),
        ("", Align::Right),
        ("", Align::Left),
        ("", Align::Truncate),
    ]);
    for (s, name) in page.sessions.iter().zip(display_keys(&page.sessions, short)) {
        table.row([
            s.ended.or(s.started).map(format_minute).unwrap_or_default(),
            name,
            s.project.clone().unwrap_or_default(),
            pluralize(s.user_messages, "prompt"),
            s.badges.first().cloned().unwrap_or_default(),
            s.title.clone().unwrap_or_default(),
        ]);
    }
    table.render(width)
}
