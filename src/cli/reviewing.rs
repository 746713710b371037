//! A person's review on a terminal: first the inventory, one thing after the other, then the pages.
//!
//! Every decision is kept as it is taken, so that stopping loses nothing; `u` takes the last one back.

use std::collections::BTreeSet;

use crate::app::release::{DecisionIn, EntityItem, FindingIn, Page, ReviewParams, ReviewReport};
use crate::app::text::sanitize;

use super::face::{End, Face};
use super::money::{count, of};
use super::prompt::Terminal;
use super::render::{bold, cyan, dim, yellow};
use super::table::one_line;

/// What the person said to one question.
enum Said {
    Go,
    Again,
    Quit,
}

/// Asks until everything is read and decided, or the person quits.
pub(super) fn ask_through(
    face: &mut Face,
    release: Option<&str>,
    max_bytes: Option<u64>,
    say: &dyn Fn(&ReviewReport) -> String,
) -> Result<(), End> {
    let mut terminal = face.terminal("clawgate review")?;
    let mut skipped: BTreeSet<String> = BTreeSet::new();
    loop {
        if !inventory(face, &mut terminal, release, &mut skipped)? {
            return stopped(face, release);
        }
        seal(face, release)?;
        match pages(face, &mut terminal, release, max_bytes, &skipped, say)? {
            Said::Again => {}
            Said::Quit => return stopped(face, release),
            Said::Go => return face.print_next(),
        }
    }
}

fn stopped(face: &mut Face, release: Option<&str>) -> Result<(), End> {
    seal(face, release)?;
    face.print("Stopped; what you decided and read is kept, and `clawgate review` goes on from here.\n")?;
    face.print_next()
}

/// Seals again where decisions wait for it.
fn seal(face: &mut Face, release: Option<&str>) -> Result<(), End> {
    match face.app()?.seal_again(release)? {
        Some(rows) => face.print(&format!("{} sealed again\n", of(rows, "row"))),
        None => Ok(()),
    }
}

/// One line of the inventory.
pub(super) fn entity(e: &EntityItem) -> String {
    format!("{} {} ×{}", yellow(&one_line(&e.kind)), bold(&one_line(&e.value)), count(e.count))
}

const KEYS: &str = "r redact · e redact everywhere, always · k keep here · a always keep · all redact all the rest · \
                    s skip · u undo · q stop";

/// Goes through what is undecided. Returns false where the person stops.
fn inventory(
    face: &mut Face,
    terminal: &mut Terminal,
    release: Option<&str>,
    skipped: &mut BTreeSet<String>,
) -> Result<bool, End> {
    let all = face.app()?.inventory(release, true)?;
    if all.undecided == 0 {
        return Ok(true);
    }
    face.print(&format!(
        "\n{} {}\n{}\n",
        bold("Names and places found:"),
        of(all.undecided, "decision"),
        dim(KEYS)
    ))?;
    let mut list = all.entities;
    loop {
        let left: Vec<&EntityItem> =
            list.iter().filter(|e| e.decision.is_none() && !skipped.contains(&e.id)).collect();
        let Some(e) = left.first() else { return Ok(true) };
        face.print(&format!("\n{}  {}\n", entity(e), dim(&format!("{} left", left.len()))))?;
        for place in &e.context {
            face.print(&format!("  {}\n", dim(&one_line(place))))?;
        }
        let answer = terminal.line("  r/e/k/a/all/s/u/q [r]: ")?;
        let (id, mut d) = (e.id.clone(), DecisionIn { id: e.id.clone(), ..DecisionIn::default() });
        d.decision = "redact".to_owned();
        match answer.as_deref().map(str::trim) {
            Some("" | "r") => {}
            Some("e") => d.always = true,
            Some(key @ ("k" | "a")) => {
                let reason = terminal.required("  why may it stay in clear? ")?;
                if reason.chars().count() < 3 {
                    face.print("  a word or two, please: the reason is kept with the decision\n")?;
                    continue;
                }
                d.decision = "keep".to_owned();
                d.always = key == "a";
                d.reason = Some(reason);
            }
            Some("all") => d.id = "all".to_owned(),
            Some("s") => {
                skipped.insert(id);
                continue;
            }
            Some("u") => {
                // What was skipped comes back first.
                if skipped.is_empty() {
                    undo(face, release)?;
                } else {
                    skipped.clear();
                }
                list = refreshed(face, release, list)?;
                continue;
            }
            None | Some("q") => return Ok(false),
            Some(_) => {
                face.print(&format!("  {}\n", dim(KEYS)))?;
                continue;
            }
        }
        face.app()?.decide(release, &[d])?;
        list = refreshed(face, release, list)?;
    }
}

/// The list with the decisions as they are now; the places stay as they were shown first.
fn refreshed(face: &mut Face, release: Option<&str>, old: Vec<EntityItem>) -> Result<Vec<EntityItem>, End> {
    let mut new = face.app()?.inventory(release, false)?.entities;
    for e in &mut new {
        if let Some(before) = old.iter().find(|o| o.id == e.id) {
            e.context.clone_from(&before.context);
        }
    }
    Ok(new)
}

fn undo(face: &mut Face, release: Option<&str>) -> Result<(), End> {
    let undone = face.app()?.undo_decision(release)?;
    let named: Vec<String> = undone.values.iter().take(5).map(|v| one_line(&sanitize(v))).collect();
    match undone.values.len() {
        0 => face.print("  nothing to take back\n"),
        n => face.print(&format!("  taken back ({n}): {}\n", named.join(", "))),
    }
}

/// Goes through the pages; [`Said::Again`] where the inventory has to be looked at first.
fn pages(
    face: &mut Face,
    terminal: &mut Terminal,
    release: Option<&str>,
    max_bytes: Option<u64>,
    skipped: &BTreeSet<String>,
    say: &dyn Fn(&ReviewReport) -> String,
) -> Result<Said, End> {
    let mut params = ReviewParams::default();
    loop {
        params.release = release.map(str::to_owned);
        params.max_bytes = max_bytes;
        let report = face.app()?.review(&params)?;
        face.print(&say(&report))?;
        if report.entities.iter().any(|e| e.decision.is_none() && !skipped.contains(&e.id)) {
            return Ok(Said::Again);
        }
        let Some(page) = &report.page else { return Ok(Said::Go) };
        params = ReviewParams { nonce: Some(page.nonce.clone()), ..ReviewParams::default() };
        match read(face, terminal, page, &mut params)? {
            Said::Go => {}
            Said::Quit => return Ok(Said::Quit),
            Said::Again => {
                undo(face, release)?;
                return Ok(Said::Again);
            }
        }
    }
}

/// Shows a page and takes what is to be redacted in it.
fn read(face: &Face, terminal: &mut Terminal, page: &Page, params: &mut ReviewParams) -> Result<Said, End> {
    let more = match page.also.len() {
        0 => String::new(),
        n => format!(" and {}", of(n as u64, "other session")),
    };
    face.print(&format!(
        "\n{} {}{more}\n{}\n",
        bold("Read this"),
        cyan(&one_line(page.session.as_str())),
        readable(&page.text)
    ))?;
    loop {
        let answer = terminal
            .line("Enter: nothing (more) to redact · or exact words to redact · u: undo · q: stop > ")?;
        match answer.as_deref() {
            None | Some("q") if params.findings.is_empty() => return Ok(Said::Quit),
            None | Some("" | "q") => return Ok(Said::Go),
            Some("u") => match params.findings.pop() {
                Some(f) => face.print(&format!("  taken back: {}\n", one_line(&sanitize(&f.quote))))?,
                None => return Ok(Said::Again),
            },
            Some(quote) => {
                let kind = terminal.line("  what is it? (PERSON, ORG, EMAIL, SECRET, …) [PERSON]: ")?;
                let kind = kind.filter(|k| !k.is_empty()).unwrap_or_else(|| "PERSON".to_owned());
                params.findings.push(FindingIn { quote: quote.to_owned(), kind, ..FindingIn::default() });
            }
        }
    }
}

/// Sealed JSON text with its line ends as line ends, made harmless; without the fence that is for models.
fn readable(fenced: &str) -> String {
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
    fn a_page_reads_as_lines_and_hides_nothing() {
        let fenced = "<untrusted-x>\n{\"content\":\"a\\nb \\\"c\\\" \\u001b[31m \\\\n\"}\n</untrusted-x>";
        assert_eq!(readable(fenced), "{\"content\":\"a\nb \"c\" \\u001b[31m \\n\"}");
    }
}
