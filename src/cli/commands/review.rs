//! `clawgate review`: the inventory and the sample, step by step; on a terminal as questions.

use serde::Serialize;

use crate::app::Failure;
use crate::app::release::{DecisionIn, FindingIn, Inventory, ReviewParams, ReviewReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, pluralize};
use crate::cli::render::{bold, cyan, dim, evidence, green, review_effort, yellow};
use crate::cli::review_terminal::{entity_line, run_review};
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
    /// Redact what --redact names wherever it stands, in every release: it becomes a custom string
    #[arg(long, requires = "redact")]
    everywhere: bool,
    /// Keep this thing in clear in this release (a person only)
    #[arg(long, value_name = "ID", requires = "reason")]
    keep: Vec<String>,
    /// Keep what --keep names in clear in every release
    #[arg(long, requires = "keep")]
    always: bool,
    /// Why it may stay
    #[arg(long)]
    reason: Option<String>,
    /// Take the last decision or report back (a person only)
    #[arg(long, conflicts_with_all = ["nonce", "redact", "keep", "redact_all"])]
    undo: bool,
    /// List the whole inventory with where it stands, and what reviewers reported
    #[arg(long, conflicts_with_all = ["nonce", "undo"])]
    inventory: bool,
    /// Print what a reviewer looks for
    #[arg(long)]
    rubric: bool,
    /// Size of the next page
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if args.rubric {
        return super::pii_rubric::run(super::pii_rubric::Args {}, cli);
    }
    if args.undo {
        let undone = cli.app()?.undo_decision(args.release.as_deref())?;
        let resealed = cli.app()?.seal_again(args.release.as_deref())?;
        let taken_back = Undone { values: undone.values, resealed };
        return cli.print_with_status(&taken_back, |u| {
            format!(
                "{} taken back: {}\n",
                u.values.len(),
                one_line(&crate::app::text::sanitize(&u.values.join(", ")))
            )
        });
    }
    if args.inventory {
        let list = cli.app()?.inventory(args.release.as_deref(), true)?;
        return cli.print_with_status(&list, listed);
    }
    let step = args.nonce.is_some() || args.redact_all || !args.redact.is_empty() || !args.keep.is_empty();
    if !step && cli.can_prompt() {
        let say = |r: &ReviewReport| format!("{}{}{}", budget(r), outcome(r), left(r));
        return run_review(cli, args.release.as_deref(), args.max_bytes, &say);
    }
    let params = params(args)?;
    let report = cli.app()?.review(&params)?;
    cli.print_with_status(&report, render)
}

#[derive(Serialize)]
struct Undone {
    values: Vec<String>,
    resealed: Option<u64>,
}

/// The whole inventory.
fn listed(l: &Inventory) -> String {
    let mut out = format!("{} undecided of {}\n", l.undecided, pluralize(l.entities.len() as u64, "thing"));
    for e in &l.entities {
        let decision = e.decision.as_deref().unwrap_or("undecided");
        out.push_str(&format!("{}  {}  {}\n", dim(&one_line(&e.id)), entity_line(e), dim(decision)));
        for place in &e.context {
            out.push_str(&format!("  {}\n", dim(&one_line(place))));
        }
    }
    if !l.reported.is_empty() {
        out.push_str(&format!("{}\n", bold("Reported by reviewers, and redacted")));
    }
    for r in &l.reported {
        out.push_str(&format!(
            "{} {}  {}\n",
            yellow(&one_line(&r.kind)),
            one_line(&r.value),
            dim(&one_line(&r.by))
        ));
    }
    out
}

fn decide(id: &str, decision: &str, reason: Option<&str>, always: bool) -> DecisionIn {
    let reason = reason.map(str::to_owned);
    DecisionIn { id: id.to_owned(), decision: decision.to_owned(), reason, always }
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
    let mut decisions: Vec<DecisionIn> =
        args.redact.iter().map(|id| decide(id, "redact", None, args.everywhere)).collect();
    decisions.extend(args.keep.iter().map(|id| decide(id, "keep", args.reason.as_deref(), args.always)));
    if args.redact_all {
        decisions.push(decide("all", "redact", None, false));
    }
    Ok(ReviewParams {
        release: args.release,
        nonce: args.nonce,
        findings,
        decisions,
        max_bytes: args.max_bytes,
    })
}

fn render(r: &ReviewReport) -> String {
    let mut out = outcome(r);
    out.push_str(&budget(r));
    for e in &r.entities {
        let decision = e.decision.as_deref().unwrap_or("undecided");
        out.push_str(&format!("{}  {}  {}\n", dim(&one_line(&e.id)), entity_line(e), dim(decision)));
    }
    if let Some(page) = &r.page {
        out.push_str(&format!("\n{} {}\n", bold("page"), cyan(&one_line(page.session.as_str()))));
        out.push_str(&crate::app::text::sanitize(&page.text));
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
    r.budget.as_ref().map_or_else(String::new, |b| format!("{}; the riskiest first\n", review_effort(b)))
}

/// What the last answer did.
fn outcome(r: &ReviewReport) -> String {
    let mut out = String::new();
    if r.accepted > 0 {
        out.push_str(&format!("{} taken\n", pluralize(r.accepted, "finding")));
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
        out.push_str(&format!("{} sealed again\n", pluralize(n, "row")));
    }
    out
}

fn left(r: &ReviewReport) -> String {
    let l = r.remaining;
    if l.sessions == 0 && l.entities == 0 {
        return format!(
            "{} everything is read and decided\n{}",
            green("done:"),
            r.evidence.as_ref().map_or_else(String::new, evidence)
        );
    }
    format!(
        "left: {} ({}) to read, {} to decide\n",
        pluralize(l.sessions, "session"),
        format_bytes(l.bytes),
        pluralize(l.entities, "name")
    )
}
