//! The syntaxes of agents' configuration files behind one interface, with a check of every edit.

use serde_json::Value;

use super::syntax_error::SyntaxError;
use super::value_path::{self, Step, ValuePath};
use super::{json_text, toml_text, yaml_text};

/// The syntax of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// JSON, with comments and the other freedoms of JSON5.
    Json,
    Toml,
    /// YAML, in block mappings.
    Yaml,
}

/// Why a text cannot be edited.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("line {line}: `{path}` cannot be edited, because a value on the way is of another type")]
    Shape { line: usize, path: String },
    /// The check found that an edit would change something else.
    #[error("`{0}` cannot be edited without changing something else in the file")]
    Unsafe(String),
}

/// Divides a text into the byte order mark that some editors on Windows write, and the rest.
fn split_mark(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 })
}

impl Syntax {
    /// Returns the content of a text. An empty text is an empty object.
    pub fn parse(self, text: &str) -> Result<Value, SyntaxError> {
        let (_, text) = split_mark(text);
        match self {
            Syntax::Json => json_text::parse(text),
            Syntax::Toml => toml_text::parse(text),
            Syntax::Yaml => yaml_text::parse(text),
        }
    }

    /// Sets a value and keeps everything else byte for byte.
    pub fn set(self, text: &str, path: &[Step], value: &Value) -> Result<String, EditError> {
        let mut wanted = self.parse(text)?;
        if !value_path::set(&mut wanted, path, value.clone()) {
            return Err(self.shape_error(text, path));
        }
        let (mark, text) = split_mark(text);
        let edited = match self {
            Syntax::Json => json_text::set(text, path, value)?,
            Syntax::Toml => toml_text::set(text, path, value)?,
            Syntax::Yaml => yaml_text::set(text, path, value),
        };
        let edited = edited.ok_or_else(|| self.shape_error(text, path))?;
        self.check(mark.to_owned() + &edited, &wanted, path)
    }

    /// Removes a value, and the objects above it that are empty then, down to the first `existing` steps of the path.
    pub fn remove(self, text: &str, path: &[Step], existing: usize) -> Result<String, EditError> {
        let mut wanted = self.parse(text)?;
        let mut path: ValuePath = path.to_vec();
        value_path::remove(&mut wanted, &path);
        let is_empty = |v: &Value| match v {
            Value::Object(map) => map.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        while path.len() > existing + 1
            && value_path::get(&wanted, &path[..path.len() - 1]).is_some_and(is_empty)
        {
            path.pop();
            value_path::remove(&mut wanted, &path);
        }
        let (mark, text) = split_mark(text);
        let edited = match self {
            Syntax::Json => json_text::remove(text, &path)?,
            Syntax::Toml => toml_text::remove(text, &path)?,
            Syntax::Yaml => yaml_text::remove(text, &path),
        };
        let edited = edited.ok_or_else(|| EditError::Unsafe(value_path::display(&path)))?;
        self.check(mark.to_owned() + &edited, &wanted, &path)
    }

    fn check(self, edited: String, wanted: &Value, path: &[Step]) -> Result<String, EditError> {
        match self.parse(&edited) {
            Ok(found) if found == *wanted => Ok(edited),
            _ => Err(EditError::Unsafe(value_path::display(path))),
        }
    }

    fn shape_error(self, text: &str, path: &[Step]) -> EditError {
        let line = match self {
            Syntax::Json => json_text::line_of(text, path),
            Syntax::Toml => 1,
            Syntax::Yaml => yaml_text::line_of(text, path),
        };
        EditError::Shape { line, path: value_path::display(path) }
    }
}
