//! `clawgate inbox`: sessions page by page, filtered, sorted, or as a tree.

use std::collections::BTreeSet;

use crate::app::sessions::{InboxPage, InboxParams, SessionItem};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, format_dollars};
use crate::cli::render::dim;
use crate::cli::table::{Align, Table};
use crate::cli::time_args::{format_minute, parse_optional_instant};

/// List sessions: filter, sort, or show subagents under their parents
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At most so many (1 to 1000)
    #[arg(long)]
    limit: Option<u64>,
    /// Where the previous page ended
    #[arg(long)]
    cursor: Option<String>,
    /// Only this agent's
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only this project's (name or path)
    #[arg(long)]
    project: Option<String>,
    /// Only with this mark: new, approved, blocked, shortlisted
    #[arg(long)]
    status: Option<String>,
    /// Only sessions that ended since then (2026-11-20, 7d, today)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only sessions that started before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only where this model answered (or one whose name begins so)
    #[arg(long)]
    model: Option<String>,
    /// Only with this badge: tests-failed, secrets, files:3, …
    #[arg(long)]
    badge: Option<String>,
    /// Only the subagents of this session
    #[arg(long, value_name = "KEY")]
    parent: Option<String>,
    /// Only sessions that are no subagents
    #[arg(long)]
    roots: bool,
    /// Only sessions whose own file is gone
    #[arg(long)]
    gone: bool,
    /// Highest first: started, ended, cost, tokens, tools, messages, size, score
    #[arg(long, value_name = "WHAT")]
    sort: Option<String>,
    /// Each session followed by its subagents
    #[arg(long, conflicts_with_all = ["parent", "roots"])]
    tree: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let since = parse_optional_instant(args.since.as_deref(), cli.now(), &jiff::tz::TimeZone::UTC)?;
    let until = parse_optional_instant(args.until.as_deref(), cli.now(), &jiff::tz::TimeZone::UTC)?;
    let params = InboxParams {
        agent: args.agent.filter(|a| a != "all"),
        project: args.project,
        status: args.status,
        since,
        until,
        model: args.model,
        badge: args.badge,
        parent: args.parent,
        roots: args.roots,
        gone: args.gone.then_some(true),
        sort: args.sort,
        tree: args.tree,
        limit: args.limit,
        cursor: args.cursor,
    };
    let page = cli.app()?.inbox(&params)?;
    let (width, short) = (cli.width(), cli.stdout_is_terminal());
    cli.print_report(&page, |p| render(p, width, short))
}

fn render(page: &InboxPage, width: usize, short: bool) -> String {
    let mut table = Table::new(&[
        ("session", Align::Left),
        ("started", Align::Left),
        ("project", Align::Truncate),
        ("asks", Align::Right),
        ("tools", Align::Right),
        ("cost", Align::Right),
        ("mark", Align::Left),
        ("badges", Align::Left),
        ("title", Align::Truncate),
    ]);
    let names = names(&page.sessions, short);
    for (s, name) in page.sessions.iter().zip(names) {
        let tools = match s.failed_tool_calls {
            0 => format_count(s.tool_calls),
            failed => format!("{} ({} failed)", format_count(s.tool_calls), format_count(failed)),
        };
        let mark = if s.changed_since { format!("{} (changed)", s.status) } else { s.status.to_owned() };
        let title = s.title.clone().unwrap_or_default();
        let title = match &s.forked_from {
            Some(from) => format!("(fork of {from}) {title}"),
            None => title,
        };
        let branch = match s.depth.unwrap_or(0) as usize {
            0 => String::new(),
            n => format!("{}└ ", "·".repeat(n - 1)),
        };
        table.row([
            format!("{branch}{name}"),
            s.started.map(format_minute).unwrap_or_default(),
            s.project.clone().unwrap_or_default(),
            format_count(s.user_messages),
            tools,
            format_dollars(s.cost_picousd),
            mark,
            s.badges
                .iter()
                .map(String::as_str)
                .chain(s.source_gone.then_some("source-gone"))
                .collect::<Vec<_>>()
                .join(" "),
            title,
        ]);
    }
    if table.is_empty() {
        return "No sessions.\n".to_owned();
    }
    let mut out = table.render(width);
    if let Some(cursor) = &page.next_cursor {
        out.push_str(&format!("{}\n", dim(&format!("more: the same with --cursor {cursor}"))));
    }
    out
}

/// Keys as short as they can be on this page, yet long enough to be typed back.
pub(super) fn names(sessions: &[SessionItem], short: bool) -> Vec<String> {
    // Thirteen characters of a time-ordered id reach its milliseconds.
    const LEAST: usize = 13;
    let cut = |s: &SessionItem, n: usize| -> String {
        format!("{}:{}", s.key.agent(), s.key.native().chars().take(n).collect::<String>())
    };
    let longest = sessions.iter().map(|s| s.key.native().len()).max().unwrap_or(0);
    let lengths = if short { LEAST.min(longest)..=longest } else { longest..=longest };
    let mut names = Vec::new();
    for n in lengths {
        names = sessions.iter().map(|s| cut(s, n)).collect();
        if names.iter().collect::<BTreeSet<_>>().len() == sessions.len() {
            break;
        }
    }
    names
}
