//! Edits `config.toml` and keeps its comments and its order.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table};

use super::Config;
use crate::app::Failure;
use crate::app::fs::{open_lock_file, read_if_exists, try_lock, write_private};
use crate::pricing::CustomPrice;

/// Attempts to lock the file, and the time between two attempts: ten seconds in all.
const MAX_LOCK_ATTEMPTS: u32 = 500;
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The only editor of `config.toml`. Another process that edits the file waits until this is dropped, so that no edit is lost.
pub(in crate::app) struct ConfigEditor {
    path: PathBuf,
    /// Locked until it is closed. A file of its own, because an edit replaces `config.toml`.
    _lock: File,
}

impl ConfigEditor {
    /// Waits until no other process edits the configuration in this directory.
    ///
    /// # Errors
    /// [`Failure`] if the lock file cannot be opened, or another process does not end its edit.
    pub fn lock(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("config.lock");
        let lock = open_lock_file(&path)?;
        for _ in 0..MAX_LOCK_ATTEMPTS {
            if try_lock(&lock, &path)? {
                return Ok(ConfigEditor { path: dir.join("config.toml"), _lock: lock });
            }
            std::thread::sleep(LOCK_INTERVAL);
        }
        let message = "Another clawgate process is editing config.toml.";
        Err(Failure::failed("config_busy", message).hint("run the same command again"))
    }

    /// Reads the configuration, which nobody else edits now.
    ///
    /// # Errors
    /// [`Failure`] as [`Config::read`].
    pub fn read(&self) -> Result<Config, Failure> {
        Config::read(&self.path)
    }

    /// Applies an edit to the file. Returns the new configuration, or `None` if the edit changes nothing. Writes the file
    /// only if the result is a valid configuration.
    ///
    /// # Errors
    /// [`Failure`] if the edit fails, the result is invalid, or the file cannot be read or written.
    pub fn edit(
        &self,
        edit: impl FnOnce(&mut DocumentMut) -> Result<(), Failure>,
    ) -> Result<Option<Config>, Failure> {
        self.edit_if(edit, |_| Ok(()))
    }

    /// Like [`ConfigEditor::edit`], but writes the file only if the new configuration passes a check.
    ///
    /// # Errors
    /// [`Failure`] as [`ConfigEditor::edit`], and the failure of the check.
    pub fn edit_if(
        &self,
        edit: impl FnOnce(&mut DocumentMut) -> Result<(), Failure>,
        check: impl FnOnce(&Config) -> Result<(), Failure>,
    ) -> Result<Option<Config>, Failure> {
        let old = read_if_exists(&self.path)?.unwrap_or_default();
        let before = Config::parse(&old)?;
        let mut doc: DocumentMut =
            old.parse().map_err(|_| Failure::usage("bad_config", "config.toml is not valid TOML."))?;
        edit(&mut doc)?;
        let text = doc.to_string();
        let config = Config::parse(&text)?;
        check(&config)?;
        if config == before && !old.is_empty() {
            return Ok(None);
        }
        write_private(&self.path, text.as_bytes())?;
        Ok(Some(config))
    }
}

/// Returns the list under a key of a table, and creates both if they are missing.
///
/// # Errors
/// A usage [`Failure`] if either has another form.
pub(in crate::app) fn list_in<'a>(
    doc: &'a mut DocumentMut,
    table: &str,
    key: &str,
) -> Result<&'a mut Array, Failure> {
    doc.entry(table)
        .or_insert(toml_edit::table())
        .as_table_like_mut()
        .map(|t| t.entry(key).or_insert(toml_edit::value(Array::new())))
        .and_then(|v| v.as_array_mut())
        .ok_or_else(|| Failure::usage("bad_config", format!("config.toml: `{table}.{key}` must be a list.")))
}

/// Adds values to a list of strings and removes others. Values that the list already contains are not added again.
///
/// # Errors
/// A usage [`Failure`] if the list has another form than expected.
pub(in crate::app) fn edit_list(
    doc: &mut DocumentMut,
    table: &str,
    key: &str,
    add: &[String],
    remove: &[String],
) -> Result<(), Failure> {
    if add.is_empty() && remove.is_empty() {
        return Ok(());
    }
    let array = list_in(doc, table, key)?;
    array.retain(|v| v.as_str().is_none_or(|s| !remove.iter().any(|r| r.trim() == s.trim())));
    for value in add {
        if !array.iter().any(|v| v.as_str() == Some(value)) {
            array.push(value.as_str());
        }
    }
    Ok(())
}

/// Sets a list of a table. Comments between its entries are lost if the entries change.
pub(in crate::app) fn replace_list(
    doc: &mut DocumentMut,
    table: &str,
    key: &str,
    values: &[&str],
) -> Result<(), Failure> {
    let array = list_in(doc, table, key)?;
    if !array.iter().map(|v| v.as_str()).eq(values.iter().map(|value| Some(*value))) {
        array.clear();
        array.extend(values.iter().copied());
    }
    Ok(())
}

/// Sets a custom price, or removes it. A price replaces the one with the same model, provider and project.
///
/// # Errors
/// A usage [`Failure`] if there is no price to remove, or `price` is not an array of tables.
pub(in crate::app) fn edit_price(
    doc: &mut DocumentMut,
    price: &CustomPrice,
    remove: bool,
) -> Result<(), Failure> {
    let list = doc
        .entry("price")
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| {
            Failure::usage("bad_config", "`price` in config.toml must be written as [[price]] tables.")
        })?;
    let names = [("model", &price.model), ("provider", &price.provider), ("project", &price.project)];
    let before = list.len();
    list.retain(|t| {
        !names.iter().all(|(key, value)| t.get(key).and_then(|v| v.as_str()) == value.as_deref())
    });
    if remove {
        if list.len() == before {
            return Err(Failure::usage("no_such_price", "The configuration has no such price.")
                .hint("clawgate pricing show"));
        }
        return Ok(());
    }
    let mut table = Table::new();
    for (key, value) in names {
        if let Some(value) = value {
            table.insert(key, toml_edit::value(value.as_str()));
        }
    }
    let rates = [
        ("input", Some(&price.input)),
        ("output", Some(&price.output)),
        ("cache_read", price.cache_read.as_ref()),
        ("cache_write_5m", price.cache_write_5m.as_ref()),
        ("cache_write_1h", price.cache_write_1h.as_ref()),
        ("web_search", price.web_search.as_ref()),
    ];
    for (key, value) in rates {
        if let Some(value) = value {
            // As a string: a TOML float could change the amount.
            table.insert(key, toml_edit::value(value.0.as_str()));
        }
    }
    list.push(table);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_appends_and_keeps_comments() {
        let mut doc: DocumentMut = "# mine\n[redact]\nstrings = [\"acme\"] # why\n".parse().unwrap();
        edit_list(&mut doc, "redact", "strings", &["acme".into(), "bolt".into()], &[]).unwrap();
        let text = doc.to_string();
        assert!(text.starts_with("# mine") && text.contains("# why"), "{text}");
        assert_eq!(Config::parse(&text).unwrap().redact.strings, ["acme", "bolt"]);
    }

    #[test]
    fn a_list_in_an_inline_table_is_edited_too_and_another_form_is_refused() {
        let mut doc: DocumentMut = "redact = { strings = [\"acme\"] }\n".parse().unwrap();
        edit_list(&mut doc, "redact", "strings", &["bolt".into()], &[]).unwrap();
        assert_eq!(Config::parse(&doc.to_string()).unwrap().redact.strings, ["acme", "bolt"]);
        let mut doc: DocumentMut = "redact = 3\n".parse().unwrap();
        let f = edit_list(&mut doc, "redact", "strings", &["bolt".into()], &[]).unwrap_err();
        assert_eq!(f.code, "bad_config");
    }

    #[test]
    fn an_edit_without_a_change_or_with_an_invalid_result_leaves_the_file_alone() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("config.toml");
        let add = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
            move |doc: &mut DocumentMut| edit_list(doc, "redact", "strings", &values, &[])
        };
        let editor = ConfigEditor::lock(tmp.path()).unwrap();
        assert!(editor.edit(add(&["acme"])).unwrap().is_some());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(editor.edit(add(&["acme"])).unwrap(), None);
        let invalid = |doc: &mut DocumentMut| {
            doc["nonsense"] = toml_edit::value(1);
            Ok(())
        };
        assert_eq!(editor.edit(invalid).unwrap_err().code, "bad_config");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(editor.edit(add(&["bolt"])).unwrap_err().code, "io");
    }
}
