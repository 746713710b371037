//! `clawgate config`: shows or edits the configuration, with how often each string and user name occurs.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use crate::app::config::{HitCounts, ListHits};
use crate::app::sessions::{ConfigImport, ScopeParams, ScopeReport};
use crate::app::shell;
use crate::app::text::parse_name;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::path_arg::absolute;
use crate::cli::project_arg::{split_names, split_projects};
use crate::cli::table::one_line;
use crate::redact::is_short_word;
use crate::workflow::Visibility;

/// Show or edit the configuration
///
/// List options add to the configured list; the --remove options take an entry out again.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Always redact these names, in every spelling; write `\,` for a comma in a name
    #[arg(long, value_name = "A,B")]
    redact: Vec<String>,
    /// No longer redact this name
    #[arg(long, value_name = "NAME")]
    remove_redact: Vec<String>,
    /// Always redact these user names
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    redact_usernames: Vec<String>,
    /// No longer redact these user names
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    remove_redact_usernames: Vec<String>,
    /// Exclude these projects: names, paths with everything below them, or globs; write `\,` for a comma in a name
    #[arg(long, value_name = "A,B")]
    exclude: Vec<String>,
    /// No longer exclude these projects
    #[arg(long, value_name = "A,B")]
    remove_exclude: Vec<String>,
    /// Limit the scope to these agents, in place of those chosen before; "all" for all agents
    #[arg(long, visible_alias = "agent", value_delimiter = ',', value_name = "A,B")]
    source: Vec<String>,
    /// Publish releases to this Hub dataset repository
    #[arg(long, value_name = "OWNER/NAME", conflicts_with = "folder")]
    repo: Option<String>,
    /// Publish releases to this folder
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,
    /// Visibility of the published dataset: private or public
    #[arg(long)]
    visibility: Option<String>,
    /// Licence of the published data, for example cc-by-4.0
    #[arg(long, visible_alias = "license")]
    licence: Option<String>,
    /// Time zone of all times and days: an IANA name, "utc", or "local"
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Confirm the resulting scope
    #[arg(long, visible_alias = "confirm-projects")]
    confirm: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take over the configuration of DataClaw or ClawTrace
    ///
    /// Adds the excluded projects, strings, user names, source, repository and alert thresholds. Without FILE, reads
    /// ~/.dataclaw/config.json and ~/.clawtrace/config.json. A token is not taken over.
    Import {
        /// Configuration of the other program, in JSON
        file: Option<PathBuf>,
    },
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if let Some(Action::Import { file }) = &args.action {
        let report = cli.app()?.import_config(file.as_deref())?;
        return cli.print_with_status(&report, render_import);
    }
    let visibility: Option<Visibility> =
        args.visibility.as_deref().map(|v| parse_name("--visibility", "bad_visibility", v)).transpose()?;
    let params = ScopeParams {
        agents: args.source,
        exclude: split_projects(&args.exclude),
        include: split_projects(&args.remove_exclude),
        redact: args.redact.iter().flat_map(|names| split_names(names)).collect(),
        usernames: args.redact_usernames,
        remove_redact: args.remove_redact,
        remove_usernames: args.remove_redact_usernames,
        repo: args.repo,
        folder: args.folder.map(|f| absolute(f.into(), cli.home()).display().to_string()),
        visibility,
        licence: args.licence,
        confirm: args.confirm,
        at_command_line: true,
    };
    let lists = [
        &params.agents,
        &params.exclude,
        &params.include,
        &params.redact,
        &params.usernames,
        &params.remove_redact,
        &params.remove_usernames,
    ];
    let has_list_changes = lists.iter().any(|l| !l.is_empty());
    let values = [&params.repo, &params.folder, &params.licence];
    let has_changes = params.confirm
        || params.visibility.is_some()
        || has_list_changes
        || values.iter().any(|v| v.is_some());
    let app = cli.app()?;
    // Checked before anything is changed.
    app.zone(args.timezone.as_deref())?;
    let mut removed = None;
    if has_changes {
        removed = app.set_scope(&params)?.removed;
    }
    if let Some(zone) = &args.timezone {
        app.set_timezone(zone)?;
    }
    let report = ScopeReport { removed, ..app.scope()? };
    let path = app.dir().join("config.toml");
    // Searching the sessions takes a second or two, so it is not done for a change of other values.
    let counts = if has_list_changes || !(has_changes || args.timezone.is_some()) {
        Some(app.list_hits()?)
    } else {
        None
    };
    let report = ConfigReport { counts, scope: report };
    cli.print_with_status(&report, |r| render(r, &path.display().to_string()))
}

#[derive(Serialize)]
struct ConfigReport {
    #[serde(flatten)]
    scope: ScopeReport,
    /// The hits of each entry of a list. `None` if only other values were set.
    #[serde(flatten)]
    counts: Option<HitCounts>,
}

/// Returns the entries of a list, each with the number of its hits.
fn with_hits(hits: &[ListHits], setting: &str) -> String {
    let shown = |h: &ListHits| {
        let what = if setting == "scope.exclude" { "session" } else { "hit" };
        let is_short = h.setting == "redact.strings" && is_short_word(&h.value);
        let warning = match (h.common, is_short) {
            (true, _) => ", a common word",
            (false, true) => ", only as a word of its own",
            (false, false) => "",
        };
        format!("{} ({}{warning})", h.value, pluralize(h.hits, what))
    };
    let entries: Vec<String> = hits.iter().filter(|h| h.setting == setting).map(shown).collect();
    if entries.is_empty() { "none".to_owned() } else { entries.join(", ") }
}

/// Says how many sessions were searched, unless all were.
fn coverage(counts: &HitCounts) -> String {
    match counts.complete {
        true => String::new(),
        false => format!(
            "note: the hits of strings and user names were counted in {}; the others are too large to search, so there \
             may be more hits.\n",
            pluralize(counts.sessions_counted, "session")
        ),
    }
}

/// Returns a line for each common word among the strings.
fn warnings(hits: &[ListHits]) -> String {
    let line = |h: &ListHits| {
        format!(
            "warning: {:?} is a common word; it occurs {} times in the newest sessions and is redacted everywhere. \
             `clawgate config --remove-redact {}` takes it out again.\n",
            h.value,
            h.hits,
            shell::word(&h.value)
        )
    };
    hits.iter().filter(|h| h.common && h.setting == "redact.strings").map(line).collect()
}

fn render_import(r: &ConfigImport) -> String {
    let list = |values: &[String]| if values.is_empty() { "none".to_owned() } else { values.join(", ") };
    let lines = [
        ("read", list(&r.files)),
        ("scope.agents", list(&r.agents)),
        ("scope.exclude", list(&r.excluded)),
        ("redact.strings", pluralize(r.strings, "string")),
        ("redact.usernames", pluralize(r.usernames, "user name")),
        ("publish.repo", r.repo.clone().unwrap_or_else(|| "none".to_owned())),
        ("alerts", list(&r.alerts)),
    ];
    let lines: String = lines.iter().map(|(k, v)| format!("{k:<20}{}\n", one_line(v))).collect();
    let left_out = r.left_out.iter();
    lines
        + &left_out
            .map(|e| format!("left out: {} {}: {}\n", e.field, one_line(&e.entry), e.reason))
            .collect::<String>()
}

fn render(report: &ConfigReport, path: &str) -> String {
    let r = &report.scope;
    let c = &r.config;
    let list = |l: &[String]| if l.is_empty() { "none".to_owned() } else { l.join(", ") };
    let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "none".to_owned());
    let visibility = serde_json::to_value(c.publish.visibility).unwrap_or_default();
    let agents = if c.scope.agents.is_empty() { "all".to_owned() } else { list(&c.scope.agents) };
    let entries = |setting: &str, l: &[String]| match &report.counts {
        Some(counts) => with_hits(&counts.hits, setting),
        None => list(l),
    };
    let excluded: Vec<String> = c.scope.exclude.iter().map(|e| e.label().to_owned()).collect();
    let confirmed = if r.confirmed { "yes" } else { "no" };
    let lines = [
        ("file", path.to_owned()),
        ("scope.agents", agents),
        ("scope.exclude", entries("scope.exclude", &excluded)),
        ("scope confirmed", confirmed.to_owned()),
        ("redact.strings", entries("redact.strings", &c.redact.strings)),
        ("redact.usernames", entries("redact.usernames", &c.redact.usernames)),
        ("publish.repo", value(&c.publish.repo)),
        ("publish.folder", value(&c.publish.folder)),
        ("publish.visibility", visibility.as_str().unwrap_or_default().to_owned()),
        ("publish.licence", value(&c.publish.licence)),
        ("timezone", c.timezone.clone().unwrap_or_else(|| "local".to_owned())),
        ("export.thinking", c.export.thinking.to_string()),
        ("export.timestamps", c.export.timestamps.as_str().to_owned()),
        ("export.format", c.export.format.to_string()),
    ];
    let lines: String = lines.iter().map(|(k, v)| format!("{k:<20}{}\n", one_line(v))).collect();
    let lines = lines + &super::scope::removed(r.removed.as_deref()) + &super::scope::warnings(&r.unmatched);
    match &report.counts {
        Some(counts) => lines + &coverage(counts) + &warnings(&counts.hits),
        None => lines,
    }
}
