//! `clawgate inbox`: lists sessions.

use crate::app::sessions::{InboxPage, InboxParams, SessionItem};
use crate::app::text::parse_name;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, format_dollars};
use crate::cli::project_arg::absolute_project;
use crate::cli::render::dim;
use crate::cli::table::{Align, Table};
use crate::cli::time_args::{TimeRange, format_minute};

/// List sessions, with filters and sorting
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Maximum number of sessions, 1 to 1000 [default: 20]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Continue from the cursor that the previous page printed
    #[arg(long)]
    cursor: Option<String>,
    /// Only sessions of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only sessions of this project (name, path or glob)
    #[arg(long)]
    project: Option<String>,
    /// Only sessions with this mark: new, approved, blocked or shortlisted
    #[arg(long, value_name = "MARK")]
    status: Option<String>,
    #[command(flatten)]
    range: TimeRange,
    /// Only sessions that used this model (name or prefix)
    #[arg(long)]
    model: Option<String>,
    /// Only sessions with this badge, for example tests-failed, secrets or files:3
    #[arg(long)]
    badge: Option<String>,
    /// Only subagent sessions of this session
    #[arg(long, value_name = "KEY")]
    parent: Option<String>,
    /// Exclude subagent sessions
    #[arg(long)]
    roots: bool,
    /// Only sessions whose log was deleted
    #[arg(long)]
    gone: bool,
    /// Sort by this field, highest first: started, ended, cost, tokens, tools, messages, size or score [default: started]
    #[arg(long, value_name = "FIELD")]
    sort: Option<String>,
    /// List each session followed by its subagents
    #[arg(long, conflicts_with_all = ["parent", "roots"])]
    tree: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let (since, until) = args.range.resolve(cli.now(), &jiff::tz::TimeZone::UTC)?;
    let params = InboxParams {
        agent: args.agent,
        project: args.project.as_deref().map(absolute_project),
        status: args.status.as_deref().map(|s| parse_name("--status", "bad_status", s)).transpose()?,
        since,
        until,
        model: args.model,
        badge: args.badge,
        parent: args.parent,
        roots: args.roots,
        gone: args.gone.then_some(true),
        sort: args.sort.as_deref().map(|s| parse_name("--sort", "bad_sort", s)).transpose()?,
        tree: args.tree,
        limit: args.limit,
        cursor: args.cursor,
    };
    let page = cli.app()?.inbox(&params)?;
    let (width, short) = (cli.width(), cli.stdout_is_terminal());
    let empty = cli.empty_note("No session matches.")?;
    cli.print_report(&page, |p| if p.sessions.is_empty() { empty } else { render(p, width, short) })
}

fn render(page: &InboxPage, width: usize, short: bool) -> String {
    let mut table = Table::new(&[
        ("session", Align::Left),
        ("started", Align::Left),
        ("project", Align::Truncate),
        ("prompts", Align::Right),
        ("tools", Align::Right),
        ("cost", Align::Right),
        ("mark", Align::Left),
        ("badges", Align::Left),
        ("title", Align::Truncate),
    ]);
    let keys = display_keys(&page.sessions, short);
    for (s, name) in page.sessions.iter().zip(keys) {
        let tools = match s.failed_tool_calls {
            0 => format_count(s.tool_calls),
            failed => format!("{} ({} failed)", format_count(s.tool_calls), format_count(failed)),
        };
        let mark = match (s.changed_since, s.status_inherited) {
            (true, _) => format!("{} (changed)", s.status),
            (false, true) => format!("{} (parent)", s.status),
            (false, false) => s.status.to_string(),
        };
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
    let mut out = table.render(width);
    if let Some(cursor) = &page.next_cursor {
        out.push_str(&format!("{}\n", dim(&format!("more: add --cursor {cursor}"))));
    }
    out
}

/// Returns the keys of a page: short ones for a person, whole ones for a program.
pub(super) fn display_keys(sessions: &[SessionItem], short: bool) -> Vec<String> {
    sessions.iter().map(|s| if short { s.short_key.clone() } else { s.key.0.clone() }).collect()
}
