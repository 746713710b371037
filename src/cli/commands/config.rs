//! `clawgate config`: shows or extends the configuration. Lists are only appended to.

use crate::app::sessions::{ScopeParams, ScopeReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::table::one_line;
use crate::sources;

/// Show or extend the configuration
///
/// List options append to the configured list. To remove a value, edit config.toml.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Always redact these strings
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    redact: Vec<String>,
    /// Always redact these user names
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    redact_usernames: Vec<String>,
    /// Exclude these projects (names or paths)
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    exclude: Vec<String>,
    /// Include these agents, or "all"
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
    /// License of the published data, for example cc-by-4.0
    #[arg(long, visible_alias = "license")]
    licence: Option<String>,
    /// Confirm the resulting scope
    #[arg(long, visible_alias = "confirm-projects")]
    confirm: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let agents = match args.source.iter().any(|s| s == "all") {
        true => sources::REGISTRY.iter().map(|s| s.agent().to_owned()).collect(),
        false => args.source,
    };
    let params = ScopeParams {
        agents,
        exclude: args.exclude,
        include: Vec::new(),
        redact: args.redact,
        usernames: args.redact_usernames,
        repo: args.repo,
        folder: args.folder.map(|f| super::prepare::absolute(&f)),
        visibility: args.visibility,
        licence: args.licence,
        confirm: args.confirm,
    };
    let lists = [&params.agents, &params.exclude, &params.redact, &params.usernames];
    let values = [&params.repo, &params.folder, &params.visibility, &params.licence];
    let has_changes =
        params.confirm || lists.iter().any(|l| !l.is_empty()) || values.iter().any(|v| v.is_some());
    let app = cli.app()?;
    let report = if has_changes { app.set_scope(&params)? } else { app.scope()? };
    let path = app.dir().join("config.toml");
    cli.print_with_status(&report, |r| render(r, &path.display().to_string()))
}

fn render(r: &ScopeReport, path: &str) -> String {
    let c = &r.config;
    let list = |l: &[String]| if l.is_empty() { "none".to_owned() } else { l.join(", ") };
    let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "none".to_owned());
    let visibility = serde_json::to_value(c.publish.visibility).unwrap_or_default();
    let agents = if c.scope.agents.is_empty() { "all".to_owned() } else { list(&c.scope.agents) };
    let confirmed = if r.confirmed { "yes" } else { "no" };
    let lines = [
        ("file", path.to_owned()),
        ("scope.agents", agents),
        ("scope.exclude", list(&c.scope.exclude)),
        ("scope confirmed", confirmed.to_owned()),
        ("redact.strings", list(&c.redact.strings)),
        ("redact.usernames", list(&c.redact.usernames)),
        ("publish.repo", value(&c.publish.repo)),
        ("publish.folder", value(&c.publish.folder)),
        ("publish.visibility", visibility.as_str().unwrap_or_default().to_owned()),
        ("publish.licence", value(&c.publish.licence)),
        ("export.thinking", c.export.thinking.to_string()),
        ("export.timestamps", c.export.timestamps.as_str().to_owned()),
        ("export.format", c.export.format.clone()),
    ];
    lines.iter().map(|(k, v)| format!("{k:<20}{}\n", one_line(v))).collect()
}
