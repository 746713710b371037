//! `clawgate search`: where words stand in the archive.

use crate::app::sessions::{SearchPage, SearchParams};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{bold, cyan, dim, yellow};
use crate::cli::table::{one_line, truncate};
use crate::cli::time_args::{format_minute, parse_optional_instant};

/// Find words in prompts, answers, reasoning, tool inputs and outputs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Words; "a phrase", prefix*, AND OR NOT, parentheses
    #[arg(required = true, num_args = 1..)]
    query: Vec<String>,
    /// Only this agent's sessions
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only this project's (name or path)
    #[arg(long)]
    project: Option<String>,
    /// Only in: prompt, answer, thinking, tool_input, tool_output
    #[arg(long)]
    kind: Option<String>,
    /// Only what this role wrote: user, assistant, thinking, tool, system
    #[arg(long)]
    role: Option<String>,
    /// Only in calls of this tool, for instance Bash
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// The query is a regular expression
    #[arg(long, short = 'e')]
    regex: bool,
    /// Only sessions that ended since then (2026-11-20, 7d, today)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only sessions that started before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many hits (1 to 100)
    #[arg(long)]
    limit: Option<u64>,
    /// Where the previous page ended
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let since = parse_optional_instant(args.since.as_deref(), cli.now(), &jiff::tz::TimeZone::UTC)?;
    let until = parse_optional_instant(args.until.as_deref(), cli.now(), &jiff::tz::TimeZone::UTC)?;
    let params = SearchParams {
        query: args.query.join(" "),
        agent: args.agent.filter(|a| a != "all"),
        project: args.project,
        kind: args.kind,
        regex: args.regex,
        role: args.role,
        tool: args.tool,
        since,
        until,
        limit: args.limit,
        cursor: args.cursor,
    };
    let page = cli.app()?.search(&params)?;
    let width = cli.width();
    cli.print_with_status(&page, |p| render(p, width))
}

fn render(page: &SearchPage, width: usize) -> String {
    let mut out = String::new();
    if page.hits.is_empty() {
        out.push_str("Nothing found.\n");
    }
    for h in &page.hits {
        let kind = serde_json::to_value(h.kind).ok().and_then(|k| k.as_str().map(str::to_owned));
        let facts = [
            format!("message {}", h.message),
            kind.unwrap_or_default(),
            h.project.as_deref().map(one_line).unwrap_or_default(),
            h.started.map(format_minute).unwrap_or_default(),
        ];
        let facts: Vec<&str> = facts.iter().map(String::as_str).filter(|f| !f.is_empty()).collect();
        out.push_str(&format!("{}  {}\n", cyan(&one_line(h.key.as_str())), dim(&facts.join(" · "))));
        if let Some(title) = &h.title {
            out.push_str(&format!("  {}\n", bold(&truncate(&one_line(title), width.saturating_sub(2)))));
        }
        out.push_str(&format!("  {}\n", one_line(&h.snippet)));
    }
    if let Some(note) = &page.note {
        out.push_str(&format!("{}\n", yellow(note)));
    }
    if let Some(cursor) = &page.next_cursor {
        out.push_str(&format!("{}\n", dim(&format!("more: the same with --cursor {cursor}"))));
    }
    out
}
