//! The scope: which agents and projects may be shared. A person confirms it before the first release.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::redact::NameCounter;
use crate::store::{Inbox, ProjectRow};
use crate::trace::SessionKey;
use crate::workflow::Target;

use crate::app::config::Config;
use crate::app::config::edit::{edit_file, edit_list};
use crate::app::config::redact_lists::{
    ListHits, checked, checked_usernames, entries_to_remove, is_common_word, new_values,
};
use crate::app::{App, Failure};

/// Changes to scope, redaction lists and destination. Lists append, so calls can be repeated safely.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeParams {
    /// Default: all.
    pub agents: Vec<String>,
    /// Projects to exclude.
    pub exclude: Vec<String>,
    /// Exclusions to remove.
    pub include: Vec<String>,
    /// Strings to redact.
    pub redact: Vec<String>,
    /// User names to redact.
    pub usernames: Vec<String>,
    // Without a description in the tool list, which has to stay small.
    pub remove_redact: Vec<String>,
    pub remove_usernames: Vec<String>,
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
    /// The person agreed.
    pub confirm: bool,
}

/// The current scope.
#[derive(Debug, Clone, Serialize)]
pub struct ScopeReport {
    /// Whether a person confirmed the current scope.
    pub confirmed: bool,
    pub config: Config,
    /// All projects, and whether they are excluded.
    pub projects: Vec<ProjectRow>,
}

impl App {
    /// Edits the configuration and, if asked to, confirms the scope.
    ///
    /// # Errors
    /// [`Failure`] if a value is invalid, the file cannot be written, or the scope is confirmed before the first scan.
    pub fn set_scope(&mut self, p: &ScopeParams) -> Result<ScopeReport, Failure> {
        if p.confirm && self.archive.meta("last_scan")?.is_none() {
            return Err(self.missing_first_step());
        }
        for agent in &p.agents {
            if !crate::sources::REGISTRY.iter().any(|s| s.agent() == agent) {
                return Err(Failure::usage("no_such_agent", format!("There is no agent {agent:?}."))
                    .hint("clawgate doctor"));
            }
        }
        if let Some(repo) = &p.repo {
            Target::hub(repo)?;
        }
        if p.folder.as_ref().is_some_and(|f| !Path::new(f).is_absolute()) {
            return Err(Failure::usage("bad_folder", "The folder must be an absolute path."));
        }
        let redact = &self.config.redact;
        let strings = new_values(&redact.strings, checked("--redact", &p.redact)?);
        let usernames = new_values(&redact.usernames, checked_usernames("--redact-usernames", &p.usernames)?);
        let old_strings = entries_to_remove("redact.strings", &redact.strings, &p.remove_redact)?;
        let old_usernames = entries_to_remove("redact.usernames", &redact.usernames, &p.remove_usernames)?;
        let config = edit_file(&self.config_path(), &self.config, |doc| {
            edit_list(doc, "scope", "agents", &p.agents, &[]);
            edit_list(doc, "scope", "exclude", &p.exclude, &p.include);
            edit_list(doc, "redact", "strings", &strings, &old_strings);
            edit_list(doc, "redact", "usernames", &usernames, &old_usernames);
            let values = [
                ("repo", &p.repo),
                ("folder", &p.folder),
                ("visibility", &p.visibility),
                ("licence", &p.licence),
            ];
            for (key, value) in values {
                let Some(value) = value else { continue };
                doc["publish"][key] = toml_edit::value(value.as_str());
                // A release has one target, so that a new one replaces the other kind.
                let replaced = match key {
                    "repo" => "folder",
                    "folder" => "repo",
                    _ => continue,
                };
                doc["publish"].as_table_like_mut().map(|t| t.remove(replaced));
            }
            Ok(())
        })?;
        self.apply_config(config)?;
        if p.confirm {
            self.archive.set_meta("scope_confirmed", &self.scope_hash())?;
            self.audit("scope_confirmed", None, serde_json::json!({ "scope": self.scope_hash() }))?;
        }
        self.sync_current_release()?;
        self.scope()
    }

    /// Returns how often each entry of the lists hits in the newest sessions of the archive.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn list_hits(&self) -> Result<Vec<ListHits>, Failure> {
        /// Sessions are read up to this size in all, so that the answer comes within a second or two.
        const MAX_COUNTED_BYTES: u64 = 64 << 20;
        let lists = &self.config.redact;
        let mut counter = NameCounter::new(&lists.strings, &lists.usernames);
        if !counter.counts().is_empty() {
            let newest = Inbox { limit: u64::from(u32::MAX), ..Inbox::default() };
            let mut bytes = 0;
            for row in self.archive.inbox(&newest)? {
                self.ctx.check()?;
                bytes += row.bytes;
                if bytes > MAX_COUNTED_BYTES {
                    break;
                }
                if let Some(session) = self.archive.load(row.key.as_str(), None)? {
                    counter.add_session(&session);
                }
            }
        }
        let named = |setting, values: &[String]| -> Vec<(&'static str, String)> {
            values.iter().map(|value| (setting, value.clone())).collect()
        };
        let mut names = named("redact.strings", &lists.strings);
        names.extend(named("redact.usernames", &lists.usernames));
        let counted = names.into_iter().zip(counter.counts());
        Ok(counted
            .map(|((setting, value), hits)| ListHits {
                setting,
                common: is_common_word(&value),
                value,
                hits: *hits,
            })
            .collect())
    }

    /// Adds strings that are always redacted, and removes others. Strings that are too short are not added.
    pub(crate) fn redact_strings(&mut self, add: &[String], remove: &[String]) -> Result<(), Failure> {
        let long_enough = |s: &&String| checked("", std::slice::from_ref(*s)).is_ok();
        let add = &add.iter().filter(long_enough).cloned().collect::<Vec<_>>();
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let config = edit_file(&self.config_path(), &self.config, |doc| {
            edit_list(doc, "redact", "strings", add, remove);
            Ok(())
        })?;
        self.apply_config(config)
    }

    /// Uses an edited configuration from now on, and records the change.
    fn apply_config(&mut self, config: Option<Config>) -> Result<(), Failure> {
        let Some(config) = config else { return Ok(()) };
        self.config = config;
        self.audit("config_changed", None, serde_json::json!({ "scope": self.scope_hash() }))
    }

    /// Returns the current scope.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn scope(&self) -> Result<ScopeReport, Failure> {
        Ok(ScopeReport {
            confirmed: self.scope_confirmed()?,
            projects: self.archive.projects(&|name, path| self.excludes(name, path))?,
            config: self.config.clone(),
        })
    }

    /// Returns whether the configuration excludes a project.
    pub fn excludes(&self, name: &str, path: &str) -> bool {
        self.config.scope.exclude.iter().any(|e| e == name || e == path)
    }

    /// Returns whether an agent is in scope.
    pub fn agent_in_scope(&self, agent: &str) -> bool {
        self.config.scope.agents.is_empty() || self.config.scope.agents.iter().any(|a| a == agent)
    }

    /// Returns whether the agent and the project of a session are in scope.
    pub(crate) fn in_scope(&self, key: &SessionKey) -> Result<bool, Failure> {
        Ok(self.archive.session(key.as_str())?.is_some_and(|s| {
            let (name, path) = (s.project.unwrap_or_default(), s.project_path.unwrap_or_default());
            self.agent_in_scope(&s.agent) && !self.excludes(&name, &path)
        }))
    }

    /// Returns whether a person confirmed the current scope.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn scope_confirmed(&self) -> Result<bool, Failure> {
        Ok(self.archive.meta("scope_confirmed")?.is_some_and(|h| h == self.scope_hash()))
    }

    /// Hashes the scope without regard to the order of its lists. A confirmation applies to one hash, so that it is void
    /// after any change of the scope.
    fn scope_hash(&self) -> String {
        let mut scope = self.config.scope.clone();
        scope.agents.sort();
        scope.exclude.sort();
        let text = serde_json::to_string(&scope).unwrap_or_default();
        data_encoding::HEXLOWER.encode(&Sha256::digest(text))
    }
}
