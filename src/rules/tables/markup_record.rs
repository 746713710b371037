//! Records in markup: elements beside each other (`<name>…</name><password>…</password>`), the attributes of one tag, and
//! lists of terms in HTML (`<dt>Password<dd>…`).

use super::columns::{Cell, Table};
use super::lines::skip_blanks;
use super::login_record::{Field, MAX_FIELDS};
use super::{CellShape, ColumnRules, MAX_HEADER_BYTES, Reader, cell_shape};

/// Maximum length of a part of a name before and after its keyword, in bytes.
const MAX_NAME_BYTES: usize = 40;
/// Maximum length of a tag, in bytes.
const MAX_TAG_BYTES: usize = 400;
/// Maximum length of the content of an element, in bytes.
const MAX_CONTENT_BYTES: usize = 400;

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

/// Whether the keyword `[start, end)` may be the name of an element or of an attribute.
pub(super) fn may_be_markup(text: &[u8], start: usize, end: usize) -> bool {
    let end = name_end(text, end);
    let before = start.checked_sub(1).map(|n| text[n]);
    match text.get(end) {
        Some(b'>') => before.is_some_and(|b| is_name(b) || matches!(b, b'<' | b':')),
        Some(b'=') => matches!(text.get(end + 1), Some(b'"' | b'\'')),
        // `<dob type="date">`
        Some(b' ') if before.is_some_and(|b| is_name(b) || matches!(b, b'<' | b':')) => {
            let part = |c: &&u8| is_name(**c) || **c == b':';
            let name = text[..start].iter().rev().take(MAX_NAME_BYTES).take_while(part).count();
            let attribute = text[end + 1..].iter().take(MAX_NAME_BYTES).take_while(part).count();
            text[..start - name].ends_with(b"<")
                && attribute > 0
                && text.get(end + 1 + attribute) == Some(&b'=')
        }
        _ => false,
    }
}

/// Returns the end of the name that contains the keyword that ends at `end`: `<passport_number>`.
fn name_end(text: &[u8], end: usize) -> usize {
    end + text[end..].iter().take(MAX_NAME_BYTES).take_while(|c| is_name(**c)).count()
}

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the record around the element or attribute whose name contains `[start, end)`.
    pub(super) fn markup(&mut self, start: usize, end: usize) -> Option<Table> {
        let b = self.text.as_bytes();
        let from = start - b[..start].iter().rev().take(MAX_NAME_BYTES).take_while(|c| is_name(**c)).count();
        let end = name_end(b, end);
        let before = b[..from].last().copied().unwrap_or(b' ');
        if !matches!(before, b'<' | b':' | b' ' | b'\n' | b'\t')
            || self.rules.headers().rule(self.text.get(from..end)?).is_none()
        {
            return None;
        }
        let (first, fields) = match b.get(end)? {
            b'=' => self.attributes(from)?,
            _ => self.elements(from)?,
        };
        if self.state.cursors.last_record == Some(first) {
            return None;
        }
        self.state.cursors.last_record = Some(first);
        self.login_record(&fields, from).or_else(|| self.labelled(&fields, from))
    }

    /// Returns the values of a record without a login that their own names identify.
    fn labelled(&self, fields: &[Field], end: usize) -> Option<Table> {
        let mut table = Table { end, cells: Vec::new() };
        for (name, value) in fields {
            let Some(rule) = self.rules.headers().rule(self.value(*name)) else { continue };
            let (shape, value) = (self.rules.shape(rule), self.content(*value));
            let is_password = || shape == CellShape::Password && self.is_plain_secret(value);
            if shape.applies_to_fields() && cell_shape::matches(self.value(value), shape) || is_password() {
                table.cells.push((value.0, value.1, rule));
            }
        }
        (!table.cells.is_empty()).then_some(table)
    }

    /// Reads the attributes of the tag around `at`, and returns where its name begins, because an element begins at its tag.
    fn attributes(&mut self, at: usize) -> Option<(usize, Vec<Field>)> {
        let b = self.text.as_bytes();
        let near = at.saturating_sub(MAX_TAG_BYTES);
        let open = near + memchr::memrchr2(b'<', b'>', &b[near..at])?;
        if b[open] != b'<' {
            return None;
        }
        let limit = b.len().min(open + 4 * MAX_TAG_BYTES);
        let mut at = open + 1 + b[open + 1..limit].iter().take_while(|c| is_name(**c) || **c == b':').count();
        let mut fields = Vec::new();
        while fields.len() < MAX_FIELDS {
            at = skip_blanks(b, at, b"");
            let name_end = at + b[at..limit].iter().take_while(|c| is_name(**c) || **c == b':').count();
            let quote = b.get(name_end + 1).copied().filter(|q| matches!(q, b'"' | b'\''));
            let Some(quote) = quote.filter(|_| b[name_end] == b'=' && name_end > at) else { break };
            let value = name_end + 2;
            let Some(length) = b.get(value..limit).and_then(|v| memchr::memchr(quote, v)) else { break };
            fields.push(((at, name_end), (value, value + length)));
            at = value + length + 1;
        }
        self.state.bytes += at - open;
        Some((open + 1, fields))
    }

    /// Reads the elements beside the one whose name begins at `from`, and returns where the first one begins.
    fn elements(&mut self, from: usize) -> Option<(usize, Vec<Field>)> {
        let b = self.text.as_bytes();
        // The elements of a record are judged together, so that each is read once.
        if from < self.state.cursors.elements_end {
            return None;
        }
        let near = from.saturating_sub(20);
        let own = near + memchr::memrchr(b'<', &b[near..from])?;
        let mut fields = Vec::new();
        let mut first = own;
        while fields.len() < MAX_FIELDS
            && let Some((field, start)) = element_before(b, first)
        {
            fields.push(field);
            first = start;
        }
        fields.reverse();
        let mut at = own;
        for _ in 0..MAX_FIELDS {
            let Some((field, end)) = element_at(b, at) else { break };
            fields.push(field);
            at = end;
        }
        self.state.cursors.elements_end = at;
        self.state.bytes += at - first;
        Some((first, fields))
    }

    /// Reads a list of terms of HTML from the term at `from`.
    pub(super) fn terms(&mut self, from: usize) -> Option<Table> {
        let b = self.text.as_bytes();
        let near = self.text.floor_char_boundary(from.saturating_sub(MAX_HEADER_BYTES));
        let tags = |at: usize, end: usize| memchr::memchr_iter(b'<', &b[at..end]).map(move |n| at + n);
        let has = |n: usize, tag: &[u8]| {
            b.get(n..n + tag.len()).is_some_and(|t| t.eq_ignore_ascii_case(tag))
                && b.get(n + tag.len()).is_some_and(|c| matches!(c, b'>' | b' '))
        };
        let open = tags(near, from)
            .rfind(|n| has(*n, b"<dl"))
            .or_else(|| tags(near, from).rfind(|n| has(*n, b"<dt")))?;
        if from < self.state.cursors.terms_end {
            return None;
        }
        let limit = self.text.floor_char_boundary(b.len().min(open + 4 * MAX_HEADER_BYTES));
        self.state.cursors.terms_end = limit;
        let mut fields: Vec<Field> = Vec::new();
        let mut term: Option<Cell> = None;
        for n in tags(open, limit) {
            let (is_term, is_value) = (has(n, b"<dt"), has(n, b"<dd"));
            if has(n, b"</dl") || fields.len() >= MAX_FIELDS {
                self.state.cursors.terms_end = n;
                break;
            }
            if !is_term && !is_value {
                continue;
            }
            let start = n + memchr::memchr(b'>', &b[n..limit])? + 1;
            let end = tags(start, limit)
                .find(|n| {
                    has(*n, b"<dt")
                        || has(*n, b"<dd")
                        || has(*n, b"</dt")
                        || has(*n, b"</dd")
                        || has(*n, b"</dl")
                })
                .unwrap_or(limit);
            let content = self.without_tags((start, end));
            match (is_term, term.take()) {
                (true, _) => term = Some(content),
                (false, Some(term)) => fields.push((term, content)),
                (false, None) => {}
            }
        }
        self.state.bytes += self.state.cursors.terms_end - open.min(self.state.cursors.terms_end);
        self.login_record(&fields, from)
    }
}

/// Reads the element that follows at `at`: its name, its content, and where it ends.
fn element_at(b: &[u8], at: usize) -> Option<(Field, usize)> {
    let open = skip_blanks(b, at, b"");
    let limit = b.len().min(open + MAX_TAG_BYTES);
    if b.get(open) != Some(&b'<') || !b.get(open + 1)?.is_ascii_alphabetic() {
        return None;
    }
    let close = open + memchr::memchr(b'>', &b[open..limit])?;
    let tag =
        (open + 1, open + 1 + b[open + 1..close].iter().take_while(|c| is_name(**c) || **c == b':').count());
    let limit = b.len().min(close + MAX_CONTENT_BYTES);
    let end = close + memchr::memchr(b'<', &b[close..limit])?;
    let after = ends_element(b, end, &b[tag.0..tag.1])?;
    Some(((local(b, tag), (close + 1, end)), after))
}

/// Reads the element that ends before `end`, and returns where it begins.
fn element_before(b: &[u8], end: usize) -> Option<(Field, usize)> {
    let end = end - b[..end].iter().rev().take(80).take_while(|c| c.is_ascii_whitespace()).count();
    let near = end.saturating_sub(80);
    let closing = near + memchr::memrchr(b'<', &b[near..end])?;
    let near = closing.saturating_sub(MAX_CONTENT_BYTES);
    let close = near + memchr::memrchr2(b'<', b'>', &b[near..closing])?;
    let near = close.saturating_sub(MAX_TAG_BYTES);
    let open = near + memchr::memrchr(b'<', &b[near..close])?;
    let tag =
        (open + 1, open + 1 + b[open + 1..close].iter().take_while(|c| is_name(**c) || **c == b':').count());
    if b[close] != b'>' || tag.0 == tag.1 || ends_element(b, closing, &b[tag.0..tag.1]) != Some(end) {
        return None;
    }
    Some(((local(b, tag), (close + 1, closing)), open))
}

/// Returns the end of the closing tag with this name at `at`.
fn ends_element(b: &[u8], at: usize, name: &[u8]) -> Option<usize> {
    let rest = b.get(at..)?.strip_prefix(b"</")?.strip_prefix(name)?;
    (rest.first() == Some(&b'>')).then_some(at + name.len() + 3)
}

/// Returns the part of a name after its namespace.
fn local(b: &[u8], (start, end): Cell) -> Cell {
    (memchr::memrchr(b':', &b[start..end]).map_or(start, |n| start + n + 1), end)
}
