//! `clawgate search`: full-text search in the archive.

use crate::app::sessions::{SearchPage, SearchParams};
use crate::app::text::parse_name;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::project_arg::absolute_project;
use crate::cli::render::{bold, cyan, dim, yellow};
use crate::cli::table::{one_line, truncate};
use crate::cli::time_args::{TimeRange, format_minute};

/// Search prompts, answers, reasoning, tool inputs and tool outputs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Words to search for; supports "a phrase", prefix*, AND, OR, NOT and parentheses
    #[arg(required = true, num_args = 1..)]
    query: Vec<String>,
    /// Only sessions of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only sessions of this project (name, path or glob)
    #[arg(long)]
    project: Option<String>,
    /// Only this kind of text: prompt, answer, thinking, tool_input or tool_output
    #[arg(long)]
    kind: Option<String>,
    /// Only text of this role: user, assistant, thinking, tool or system
    #[arg(long)]
    role: Option<String>,
    /// Only calls of this tool, for example Bash
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Treat the query as a regular expression
    #[arg(long, short = 'e')]
    regex: bool,
    #[command(flatten)]
    range: TimeRange,
    /// Maximum number of matches, 1 to 100 [default: 10]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Continue from the cursor that the previous page printed
    #[arg(long)]
    cursor: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let (since, until) = args.range.resolve(cli.now(), &jiff::tz::TimeZone::UTC)?;
    let params = SearchParams {
        query: args.query.join(" "),
        agent: args.agent,
        project: args.project.as_deref().map(absolute_project),
        kind: args.kind.as_deref().map(|k| parse_name("--kind", "bad_kind", k)).transpose()?,
        regex: args.regex,
        role: args.role.as_deref().map(|r| parse_name("--role", "bad_role", r)).transpose()?,
        tool: args.tool,
        since,
        until,
        limit: args.limit,
        cursor: args.cursor,
    };
    let page = cli.app()?.search(&params)?;
    let width = cli.width();
    cli.print_report(&page, |p| render(p, width))
}

fn render(page: &SearchPage, width: usize) -> String {
    let mut out = String::new();
    if page.hits.is_empty() {
        out.push_str("No matches.\n");
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
        out.push_str(&format!("{}\n", dim(&format!("more: add --cursor {cursor}"))));
    }
    out
}
