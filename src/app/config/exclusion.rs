//! An entry of `scope.exclude`: which projects it excludes, and who made it.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml_edit::{DocumentMut, InlineTable, Item, Value};

use super::SetBy;
use super::edit::list_in;
use crate::app::Failure;
use crate::trace::is_absolute;

/// An entry of `scope.exclude`.
///
/// In the file, an entry is a text, or a table if a text cannot express it: `{ name = "shop", path = "/srv/shop" }` for a
/// project that was resolved, and `{ pattern = "client-*", by = "agent" }`. `by` is absent for [`SetBy::Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    pub what: Excluded,
    pub by: SetBy,
}

/// What an entry excludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excluded {
    /// One project with everything below it. It was resolved when the entry was made, so that a project that gets the same
    /// name later is never meant.
    Project { name: String, path: String },
    /// A path with everything below it, or a glob. It also selects projects that appear later.
    Pattern(String),
    /// A name that a person wrote into the file. It becomes a project when the scope is confirmed.
    Name(String),
}

impl Exclusion {
    /// Returns the entry for a text in the file.
    pub fn written(text: &str) -> Self {
        let is_path = is_absolute(text) || text.starts_with('~');
        let is_pattern = is_path || text.contains(['*', '?', '[']);
        let (text, by) = (text.to_owned(), SetBy::Command);
        Exclusion { what: if is_pattern { Excluded::Pattern(text) } else { Excluded::Name(text) }, by }
    }

    /// Returns the text that people see and type: the name of a project, or the pattern.
    pub fn label(&self) -> &str {
        match &self.what {
            Excluded::Project { name, .. } => name,
            Excluded::Pattern(text) | Excluded::Name(text) => text,
        }
    }

    /// Returns the text that identifies the entry: the path of a project, or the pattern.
    pub fn text(&self) -> &str {
        match &self.what {
            Excluded::Project { path, .. } => path,
            Excluded::Pattern(text) | Excluded::Name(text) => text,
        }
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Exclusion::written(text));
        }
        let table = value.as_inline_table()?;
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let row = Row { name: text("name"), path: text("path"), pattern: text("pattern"), by: text("by") };
        row.entry().ok()
    }

    fn to_value(&self) -> Value {
        let mut table = InlineTable::new();
        match &self.what {
            Excluded::Project { name, path } => {
                table.insert("name", name.as_str().into());
                table.insert("path", path.as_str().into());
            }
            Excluded::Pattern(text) | Excluded::Name(text) if self.by == SetBy::Command => {
                return text.as_str().into();
            }
            Excluded::Pattern(text) | Excluded::Name(text) => {
                table.insert("pattern", text.as_str().into());
            }
        }
        if self.by != SetBy::Command {
            table.insert("by", self.by.as_str().into());
        }
        Value::InlineTable(table)
    }
}

/// The table of an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: Option<String>,
    path: Option<String>,
    pattern: Option<String>,
    by: Option<String>,
}

impl Row {
    fn entry(self) -> Result<Exclusion, String> {
        let by = SetBy::of(self.by.as_deref()).ok_or_else(|| {
            let by = self.by.as_deref().unwrap_or_default();
            format!("`by` must be \"person\", \"command\" or \"agent\", not {by:?}")
        })?;
        let what = match (self.name, self.path, self.pattern) {
            (Some(name), Some(path), None) => Excluded::Project { name, path },
            (None, None, Some(text)) => Exclusion::written(&text).what,
            _ => return Err("an exclusion needs `name` and `path`, or `pattern`".to_owned()),
        };
        Ok(Exclusion { what, by })
    }
}

impl<'de> Deserialize<'de> for Exclusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Exclusion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a project, a path or a glob")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Exclusion, E> {
                Ok(Exclusion::written(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Exclusion, A::Error> {
                Row::deserialize(MapAccessDeserializer::new(map))?.entry().map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

/// Answers show the text that people see and type.
impl Serialize for Exclusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// Removes entries of `scope.exclude` and adds others. An entry that the list already contains is not added again, but an
/// entry that fewer callers can undo replaces the same entry.
///
/// # Errors
/// A usage [`Failure`] if the list has another form than expected.
pub(in crate::app) fn edit_exclusions(
    doc: &mut DocumentMut,
    add: &[Exclusion],
    remove: &[Exclusion],
) -> Result<(), Failure> {
    if add.is_empty() && remove.is_empty() {
        return Ok(());
    }
    if let Some(list) = doc.get_mut("scope").and_then(|t| t.as_table_like_mut()?.get_mut("exclude"))
        && let Item::ArrayOfTables(tables) = &*list
    {
        *list = Item::Value(Value::Array(tables.clone().into_array()));
    }
    let array = list_in(doc, "scope", "exclude")?;
    array.retain(|value| Exclusion::from_value(value).is_none_or(|entry| !remove.contains(&entry)));
    for new in add {
        let same = |value: &Value| Exclusion::from_value(value).filter(|entry| entry.what == new.what);
        let as_strong = |value: &Value| same(value).is_some_and(|entry| entry.by >= new.by);
        if array.iter().any(as_strong) {
            continue;
        }
        array.retain(|value| same(value).is_none());
        array.push(new.to_value());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Config;

    fn project(name: &str, by: SetBy) -> Exclusion {
        Exclusion { what: Excluded::Project { name: name.into(), path: format!("/srv/{name}") }, by }
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let text = "[scope]\nexclude = [\"shop\", \"~/clients\", \"C:\\\\work\", \"client-*\",\n  \
                    { name = \"tea\", path = \"/srv/tea\" }, { pattern = \"/srv\", by = \"agent\" }]\n";
        let read = Config::parse(text).unwrap().scope.exclude;
        assert_eq!(read[0].what, Excluded::Name("shop".into()));
        assert!(read[1..4].iter().all(|e| matches!(e.what, Excluded::Pattern(_))), "{read:?}");
        assert_eq!(read[4], project("tea", SetBy::Command));
        assert_eq!(read[5], Exclusion { what: Excluded::Pattern("/srv".into()), by: SetBy::Agent });
        let shown = serde_json::to_value(&read).unwrap();
        assert_eq!(shown, serde_json::json!(["shop", "~/clients", "C:\\work", "client-*", "tea", "/srv"]));
        for (bad, named) in [
            ("{ path = \"/srv\" }", "`name` and `path`"),
            ("{ name = \"a\", path = \"/a\", by = \"nobody\" }", "`by` must be"),
            ("{ name = \"a\", pth = \"/a\" }", "unknown field `pth`"),
            ("3", "a project, a path or a glob"),
        ] {
            let f = Config::parse(&format!("[scope]\nexclude = [{bad}]\n")).unwrap_err();
            assert!(f.message.contains(named) && f.message.contains("line 2"), "{bad}: {f}");
        }
    }

    #[test]
    fn an_edit_keeps_comments_and_the_entries_of_a_person() {
        let mut doc: DocumentMut = "[scope]\nexclude = [\n  \"shop\", # ours\n]\n".parse().unwrap();
        let agents =
            [project("tea", SetBy::Agent), Exclusion { by: SetBy::Agent, ..Exclusion::written("/x") }];
        edit_exclusions(&mut doc, &agents, &[]).unwrap();
        edit_exclusions(&mut doc, &[project("tea", SetBy::Person)], &[]).unwrap();
        edit_exclusions(&mut doc, &[project("tea", SetBy::Agent)], &[]).unwrap();
        let text = doc.to_string();
        let read = Config::parse(&text).unwrap().scope.exclude;
        assert_eq!(read[1], agents[1], "{text}");
        assert_eq!((&read[2], read.len()), (&project("tea", SetBy::Person), 3), "{text}");
        assert!(text.contains("# ours"), "{text}");
        edit_exclusions(&mut doc, &[], &read).unwrap();
        assert!(Config::parse(&doc.to_string()).unwrap().scope.exclude.is_empty());
    }

    #[test]
    fn an_edit_works_in_every_form_of_the_table() {
        for text in [
            "scope = { exclude = [\"shop\"] }\n",
            "[[scope.exclude]]\nname = \"tea\"\npath = \"/srv/tea\"\n",
            "scope.exclude = [\"shop\"]\n",
            "",
        ] {
            let mut doc: DocumentMut = text.parse().unwrap();
            let before = Config::parse(text).unwrap().scope.exclude.len();
            edit_exclusions(&mut doc, &[project("new", SetBy::Person)], &[]).unwrap();
            let after = Config::parse(&doc.to_string()).unwrap().scope.exclude;
            assert_eq!(after.len(), before + 1, "{text}");
        }
    }
}
