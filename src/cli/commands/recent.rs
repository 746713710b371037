//! `clawgate recent`: lists the most recent sessions. Reads new log entries first.

use super::inbox::{Origins, origins, outcome, title};
use crate::app::scan::ScanParams;
use crate::app::sessions::{InboxPage, InboxParams, SortKey};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::format_count;
use crate::cli::project_arg::absolute_project;
use crate::cli::table::{Cell, Column, Table};
use crate::cli::time_args::{TimeRange, TimeZoneArg, Times};

/// Read new log entries and list the most recent sessions, one line each
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of sessions, 1 to 1000
    #[arg(default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    count: u64,
    /// Only sessions of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only sessions of this project (name, path or glob)
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    range: TimeRange,
    /// Include subagent sessions
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let times = cli.times(&args.zone)?;
    let (since, until) = args.range.resolve(cli.now(), &times.zone)?;
    let params = InboxParams {
        since,
        until,
        agent: args.agent,
        project: args.project.as_deref().map(absolute_project),
        roots: !args.all,
        sort: Some(SortKey::Ended),
        limit: Some(args.count),
        reader: cli.reader(),
        ..InboxParams::default()
    };
    let app = cli.app()?;
    app.scan(&ScanParams::default())?;
    let page = app.inbox(&params)?;
    let width = cli.width();
    let empty = cli.empty_note("No session matches.")?;
    let names = origins(cli, &page)?;
    cli.print_report(&page, |p| match p.sessions.is_empty() {
        true => empty,
        false => render(p, &names, &times, width),
    })
}

fn render(page: &InboxPage, names: &Origins, times: &Times, width: usize) -> String {
    let mut table = Table::new([
        Column::left("ended").short_form().optional().rank(3),
        Column::left("session").rank(6),
        Column::left("project").cut_middle(10).want(20).optional().rank(2),
        Column::right("prompts").optional().rank(0),
        Column::left("outcome").optional().rank(1),
        Column::left("title").cut_end(22).want(40).want_eighths(3).rank(5),
    ]);
    for s in &page.sessions {
        table.row([
            times.cell(s.ended.or(s.started)),
            Cell::from(s.short_key.as_str()),
            Cell::from(s.project.clone().unwrap_or_default()),
            Cell::from(format_count(s.user_messages)),
            outcome(&s.badges),
            Cell::from(title(s, names)),
        ]);
    }
    format!("{}{}", table.render(width), times.note())
}
