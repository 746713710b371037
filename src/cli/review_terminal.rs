//! The interactive review on a terminal: first the inventory item by item, then the pages.
//!
//! Every decision is saved immediately, so stopping loses nothing. The key `u` undoes the last decision.

use std::collections::BTreeSet;

use crate::app::release::{DecisionIn, EntityItem, FindingIn, Page, ReviewParams, ReviewReport};
use crate::app::text::sanitize;

use super::context::{CliContext, CommandError};
use super::format::{format_count, pluralize};
use super::prompt::Terminal;
use super::render::{bold, cyan, dim, yellow};
use super::table::one_line;

/// How the review goes on after a question.
enum Choice {
    Continue,
    /// Return to the inventory.
    Restart,
    Quit,
}

/// Asks until every item is decided and every page is read, or until the person stops.
pub(super) fn run_review(
    cli: &mut CliContext,
    release: Option<&str>,
    max_bytes: Option<u64>,
    summarize: &dyn Fn(&ReviewReport) -> String,
) -> Result<(), CommandError> {
    let mut terminal = cli.open_terminal("clawgate review")?;
    let mut skipped: BTreeSet<String> = BTreeSet::new();
    loop {
        if !decide_inventory(cli, &mut terminal, release, &mut skipped)? {
            return stop(cli, release);
        }
        reseal(cli, release)?;
        match read_pages(cli, &mut terminal, release, max_bytes, &skipped, summarize)? {
            Choice::Restart => {}
            Choice::Quit => return stop(cli, release),
            Choice::Continue => return cli.print_next_step(),
        }
    }
}

fn stop(cli: &mut CliContext, release: Option<&str>) -> Result<(), CommandError> {
    reseal(cli, release)?;
    cli.print("Stopped. Your decisions and answers are saved; run `clawgate review` to continue.\n")?;
    cli.print_next_step()
}

/// Seals rows again if decisions have changed them.
fn reseal(cli: &mut CliContext, release: Option<&str>) -> Result<(), CommandError> {
    match cli.app()?.seal_again(release)? {
        Some(rows) => cli.print(&format!("Resealed {}.\n", pluralize(rows, "row"))),
        None => Ok(()),
    }
}

/// Renders one inventory item as a line.
pub(super) fn entity_line(e: &EntityItem) -> String {
    format!("{} {} ×{}", yellow(&one_line(&e.kind)), bold(&one_line(&e.value)), format_count(e.count))
}

/// A shorter reason for keeping a value is refused.
const MIN_REASON_CHARS: usize = 3;
/// An undo lists this many values.
const MAX_UNDONE_VALUES_SHOWN: usize = 5;

const KEY_HELP: &str = "r redact · e redact in every release · k keep in this release · a keep in every release · \
                        all redact all remaining · s skip · u undo · q stop";

/// Asks for a decision on every undecided item. Returns `false` if the person stops.
fn decide_inventory(
    cli: &mut CliContext,
    terminal: &mut Terminal,
    release: Option<&str>,
    skipped: &mut BTreeSet<String>,
) -> Result<bool, CommandError> {
    let all = cli.app()?.inventory(release, true)?;
    if all.undecided == 0 {
        return Ok(true);
    }
    cli.print(&format!(
        "\n{}\n{}\n",
        bold(&format!("{} a decision:", needing(all.undecided))),
        dim(KEY_HELP)
    ))?;
    let mut list = all.entities;
    loop {
        let left: Vec<&EntityItem> =
            list.iter().filter(|e| e.decision.is_none() && !skipped.contains(&e.id)).collect();
        let Some(e) = left.first() else { return Ok(true) };
        cli.print(&format!("\n{}  {}\n", entity_line(e), dim(&format!("{} left", left.len()))))?;
        for place in &e.context {
            cli.print(&format!("  {}\n", dim(&one_line(place))))?;
        }
        let answer = terminal.line("  r/e/k/a/all/s/u/q [r]: ")?;
        let id = e.id.clone();
        let mut decision = DecisionIn { id: id.clone(), ..DecisionIn::default() };
        match answer.as_deref().map(str::trim) {
            Some("" | "r") => {}
            Some("e") => decision.always = true,
            Some(key @ ("k" | "a")) => {
                let reason = terminal.required("  Reason to keep it: ")?;
                if reason.chars().count() < MIN_REASON_CHARS {
                    cli.print("  The reason needs at least 3 characters. It is saved with the decision.\n")?;
                    continue;
                }
                decision.decision = crate::workflow::EntityDecision::Keep;
                decision.always = key == "a";
                decision.reason = Some(reason);
            }
            Some("all") => decision.id = "all".to_owned(),
            Some("s") => {
                skipped.insert(id);
                continue;
            }
            Some("u") => {
                // The first undo brings back the skipped items.
                if skipped.is_empty() {
                    undo(cli, release)?;
                } else {
                    skipped.clear();
                }
                list = reload(cli, release, list)?;
                continue;
            }
            None | Some("q") => return Ok(false),
            Some(_) => {
                cli.print(&format!("  {}\n", dim(KEY_HELP)))?;
                continue;
            }
        }
        cli.app()?.decide(release, &[decision])?;
        list = reload(cli, release, list)?;
    }
}

/// Returns `1 item needs` or `3 items need`.
fn needing(items: u64) -> String {
    format!("{} need{}", pluralize(items, "inventory item"), if items == 1 { "s" } else { "" })
}

/// Reloads the decisions. The context of each item stays as it was first shown.
fn reload(
    cli: &mut CliContext,
    release: Option<&str>,
    old: Vec<EntityItem>,
) -> Result<Vec<EntityItem>, CommandError> {
    let mut new = cli.app()?.inventory(release, false)?.entities;
    for e in &mut new {
        if let Some(before) = old.iter().find(|o| o.id == e.id) {
            e.context.clone_from(&before.context);
        }
    }
    Ok(new)
}

fn undo(cli: &mut CliContext, release: Option<&str>) -> Result<(), CommandError> {
    let undone = cli.app()?.undo_decision(release)?;
    let values: Vec<String> =
        undone.values.iter().take(MAX_UNDONE_VALUES_SHOWN).map(|v| one_line(&sanitize(v))).collect();
    match undone.values.len() {
        0 => cli.print("  Nothing to undo.\n"),
        n => cli.print(&format!("  Undone ({n}): {}\n", values.join(", "))),
    }
}

/// Shows the pages one by one. Returns [`Choice::Restart`] if new inventory items need a decision first.
fn read_pages(
    cli: &mut CliContext,
    terminal: &mut Terminal,
    release: Option<&str>,
    max_bytes: Option<u64>,
    skipped: &BTreeSet<String>,
    summarize: &dyn Fn(&ReviewReport) -> String,
) -> Result<Choice, CommandError> {
    let mut params = ReviewParams::default();
    loop {
        params.release = release.map(str::to_owned);
        params.max_bytes = max_bytes;
        let report = cli.app()?.review(&params)?;
        cli.print(&summarize(&report))?;
        if report.entities.iter().any(|e| e.decision.is_none() && !skipped.contains(&e.id)) {
            return Ok(Choice::Restart);
        }
        let Some(page) = &report.page else { return Ok(Choice::Continue) };
        params = ReviewParams { nonce: Some(page.nonce.clone()), ..ReviewParams::default() };
        match read_page(cli, terminal, page, &mut params)? {
            Choice::Continue => {}
            Choice::Quit => return Ok(Choice::Quit),
            Choice::Restart => {
                undo(cli, release)?;
                return Ok(Choice::Restart);
            }
        }
    }
}

/// Shows a page and collects the quotes to redact.
fn read_page(
    cli: &CliContext,
    terminal: &mut Terminal,
    page: &Page,
    params: &mut ReviewParams,
) -> Result<Choice, CommandError> {
    let more = match page.also.len() {
        0 => String::new(),
        n => format!(" and {}", pluralize(n as u64, "other session")),
    };
    cli.print(&format!(
        "\n{} {}{more}\n{}\n",
        bold("Read this page:"),
        cyan(&one_line(page.key.as_str())),
        unescape_page(&page.text)
    ))?;
    loop {
        let answer = terminal
            .line("Type exact words to redact · Enter: nothing more to redact · u: undo · q: stop > ")?;
        match answer.as_deref() {
            None | Some("q") if params.findings.is_empty() => return Ok(Choice::Quit),
            None | Some("" | "q") => return Ok(Choice::Continue),
            Some("u") => match params.findings.pop() {
                Some(f) => cli.print(&format!("  Undone: {}\n", one_line(&sanitize(&f.quote))))?,
                None => return Ok(Choice::Restart),
            },
            Some(quote) => {
                let kind =
                    terminal.line("  Type of the finding (PERSON, ORG, EMAIL, SECRET, …) [PERSON]: ")?;
                let kind = kind.filter(|k| !k.is_empty()).unwrap_or_else(|| "PERSON".to_owned());
                params.findings.push(FindingIn { quote: quote.to_owned(), kind, ..FindingIn::default() });
            }
        }
    }
}

/// Converts a page of sealed JSON for the terminal: removes the fence that is meant for models, unescapes line ends and
/// quotes, and escapes control characters.
fn unescape_page(fenced: &str) -> String {
    let body: Vec<&str> = fenced.lines().collect();
    let body = match body.as_slice() {
        [first, inner @ .., last] if first.starts_with("<untrusted-") && last.starts_with("</untrusted-") => {
            inner.join("\n")
        }
        all => all.join("\n"),
    };
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(c @ ('"' | '\\' | '/')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    sanitize(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shown_as_lines_without_control_characters() {
        let fenced = "<untrusted-x>\n{\"content\":\"a\\nb \\\"c\\\" \\u001b[31m \\\\n\"}\n</untrusted-x>";
        assert_eq!(unescape_page(fenced), "{\"content\":\"a\nb \"c\" \\u001b[31m \\n\"}");
    }
}
