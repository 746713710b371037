//! Pieces of answers for people that several verbs share.

use anstyle::{AnsiColor, Style};

use crate::app::release::{Budget, EvidenceReport, PrivacyReport, ReaderReport, SampleRow};
use crate::app::text::sanitize;
use crate::workflow::{Destination, FileEntry, Target, Visibility};

use super::money::{bytes, count, of};
use super::table::{Set, Table, one_line};

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

pub(super) fn bold(text: &str) -> String {
    styled(Style::new().bold(), text)
}

pub(super) fn dim(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

pub(super) fn red(text: &str) -> String {
    styled(Style::new().bold().fg_color(Some(AnsiColor::Red.into())), text)
}

pub(super) fn yellow(text: &str) -> String {
    styled(Style::new().fg_color(Some(AnsiColor::Yellow.into())), text)
}

pub(super) fn green(text: &str) -> String {
    styled(Style::new().fg_color(Some(AnsiColor::Green.into())), text)
}

pub(super) fn cyan(text: &str) -> String {
    styled(Style::new().fg_color(Some(AnsiColor::Cyan.into())), text)
}

/// A heading line.
pub(super) fn heading(text: &str) -> String {
    format!("\n{}\n", bold(text))
}

/// A destination in words.
pub(super) fn destination(d: Option<&Destination>) -> String {
    let Some(d) = d else { return "not set".to_owned() };
    let licence = d.licence.as_deref().unwrap_or("no licence chosen");
    let seen = match d.visibility {
        Visibility::Private => "private",
        Visibility::Public => "PUBLIC",
    };
    one_line(&format!("{} · {seen} · {licence}", target(&d.target)))
}

/// A target in words.
pub(super) fn target(t: &Target) -> String {
    match t {
        Target::Hub { repo, revision } if revision == "main" => format!("Hub dataset {repo}"),
        Target::Hub { repo, revision } => format!("Hub dataset {repo} ({revision})"),
        Target::Folder { path } => format!("folder {path}"),
    }
}

/// What a review is bound by, and how an agent that read did.
pub(super) fn evidence(e: &EvidenceReport) -> String {
    let by = e.reader.as_ref().map_or_else(|| "reader: people\n".to_owned(), reader);
    format!("evidence: {} over {} answers\n{by}", dim(&one_line(&e.root)), count(e.leaves))
}

/// How an agent that read did on what was planted.
fn reader(m: &ReaderReport) -> String {
    format!(
        "reader: found {} of {} planted values (recall {:.2}, 95 % lower bound {:.2}, floor {:.2}), over-flagged \
         {} of {}: {} as a review\n",
        m.found,
        m.planted,
        m.recall,
        m.lower_bound,
        m.floor,
        m.over_flagged,
        m.harmless,
        if m.counts { "counts" } else { "does not count" }
    )
}

/// What a review will take to read.
pub(super) fn to_read(b: &Budget) -> String {
    format!(
        "{} in {} to read, {} (about {} tokens, {})",
        of(b.chunks, "chunk"),
        of(b.sessions, "session"),
        bytes(b.bytes),
        count(b.tokens_estimate),
        of(b.pages_estimate, "page")
    )
}

/// The files of a release.
pub(super) fn files(files: &[FileEntry], width: usize) -> String {
    let mut table = Table::new(&[("file", Set::Cut), ("size", Set::Right), ("sha256", Set::Left)]);
    for f in files {
        table.row([f.path.clone(), bytes(f.bytes), f.sha256.chars().take(16).collect()]);
    }
    table.render(width)
}

/// The privacy report: what was redacted, and what was decided on the inventory.
pub(super) fn privacy(r: &PrivacyReport, width: usize) -> String {
    let mut out = String::new();
    if r.redactions.is_empty() {
        out.push_str("Nothing was redacted.\n");
    } else {
        let mut table =
            Table::new(&[("redacted", Set::Left), ("count", Set::Right), ("for instance", Set::Cut)]);
        let mut kinds: Vec<_> = r.redactions.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (kind, n) in kinds {
            table.row([kind.clone(), count(*n), r.examples.get(kind).cloned().unwrap_or_default()]);
        }
        out.push_str(&table.render(width));
    }
    let e = r.entities;
    out.push_str(&format!(
        "inventory: {} found, {} redacted, {} kept, {} undecided\n",
        count(e.total),
        count(e.redacted),
        count(e.kept),
        count(e.undecided)
    ));
    let thinking = if r.thinking { "included" } else { "left out" };
    out.push_str(&format!(
        "reasoning {thinking}; timestamps: {}; pseudonyms: {}; rules {}\n",
        one_line(&r.timestamps),
        one_line(&r.pseudonyms),
        one_line(&r.rules_version)
    ));
    for (key, why) in r.left_out.iter().take(10) {
        out.push_str(&format!("{} {}: {}\n", yellow("left out:"), one_line(key.as_str()), one_line(why)));
    }
    if r.left_out.len() > 10 {
        out.push_str(&format!("… and {} more left out\n", r.left_out.len() - 10));
    }
    out
}

/// Beginnings of sealed rows. Untrusted text, made harmless.
pub(super) fn sample(rows: &[SampleRow]) -> String {
    let mut out = String::new();
    for row in rows {
        out.push_str(&format!("{} {}\n", dim(&one_line(row.session.as_str())), dim(&bytes(row.bytes))));
        out.push_str(&format!(
            "  {}{}\n",
            one_line(&row.excerpt),
            if row.bytes > row.excerpt.len() as u64 { " …" } else { "" }
        ));
    }
    out
}

/// A release's figures in a line.
pub(super) fn rows_line(rows: u64, files: &[FileEntry]) -> String {
    let size = files.iter().map(|f| f.bytes).sum();
    format!("{} in {}, {}", of(rows, "row"), of(files.len() as u64, "file"), bytes(size))
}

/// Untrusted text of several lines, indented.
pub(super) fn indented(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    sanitize(text).lines().map(|l| format!("{pad}{l}\n")).collect()
}
