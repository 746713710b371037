//! `clawgate review`: the inventory and the sample, step by step; on a terminal as questions.

use std::collections::BTreeSet;

use crate::app::{DecisionIn, EntityItem, Failure, FindingIn, Page, ReviewParams, ReviewReport};
use crate::cli::face::{End, Face};
use crate::cli::money::{bytes, count, of};
use crate::cli::prompt::Terminal;
use crate::cli::render::{bold, cyan, dim, green, yellow};
use crate::cli::table::one_line;

/// Review what was sealed: decide on names, read the sample
///
/// On a terminal it asks. Otherwise every call answers the last page and prints the next one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
    /// Nonce of the page that is answered
    #[arg(long)]
    nonce: Option<String>,
    /// Nothing was found in it
    #[arg(long, requires = "nonce", conflicts_with = "findings")]
    none: bool,
    /// Exact words of the page to redact, for instance PERSON="Ada Lovelace"
    #[arg(long = "finding", value_name = "TYPE=QUOTE", requires = "nonce")]
    findings: Vec<String>,
    /// Redact this thing of the inventory
    #[arg(long, value_name = "ID")]
    redact: Vec<String>,
    /// Redact everything of the inventory that is undecided
    #[arg(long)]
    redact_all: bool,
    /// Keep this thing in clear (a person only)
    #[arg(long, value_name = "ID", requires = "reason")]
    keep: Vec<String>,
    /// Why it may stay
    #[arg(long)]
    reason: Option<String>,
    /// Size of the next page
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let step = args.nonce.is_some() || args.redact_all || !args.redact.is_empty() || !args.keep.is_empty();
    if !step && face.can_ask() {
        return ask_through(face, args.release, args.max_bytes);
    }
    let params = params(args)?;
    let report = face.app()?.review(&params)?;
    face.answer_placed(&report, human)
}

fn decide(id: &str, decision: &str, reason: Option<&str>) -> DecisionIn {
    DecisionIn {
        id: id.to_owned(),
        decision: decision.to_owned(),
        reason: reason.map(str::to_owned),
        ..DecisionIn::default()
    }
}

fn params(args: Args) -> Result<ReviewParams, Failure> {
    if args.nonce.is_some() && !args.none && args.findings.is_empty() {
        return Err(Failure::usage(
            "no_answer",
            "Say what the page holds: --none, or --finding TYPE=QUOTE for each thing to redact.",
        ));
    }
    let mut findings = Vec::new();
    for f in &args.findings {
        let (kind, quote) = f.split_once('=').ok_or_else(|| {
            Failure::usage("bad_finding", "A finding is TYPE=QUOTE, for instance PERSON=\"Ada Lovelace\".")
        })?;
        findings.push(FindingIn { quote: quote.to_owned(), kind: kind.to_owned(), ..FindingIn::default() });
    }
    let mut decisions: Vec<DecisionIn> = args.redact.iter().map(|id| decide(id, "redact", None)).collect();
    decisions.extend(args.keep.iter().map(|id| decide(id, "keep", args.reason.as_deref())));
    if args.redact_all {
        decisions.push(decide("all", "redact", None));
    }
    Ok(ReviewParams {
        release: args.release,
        nonce: args.nonce,
        findings,
        decisions,
        max_bytes: args.max_bytes,
    })
}

fn human(r: &ReviewReport) -> String {
    let mut out = outcome(r);
    out.push_str(&budget(r));
    for e in &r.entities {
        let decision = e.decision.as_deref().unwrap_or("undecided");
        out.push_str(&format!("{}  {}  {}\n", dim(&one_line(&e.id)), entity(e), dim(decision)));
    }
    if let Some(page) = &r.page {
        out.push_str(&format!("\n{} {}\n", bold("page"), cyan(&one_line(page.session.as_str()))));
        out.push_str(&crate::app::sanitize(&page.text));
        out.push_str(&format!(
            "\n{}\n",
            dim(&format!("answer: --nonce {} --none, or --finding TYPE=QUOTE", one_line(&page.nonce)))
        ));
    }
    out.push_str(&left(r));
    out
}

/// What reading will take, before it begins.
fn budget(r: &ReviewReport) -> String {
    let Some(b) = &r.budget else { return String::new() };
    format!(
        "to read: {} in {}, {} (about {} tokens, {}); the riskiest first\n",
        of(b.chunks, "chunk"),
        of(b.sessions, "session"),
        bytes(b.bytes),
        count(b.tokens_estimate),
        of(b.pages_estimate, "page")
    )
}

fn entity(e: &EntityItem) -> String {
    format!("{} {} ×{}", yellow(&one_line(&e.kind)), bold(&one_line(&e.value)), count(e.count))
}

/// What the last answer did.
fn outcome(r: &ReviewReport) -> String {
    let mut out = String::new();
    if r.accepted > 0 {
        out.push_str(&format!("{} taken\n", of(r.accepted, "finding")));
    }
    for why in &r.refused {
        out.push_str(&format!("{} {}\n", yellow("not taken:"), one_line(why)));
    }
    if r.read_again {
        out.push_str(&format!(
            "{} that page holds something you did not report; read it again\n",
            yellow("note:")
        ));
    }
    if let Some(n) = r.resealed {
        out.push_str(&format!("{} sealed again\n", of(n, "row")));
    }
    out
}

fn left(r: &ReviewReport) -> String {
    let l = r.remaining;
    if l.sessions == 0 && l.entities == 0 {
        return format!("{} everything is read and decided\n{}", green("done:"), evidence(r));
    }
    format!(
        "left: {} ({}) to read, {} to decide\n",
        of(l.sessions, "session"),
        bytes(l.bytes),
        of(l.entities, "name")
    )
}

/// What the review is bound by, and how an agent that read did.
fn evidence(r: &ReviewReport) -> String {
    let Some(e) = &r.evidence else { return String::new() };
    let mut out = format!("evidence: {} over {} answers\n", dim(&e.root), count(e.leaves));
    if let Some(m) = &e.reader {
        out.push_str(&format!(
            "reader: found {} of {} planted values (recall {:.2}, 95 % lower bound {:.2}, floor {:.2}), \
             over-flagged {} of {}\n",
            m.found, m.planted, m.recall, m.lower_bound, m.floor, m.over_flagged, m.harmless
        ));
    }
    out
}

/// What the person said to one question.
enum Said {
    Go(ReviewParams),
    Quit,
}

/// Asks until everything is read and decided, or the person quits; whatever was answered stays answered.
fn ask_through(face: &mut Face, release: Option<String>, max_bytes: Option<u64>) -> Result<(), End> {
    let fresh = || ReviewParams { release: release.clone(), max_bytes, ..ReviewParams::default() };
    let mut terminal = face.terminal("clawgate review")?;
    let mut skipped: BTreeSet<String> = BTreeSet::new();
    let mut report = face.app()?.review(&fresh())?;
    face.print(&budget(&report))?;
    loop {
        face.print(&outcome(&report))?;
        let open: Vec<&EntityItem> =
            report.entities.iter().filter(|e| e.decision.is_none() && !skipped.contains(&e.id)).collect();
        let said = if !open.is_empty() {
            inventory(face, &mut terminal, &open, &mut skipped, fresh())?
        } else if let Some(page) = &report.page {
            face.print(&left(&report))?;
            read(face, &mut terminal, page, fresh())?
        } else {
            break;
        };
        match said {
            Said::Quit => {
                face.print("Stopped; `clawgate review` goes on from here.\n")?;
                break;
            }
            Said::Go(params) => report = face.app()?.review(&params)?,
        }
    }
    face.print(&left(&report))?;
    face.print_next()
}

fn inventory(
    face: &Face,
    terminal: &mut Terminal,
    open: &[&EntityItem],
    skipped: &mut BTreeSet<String>,
    mut params: ReviewParams,
) -> Result<Said, End> {
    face.print(&format!(
        "\n{} {}\n",
        bold("Names and places found"),
        dim("(r)edact (k)eep (a)ll redact (s)kip (q)uit")
    ))?;
    for e in open {
        face.print(&format!("{}\n", entity(e)))?;
        loop {
            let answer = terminal.line("  r/k/a/s/q [r]: ")?;
            match answer.as_deref().map(|a| a.chars().next().unwrap_or('r').to_ascii_lowercase()) {
                Some('r') => params.decisions.push(decide(&e.id, "redact", None)),
                Some('k') => {
                    let reason = terminal.required("  why may it stay in clear? ")?;
                    if reason.chars().count() < 3 {
                        continue;
                    }
                    params.decisions.push(decide(&e.id, "keep", Some(&reason)));
                }
                Some('a') => {
                    params.decisions.push(decide("all", "redact", None));
                    return Ok(Said::Go(params));
                }
                Some('s') => {
                    skipped.insert(e.id.clone());
                }
                Some('q') | None if params.decisions.is_empty() => return Ok(Said::Quit),
                Some('q') | None => {
                    // What was decided so far counts; the next round asks again and can be quit there.
                    return Ok(Said::Go(params));
                }
                Some(_) => continue,
            }
            break;
        }
    }
    Ok(Said::Go(params))
}

fn read(face: &Face, terminal: &mut Terminal, page: &Page, mut params: ReviewParams) -> Result<Said, End> {
    face.print(&format!(
        "\n{} {}\n{}\n",
        bold("Read this"),
        cyan(&one_line(page.session.as_str())),
        readable(&page.text)
    ))?;
    params.nonce = Some(page.nonce.clone());
    loop {
        let answer =
            terminal.line("Enter: nothing to redact here · or exact words to redact · q: stop > ")?;
        match answer.as_deref() {
            None | Some("q") if params.findings.is_empty() => return Ok(Said::Quit),
            None | Some("" | "q") => return Ok(Said::Go(params)),
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
    crate::app::sanitize(&out)
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
