//! Edits of a TOML text that keep everything else byte for byte.
//!
//! The parser gives the position of each value and header; an edit inserts or cuts whole lines at these positions.
//! `toml_edit`'s own edits are not used, because they change the line ends of the whole file.

use std::ops::Range;

use serde_json::Value;
use toml_edit::{Document, InlineTable, Item, Table, TableLike};

use super::syntax_error::{SyntaxError, line_and_column};
use super::value_path::Step;

/// Returns the document as a value.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    document(text)?;
    toml::from_str(text).map_err(|e| syntax_error(text, e.span(), e.message()))
}

fn syntax_error(text: &str, span: Option<Range<usize>>, message: &str) -> SyntaxError {
    let (line, column) = line_and_column(text, span.map_or(0, |span| span.start));
    SyntaxError { line, column, message: message.replace('\n', ", ") }
}

fn document(text: &str) -> Result<Document<&str>, SyntaxError> {
    Document::parse(text).map_err(|e| syntax_error(text, e.span(), e.message()))
}

/// Returns the keys of a path. Lists have none, and no configuration of an agent needs one.
fn key_names(path: &[Step]) -> Option<Vec<&str>> {
    fn key(step: &Step) -> Option<&str> {
        match step {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }
    path.iter().map(key).collect()
}

fn find<'a>(root: &'a Item, path: &[&str]) -> Option<&'a Item> {
    path.iter().try_fold(root, |item, key| item.as_table_like()?.get(key))
}

fn quoted_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}

/// Returns a value as TOML on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{} = {}", quoted_key(key), inline(value))).collect();
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        other => other.to_string(),
    }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Returns the position after the line of `at`, with its line end.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| at + n + 1)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |n| n + 1)
}

/// Sets the value at a path. `None` if a value on the way has no keys.
pub(super) fn set(text: &str, path: &[Step], value: &Value) -> Result<Option<String>, SyntaxError> {
    let document = document(text)?;
    let Some(path) = key_names(path) else { return Ok(None) };
    let mut out = text.to_owned();
    let existing = (0..=path.len()).rev().find_map(|n| Some((n, find(document.as_item(), &path[..n])?)));
    let Some((depth, found)) = existing else { return Ok(None) };
    if depth == path.len() {
        let Some(span) = found.span().filter(|_| found.is_value()) else { return Ok(None) };
        out.replace_range(span, &inline(value));
        return Ok(Some(out));
    }
    let mut inner = value.clone();
    for key in path[depth + 1..].iter().rev() {
        inner = Value::Object(serde_json::Map::from_iter([((*key).to_owned(), inner)]));
    }
    let pair = format!("{} = {}", quoted_key(path[depth]), inline(&inner));
    let value_in_table = !value.is_object() && path.len() == depth + 1;
    match found {
        Item::Value(toml_edit::Value::InlineTable(table)) => {
            let Some(span) = table.span() else { return Ok(None) };
            match last_value_end(table) {
                Some(end) => out.insert_str(end, &format!(", {pair}")),
                None => out.replace_range(span, &format!("{{ {pair} }}")),
            }
        }
        Item::Table(table) if value_in_table && depth > 0 => {
            let Some(end) = last_value_end(table).or_else(|| table.span().map(|s| s.end)) else {
                return Ok(None);
            };
            let at = line_end(text, end);
            let before = if out[..at].ends_with('\n') { "" } else { newline(text) };
            out.insert_str(at, &format!("{before}{pair}{}", newline(text)));
        }
        Item::Table(_) => {
            let (Some(map), nl) = (value.as_object(), newline(text)) else { return Ok(None) };
            if !out.is_empty() && !out.ends_with('\n') {
                out.push_str(nl);
            }
            if !out.is_empty() && !out.ends_with(&format!("{nl}{nl}")) {
                out.push_str(nl);
            }
            let header: Vec<String> = path.iter().map(|key| quoted_key(key)).collect();
            out.push_str(&format!("[{}]{nl}", header.join(".")));
            for (key, value) in map {
                out.push_str(&format!("{} = {}{nl}", quoted_key(key), inline(value)));
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(out))
}

/// Returns the end of the last value that is directly in a table, dotted keys included.
fn last_value_end(table: &dyn TableLike) -> Option<usize> {
    let end = |item: &Item| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(inner) if inner.is_dotted() => last_value_end(inner),
        _ => None,
    };
    table.iter().filter_map(|(_, item)| end(item)).max()
}

/// Adds the lines of a table and of the tables below it.
fn add_lines(text: &str, table: &Table, lines: &mut Vec<Range<usize>>) {
    if let Some(header) = table.span().filter(|_| !table.is_implicit() && !table.is_dotted()) {
        let end = last_value_end(table).unwrap_or(header.end).max(header.end);
        lines.push(line_start(text, header.start)..line_end(text, end));
    }
    for (key, item) in table.iter() {
        match item {
            Item::Table(inner) => add_lines(text, inner, lines),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|inner| add_lines(text, inner, lines)),
            Item::Value(value) if table.is_dotted() => {
                if let Some((start, end)) = key_start(table, key).zip(value.span().map(|s| s.end)) {
                    lines.push(line_start(text, start)..line_end(text, end));
                }
            }
            _ => {}
        }
    }
}

fn key_start(table: &dyn TableLike, key: &str) -> Option<usize> {
    table.key(key)?.span().map(|span| span.start)
}

/// Returns the bytes of a key and its value in an inline table, with a comma.
fn inline_range(table: &InlineTable, key: &str) -> Option<Range<usize>> {
    let names: Vec<&str> = table.iter().map(|(name, _)| name).collect();
    let at = names.iter().position(|name| *name == key)?;
    let end = |name: &str| table.get(name)?.span().map(|span| span.end);
    match (at.checked_sub(1), names.get(at + 1)) {
        (Some(before), _) => Some(end(names[before])?..end(key)?),
        (None, Some(next)) => Some(key_start(table, key)?..key_start(table, next)?),
        (None, None) => Some(key_start(table, key)?..end(key)?),
    }
}

/// Removes the value at a path. `None` if it does not exist.
pub(super) fn remove(text: &str, path: &[Step]) -> Result<Option<String>, SyntaxError> {
    let document = document(text)?;
    let Some(path) = key_names(path) else { return Ok(None) };
    let Some((key, parents)) = path.split_last() else { return Ok(None) };
    let (Some(parent), Some(item)) = (find(document.as_item(), parents), find(document.as_item(), &path))
    else {
        return Ok(None);
    };
    let mut lines = Vec::new();
    match (parent, item) {
        (Item::Value(toml_edit::Value::InlineTable(table)), _) => lines.extend(inline_range(table, key)),
        (_, Item::Table(table)) => add_lines(text, table, &mut lines),
        (Item::Table(table), Item::Value(value)) => {
            if let Some((start, end)) = key_start(table, key).zip(value.span().map(|s| s.end)) {
                lines.push(line_start(text, start)..line_end(text, end));
            }
        }
        _ => {}
    }
    if lines.is_empty() {
        return Ok(None);
    }
    lines.sort_by_key(|range| range.start);
    let mut out = text.to_owned();
    for range in lines.into_iter().rev() {
        let range = with_blank_line(&out, range);
        out.replace_range(range, "");
    }
    Ok(Some(out))
}

/// Extends lines by the blank line before them if nothing or a blank line follows: that is how they were added.
fn with_blank_line(text: &str, lines: Range<usize>) -> Range<usize> {
    let before = &text[..lines.start];
    let blank = ["\r\n\r\n", "\n\n"].iter().find(|blank| before.ends_with(**blank));
    let rest = &text[lines.end..];
    match blank {
        Some(blank) if rest.is_empty() || rest.starts_with(['\n', '\r']) => {
            lines.start - blank.len() / 2..lines.end
        }
        _ => lines,
    }
}
