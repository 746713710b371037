//! The scope: which agents and projects may be shared. A person confirms it before the first release.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml_edit::DocumentMut;

use crate::redact::NameCounter;
use crate::store::{Inbox, ProjectRow, SessionRow};
use crate::trace::{SessionKey, is_below, is_temporary};
use crate::usage::NO_PROJECT;
use crate::workflow::{Target, Visibility};

use crate::app::agents::known_agent;
use crate::app::config::edit::{edit_list, replace_list};
use crate::app::config::exclusion::{Excluded, edit_exclusions};
use crate::app::config::licence::known_licence;
use crate::app::config::redact_lists::{
    HitCounts, ListHits, checked, checked_usernames, entries_to_remove, is_common_word, new_values,
};
use crate::app::config::{Config, SetBy};
use crate::app::projects::Exclusions;
use crate::app::{Actor, App, Failure};

/// Sessions are searched for the entries of the redaction lists up to this size in all, so that the answer comes within a
/// second or two.
const MAX_COUNTED_BYTES: u64 = 64 << 20;

/// Changes to scope, redaction lists and destination. Agents replace those chosen before. The other lists append. So calls
/// can be repeated safely.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeParams {
    /// Agents whose sessions may be shared: ids, or `all`. Replaces the list.
    #[schemars(description = "Ids, or all; replaces.")]
    pub agents: Vec<String>,
    /// Projects and directories to exclude: names, paths or globs.
    #[schemars(description = "Names, paths or globs.")]
    pub exclude: Vec<String>,
    /// Exclusions to remove.
    pub include: Vec<String>,
    /// Strings to redact.
    pub redact: Vec<String>,
    /// User names to redact.
    pub usernames: Vec<String>,
    /// Strings to remove from the list of redacted strings.
    #[schemars(description = "Strings to stop redacting.")]
    pub remove_redact: Vec<String>,
    /// User names to remove from the list of redacted user names.
    #[schemars(description = "User names to stop redacting.")]
    pub remove_usernames: Vec<String>,
    #[schemars(skip)]
    pub repo: Option<String>,
    #[schemars(skip)]
    pub folder: Option<String>,
    #[schemars(skip)]
    pub visibility: Option<Visibility>,
    /// Licence of the dataset, an id that the Hub knows.
    #[schemars(skip)]
    pub licence: Option<String>,
    /// The person agreed.
    pub confirm: bool,
    /// Whether this was given at a command line.
    #[serde(skip)]
    pub at_command_line: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct ScopeReport {
    /// Whether a person confirmed the current scope.
    pub confirmed: bool,
    pub config: Config,
    /// Exclusions in the configuration that match no project, or of which it is unclear which project they mean.
    pub unmatched: Vec<String>,
    /// The exclusions that this call removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Vec<String>>,
    /// All projects, and whether they are excluded.
    pub projects: Vec<ProjectRow>,
    /// Excluded directories in which sessions worked that began in another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_directories: Vec<VisitedDirectory>,
    /// Directories of no project in which sessions worked that began in another one, and that are not excluded. Of those below
    /// each other only the uppermost is in the list. A new one makes a confirmation void.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_directories: Vec<VisitedDirectory>,
}

/// A directory that is not a project.
#[derive(Debug, Clone, Serialize)]
pub struct VisitedDirectory {
    pub path: String,
    /// Number of sessions that worked in it after they began in another one.
    pub sessions: u64,
}

impl App {
    /// Edits the configuration and, if asked to, confirms the scope.
    ///
    /// # Errors
    /// [`Failure`] if a value is invalid, an exclusion matches no project, the file cannot be written, or the scope is
    /// confirmed before the first scan. Nothing is changed then.
    pub fn set_scope(&mut self, p: &ScopeParams) -> Result<ScopeReport, Failure> {
        if p.confirm && self.archive.meta("last_scan")?.is_none() {
            return Err(self.missing_first_step());
        }
        // No other process edits the configuration between what is read here and what is written.
        let editor = self.lock_config()?;
        let by = self.who_sets_scope(p);
        let agents = p.agents.iter().map(|a| known_agent(a)).collect::<Result<Option<Vec<_>>, _>>()?;
        let licence = p.licence.as_deref().map(|l| known_licence("--licence", l)).transpose()?;
        let projects = self.archive.projects_to_choose()?;
        let mut exclude = self.new_exclusions(&p.exclude, by, &projects)?;
        let mut include = self.exclusions_to_remove(&p.include, by, &projects)?;
        self.check_wider_agents(agents.as_deref(), by)?;
        let mut removed: Vec<String> = Vec::new();
        for entry in &include {
            // A name alone does not say which of two projects is meant.
            let label = match &entry.what {
                Excluded::Project { name, path } => format!("{name} ({path})"),
                Excluded::Pattern(text) | Excluded::Name(text) => text.clone(),
            };
            if !removed.contains(&label) {
                removed.push(label);
            }
        }
        if p.confirm {
            let (written, resolved) = self.written_names(&projects)?;
            include.extend(written);
            exclude.extend(resolved);
        }
        if let Some(repo) = &p.repo {
            Target::hub(repo)?;
        }
        if p.folder.as_ref().is_some_and(|f| !Path::new(f).is_absolute()) {
            return Err(Failure::usage("bad_folder", "The folder must be an absolute path."));
        }
        let redact = &self.config.redact;
        // An agent over MCP gives fields, not flags.
        let (list, names) = match p.at_command_line {
            true => ("--redact", "--redact-usernames"),
            false => ("redact", "usernames"),
        };
        let strings = new_values(&redact.strings, checked(list, &p.redact)?);
        let usernames = new_values(&redact.usernames, checked_usernames(names, &p.usernames)?);
        let old_strings = entries_to_remove("redact.strings", &redact.strings, &p.remove_redact)?;
        let old_usernames = entries_to_remove("redact.usernames", &redact.usernames, &p.remove_usernames)?;
        self.check_removal(by, ("redact.strings", "--remove-redact"), &old_strings, &p.remove_redact)?;
        self.check_removal(
            by,
            ("redact.usernames", "--remove-redact-usernames"),
            &old_usernames,
            &p.remove_usernames,
        )?;
        // A lower caller can only remove agents from those that a higher one chose, and does not become the one who chose.
        let limited_by = self.config.scope.agents_by.unwrap_or(SetBy::Command);
        let agents_by = if self.config.scope.agents.is_empty() { by } else { by.max(limited_by) };
        let edit = |doc: &mut DocumentMut| {
            match &agents {
                Some(agents) if agents.is_empty() => {}
                // Agents are chosen all at once, so that the same call always gives the same scope.
                Some(agents) => replace_list(doc, "scope", "agents", agents)?,
                // An empty list means all agents, those of later versions included.
                None => drop(doc.get_mut("scope").and_then(|t| t.as_table_like_mut()?.remove("agents"))),
            }
            if !p.agents.is_empty() {
                edit_agents_by(doc, agents_by);
            }
            edit_exclusions(doc, &exclude, &include)?;
            edit_list(doc, "redact", "strings", &strings, &old_strings)?;
            edit_list(doc, "redact", "usernames", &usernames, &old_usernames)?;
            let values = [
                ("repo", p.repo.as_deref()),
                ("folder", p.folder.as_deref()),
                ("visibility", p.visibility.map(Visibility::as_str)),
                ("licence", licence),
            ];
            for (key, value) in values {
                let Some(value) = value else { continue };
                doc["publish"][key] = toml_edit::value(value);
                // A release has one target, so that a new one replaces the other kind.
                let replaced = match key {
                    "repo" => "folder",
                    "folder" => "repo",
                    _ => continue,
                };
                doc["publish"].as_table_like_mut().map(|t| t.remove(replaced));
            }
            Ok(())
        };
        let check = |config: &Config| match p.confirm {
            true => self.check_matches(&config.scope.exclude, &projects),
            false => Ok(()),
        };
        let config = editor.edit_if(edit, check)?;
        drop(editor);
        self.apply_config_by(config, by)?;
        if p.confirm {
            let hash = self.scope_hash()?;
            self.archive.set_meta("scope_confirmed", &hash)?;
            self.audit("scope_confirmed", None, serde_json::json!({ "scope": hash }))?;
        }
        self.sync_current_release()?;
        let removed = Some(removed).filter(|_| !p.include.is_empty());
        Ok(ScopeReport { removed, ..self.scope_of(projects)? })
    }

    /// Returns how often each string and user name occurs in the newest sessions, and how many sessions each exclusion
    /// excludes.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn list_hits(&self) -> Result<HitCounts, Failure> {
        self.list_hits_within(MAX_COUNTED_BYTES)
    }

    fn list_hits_within(&self, max_bytes: u64) -> Result<HitCounts, Failure> {
        let lists = &self.config.redact;
        let mut counter = NameCounter::new(&lists.strings, &lists.usernames);
        let mut out = HitCounts { complete: true, ..HitCounts::default() };
        if !counter.counts().is_empty() {
            let newest = Inbox { limit: u64::from(u32::MAX), ..Inbox::default() };
            let mut left = max_bytes;
            for row in self.archive.inbox(&newest)? {
                self.ctx.check()?;
                // A session that is too large does not keep smaller ones from being searched.
                let Some(rest) = left.checked_sub(row.bytes) else {
                    out.complete = false;
                    continue;
                };
                if let Some(session) = self.archive.load(row.key.as_str(), None)? {
                    left = rest;
                    counter.add_session(&session);
                    out.sessions_counted += 1;
                }
            }
        }
        let strings = lists.strings.iter().map(|value| ("redact.strings", value));
        let names = strings.chain(lists.usernames.iter().map(|value| ("redact.usernames", value)));
        for ((setting, value), hits) in names.zip(counter.counts()) {
            let common = is_common_word(value);
            out.hits.push(ListHits { setting, value: value.clone(), hits: *hits, common });
        }
        let (projects, visited) = (self.archive.projects_to_choose()?, self.visited_directories()?);
        for entry in &self.config.scope.exclude {
            let only = Exclusions::new(std::slice::from_ref(entry), &projects, &visited, &self.ctx.env.home);
            let excluded = projects.iter().filter(|p| only.names.contains(&p.name));
            let mut hits = excluded.map(|p| p.sessions).sum();
            for key in self.sessions_that_visited(&only.visited)? {
                let row = self.archive.session(key.as_str())?;
                let is_elsewhere =
                    |row: SessionRow| !only.names.contains(row.project.as_deref().unwrap_or(NO_PROJECT));
                hits += u64::from(row.is_some_and(is_elsewhere));
            }
            out.hits.push(ListHits {
                setting: "scope.exclude",
                value: entry.label().to_owned(),
                hits,
                common: false,
            });
        }
        Ok(out)
    }

    /// Adds strings that are always redacted, and removes others. Strings that are too short are not added.
    pub(crate) fn redact_strings(&mut self, add: &[String], remove: &[String]) -> Result<(), Failure> {
        let long_enough = |s: &&String| checked("", std::slice::from_ref(*s)).is_ok();
        let add = &add.iter().filter(long_enough).cloned().collect::<Vec<_>>();
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let config = self.lock_config()?.edit(|doc| edit_list(doc, "redact", "strings", add, remove))?;
        self.apply_config(config)
    }

    /// Uses an edited configuration from now on, and records the change.
    pub(in crate::app) fn apply_config(&mut self, config: Option<Config>) -> Result<(), Failure> {
        let by = match self.ctx.actor {
            Actor::Person => SetBy::Person,
            Actor::Agent => SetBy::Agent,
        };
        self.apply_config_by(config, by)
    }

    fn apply_config_by(&mut self, config: Option<Config>, by: SetBy) -> Result<(), Failure> {
        let Some(config) = config else { return Ok(()) };
        self.remember_lists()?;
        let old = std::mem::replace(&mut self.config, config);
        self.remember_lists()?;
        let scope = self.scope_hash()?;
        self.record_config_change(&old, &scope, by)
    }

    /// Returns the current scope.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn scope(&self) -> Result<ScopeReport, Failure> {
        self.scope_of(self.archive.projects_to_choose()?)
    }

    fn scope_of(&self, projects: Vec<ProjectRow>) -> Result<ScopeReport, Failure> {
        let (projects, exclusions) = self.with_exclusions(projects)?;
        let visits = self.archive.session_directories()?;
        let count = |path: String, fits: &dyn Fn(&str) -> bool| {
            let keys: BTreeSet<&SessionKey> =
                visits.iter().filter(|(_, path)| fits(path)).map(|(key, _)| key).collect();
            VisitedDirectory { sessions: keys.len() as u64, path }
        };
        let excluded = exclusions.visited.iter();
        let other = exclusions.elsewhere.iter();
        let is_excluded = |path: &str| exclusions.visited.contains(path);
        Ok(ScopeReport {
            excluded_directories: excluded.map(|path| count(path.clone(), &|d| d == path)).collect(),
            other_directories: other
                .map(|path| count(path.clone(), &|d| is_below(d, path, true) && !is_excluded(d)))
                .collect(),
            confirmed: self.scope_confirmed()?,
            projects,
            unmatched: exclusions.unmatched,
            removed: None,
            config: self.config.clone(),
        })
    }

    /// Returns whether an agent is in scope.
    pub fn agent_in_scope(&self, agent: &str) -> bool {
        self.config.scope.agents.is_empty() || self.config.scope.agents.iter().any(|a| a == agent)
    }

    /// Returns a function that tells whether a session is in scope: its agent, its project, and every other directory in
    /// which it worked.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub(crate) fn scope_filter(&self) -> Result<impl Fn(&SessionRow) -> bool + use<'_>, Failure> {
        let exclusions = self.projects_in_scope()?.1;
        let (excluded, visitors) = (exclusions.names, self.sessions_that_visited(&exclusions.visited)?);
        Ok(move |s: &SessionRow| {
            self.agent_in_scope(&s.agent)
                && !excluded.contains(s.project.as_deref().unwrap_or(NO_PROJECT))
                && !visitors.contains(&s.key)
        })
    }

    /// Returns the sessions that are not in scope.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub(crate) fn sessions_outside_scope(&self) -> Result<HashSet<SessionKey>, Failure> {
        let scope = &self.config.scope;
        if scope.agents.is_empty() && scope.exclude.is_empty() {
            return Ok(HashSet::new());
        }
        let in_scope = self.scope_filter()?;
        let rows = self.archive.inbox(&Inbox::default())?;
        Ok(rows.into_iter().filter(|row| !in_scope(row)).map(|row| row.key).collect())
    }

    /// Returns whether a person confirmed the current scope. A confirmation is void if the scope was changed, if a project
    /// appeared that is not excluded, if a session worked in a directory that belongs to no project and is new, or if an
    /// exclusion selects nothing any more.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be read.
    pub fn scope_confirmed(&self) -> Result<bool, Failure> {
        let Some(confirmed) = self.archive.meta("scope_confirmed")? else { return Ok(false) };
        let (projects, exclusions) = self.projects_in_scope()?;
        Ok(exclusions.unmatched.is_empty() && confirmed == self.hash_of_scope(&projects, exclusions))
    }

    fn scope_hash(&self) -> Result<String, Failure> {
        let (projects, exclusions) = self.projects_in_scope()?;
        Ok(self.hash_of_scope(&projects, exclusions))
    }

    /// Hashes what a person sees when they confirm the scope, without regard to the order: agents, exclusions, and the paths
    /// of the projects, and the other directories, that are not excluded.
    fn hash_of_scope(&self, projects: &[ProjectRow], exclusions: Exclusions) -> String {
        let agents: BTreeSet<&String> = self.config.scope.agents.iter().collect();
        let included: BTreeSet<&str> =
            projects.iter().filter(|p| !p.excluded).map(|p| p.path.as_str()).collect();
        let elsewhere: BTreeSet<&String> =
            exclusions.elsewhere.iter().filter(|path| !is_temporary(path)).collect();
        let mut scope = vec![
            serde_json::json!(agents),
            serde_json::json!(exclusions.meaning),
            serde_json::json!(included),
        ];
        if !elsewhere.is_empty() {
            scope.push(serde_json::json!(elsewhere));
        }
        let scope = serde_json::Value::Array(scope);
        data_encoding::HEXLOWER.encode(&Sha256::digest(scope.to_string()))
    }
}

/// Records who limited the agents. Without a record it was a command.
fn edit_agents_by(doc: &mut DocumentMut, by: SetBy) {
    let Some(scope) = doc.get_mut("scope").and_then(|t| t.as_table_like_mut()) else { return };
    scope.remove("agents_by");
    if by != SetBy::Command && scope.contains_key("agents") {
        scope.insert("agents_by", toml_edit::value(by.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::config::Exclusion;
    use crate::app::scan::ScanParams;
    use crate::app::{Actor, Context};
    use crate::trace::{Env, FixedClock, Timestamp};

    #[test]
    fn a_session_that_is_too_large_does_not_hide_the_hits_in_others() {
        let tmp = tempfile::tempdir().unwrap();
        let logs = tmp.path().join(".claude/projects/-p");
        std::fs::create_dir_all(&logs).unwrap();
        for (id, day, text) in
            [("small", 19, "a wombat".to_owned()), ("large", 20, "the wombat ".repeat(500))]
        {
            let line = serde_json::json!({
                "type": "user", "uuid": id, "sessionId": id, "cwd": "/p", "version": "2.1.0",
                "timestamp": format!("2026-11-{day}T10:00:00.000Z"),
                "message": { "role": "user", "content": text },
            });
            std::fs::write(logs.join(format!("{id}.jsonl")), format!("{line}\n")).unwrap();
        }
        let env = Env::bare(tmp.path(), tmp.path().join(".clawgate"));
        let clock = Arc::new(FixedClock(Timestamp(1_795_000_000_000)));
        let mut app = App::open(Context::new(env, clock, Actor::Person)).unwrap();
        app.scan(&ScanParams::default()).unwrap();
        app.config.redact.strings.push("wombat".into());
        app.config.scope.exclude.push(Exclusion::written("p"));

        let all = app.list_hits().unwrap();
        assert_eq!((all.sessions_counted, all.complete), (2, true));
        let large = app.archive.session("claude:large").unwrap().unwrap().bytes;
        let part = app.list_hits_within(large - 1).unwrap();
        assert_eq!((part.sessions_counted, part.complete), (1, false));
        assert!((1..all.hits[0].hits).contains(&part.hits[0].hits), "{part:?}");
        assert_eq!((part.hits[1].setting, part.hits[1].hits), ("scope.exclude", 2));
    }
}
