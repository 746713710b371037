//! Edits of a YAML text that keep everything else byte for byte.
//!
//! No parser gives the lines of a value together with its comments. So an edit works on whole lines of block mappings, whose
//! extent their indentation tells. Every edit is checked by parsing the result; what cannot be edited in this way is refused.

use std::ops::Range;

use serde_json::Value;

use super::syntax_error::SyntaxError;
use super::value_path::Step;

/// Returns the document as a value. A document without content is an empty object.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|e| {
        let (line, column) = e.location().map_or((1, 1), |at| (at.line() as usize, at.column() as usize));
        // The parser's own message repeats lines of the file, which can contain keys.
        SyntaxError { line, column, message: "the file is not valid YAML".to_owned() }
    })?;
    match value {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(value),
        _ => Err(SyntaxError { line: 1, column: 1, message: "the file is not a mapping".to_owned() }),
    }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A line of the text.
struct Line<'t> {
    range: Range<usize>,
    indent: usize,
    /// The text without indentation and line end.
    text: &'t str,
}

impl Line<'_> {
    fn is_blank(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }

    /// Returns what follows the key, if the line begins with it.
    fn after_key(&self, key: &str) -> Option<&str> {
        let quoted = [key.to_owned(), format!("\"{key}\""), format!("'{key}'")];
        let rest = quoted.iter().find_map(|key| self.text.strip_prefix(key.as_str()))?;
        rest.trim_start().strip_prefix(':').filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let range = start..start + line.len();
            start = range.end;
            let content = line.trim_end_matches(['\n', '\r', ' ', '\t']);
            let inner = content.trim_start_matches(' ');
            Line { range, indent: content.len() - inner.len(), text: inner }
        })
        .collect()
}

/// Where a key and its value are.
struct Entry {
    /// Lines from that of the key to the last one of the value. Blank lines and comments after it are not included.
    lines: Range<usize>,
    /// Indentation of the keys of its value, if that is a block mapping.
    inner: Option<usize>,
    /// What follows the key on its line, without a comment.
    inline: String,
}

/// Finds a key among the lines that are indented by `indent`.
fn find(all: &[Line<'_>], within: Range<usize>, indent: usize, key: &str) -> Option<Entry> {
    let first = within.clone().find(|n| all[*n].indent == indent && all[*n].after_key(key).is_some())?;
    let ends = |n: &usize| !all[*n].is_blank() && all[*n].indent <= indent;
    let limit = (first + 1..within.end).find(ends).unwrap_or(within.end);
    let last = (first + 1..limit).rev().find(|n| !all[*n].is_blank()).unwrap_or(first);
    let inner = (first + 1..=last).find(|n| !all[*n].is_blank()).map(|n| &all[n]);
    let rest = all[first].after_key(key).unwrap_or_default().trim();
    let inline = rest.split(" #").next().unwrap_or_default().trim();
    let inline = if rest.starts_with('#') { "" } else { inline }.to_owned();
    let is_mapping = |line: &&Line<'_>| inline.is_empty() && !line.text.starts_with(['-', '{', '[']);
    Some(Entry { lines: first..last + 1, inner: inner.filter(is_mapping).map(|line| line.indent), inline })
}

/// Finds the deepest existing entry of a path, and how many of its keys exist.
fn deepest(all: &[Line<'_>], path: &[&str]) -> (usize, Option<Entry>) {
    let (mut within, mut indent, mut found) = (0..all.len(), 0, None);
    for (depth, key) in path.iter().enumerate() {
        let Some(entry) = find(all, within.clone(), indent, key) else { return (depth, found) };
        let is_last = depth + 1 == path.len();
        match entry.inner {
            Some(inner) => (within, indent) = (entry.lines.start + 1..entry.lines.end, inner),
            None if !is_last => return (depth + 1, Some(entry)),
            None => {}
        }
        found = Some(entry);
    }
    (path.len(), found)
}

fn key_names(path: &[Step]) -> Option<Vec<&str>> {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect()
}

fn key_text(key: &str) -> String {
    let is_plain =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_plain { key.to_owned() } else { Value::from(key).to_string() }
}

/// Returns the lines of a value below its keys. Lists and empty mappings in it are written as JSON, which is YAML.
fn block(keys: &[&str], value: &Value, indent: usize, nl: &str) -> String {
    let Some((key, below)) = keys.split_first() else { return String::new() };
    let key = key_text(key);
    if !below.is_empty() {
        return format!("{:indent$}{key}:{nl}{}", "", block(below, value, indent + 2, nl));
    }
    match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => {
            let lines = map.iter().map(|(key, value)| block(&[key], value, indent + 2, nl));
            format!("{:indent$}{key}:{nl}{}", "", lines.collect::<String>())
        }
        None => format!("{:indent$}{key}: {value}{nl}", ""),
    }
}

/// Sets the value at a path. `None` if the text around it is not a block mapping.
pub(super) fn set(text: &str, path: &[Step], value: &Value) -> Option<String> {
    let path = key_names(path)?;
    let (all, nl) = (lines(text), newline(text));
    let (depth, entry) = deepest(&all, &path);
    let mut out = text.to_owned();
    let Some(entry) = entry else {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push_str(nl);
        }
        out.push_str(&block(&path, value, 0, nl));
        return Some(out);
    };
    let bytes = all[entry.lines.start].range.start..all[entry.lines.end - 1].range.end;
    let indent = all[entry.lines.start].indent;
    if depth == path.len() {
        out.replace_range(bytes, &block(&path[depth - 1..], value, indent, nl));
        return Some(out);
    }
    match (entry.inner, entry.inline.as_str()) {
        (Some(inner), _) => {
            let before = if text[..bytes.end].ends_with('\n') { "" } else { nl };
            out.insert_str(bytes.end, &format!("{before}{}", block(&path[depth..], value, inner, nl)));
        }
        // An empty mapping becomes a block.
        (None, "{}") if entry.lines.len() == 1 => {
            let line = &all[entry.lines.start];
            let at = line.range.start + text[line.range.clone()].rfind("{}")?;
            let after = text[at + 2..line.range.end].trim_end_matches(['\n', '\r']).to_owned();
            let block = block(&path[depth..], value, indent + 2, nl);
            let head = text[line.range.start..at].trim_end().to_owned();
            out.replace_range(line.range.clone(), &format!("{head}{after}{nl}{block}"));
        }
        _ => return None,
    }
    Some(out)
}

/// Removes the lines of the value at a path. `None` if it is not in a block mapping.
pub(super) fn remove(text: &str, path: &[Step]) -> Option<String> {
    let path = key_names(path)?;
    let all = lines(text);
    let (depth, entry) = deepest(&all, &path);
    let entry = entry.filter(|_| depth == path.len())?;
    let mut out = text.to_owned();
    out.replace_range(all[entry.lines.start].range.start..all[entry.lines.end - 1].range.end, "");
    let (_, parent) = deepest(&all, &path[..path.len() - 1]);
    if let Some(parent) = parent.filter(|parent| parent.lines.len() > 1) {
        let mut below = (parent.lines.start + 1..parent.lines.end).filter(|n| !entry.lines.contains(n));
        if below.all(|n| all[n].is_blank()) {
            // A key without a value would be null.
            let line = &all[parent.lines.start];
            let key = line.range.start + text[line.range.clone()].find(':')? + 1;
            out.insert_str(key, " {}");
        }
    }
    Some(out)
}

/// Returns the line of the deepest existing value of a path, from 1.
pub(super) fn line_of(text: &str, path: &[Step]) -> usize {
    let all = lines(text);
    let path = key_names(path).unwrap_or_default();
    deepest(&all, &path).1.map_or(1, |entry| entry.lines.start + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::value_path::keys;
    use super::*;

    const TEXT: &str = "# Goose\nextensions:\n  other:\n    cmd: x # note\n    text: |\n      clawgate:\n        y\n\n  # end\n\nGOOSE_MODEL: gpt-4o\n";

    #[test]
    fn an_entry_is_added_after_the_last_one_and_removed_again() {
        let path = keys(&["extensions", "clawgate"]);
        let edited = set(TEXT, &path, &json!({"cmd": "a b", "args": ["mcp"]})).unwrap();
        let entry = "  clawgate:\n    cmd: \"a b\"\n    args: [\"mcp\"]\n";
        assert_eq!(edited, TEXT.replace("        y\n", &format!("        y\n{entry}")));
        assert_eq!(parse(&edited).unwrap()["extensions"]["clawgate"]["args"], json!(["mcp"]));
        assert_eq!(remove(&edited, &path).unwrap(), TEXT);
        let other = set(&edited, &keys(&["extensions", "clawgate", "cmd"]), &json!("c")).unwrap();
        assert_eq!(other, edited.replace("\"a b\"", "\"c\""));
    }

    #[test]
    fn an_empty_mapping_becomes_a_block_and_other_forms_are_refused() {
        let path = keys(&["extensions", "clawgate"]);
        let edited = set("a: 1\r\nextensions: {} # none\r\n", &path, &json!({"cmd": "x"})).unwrap();
        assert_eq!(edited, "a: 1\r\nextensions: # none\r\n  clawgate:\r\n    cmd: \"x\"\r\n");
        assert_eq!(remove(&edited, &path).unwrap(), "a: 1\r\nextensions: {} # none\r\n");
        for text in
            ["extensions: {a: 1}\n", "extensions:\n  - a\n", "extensions:\n  {a: 1}\n", "extensions: x\n"]
        {
            assert_eq!(set(text, &path, &json!({"cmd": "x"})), None, "{text}");
        }
        assert_eq!(set("a: 1", &path, &json!(true)).unwrap(), "a: 1\nextensions:\n  clawgate: true\n");
        assert_eq!(line_of(TEXT, &path), 2);
    }

    #[test]
    fn an_error_names_the_line_and_does_not_repeat_the_file() {
        let error = parse("a: 1\nsecret: [x\n").unwrap_err();
        assert!(error.line > 1 && !error.message.contains("secret"), "{error}");
        assert!(parse("- a\n").is_err());
        assert_eq!(parse("# nothing\n").unwrap(), json!({}));
    }
}
