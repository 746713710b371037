//! `config.toml`: scope, what is always redacted, where releases go. Comments survive every edit.

pub(crate) mod cost;

pub use cost::{AlertConfig, AnomalyConfig, BudgetAction, BudgetConfig, CostConfig, PricingConfig, Usd};

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::pricing::OwnPrice;
use crate::redact::{PlaceholderStyle, Timestamps};
use crate::workflow::{Target, Visibility};

use crate::app::fs::{io_failure, write_private};
use crate::app::{App, Failure};
use cost::is_default;

/// The configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What may be shared at all.
    pub scope: Scope,
    /// What is always redacted.
    pub redact: RedactConfig,
    /// Where releases go, unless said otherwise.
    pub publish: PublishConfig,
    /// What is in a release, unless said otherwise.
    pub export: ExportConfig,
    /// Detectors outside this program: they may add redactions, never take one away.
    pub detectors: Vec<DetectorConfig>,
    /// How cost is shown.
    #[serde(skip_serializing_if = "is_default")]
    pub cost: CostConfig,
    /// When a person is told.
    #[serde(skip_serializing_if = "is_default")]
    pub alerts: AlertConfig,
    /// Budgets that hooks act on.
    #[serde(skip_serializing_if = "is_default")]
    pub budgets: BudgetConfig,
    /// When a day is out of the ordinary.
    #[serde(skip_serializing_if = "is_default")]
    pub anomalies: AnomalyConfig,
    /// Who may sign price files.
    #[serde(skip_serializing_if = "is_default")]
    pub pricing: PricingConfig,
    /// Prices of the person's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub price: Vec<OwnPrice>,
    /// How agents that review are measured.
    #[serde(skip_serializing_if = "is_default")]
    pub review: ReviewConfig,
}

/// A child process that reads `{"id","text"}` lines and answers each with `{"id","spans"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorConfig {
    /// Its name, as reports show it.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Seconds to wait for an answer; 60 unless said otherwise.
    pub timeout_seconds: Option<u64>,
}

/// How agents that review are measured: invented personal data is shown to them in some chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewConfig {
    /// The least share of it, in percent, that must be reported (as a 95 % lower bound once enough was shown).
    pub floor_percent: u8,
    /// Share of chunks that show something, in percent.
    pub planted_percent: u8,
}

impl Default for ReviewConfig {
    fn default() -> Self {
        ReviewConfig { floor_percent: 80, planted_percent: 15 }
    }
}

impl ReviewConfig {
    fn check(self) -> Result<(), Failure> {
        let within = |name: &str, value: u8, least: u8, most: u8| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(Failure::usage(
                "bad_config",
                format!("config.toml: review.{name} is a percentage from {least} to {most}."),
            )),
        };
        within("floor_percent", self.floor_percent, 50, 99)?;
        within("planted_percent", self.planted_percent, 10, 20)
    }
}

/// Which agents and projects are in scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Agents in scope; empty means all.
    pub agents: Vec<String>,
    /// Projects (names or paths) out of scope.
    pub exclude: Vec<String>,
}

/// Strings and names that are always redacted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactConfig {
    /// Strings redacted wherever they stand, in any case.
    pub strings: Vec<String>,
    /// User names redacted as whole words.
    pub usernames: Vec<String>,
}

/// Destination of releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishConfig {
    /// Dataset repository, `owner/name`.
    pub repo: Option<String>,
    /// Folder, where no repository is wanted.
    pub folder: Option<String>,
    /// Who may see it; private unless said otherwise.
    pub visibility: Visibility,
    /// Licence id; none until the person chooses one.
    pub licence: Option<String>,
}

/// What is in a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportConfig {
    /// Whether the models' reasoning is in it.
    pub thinking: bool,
    pub timestamps: Timestamps,
    /// Style of the placeholders of personal data.
    pub pseudonyms: PlaceholderStyle,
    /// Output format.
    pub format: String,
}

impl Default for ExportConfig {
    fn default() -> Self {
        ExportConfig {
            thinking: true,
            timestamps: Timestamps::Hour,
            pseudonyms: PlaceholderStyle::Typed,
            format: "rows".to_owned(),
        }
    }
}

const KEYS: &[&str] = &[
    "scope",
    "scope.agents",
    "scope.exclude",
    "redact",
    "redact.strings",
    "redact.usernames",
    "publish",
    "publish.repo",
    "publish.folder",
    "publish.visibility",
    "publish.licence",
    "export",
    "export.thinking",
    "export.timestamps",
    "export.pseudonyms",
    "export.format",
    "detectors",
    "detectors.name",
    "detectors.command",
    "detectors.timeout_seconds",
    "cost",
    "cost.timezone",
    "cost.device",
    "alerts",
    "alerts.daily_budget_usd",
    "alerts.session_spike_usd",
    "alerts.hourly_burn_rate_usd",
    "alerts.hourly_request_volume",
    "alerts.hourly_token_volume",
    "alerts.session_duration_minutes",
    "alerts.dedup_window_minutes",
    "alerts.webhook",
    "alerts.command",
    "budgets",
    "budgets.daily_usd",
    "budgets.weekly_usd",
    "budgets.monthly_usd",
    "budgets.session_usd",
    "budgets.block_usd",
    "budgets.action",
    "budgets.warn_percent",
    "anomalies",
    "anomalies.window_days",
    "anomalies.skip_days",
    "anomalies.warning_pct",
    "anomalies.critical_pct",
    "anomalies.history_days",
    "anomalies.min_days",
    "anomalies.deviations",
    "anomalies.min_over_usd",
    "pricing",
    "pricing.trusted_keys",
    "price",
    "price.model",
    "price.provider",
    "price.project",
    "price.input",
    "price.output",
    "price.cache_read",
    "price.cache_write_5m",
    "price.cache_write_1h",
    "price.web_search",
    "review",
    "review.floor_percent",
    "review.planted_percent",
];

impl Config {
    /// Reads the file; the defaults where there is none.
    ///
    /// # Errors
    /// [`Failure`] that names the line, and for an unknown key the nearest known one.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(&text).map_err(|f| f.hint(format!("edit {}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(e) => Err(io_failure("cannot read", path, &e)),
        }
    }

    pub(in crate::app) fn parse(text: &str) -> Result<Self, Failure> {
        let config: Config = toml::from_str(text).map_err(|e| {
            let message = e.message().to_owned();
            let line = e.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            let mut failure = Failure::usage("bad_config", format!("config.toml line {line}: {message}"));
            if let Some(unknown) = message.strip_prefix("unknown field `").and_then(|m| m.split('`').next()) {
                let last = |k: &str| k.rsplit('.').next().unwrap_or(k).to_owned();
                let near = KEYS.iter().max_by(|a, b| {
                    let d = |k: &str| strsim::jaro_winkler(unknown, &last(k));
                    d(a).total_cmp(&d(b))
                });
                if let Some(near) = near {
                    failure = failure.hint(format!("did you mean `{}` ({near})?", last(near)));
                }
            }
            failure
        })?;
        config.review.check()?;
        Ok(config)
    }
}

/// Changes to scope, redaction lists and destination. Lists append, so calls can be repeated safely.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeParams {
    /// Agents in scope (default all).
    pub agents: Vec<String>,
    /// Projects to exclude.
    pub exclude: Vec<String>,
    /// Excluded projects to include again.
    pub include: Vec<String>,
    /// Strings that are always redacted.
    pub redact: Vec<String>,
    /// User names that are always redacted, as whole words.
    pub usernames: Vec<String>,
    /// Dataset repository.
    #[schemars(skip)]
    pub repo: Option<String>,
    /// Destination folder.
    #[schemars(skip)]
    pub folder: Option<String>,
    /// `private` or `public`.
    #[schemars(skip)]
    pub visibility: Option<String>,
    /// Licence id.
    #[schemars(skip)]
    pub licence: Option<String>,
    /// The person agreed to the scope.
    pub confirm: bool,
}

/// The scope as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeReport {
    /// Whether the scope was confirmed as it stands.
    pub confirmed: bool,
    /// The configuration.
    pub config: Config,
    /// Projects in scope and excluded.
    pub projects: Vec<crate::store::ProjectRow>,
}

/// Makes the edit in the text of a TOML file, keeping comments and order.
fn append(doc: &mut toml_edit::DocumentMut, table: &str, key: &str, values: &[String], remove: &[String]) {
    if values.is_empty() && remove.is_empty() {
        return;
    }
    let array = doc
        .entry(table)
        .or_insert(toml_edit::table())
        .as_table_mut()
        .map(|t| t.entry(key).or_insert(toml_edit::value(toml_edit::Array::new())))
        .and_then(|v| v.as_array_mut());
    if let Some(array) = array {
        array.retain(|v| v.as_str().is_none_or(|s| !remove.iter().any(|r| r == s)));
        for value in values {
            if !array.iter().any(|v| v.as_str() == Some(value)) {
                array.push(value.as_str());
            }
        }
    }
}

impl App {
    /// Edits the configuration and, where asked to, confirms the scope.
    ///
    /// # Errors
    /// [`Failure`] where a value is off or the file cannot be written.
    pub fn set_scope(&mut self, p: &ScopeParams) -> Result<ScopeReport, Failure> {
        if p.confirm && self.archive.meta("last_scan")?.is_none() {
            return Err(self.missing_first_step());
        }
        for agent in &p.agents {
            if !crate::sources::REGISTRY.iter().any(|s| s.agent() == agent) {
                return Err(Failure::usage("no_such_agent", format!("No agent is called {agent:?}.")));
            }
        }
        if let Some(repo) = &p.repo {
            Target::hub(repo)?;
        }
        if p.folder.as_ref().is_some_and(|f| !Path::new(f).is_absolute()) {
            return Err(Failure::usage("bad_folder", "The folder must be an absolute path."));
        }
        let path = self.dir().join("config.toml");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let mut doc: toml_edit::DocumentMut =
            old.parse().map_err(|_| Failure::usage("bad_config", "config.toml does not parse."))?;
        append(&mut doc, "scope", "agents", &p.agents, &[]);
        append(&mut doc, "scope", "exclude", &p.exclude, &p.include);
        append(&mut doc, "redact", "strings", &p.redact, &[]);
        append(&mut doc, "redact", "usernames", &p.usernames, &[]);
        let set = [
            ("repo", &p.repo),
            ("folder", &p.folder),
            ("visibility", &p.visibility),
            ("licence", &p.licence),
        ];
        for (key, value) in set {
            if let Some(value) = value {
                doc["publish"][key] = toml_edit::value(value.as_str());
                let other = if key == "repo" { "folder" } else { "repo" };
                if matches!(key, "repo" | "folder") {
                    doc["publish"].as_table_like_mut().map(|t| t.remove(other));
                }
            }
        }
        let text = doc.to_string();
        let config = Config::parse(&text)?;
        if config != self.config || old.is_empty() {
            write_private(&path, text.as_bytes())?;
            self.config = config;
            self.audit("config_changed", None, serde_json::json!({ "scope": self.scope_hash() }))?;
        }
        if p.confirm {
            self.archive.set_meta("scope_confirmed", &self.scope_hash())?;
            self.audit("scope_confirmed", None, serde_json::json!({ "scope": self.scope_hash() }))?;
        }
        self.sync_current_release()?;
        self.scope()
    }

    /// Adds strings that are always redacted, and takes others away.
    pub(crate) fn redact_strings(&mut self, add: &[String], remove: &[String]) -> Result<(), Failure> {
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let path = self.dir().join("config.toml");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let mut doc: toml_edit::DocumentMut =
            old.parse().map_err(|_| Failure::usage("bad_config", "config.toml does not parse."))?;
        append(&mut doc, "redact", "strings", add, remove);
        let text = doc.to_string();
        self.config = Config::parse(&text)?;
        write_private(&path, text.as_bytes())?;
        self.audit("config_changed", None, serde_json::json!({ "scope": self.scope_hash() }))
    }

    /// The scope as it stands.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn scope(&self) -> Result<ScopeReport, Failure> {
        Ok(ScopeReport {
            confirmed: self.scope_confirmed()?,
            projects: self.archive.projects(&|name, path| self.excludes(name, path))?,
            config: self.config.clone(),
        })
    }

    /// Whether the configuration excludes a project.
    pub fn excludes(&self, name: &str, path: &str) -> bool {
        self.config.scope.exclude.iter().any(|e| e == name || e == path)
    }

    /// Whether an agent is in scope.
    pub fn agent_in_scope(&self, agent: &str) -> bool {
        self.config.scope.agents.is_empty() || self.config.scope.agents.iter().any(|a| a == agent)
    }

    /// Whether the scope was confirmed as it stands.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn scope_confirmed(&self) -> Result<bool, Failure> {
        Ok(self.archive.meta("scope_confirmed")?.is_some_and(|h| h == self.scope_hash()))
    }

    fn scope_hash(&self) -> String {
        let mut scope = self.config.scope.clone();
        scope.agents.sort();
        scope.exclude.sort();
        let text = serde_json::to_string(&scope).unwrap_or_default();
        data_encoding::HEXLOWER.encode(&Sha256::digest(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_stays_within_bounds() {
        assert_eq!(Config::parse("[review]\nfloor_percent = 90\n").unwrap().review.floor_percent, 90);
        for off in ["floor_percent = 5", "planted_percent = 0", "planted_percent = 40"] {
            let f = Config::parse(&format!("[review]\n{off}\n")).unwrap_err();
            assert_eq!(f.code, "bad_config", "{off}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let f = Config::parse("[redact]\nusername = [\"x\"]\n").unwrap_err();
        assert!(f.message.contains("line 2"), "{f}");
        assert!(f.hints[0].contains("usernames"), "{:?}", f.hints);
    }

    #[test]
    fn edits_append_and_keep_comments() {
        let mut doc: toml_edit::DocumentMut = "# mine\n[redact]\nstrings = [\"a\"] # why\n".parse().unwrap();
        append(&mut doc, "redact", "strings", &["a".into(), "b".into()], &[]);
        append(&mut doc, "scope", "exclude", &["p".into()], &[]);
        let text = doc.to_string();
        assert!(text.starts_with("# mine") && text.contains("# why"), "{text}");
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.redact.strings, ["a", "b"]);
        assert_eq!(config.scope.exclude, ["p"]);
    }
}
