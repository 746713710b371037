//! `clawgate search`: full-text search in the archive.

use std::collections::HashMap;

use regex::{Captures, Regex};

use crate::app::sessions::{SearchPage, SearchParams};
use crate::app::text::parse_name;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::project_arg::absolute_project;
use crate::cli::render::{bold, cyan, dim, yellow};
use crate::cli::scan_arg::ScanArg;
use crate::cli::table::{one_line, truncate};
use crate::cli::time_args::{TimeRange, TimeZoneArg, Times};

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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
    limit: Option<u64>,
    /// Continue from the cursor that the previous page printed
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    scan: ScanArg,
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let times = cli.times(&args.zone)?;
    let (since, until) = args.range.resolve(cli.now(), &times.zone)?;
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
        reader: cli.reader(),
    };
    let page = args.scan.fresh_app(cli)?.search(&params)?;
    let keys: Vec<&str> = page.hits.iter().map(|h| h.key.as_str()).collect();
    let names = cli.session_names(&keys)?;
    let empty = cli.empty_note("No matches.")?;
    let view = View {
        times: &times,
        matches: matches(&params.query, params.regex),
        width: cli.width(),
        names,
        empty,
    };
    cli.print_report(&page, |p| render(p, &view))
}

/// How a page of hits is shown.
struct View<'a> {
    times: &'a Times,
    /// What is highlighted.
    matches: Option<Regex>,
    width: usize,
    /// What is shown for the keys of sessions.
    names: HashMap<String, String>,
    /// What is shown if there are no hits.
    empty: String,
}

/// Returns the pattern of what a query finds. The words of a query are shown wherever a text contains them.
fn matches(query: &str, is_regex: bool) -> Option<Regex> {
    let pattern = match is_regex {
        true => query.to_owned(),
        false => {
            let words = query.split(|c: char| !c.is_alphanumeric());
            let words: Vec<String> = words
                .filter(|w| w.chars().count() > 1 && !matches!(*w, "AND" | "OR" | "NOT"))
                .map(regex::escape)
                .collect();
            words.join("|")
        }
    };
    Regex::new(&format!("(?i){pattern}")).ok().filter(|_| !pattern.is_empty())
}

/// Highlights the matches in a text without escape sequences.
fn highlight(text: &str, matches: Option<&Regex>) -> String {
    let Some(matches) = matches else { return text.to_owned() };
    matches
        .replace_all(text, |found: &Captures<'_>| match &found[0] {
            "" => String::new(),
            found => yellow(found),
        })
        .into_owned()
}

fn render(page: &SearchPage, view: &View<'_>) -> String {
    let mut out = String::new();
    if page.hits.is_empty() {
        out.push_str(&view.empty);
    }
    for h in &page.hits {
        let key = view.names.get(h.key.as_str());
        let kind = serde_json::to_value(h.kind).ok().and_then(|k| k.as_str().map(str::to_owned));
        let facts = [
            format!("message {}", h.message),
            kind.unwrap_or_default(),
            h.project.as_deref().map(one_line).unwrap_or_default(),
            h.started.map(|at| view.times.minute(at)).unwrap_or_default(),
        ];
        let facts: Vec<&str> = facts.iter().map(String::as_str).filter(|f| !f.is_empty()).collect();
        out.push_str(&format!(
            "{}  {}\n",
            cyan(&one_line(key.map_or(h.key.as_str(), String::as_str))),
            dim(&facts.join(" · "))
        ));
        let snippet = one_line(&h.snippet);
        // Of a prompt that is also the title, one line is enough.
        if let Some(title) = h.title.as_deref().map(one_line).filter(|title| *title != snippet) {
            out.push_str(&format!("  {}\n", bold(&truncate(&title, view.width.saturating_sub(2)))));
        }
        out.push_str(&format!("  {}\n", highlight(&snippet, view.matches.as_ref())));
    }
    if page.hits.iter().any(|h| h.started.is_some()) {
        out.push_str(&view.times.note());
    }
    if let Some(note) = &page.note {
        out.push_str(&format!("{}\n", yellow(note)));
    }
    if let Some(cursor) = &page.next_cursor {
        out.push_str(&format!("{}\n", dim(&format!("more: add --cursor {cursor}"))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_query_are_highlighted() {
        let shown =
            |query: &str, is_regex| highlight("Deploy the staging server", matches(query, is_regex).as_ref());
        let staging = format!("Deploy the {} server", yellow("staging"));
        assert_eq!(shown("stag*", false), format!("Deploy the {}ing server", yellow("stag")));
        assert_eq!(shown("\"staging\" AND NOT x", false), staging);
        assert_eq!(shown("st[a-z]+g", true), staging);
        assert_eq!(shown("x*", true), "Deploy the staging server");
        assert_eq!(shown("(", true), "Deploy the staging server");
    }
}
