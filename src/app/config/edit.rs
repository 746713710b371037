//! Edits `config.toml` and keeps its comments and its order.

use std::path::Path;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table};

use super::Config;
use crate::app::Failure;
use crate::app::fs::{read_if_exists, write_private};
use crate::pricing::CustomPrice;

/// Applies an edit to the file. Returns the new configuration, or `None` if the edit changes nothing. Writes the file only
/// if the result is a valid configuration.
///
/// # Errors
/// [`Failure`] if the edit fails, the result is invalid, or the file cannot be read or written.
pub(in crate::app) fn edit_file(
    path: &Path,
    current: &Config,
    edit: impl FnOnce(&mut DocumentMut) -> Result<(), Failure>,
) -> Result<Option<Config>, Failure> {
    edit_file_if(path, current, edit, |_| Ok(()))
}

/// Like [`edit_file`], but writes the file only if the new configuration passes a check.
///
/// # Errors
/// [`Failure`] as [`edit_file`], and the failure of the check.
pub(in crate::app) fn edit_file_if(
    path: &Path,
    current: &Config,
    edit: impl FnOnce(&mut DocumentMut) -> Result<(), Failure>,
    check: impl FnOnce(&Config) -> Result<(), Failure>,
) -> Result<Option<Config>, Failure> {
    let old = read_if_exists(path)?.unwrap_or_default();
    let mut doc: DocumentMut =
        old.parse().map_err(|_| Failure::usage("bad_config", "config.toml is not valid TOML."))?;
    edit(&mut doc)?;
    let text = doc.to_string();
    let config = Config::parse(&text)?;
    check(&config)?;
    if config == *current && !old.is_empty() {
        return Ok(None);
    }
    write_private(path, text.as_bytes())?;
    Ok(Some(config))
}

/// Adds values to a list of strings and removes others. Values that the list already contains are not added again.
pub(in crate::app) fn edit_list(
    doc: &mut DocumentMut,
    table: &str,
    key: &str,
    add: &[String],
    remove: &[String],
) {
    if add.is_empty() && remove.is_empty() {
        return;
    }
    let array = doc
        .entry(table)
        .or_insert(toml_edit::table())
        .as_table_mut()
        .map(|t| t.entry(key).or_insert(toml_edit::value(Array::new())))
        .and_then(|v| v.as_array_mut());
    if let Some(array) = array {
        array.retain(|v| v.as_str().is_none_or(|s| !remove.iter().any(|r| r.trim() == s.trim())));
        for value in add {
            if !array.iter().any(|v| v.as_str() == Some(value)) {
                array.push(value.as_str());
            }
        }
    }
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
        edit_list(&mut doc, "redact", "strings", &["acme".into(), "bolt".into()], &[]);
        edit_list(&mut doc, "scope", "exclude", &["p".into()], &[]);
        let text = doc.to_string();
        assert!(text.starts_with("# mine") && text.contains("# why"), "{text}");
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.redact.strings, ["acme", "bolt"]);
        assert_eq!(config.scope.exclude, ["p"]);
    }

    #[test]
    fn an_edit_without_a_change_or_with_an_invalid_result_leaves_the_file_alone() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("config.toml");
        let add = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
            move |doc: &mut DocumentMut| {
                edit_list(doc, "redact", "strings", &values, &[]);
                Ok(())
            }
        };
        let config = edit_file(&path, &Config::default(), add(&["acme"])).unwrap().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(edit_file(&path, &config, add(&["acme"])).unwrap(), None);
        let invalid = |doc: &mut DocumentMut| {
            doc["nonsense"] = toml_edit::value(1);
            Ok(())
        };
        assert_eq!(edit_file(&path, &config, invalid).unwrap_err().code, "bad_config");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(edit_file(&path, &config, add(&["bolt"])).unwrap_err().code, "io");
    }
}
