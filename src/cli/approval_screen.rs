//! What is shown directly above the question whether to approve, and the question.

use std::path::Path;

use crate::app::environment::EnvironmentNote;
use crate::app::release::{Approval, ApprovalScreen, HeadNote, Preview, ProjectRows, Statement};
use crate::app::{Failure, Kind};
use crate::gate::{EarlierCounts, PolicyVerdict};
use crate::workflow::{Actor, Destination, NameScan, Target, Visibility};

use super::format::{format_count, pluralize};
use super::prompt::Terminal;
use super::render::{bold, files_size, red, target, yellow};
use super::table::one_line;
use super::time_args::Times;

/// Values and strings that one line names.
const MAX_NAMED: usize = 6;
/// Characters of a name that are shown.
const MAX_NAME_CHARS: usize = 40;
/// Characters of a statement that are shown.
const MAX_STATEMENT_CHARS: usize = 60;
/// Width of the labels.
const LABEL_WIDTH: usize = 14;

/// Shows what is approved, and asks the person to type the name of the destination, so that pressing Enter is not enough.
pub(super) fn ask(
    terminal: &mut Terminal,
    shown: &Approval,
    command: &str,
    times: &Times,
) -> Result<(), Failure> {
    let screen = &shown.preview.approval;
    terminal.print_styled(&format!(
        "\n{}{}",
        in_full(screen),
        render(&shown.preview, &shown.shown, times).trim_end()
    ))?;
    match &shown.preview.destination {
        Some(destination) => ask_name(terminal, destination, shown.preview.rows, command),
        None => Err(Failure::failed("no_destination", "The release has no destination.").hint(command)),
    }
}

/// Says who will be able to read how many rows, and asks the person to type the name of the destination.
pub(super) fn ask_name(
    terminal: &mut Terminal,
    destination: &Destination,
    rows: u64,
    command: &str,
) -> Result<(), Failure> {
    // Directly above the question, so that no long list pushes it off the screen.
    terminal.print_styled(&audience(destination.visibility, rows))?;
    type_name(terminal, destination, command)
}

/// Asks the person to type the name of the destination.
pub(super) fn type_name(
    terminal: &mut Terminal,
    destination: &Destination,
    command: &str,
) -> Result<(), Failure> {
    let name = match &destination.target {
        Target::Hub { repo, .. } => repo.clone(),
        Target::Folder { path } => {
            let name = Path::new(path).file_name().map(|n| n.to_string_lossy().into_owned());
            name.unwrap_or_else(|| path.clone())
        }
    };
    let name = one_line(&name);
    let typed = terminal.line(&format!("Type \"{name}\" to approve: "))?;
    if typed.as_deref() == Some(name.as_str()) {
        return Ok(());
    }
    let message = "The name does not match. Nothing was signed.";
    Err(Failure::new(Kind::Refused, "name_mismatch", message).hint(command))
}

/// Who will be able to read how many rows.
fn audience(visibility: Visibility, rows: u64) -> String {
    let rows = pluralize(rows, "row");
    match visibility {
        Visibility::Public => red(&format!("PUBLIC: everyone will be able to read {rows}")),
        Visibility::Private => bold(&format!("private: {rows}")),
    }
}

/// Everything of which the screen names only the first ones. Empty if it names all.
fn in_full(screen: &ApprovalScreen) -> String {
    let lists: [(&str, Vec<String>); 3] = [
        ("No longer excluded", screen.exclusions_removed.iter().map(|p| plain(p)).collect()),
        ("No longer redacted", screen.strings_removed.iter().map(|s| plain(s)).collect()),
        ("Unusual in the environment", screen.environment.iter().map(|note| plain(&note.line())).collect()),
    ];
    let long = lists.into_iter().map(|(title, items)| list_in_full(title, &items));
    std::iter::once(projects_in_full(&screen.projects)).chain(long).collect()
}

/// All projects of the rows, if the screen names only the first ones.
pub(super) fn projects_in_full(projects: &[ProjectRows]) -> String {
    list_in_full("All projects of the rows", &projects.iter().map(project_rows).collect::<Vec<_>>())
}

fn list_in_full(title: &str, items: &[String]) -> String {
    match items.len() > MAX_NAMED {
        true => format!("{title} ({}):\n  {}\n\n", items.len(), items.join("\n  ")),
        false => String::new(),
    }
}

fn project_rows(p: &ProjectRows) -> String {
    format!("{} ({})", plain(&p.project), format_count(p.rows))
}

/// An untrusted name as one line without wide gaps, which could look like the beginning of another line.
fn plain(name: &str) -> String {
    one_line(name).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name of which the screen shows the beginning.
fn short(name: &str) -> String {
    let name = plain(name);
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// Lists what is unusual in the environment, before a passphrase is asked for.
pub(super) fn show_environment(terminal: &mut Terminal, notes: &[EnvironmentNote]) -> Result<(), Failure> {
    for note in notes {
        terminal.print_styled(&format!("{} {}", yellow("environment:"), one_line(&note.line())))?;
    }
    Ok(())
}

/// With which time the screen compares what is excluded and redacted.
const SINCE_WHEN: &str = "it was at some time since the last publication, or before the first one";

fn render(p: &Preview, shown: &str, times: &Times) -> String {
    let screen = &p.approval;
    let mut out = p.destination.as_ref().map_or_else(String::new, |d| {
        destination_lines(d, screen.endpoint.as_deref(), screen.proxy.as_deref())
    });
    let mut line = |label: &str, text: String| out.push_str(&labelled(label, &text));
    line("rows", rows_line(screen.rows, (p.files.len() as u64, screen.bytes), &screen.projects));
    if let Some(earlier) = &screen.earlier {
        line(earlier_label(&earlier.counts), earlier_line(&earlier.counts));
    }
    if let Some(head) = &screen.head {
        line("on top of", head_line(head));
    }
    if !screen.exclusions_removed.is_empty() {
        let projects = listed(screen.exclusions_removed.iter().map(|p| short(p)), "");
        line("scope", format!("{}; {SINCE_WHEN}", red(&format!("NO LONGER excluded: {projects}"))));
    }
    line("review", read(screen));
    line("kept in clear", kept(screen));
    line("redacted", redacted(p));
    line("strings", strings(screen));
    line("name scan", name_scan(screen.name_scan));
    line("statements", statements(&screen.statements));
    if let Some(policy) = screen.policy.as_ref() {
        line("policy", policy_line(policy));
        if policy.approvers > 1 {
            let first = "this is 1 of 2 approvals; nothing is published before another approver signs too";
            line("approvals", yellow(first));
        }
    }
    line("other keys", other_keys(screen));
    for note in screen.environment.iter().take(MAX_NAMED) {
        line("environment", yellow(&one_line(&note.line())));
    }
    if screen.environment.len() > MAX_NAMED {
        let more = screen.environment.len() - MAX_NAMED;
        line("environment", yellow(&format!("{more} more, listed above")));
    }
    line("audit log", audit_log(screen, times));
    line("digest", bold(&p.digest));
    line("your key", key(screen, times));
    line("screen", shown.to_owned());
    out
}

/// How much of the audit log is not covered by a signature.
fn audit_log(screen: &ApprovalScreen, times: &Times) -> String {
    let entries = pluralize(screen.unsigned_entries, "entry");
    match screen.log_signed {
        Some(at) => format!("{entries} since you signed its end at {}", times.minute_with_zone(at)),
        None => yellow(&format!("{entries}, and its end was never signed")),
    }
}

/// One line of the screen.
pub(super) fn labelled(label: &str, text: &str) -> String {
    format!("{label:LABEL_WIDTH$}{text}\n")
}

/// The lines that say where the files go and who can read them there.
pub(super) fn destination_lines(d: &Destination, endpoint: Option<&str>, proxy: Option<&str>) -> String {
    let visibility = match d.visibility {
        Visibility::Private => "private".to_owned(),
        Visibility::Public => red("PUBLIC: everyone can read it"),
    };
    let mut out = labelled("destination", &format!("{} · {visibility}", bold(&one_line(&target(&d.target)))));
    if let Some(endpoint) = endpoint {
        let proxy = proxy.map_or_else(
            || "no proxy".to_owned(),
            |proxy| yellow(&format!("through the proxy {}", one_line(proxy))),
        );
        out.push_str(&labelled("endpoint", &format!("{} · {proxy}", bold(&one_line(endpoint)))));
    }
    out + &labelled("licence", &one_line(d.licence.as_deref().unwrap_or("none")))
}

/// The first few texts, and the number of the others, which are in full above the screen.
pub(super) fn listed(items: impl Iterator<Item = String>, empty: &str) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return empty.to_owned();
    }
    let more = items.len().saturating_sub(MAX_NAMED);
    let mut out = items.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}

/// Number and projects of the rows, and number and size of the files.
pub(super) fn rows_line(rows: u64, (files, bytes): (u64, u64), projects: &[ProjectRows]) -> String {
    let names = projects.iter().map(|p| format!("{} ({})", short(&p.project), format_count(p.rows)));
    format!(
        "{} in {}, of {}: {}",
        pluralize(rows, "row"),
        files_size(files, bytes),
        pluralize(projects.len() as u64, "project"),
        listed(names, "none")
    )
}

pub(super) fn earlier_label(e: &EarlierCounts) -> &'static str {
    if e.adds { "adds to" } else { "replaces" }
}

/// What happens to the rows that are at the destination.
pub(super) fn earlier_line(e: &EarlierCounts) -> String {
    let there = format!(
        "the {} there of {} (`clawgate releases`)",
        pluralize(e.rows, "row"),
        pluralize(e.releases, "earlier release")
    );
    let rest = match (e.adds, e.older_rows, e.removed) {
        (true, 0, _) => "nothing there is changed or deleted".to_owned(),
        (true, n, _) => format!(
            "nothing there is changed or deleted; {}",
            yellow(&format!("older rows of {} stay", pluralize(n, "session")))
        ),
        (false, _, 0) => "all of their sessions are in this release".to_owned(),
        (false, _, n) => red(&format!("{} NOT in this release: deleted there", pluralize(n, "session"))),
    };
    format!("{there}; {rest}")
}

/// The commit that must still be there, and what of others stays.
fn head_line(head: &HeadNote) -> String {
    let commit: String = head.commit.chars().take(12).collect();
    let files = match head.files_total {
        0 => "no other file".to_owned(),
        n => format!(
            "{} of others untouched: {}",
            pluralize(n, "file"),
            listed(head.files.iter().map(|f| short(f)), "")
        ),
    };
    let put_back = match head.put_back {
        0 => String::new(),
        n => yellow(&format!("; {} withdrawn before: deleted again", pluralize(n, "row"))),
    };
    let replaced = match head.replaced.len() as u64 {
        0 => String::new(),
        n => yellow(&format!(
            "; REPLACES or deletes {} of others: {}",
            pluralize(n, "file"),
            listed(head.replaced.keys().map(|f| short(f)), "")
        )),
    };
    let rows = pluralize(head.rows, "row");
    format!("commit {commit}; {rows} of others in the new files{put_back}{replaced}; {files}")
}

fn read(screen: &ApprovalScreen) -> String {
    let by = screen.read.iter().map(|r| {
        let by = if r.by == "person" { "a person".to_owned() } else { one_line(&r.by) };
        format!("{} by {by}", pluralize(r.rows, "row"))
    });
    format!("{} ({})", screen.coverage, listed(by, "nobody read any"))
}

fn kept(screen: &ApprovalScreen) -> String {
    let values = screen.kept.iter().map(|k| {
        let by = if k.by == Actor::Agent { " by an agent" } else { "" };
        format!("{} {}{by}", one_line(&k.kind), one_line(&k.masked))
    });
    match screen.kept.len() {
        0 => "no value of the inventory".to_owned(),
        n => yellow(&format!("{}: {}", pluralize(n as u64, "value"), listed(values, ""))),
    }
}

fn redacted(p: &Preview) -> String {
    let mut kinds: Vec<_> = p.privacy_report.redactions.iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let total: u64 = kinds.iter().map(|(_, n)| **n).sum();
    let kinds = kinds.iter().map(|(kind, n)| format!("{} {}", format_count(**n), one_line(kind)));
    format!("{}: {}", pluralize(total, "place"), listed(kinds, "nothing"))
}

fn strings(screen: &ApprovalScreen) -> String {
    let now = listed(screen.strings.iter().map(|s| one_line(s)), "none");
    match screen.strings_removed.is_empty() {
        true => format!("always redacted: {now}"),
        false => {
            let removed = listed(screen.strings_removed.iter().map(|s| one_line(s)), "");
            format!(
                "always redacted: {now}; {}; {SINCE_WHEN}",
                red(&format!("NO LONGER redacted: {removed}"))
            )
        }
    }
}

pub(super) fn name_scan(scan: NameScan) -> String {
    match scan {
        NameScan::Clean => "the full name was searched for and is not in the files".to_owned(),
        NameScan::Declined => yellow("no name was given, so none was searched for"),
        NameScan::NotDone => red("not done"),
        NameScan::Hits { count } => red(&format!("the name is in {}", pluralize(count, "place"))),
        NameScan::Waived { count } => {
            yellow(&format!("the name is in {}, and a person accepted that", pluralize(count, "place")))
        }
    }
}

fn statements(statements: &[Statement]) -> String {
    let shown = statements.iter().map(|s| {
        let words: String = one_line(&s.words).chars().take(MAX_STATEMENT_CHARS).collect();
        let cut = if words.chars().count() < s.words.chars().count() { "…" } else { "" };
        format!("{} \"{words}{cut}\" (by {})", s.kind.as_str(), one_line(&s.by))
    });
    listed(shown, "none")
}

pub(super) fn policy_line(policy: &PolicyVerdict) -> String {
    let Some(source) = &policy.source else { return format!("none; level {} or higher", policy.level) };
    let rows = policy.max_rows.map(|n| format!(", at most {}", pluralize(n, "row"))).unwrap_or_default();
    let rules = listed(policy.rules.iter().map(|rule| one_line(rule)), "none");
    let source = one_line(&source.display().to_string());
    format!("{source}: level {} or higher{rows}; rules that match: {rules}", policy.level)
}

fn other_keys(screen: &ApprovalScreen) -> String {
    let keys = screen.other_keys.iter().map(|k| match k.accepted {
        true => yellow(&one_line(&k.fingerprint)),
        false => red(&format!("{} (nobody signed it; not accepted)", one_line(&k.fingerprint))),
    });
    listed(keys, "none")
}

fn key(screen: &ApprovalScreen, times: &Times) -> String {
    let Some(key) = &screen.key else { return red("none") };
    let key = bold(&one_line(key));
    match (screen.new_key, screen.key_made) {
        (false, _) => key,
        (true, Some(at)) => {
            format!("{key} {}", yellow(&format!("(new: made {})", times.minute_with_zone(at))))
        }
        (true, None) => format!("{key} {}", red("(the audit log does not say when it was made)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::wrap::wrap;

    #[test]
    fn a_long_list_is_in_full_above_the_screen_and_does_not_push_the_destination_off_it() {
        let projects: Vec<ProjectRows> = (1..=60)
            .map(|n| ProjectRows {
                project: format!("{}{n:02}", "a-long-name-of-a-client-".repeat(4)),
                rows: 2,
            })
            .collect();
        let line = labelled("rows", &rows_line(120, (3, 9_000), &projects));
        assert!(wrap(&line, Some(80)).lines().count() <= 8, "{line}");
        assert!(line.contains(" and 54 more"), "{line}");
        let above = projects_in_full(&projects);
        assert!(projects.iter().all(|p| above.contains(&p.project)), "{above}");
        assert_eq!(projects_in_full(&projects[..6]), "");
    }

    #[test]
    fn a_name_cannot_look_like_another_line_of_the_screen() {
        let hostile = format!("shop{}\n\nstrings  always redacted", "\u{a0}".repeat(70));
        let shown = short(&hostile);
        assert!(!shown.contains("  ") && !shown.contains('\u{a0}') && !shown.contains('\n'), "{shown:?}");
        assert_eq!(short("calc-app"), "calc-app");
        assert_eq!(short(&"é".repeat(90)).chars().count(), MAX_NAME_CHARS + 1);
    }

    #[test]
    fn the_line_above_the_question_says_who_can_read_how_many_rows() {
        assert!(audience(Visibility::Public, 16).contains("PUBLIC: everyone will be able to read 16 rows"));
        assert!(audience(Visibility::Private, 1).contains("private: 1 row"));
    }
}
