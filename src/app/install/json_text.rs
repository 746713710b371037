//! Edits of a JSON text that keep everything else byte for byte: comments, order, formatting and line ends.
//!
//! A parser gives the position of each value and token; an edit inserts or cuts text at these positions. It reads JSON5,
//! which includes comments and trailing commas.

use jsonc_parser::ast::{self, Value as Node};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::tokens::{Token, TokenAndRange};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use serde_json::Value;

use super::syntax_error::{SyntaxError, line_and_column};
use super::value_path::Step;

/// Indentation of a file that has none.
const DEFAULT_INDENT: &str = "  ";

/// A text that replaces the bytes from `start` to `end`.
struct Splice {
    start: usize,
    end: usize,
    text: String,
}

/// The parts of a text that an edit needs. Positions are bytes of the text.
struct Document<'a> {
    text: &'a str,
    root: Option<Node<'a>>,
    tokens: Vec<TokenAndRange<'a>>,
}

fn document(text: &str) -> Result<Document<'_>, SyntaxError> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let parsed = parse_to_ast(text, &collect, &options).map_err(|e| {
        let (line, column) = line_and_column(text, e.range().start);
        SyntaxError { line, column, message: e.kind().to_string() }
    })?;
    Ok(Document { text, root: parsed.value, tokens: parsed.tokens.unwrap_or_default() })
}

/// Returns the document as a value. An empty document is an empty object.
pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let parsed = document(text)?;
    Ok(parsed.root.map_or_else(|| Value::Object(serde_json::Map::new()), Value::from))
}

/// An object or a list.
struct Container<'a> {
    range: Range,
    children: Vec<(Range, &'a Node<'a>)>,
}

fn container<'a>(node: &'a Node<'a>) -> Option<Container<'a>> {
    let children = match node {
        Node::Object(object) => object.properties.iter().map(|p| (p.range, &p.value)).collect(),
        Node::Array(array) => array.elements.iter().map(|e| (e.range(), e)).collect(),
        _ => return None,
    };
    Some(Container { range: node.range(), children })
}

/// Returns the position of a child. Programs use the last one of two keys of the same name.
fn position(node: &Node<'_>, step: &Step) -> Option<usize> {
    match (node, step) {
        (Node::Object(object), Step::Key(key)) => {
            object.properties.iter().rposition(|p: &ast::ObjectProp<'_>| p.name.as_str() == key)
        }
        (Node::Array(array), Step::Index(i)) => (*i < array.elements.len()).then_some(*i),
        _ => None,
    }
}

fn find<'a>(root: &'a Node<'a>, path: &[Step]) -> Option<&'a Node<'a>> {
    path.iter().try_fold(root, |node, step| {
        let at = position(node, step)?;
        container(node)?.children.get(at).map(|(_, child)| *child)
    })
}

/// How a value is written.
struct Style<'a> {
    newline: &'a str,
    /// The text before each line of the value, or `None` if it is written on one line.
    indent: Option<String>,
    unit: String,
    space: &'a str,
}

fn write_value(out: &mut String, value: &Value, style: &Style<'_>, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = &style.indent {
            out.push_str(style.newline);
            out.push_str(indent);
            out.push_str(&style.unit.repeat(depth));
        }
    };
    let separator = if style.indent.is_some() { "," } else { [",", ", "][style.space.len()] };
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            for (i, (key, inner)) in map.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { separator });
                line(out, depth + 1);
                out.push_str(&format!("{}:{}", Value::String(key.clone()), style.space));
                write_value(out, inner, style, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, inner) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { separator });
                line(out, depth + 1);
                write_value(out, inner, style, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

impl Document<'_> {
    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// Returns the whitespace before `at`, if nothing else is on the line before it.
    fn indentation(&self, at: usize) -> Option<&str> {
        let before = self.text.get(..at)?;
        let (_, line) = before.rsplit_once('\n')?;
        line.trim().is_empty().then_some(line)
    }

    /// Returns the whitespace at the beginning of the line of `at`.
    fn line_indentation(&self, at: usize) -> &str {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit_once('\n').map_or(before, |(_, line)| line);
        &line[..line.len() - line.trim_start().len()]
    }

    /// Returns the indentation of one level.
    fn unit(&self) -> &str {
        let first =
            self.root.as_ref().and_then(container).and_then(|c| c.children.first().map(|c| c.0.start));
        let unit = first.and_then(|at| self.indentation(at)).filter(|unit| !unit.is_empty());
        unit.unwrap_or(DEFAULT_INDENT)
    }

    fn style(&self, indent: Option<String>) -> Style<'_> {
        let tight = indent.is_none() && !self.text.contains(": ") && self.text.contains(':');
        Style {
            newline: self.newline(),
            indent,
            unit: self.unit().to_owned(),
            space: if tight { "" } else { " " },
        }
    }

    /// Returns the tokens between two positions.
    fn tokens_between(
        &self,
        start: usize,
        end: usize,
    ) -> impl DoubleEndedIterator<Item = &TokenAndRange<'_>> {
        self.tokens.iter().filter(move |t| t.range.start >= start && t.range.end <= end)
    }

    /// Returns the end of the last token that ends at or before `at`.
    fn token_end_before(&self, at: usize) -> usize {
        self.tokens.iter().rev().map(|t| t.range.end).find(|end| *end <= at).unwrap_or(0)
    }

    /// Adds a child at the end of a container.
    fn add(&self, node: &Node<'_>, key: Option<&str>, value: &Value) -> Vec<Splice> {
        let Some(Container { range, children }) = container(node) else { return Vec::new() };
        let close = range.end - 1;
        let last = children.last().map(|(range, _)| *range);
        let tail_start = last.map_or(range.start + 1, |last| last.end);
        let insert_at = self.token_end_before(close).max(tail_start);
        let has_comma = self.tokens_between(tail_start, close).any(|t| t.token == Token::Comma);
        let after_line_comment = self
            .tokens_between(tail_start, close)
            .next_back()
            .is_some_and(|t| matches!(t.token, Token::CommentLine(_)));
        let one_line_file = !self.text.trim().contains('\n');
        let indent = match last {
            Some(last) => self.indentation(last.start).map(str::to_owned),
            None if one_line_file
                && !self.text.trim().trim_start_matches('{').trim_end_matches('}').trim().is_empty() =>
            {
                None
            }
            None => Some(format!("{}{}", self.line_indentation(range.start), self.unit())),
        };
        let indent = match indent {
            None if after_line_comment => {
                Some(format!("{}{}", self.line_indentation(range.start), self.unit()))
            }
            indent => indent,
        };
        let style = self.style(indent);
        let mut text = String::new();
        match &style.indent {
            Some(indent) => text.push_str(&format!("{}{indent}", style.newline)),
            None if last.is_some() => text.push_str(style.space),
            None => {}
        }
        if let Some(key) = key {
            text.push_str(&format!("{}:{}", Value::String(key.to_owned()), style.space));
        }
        write_value(&mut text, value, &style, 0);
        if last.is_some() && has_comma {
            text.push(',');
        }
        let rest_has_newline = self.text.get(insert_at..close).is_some_and(|rest| rest.contains('\n'));
        if last.is_none() && style.indent.is_some() && !rest_has_newline {
            text.push_str(&format!("{}{}", style.newline, self.line_indentation(range.start)));
        }
        let mut splices = Vec::new();
        if last.is_some() && !has_comma {
            if tail_start == insert_at {
                text.insert(0, ',');
            } else {
                splices.push(Splice { start: tail_start, end: tail_start, text: ",".to_owned() });
            }
        }
        splices.push(Splice { start: insert_at, end: insert_at, text });
        splices
    }

    /// Cuts a child out of a container, with the comma and the whitespace that belong to it.
    fn cut(&self, node: &Node<'_>, at: usize) -> Vec<Splice> {
        let Some(Container { range, children }) = container(node) else { return Vec::new() };
        let Some((child, _)) = children.get(at) else { return Vec::new() };
        let cut = |start: usize, end: usize| Splice { start, end, text: String::new() };
        let start = self.token_end_before(child.start);
        let next = children.get(at + 1).map_or(range.end - 1, |(next, _)| next.start);
        let comma = |from: usize, to: usize| {
            self.tokens_between(from, to).find(|t| t.token == Token::Comma).map(|t| t.range)
        };
        if let Some(comma) = comma(child.end, next) {
            let own = self.tokens_between(child.end, comma.start).next().is_none();
            return match own {
                true => vec![cut(start, comma.end)],
                false => vec![cut(start, child.end), cut(comma.start, comma.end)],
            };
        }
        // Without a comma after it, the child is the last one, and the comma before it has to go.
        let before =
            at.checked_sub(1).and_then(|i| children.get(i)).and_then(|(p, _)| comma(p.end, child.start));
        match before {
            Some(comma) if comma.end == start => vec![cut(comma.start, child.end)],
            Some(comma) => vec![cut(comma.start, comma.end), cut(start, child.end)],
            None => vec![cut(start, child.end)],
        }
    }
}

fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|s| s.start);
    let mut out = text.to_owned();
    for splice in splices.iter().rev() {
        out.replace_range(splice.start..splice.end, &splice.text);
    }
    out
}

/// Sets the value at a path: replaces the one that is there, or adds it with the objects that are missing on the way.
/// `None` if a value on the way is neither an object nor a list.
pub(super) fn set(text: &str, path: &[Step], value: &Value) -> Result<Option<String>, SyntaxError> {
    let document = document(text)?;
    let Some(root) = &document.root else {
        let mut whole = Value::Object(serde_json::Map::new());
        if !super::value_path::set(&mut whole, path, value.clone()) {
            return Ok(None);
        }
        let style = document.style(Some(String::new()));
        let mut out = text.trim_end().to_owned();
        if !out.is_empty() {
            out.push_str(style.newline);
        }
        write_value(&mut out, &whole, &style, 0);
        out.push_str(style.newline);
        return Ok(Some(out));
    };
    if let Some(node) = find(root, path) {
        let range = node.range();
        let multiline = text[range.start..range.end].contains('\n');
        let indent = multiline.then(|| document.line_indentation(range.start).to_owned());
        let mut new = String::new();
        write_value(&mut new, value, &document.style(indent), 0);
        return Ok(Some(apply(text, vec![Splice { start: range.start, end: range.end, text: new }])));
    }
    let existing = (0..path.len()).rev().find(|n| find(root, &path[..*n]).is_some()).unwrap_or(0);
    let Some(parent) = find(root, &path[..existing]) else { return Ok(None) };
    let mut inner = value.clone();
    for step in path[existing + 1..].iter().rev() {
        inner = match step {
            Step::Key(key) => Value::Object(serde_json::Map::from_iter([(key.clone(), inner)])),
            Step::Index(_) => Value::Array(vec![inner]),
        };
    }
    let splices = match (parent, &path[existing]) {
        (Node::Object(_), Step::Key(key)) => document.add(parent, Some(key), &inner),
        (Node::Array(_), Step::Index(_)) => document.add(parent, None, &inner),
        _ => return Ok(None),
    };
    Ok(Some(apply(text, splices)))
}

/// Removes the value at a path, which must exist. `None` if it does not.
pub(super) fn remove(text: &str, path: &[Step]) -> Result<Option<String>, SyntaxError> {
    let document = document(text)?;
    let Some((root, (last, parents))) = document.root.as_ref().zip(path.split_last()) else {
        return Ok(None);
    };
    let Some(parent) = find(root, parents) else { return Ok(None) };
    let Some(at) = position(parent, last) else { return Ok(None) };
    Ok(Some(apply(text, document.cut(parent, at))))
}

/// Returns the line of the value at a path, or of the nearest value above it.
pub(super) fn line_of(text: &str, path: &[Step]) -> usize {
    let Ok(document) = document(text) else { return 1 };
    let Some(root) = &document.root else { return 1 };
    let node = (0..=path.len()).rev().find_map(|n| find(root, &path[..n]));
    node.map_or(1, |node| line_and_column(text, node.range().start).0)
}
