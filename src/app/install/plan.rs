//! Plans the change of each file before anything is written, and carries the plans out.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::Failure;

use super::record::{Added, Before, Record, Records, digest};
use super::report::{Action, FileReport, McpState};
use super::setup::{ConfigFile, MCP, Setting};
use super::syntax::EditError;
use super::value_path::{self, Step, ValuePath, display, find_call, get};
use super::write;

/// The change of one file.
pub(super) struct FilePlan {
    /// The path as the agent knows it.
    path: PathBuf,
    /// The file that it leads to.
    target: PathBuf,
    before: Option<String>,
    /// The new content. `None` deletes the file.
    after: Option<String>,
    action: Action,
    /// What changes, one line each.
    changes: Vec<String>,
    /// Whether the plan installs. Otherwise it removes.
    installs: bool,
    added: Vec<Added>,
    record: Option<Record>,
    pub mcp: Option<McpState>,
    pub note: Option<String>,
    /// Whether a new file is readable only for its owner.
    pub is_private: bool,
    /// Whether a removal deletes content that clawgate did not write.
    loses_content: bool,
}

/// Reads a file and what is known about it.
struct Current {
    path: PathBuf,
    target: PathBuf,
    text: Option<String>,
    record: Option<Record>,
}

impl Current {
    fn read(records: &Records, path: &Path) -> Result<Current, Failure> {
        let target = write::target(path)?;
        let text = write::read(&target)?;
        let record = records.read(&target)?;
        Ok(Current { path: path.to_owned(), target, text, record })
    }

    /// Whether the file is as clawgate wrote it.
    fn is_as_written(&self) -> bool {
        self.record
            .as_ref()
            .zip(self.text.as_ref())
            .is_some_and(|(record, text)| record.after == digest(text))
    }

    /// What the record says about a setting.
    fn added(&self, setting: &Setting) -> Option<&Added> {
        self.record.as_ref().and_then(|r| r.added.iter().find(|a| a.path == setting.path))
    }

    /// The value that the record says clawgate wrote. It can start a program of any name.
    fn own_value(&self, setting: &Setting) -> Option<&Value> {
        self.added(setting).map(|added| &added.value)
    }

    fn plan(self, after: Option<String>, action: Action) -> FilePlan {
        FilePlan {
            path: self.path,
            target: self.target,
            before: self.text,
            after,
            action,
            changes: Vec::new(),
            installs: false,
            added: Vec::new(),
            record: self.record,
            mcp: None,
            note: None,
            is_private: false,
            loses_content: false,
        }
    }

    /// Returns a plan that leaves the file as it is.
    fn keep(self, action: Action) -> FilePlan {
        let after = self.text.clone();
        self.plan(after, action)
    }

    fn failure(&self, e: &EditError) -> Failure {
        let message = format!("{}, {e}. Nothing was changed in it.", self.path.display());
        Failure::failed("bad_config_file", message).hint("correct the file, and run the same command again")
    }
}

/// Plans the installation of the values of a configuration file.
pub(super) fn install_config(
    records: &Records,
    config: &ConfigFile,
    force: bool,
) -> Result<FilePlan, Failure> {
    let current = Current::read(records, &config.path)?;
    let mut text = current.text.clone().unwrap_or_default();
    let original = config.syntax.parse(&text).map_err(|e| current.failure(&e.into()))?;
    let (mut changes, mut added, mut mcp) = (Vec::new(), Vec::new(), None);
    for setting in &config.settings {
        let root = config.syntax.parse(&text).map_err(|e| current.failure(&e.into()))?;
        let before = changes.len();
        let recorded = current.added(setting);
        let place = match locate(&root, setting, current.own_value(setting)) {
            Place::Other if force => Place::Replaced(setting.path.clone()),
            place => place,
        };
        let path = match place {
            Place::Absent(path) => {
                text = config.syntax.set(&text, &path, &setting.value).map_err(|e| current.failure(&e))?;
                changes.push(format!("+ {} = {}", display(&setting.path), setting.value));
                path
            }
            Place::Ours(path) => {
                for (path, value) in outdated(&root, &path, setting) {
                    text = config.syntax.set(&text, &path, &value).map_err(|e| current.failure(&e))?;
                    changes.push(format!("~ {} = {value}", display(&path)));
                }
                path
            }
            Place::Replaced(path) => {
                text = config.syntax.set(&text, &path, &setting.value).map_err(|e| current.failure(&e))?;
                changes.push(format!("~ {} = {}", display(&path), setting.value));
                path
            }
            Place::Other => return Err(other_value(&current.path, setting)),
        };
        let is_new = get(&root, &path).is_none();
        if changes.len() > before && (is_new || recorded.is_some()) {
            let existing = (0..path.len()).rev().find(|n| get(&original, &path[..*n]).is_some());
            let existing = recorded.map_or(existing.unwrap_or(0), |old| old.existing);
            let now = config.syntax.parse(&text).map_err(|e| current.failure(&e.into()))?;
            let value = get(&now, &path).cloned().unwrap_or_default();
            added.push(Added { path: setting.path.clone(), existing, value });
        }
        if setting.call == MCP {
            mcp = Some(if changes.len() > before { McpState::Registered } else { McpState::Present });
        }
    }
    let action = match (&current.text, changes.is_empty()) {
        (_, true) => Action::Unchanged,
        (None, false) => Action::Created,
        (Some(_), false) => Action::Updated,
    };
    let mut plan = current.plan(Some(text), action);
    plan.changes = changes;
    plan.added = added;
    plan.mcp = mcp;
    plan.installs = true;
    Ok(plan)
}

/// Plans the removal of the values of a configuration file.
pub(super) fn remove_config(
    records: &Records,
    config: &ConfigFile,
    force: bool,
) -> Result<FilePlan, Failure> {
    let current = Current::read(records, &config.path)?;
    let has_server = config.settings.iter().any(|s| s.call == MCP);
    let Some(before) = current.text.clone() else {
        let mut plan = current.keep(Action::Absent);
        plan.mcp = has_server.then_some(McpState::Absent);
        return Ok(plan);
    };
    let mut root = config.syntax.parse(&before).map_err(|e| current.failure(&e.into()))?;
    let mut found: Vec<String> = Vec::new();
    let mut kept = None;
    let mut text = before.clone();
    let mut has_mcp = false;
    for setting in &config.settings {
        let is_server = setting.call == MCP;
        let path = match locate(&root, setting, current.own_value(setting)) {
            Place::Ours(path) | Place::Replaced(path) => path,
            // Only an entry that has clawgate's name. A status line of another program has another purpose.
            Place::Other if force && is_server => setting.path.clone(),
            Place::Other | Place::Absent(_) => continue,
        };
        let added = current.added(setting);
        if current.record.is_some() && added.is_none() && !force {
            kept = Some(format!(
                "{} in {} was there before `clawgate update-skill`, so it was left. `--force` removes it too.",
                display(&setting.path),
                current.path.display()
            ));
            continue;
        }
        has_mcp |= is_server;
        found.push(format!("- {}", display(&setting.path)));
        let existing =
            added.map_or(setting.path.len() - usize::from(!setting.is_item), |added| added.existing);
        let path = own_part(&root, path, setting);
        text = config.syntax.remove(&text, &path, existing).map_err(|e| current.failure(&e))?;
        root = config.syntax.parse(&text).map_err(|e| current.failure(&e.into()))?;
    }
    // What the file was before is better than what the removal of values leaves: whitespace of empty objects.
    let record = current.record.as_ref().filter(|_| current.is_as_written() && !force);
    let after = match record.map(|record| record.before) {
        Some(Before::Missing) => None,
        Some(Before::Saved) => records.read_backup(&current.target)?.or(Some(text)),
        _ if current.record.as_ref().is_some_and(|r| r.before == Before::Missing) && is_empty(&root) => None,
        _ => Some(text),
    };
    let action = match &after {
        Some(after) if *after == before => Action::Unchanged,
        Some(_) => Action::Updated,
        None => Action::Removed,
    };
    let mut plan = current.plan(after, action);
    plan.mcp = has_server.then_some(if has_mcp { McpState::Removed } else { McpState::Absent });
    plan.changes = found;
    plan.note = kept;
    Ok(plan)
}

fn is_empty(root: &Value) -> bool {
    root.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Plans the installation of the skill. A file that somebody else wrote or changed is kept, unless `force` is set.
pub(super) fn install_skill(
    records: &Records,
    path: &Path,
    skill: &str,
    force: bool,
) -> Result<FilePlan, Failure> {
    let current = Current::read(records, path)?;
    let as_written = current.is_as_written();
    let action = match &current.text {
        None => Action::Created,
        Some(text) if text == skill => Action::Unchanged,
        Some(_) if as_written || force => Action::Updated,
        Some(_) => {
            let mut plan = current.keep(Action::Kept);
            plan.note = Some(format!(
                "{} was not written by this command or was changed since, so it was left. `--force` replaces it and \
                 keeps a backup.",
                path.display()
            ));
            return Ok(plan);
        }
    };
    let mut plan = current.plan(Some(skill.to_owned()), action);
    plan.installs = true;
    Ok(plan)
}

/// Plans the removal of the skill.
pub(super) fn remove_skill(
    records: &Records,
    path: &Path,
    skill: &str,
    force: bool,
) -> Result<FilePlan, Failure> {
    let current = Current::read(records, path)?;
    let Some(text) = current.text.clone() else { return Ok(current.keep(Action::Absent)) };
    let (after, action) = match current.record.as_ref().map(|r| r.before) {
        Some(Before::Missing) if current.is_as_written() => (None, Action::Removed),
        Some(Before::Saved) if current.is_as_written() => {
            (records.read_backup(&current.target)?.or_else(|| Some(text.clone())), Action::Updated)
        }
        None if text == skill => (None, Action::Removed),
        _ if force => (None, Action::Removed),
        _ => (Some(text), Action::Kept),
    };
    let is_own = current.is_as_written() || current.text.as_deref() == Some(skill);
    let mut plan = current.plan(after, action);
    plan.loses_content = action == Action::Removed && !is_own;
    if action == Action::Kept {
        plan.note = Some(format!(
            "{} was there before `clawgate update-skill` or was changed since, so it was left. `--force` removes it and \
             keeps a backup.",
            path.display()
        ));
    }
    Ok(plan)
}

impl FilePlan {
    /// Returns the directories that a removal leaves behind and that clawgate made, the outermost first.
    pub fn own_directories(&self) -> Vec<PathBuf> {
        if self.action != Action::Removed {
            return Vec::new();
        }
        let mut directories = self.record.as_ref().map(|r| r.directories.clone()).unwrap_or_default();
        // Without a record, only the folder of the skill itself can be clawgate's.
        let parent =
            self.target.parent().filter(|dir| dir.file_name().is_some_and(|n| n == super::SKILL_NAME));
        directories.extend(parent.filter(|_| directories.is_empty()).map(Path::to_owned));
        directories
    }

    /// Carries the plan out, unless `dry_run` is set, and returns what was done.
    pub fn carry_out(self, records: &Records, dry_run: bool) -> Result<FileReport, Failure> {
        let changes_file = self.after != self.before;
        // A new file has no content that could be lost.
        let backup = (changes_file && self.before.is_some()).then(|| records.backup_path(&self.target));
        let mut report = FileReport {
            path: self.path.clone(),
            action: self.action,
            backup,
            changes: self.changes.clone(),
        };
        if dry_run {
            return Ok(report);
        }
        match self.installs {
            true => self.install(records)?,
            false => {
                let keeps_backup = self.remove(records)?;
                report.backup = report.backup.filter(|_| keeps_backup);
            }
        }
        Ok(report)
    }

    fn install(mut self, records: &Records) -> Result<(), Failure> {
        let Some(after) = &self.after else { return Ok(()) };
        let as_written =
            self.record.as_ref().zip(self.before.as_ref()).is_some_and(|(r, text)| r.after == digest(text));
        let is_changed = self.before.as_deref() != Some(after);
        if !is_changed && self.record.is_some() {
            return Ok(());
        }
        let mut directories = self.record.as_ref().map(|r| r.directories.clone()).unwrap_or_default();
        let before = match (&self.before, &self.record) {
            (None, _) => Before::Missing,
            (Some(_), None) if !is_changed => Before::Complete,
            // The file is as clawgate left it, so the older backup is still what it was before.
            (Some(_), Some(record)) if as_written && record.before != Before::Complete => record.before,
            (Some(text), record) => {
                records.backup(&self.target, text)?;
                let had_ours = record.as_ref().is_some_and(|r| !r.added.is_empty());
                if had_ours { Before::Edited } else { Before::Saved }
            }
        };
        if is_changed {
            directories.extend(write::make_parents(&self.target)?);
            write::replace(&self.target, self.before.as_deref(), after, self.is_private)?;
        }
        let mut added = self.record.take().map(|r| r.added).unwrap_or_default();
        added.retain(|old| self.added.iter().all(|new| new.path != old.path));
        added.append(&mut self.added);
        records.write(&Record { path: self.target, before, after: digest(after), added, directories })
    }

    /// Returns whether the backup was kept.
    fn remove(self, records: &Records) -> Result<bool, Failure> {
        let mut keeps_backup = false;
        if let Some(before) = self.before.as_ref().filter(|before| Some(*before) != self.after.as_ref()) {
            let restores = match &self.after {
                Some(after) => records.read_backup(&self.target)?.as_ref() == Some(after),
                None => !self.loses_content,
            };
            if !restores {
                records.backup(&self.target, before)?;
                keeps_backup = true;
            }
            match &self.after {
                Some(after) => write::replace(&self.target, Some(before), after, true)?,
                None => write::delete(&self.target, before)?,
            }
        }
        if self.action != Action::Kept {
            records.forget(&self.target, keeps_backup)?;
        }
        Ok(keeps_backup)
    }
}

/// Where a setting is in a document.
enum Place {
    /// It is not there; this path would add it.
    Absent(ValuePath),
    /// The value at this path starts clawgate.
    Ours(ValuePath),
    /// The value at this path is replaced as a whole: clawgate wrote it, for a program of another name.
    Replaced(ValuePath),
    /// There is another value.
    Other,
}

/// `own` is the value that clawgate wrote, as its record says.
fn locate(root: &Value, setting: &Setting, own: Option<&Value>) -> Place {
    let found = get(root, &setting.path);
    let calls = |value: &Value| *value == setting.value || find_call(value, &setting.call).is_some();
    let is_own = |value: &Value| Some(value) == own;
    if !setting.is_item {
        return match found {
            None => Place::Absent(setting.path.clone()),
            Some(value) if calls(value) => Place::Ours(setting.path.clone()),
            Some(value) if is_own(value) => Place::Replaced(setting.path.clone()),
            Some(_) => Place::Other,
        };
    }
    let items = found.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let at = |index: usize| [setting.path.clone(), vec![Step::Index(index)]].concat();
    if let Some(index) = items.iter().position(calls) {
        return Place::Ours(at(index));
    }
    match items.iter().position(is_own) {
        Some(index) => Place::Replaced(at(index)),
        None => Place::Absent(at(items.len())),
    }
}

/// Returns the part of an item that is clawgate's. A group of hooks can contain hooks of other programs.
fn own_part(root: &Value, path: ValuePath, setting: &Setting) -> ValuePath {
    let call = get(root, &path).and_then(|item| find_call(item, &setting.call)).unwrap_or_default();
    let whole = [path.clone(), call].concat();
    let list = whole.split_last().and_then(|(_, list)| get(root, list)).and_then(Value::as_array);
    if setting.is_item && list.is_some_and(|list| list.len() > 1) { whole } else { path }
}

/// Returns the values that start the program and differ from what they should be. The other values of an entry are the
/// user's, for example a time limit or `enabled`.
fn outdated(root: &Value, path: &[Step], setting: &Setting) -> Vec<(ValuePath, Value)> {
    let call_in = |value: &Value| find_call(value, &setting.call);
    let (Some(here), Some(wanted)) = (get(root, path).and_then(call_in), call_in(&setting.value)) else {
        return Vec::new();
    };
    let here = [path.to_vec(), here].concat();
    let Some(wanted) = get(&setting.value, &wanted).and_then(Value::as_object) else { return Vec::new() };
    let key = |name: &str| Step::Key(name.to_owned());
    let mut values: Vec<(ValuePath, Value)> = Vec::new();
    for (name, value) in wanted {
        match name.as_str() {
            "command" | "cmd" | "args" => {
                values.push(([here.clone(), vec![key(name)]].concat(), value.clone()))
            }
            "env" | "envs" | "environment" => {
                for (variable, value) in value.as_object().into_iter().flatten() {
                    values.push(([here.clone(), vec![key(name), key(variable)]].concat(), value.clone()));
                }
            }
            _ => {}
        }
    }
    values.retain(|(path, value)| value_path::get(root, path) != Some(value));
    values
}

fn other_value(path: &Path, setting: &Setting) -> Failure {
    let place = display(&setting.path);
    let message = format!("{} already has another `{place}`. Nothing was changed in it.", path.display());
    Failure::failed("other_entry", message)
        .hint(format!("remove `{place}` from the file, or run it with --force, which keeps a backup"))
}
