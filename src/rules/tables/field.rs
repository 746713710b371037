//! Single fields: `"pesel": "44051401359"`, `dob: 1944-05-14`.

use super::cell_shape::{self, CellShape};
use super::columns::{Cell, Table};
use super::lines::closing_sql_quote;
use super::{ColumnRules, Reader, skip};

impl<'t, R: ColumnRules> Reader<'t, R> {
    /// Reads a field: `"pesel": "44051401359"`, `dob: 1944-05-14`, `'dob': ['1944-05-14', …]`.
    pub(super) fn field(&self, from: usize, to: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let rule = self.rules.headers().rule(&text[from..to])?;
        let shape = self.rules.shape(rule);
        if !shape.applies_to_fields() {
            return None;
        }
        let quoted = from > 0 && matches!(b[from - 1], b'"' | b'\'' | b'`');
        let mut at = skip(b, to, b"\"'`* ");
        at += match &text[at..] {
            rest if rest.starts_with("::") => return None,
            rest if rest.starts_with("=>") => 2,
            rest if rest.starts_with(':') => 1,
            rest if rest.starts_with('：') => 3,
            _ => return None,
        };
        at = skip(b, at, b" *");
        let mut table = Table { end: at, cells: Vec::new() };
        let list = quoted && b.get(at) == Some(&b'[');
        let (mut depth, mut unproved) = (0, Vec::new());
        loop {
            if list {
                (at, depth) = next_item(b, at, depth);
                if depth == 0 {
                    break;
                }
            }
            let Some(cell) = self.field_value(at, quoted, shape) else { break };
            let value = self.value(cell);
            if cell_shape::matches(value, shape) {
                table.cells.push((cell.0, cell.1, rule));
            } else if list && shape == CellShape::Coordinate && cell_shape::is_plausible(value, shape) {
                // An altitude, or a number with few digits, beside those that are coordinates.
                unproved.push((cell.0, cell.1, rule));
            } else {
                break;
            }
            table.end = cell.1;
            if !list {
                break;
            }
            at = cell.1 + usize::from(matches!(b.get(cell.1), Some(b'"' | b'\'')));
        }
        if table.cells.is_empty() {
            return None;
        }
        table.cells.extend(unproved);
        Some(table)
    }

    /// Returns the value of a field, or the item of a list, that begins at `at`.
    fn field_value(&self, at: usize, quoted: bool, shape: CellShape) -> Option<Cell> {
        let (text, b) = (self.text, self.text.as_bytes());
        if let quote @ (b'"' | b'\'') = *b.get(at)? {
            return Some((at + 1, closing_sql_quote(b, at, quote)?));
        }
        let stop = |c: &u8| matches!(c, b'\n' | b'\r' | b'}' | b']' | b'"' | b';' | b'<' | b'|');
        let run = b[at..].iter().take(120).take_while(|c| !stop(c)).count();
        let run = text.floor_char_boundary(at + run) - at;
        let is_pair = shape == CellShape::Coordinate && !quoted;
        let comma = if is_pair { None } else { text[at..at + run].find([',', '，']) };
        Some(self.content((at, at + comma.unwrap_or(run))))
    }
}

/// Returns where the next item of a list of lists begins, and how many lists contain it: none after the end of the
/// outermost one.
fn next_item(b: &[u8], mut at: usize, mut depth: usize) -> (usize, usize) {
    while let Some(c) = b.get(at) {
        match c {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b',' => {}
            c if c.is_ascii_whitespace() => {}
            _ => return (at, depth),
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    (at, 0)
}
