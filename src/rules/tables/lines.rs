//! Lines, borders and quotes of tables.

use super::{MAX_HEADER_BYTES, MAX_QUOTED_BYTES};

/// Returns the line that begins at `start` without its line end.
pub(super) fn line_at(text: &str, start: usize) -> (usize, usize) {
    let b = text.as_bytes();
    let end = memchr::memchr(b'\n', &b[start..]).map_or(b.len(), |n| start + n);
    (start, if end > start && b[end - 1] == b'\r' { end - 1 } else { end })
}

/// Returns the lines below a header, up to a blank one.
pub(super) fn lines_below(text: &str, header_end: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut at = next_line(text, header_end);
    std::iter::from_fn(move || {
        while at < text.len() {
            let line = line_at(text, at);
            let body = &text[line.0..line.1];
            if body.len() > MAX_HEADER_BYTES || body.trim().is_empty() {
                return None;
            }
            at = next_line(text, line.1);
            if !is_border(body) {
                return Some(line);
            }
        }
        None
    })
}

/// Returns the start of the next line after a line end at `end`.
pub(super) fn next_line(text: &str, end: usize) -> usize {
    let b = text.as_bytes();
    memchr::memchr(b'\n', &b[end.min(b.len())..]).map_or(b.len(), |n| end + n + 1)
}

/// Whether a line is the border of a table: `|---|---|`, `+----+`, `╞═══╪═══╡`.
pub(super) fn is_border(line: &str) -> bool {
    line.chars().all(|c| {
        matches!(c, '-' | '+' | '|' | ':' | '=' | ' ' | '\t' | '\r') || ('\u{2500}'..='\u{257f}').contains(&c)
    })
}

/// Returns the closing quote of the CSV cell whose opening quote is at `open`; a doubled quote is content.
pub(super) fn closing_quote(b: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while at < b.len() && at - open < MAX_QUOTED_BYTES {
        at += memchr::memchr(b'"', &b[at..])?;
        if b.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
    None
}

/// Returns the closing quote of a string of SQL or JSON; a doubled quote, or one after a backslash, is content.
pub(super) fn closing_sql_quote(b: &[u8], open: usize, quote: u8) -> Option<usize> {
    let mut at = open + 1;
    while at < b.len() && at - open < MAX_QUOTED_BYTES {
        match b[at] {
            b'\\' => at += 1,
            c if c == quote && b.get(at + 1) == Some(&quote) => at += 1,
            c if c == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns the first byte from `at` on that is neither whitespace nor one of `marks`.
pub(in crate::rules) fn skip_blanks(b: &[u8], at: usize, marks: &[u8]) -> usize {
    let rest = b.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|c| c.is_ascii_whitespace() || marks.contains(c)).count()
}

/// Returns the closing quote of the string of JSON or Python whose opening quote is at `open`.
pub(in crate::rules) fn string_end(b: &[u8], open: usize, limit: usize) -> Option<usize> {
    let quote = *b.get(open).filter(|c| matches!(c, b'"' | b'\''))?;
    let mut at = open + 1;
    while at < limit {
        at += memchr::memchr2(quote, b'\\', &b[at..limit])?;
        if b[at] == quote {
            return Some(at);
        }
        at += 2;
    }
    None
}

/// Returns the end of the array or object that begins at `open`.
pub(in crate::rules) fn nested_end(b: &[u8], open: usize, limit: usize) -> Option<usize> {
    let (mut at, mut depth) = (open, 0usize);
    while at < limit {
        match b[at] {
            b'"' | b'\'' => at = string_end(b, at, limit)?,
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns the end of a number, a word or a call such as `date(1944, 5, 14)` in a list.
pub(in crate::rules) fn scalar_end(b: &[u8], start: usize, limit: usize) -> Option<usize> {
    let mut at = start;
    while at < limit {
        match b[at] {
            b',' | b']' | b'}' | b')' | b'\n' => return (at > start).then_some(at),
            b'(' => at = nested_end(b, at, limit)?,
            _ => at += 1,
        }
    }
    None
}
