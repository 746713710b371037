//! The columns of `INSERT INTO t (columns) VALUES (…)` and of `COPY t (columns) FROM stdin`.

use super::columns::{Cell, Table};
use super::lines::{closing_mark, lines_below};
use super::{ColumnRules, MAX_HEADER_BYTES, MAX_QUOTED_BYTES, MAX_ROW_BYTES, Reader};

/// Nesting of parentheses in a row of SQL.
const MAX_NESTING: usize = 16;

impl<'t, R: ColumnRules> Reader<'t, R> {
    /// Reads the rows of `INSERT INTO t (columns) VALUES (…), (…)` and of `COPY t (columns) FROM stdin`.
    pub(super) fn insert(&mut self, from: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let back = from.saturating_sub(MAX_HEADER_BYTES / 2);
        let open = back + memchr::memrchr3(b'(', b')', b';', &b[back..from])?;
        if b[open] != b'(' || self.log.rejected_list == Some(open) {
            return None;
        }
        let Some((headers, rules, close)) = self.listed_headers(open) else {
            self.log.rejected_list = Some(open);
            return None;
        };
        let rest = &text[close..text.floor_char_boundary((close + 200).min(text.len()))];
        let lower = rest.to_ascii_lowercase();
        let (mut columns, count) = (self.columns(&headers, &rules, true), headers.len());
        let mut end = close;
        if let Some(values) = lower.find("values") {
            let mut at = close + values + 6;
            loop {
                let next = at
                    + b[at..]
                        .iter()
                        .take(80)
                        .take_while(|c| {
                            c.is_ascii_whitespace()
                                || matches!(c, b',' | b'"' | b'\'' | b'[' | b';' | b')' | b'+')
                        })
                        .count();
                if b.get(next) != Some(&b'(') {
                    break;
                }
                let Some((cells, tuple_end)) = self.tuple(next, MAX_ROW_BYTES, MAX_NESTING) else { break };
                (at, end) = (tuple_end, tuple_end);
                // `VALUES (?, ?)` is followed by the arguments of the call.
                if cells.len() == count && !columns.add_row(|n| cells.get(n).copied()) {
                    break;
                }
            }
        } else if lower.contains("stdin") {
            for line in lines_below(text, close) {
                let Some((cells, row_end)) = self.split(line.0, "\t").filter(|(c, _)| c.len() == count)
                else {
                    break;
                };
                self.log.bytes += row_end - line.0;
                end = row_end;
                if !columns.add_row(|n| cells.get(n).copied()) {
                    break;
                }
            }
        }
        Some(columns.finish(end))
    }

    /// Reads the headers of `INTO t (a, b)` at `open`, their rules, and where the list ends.
    fn listed_headers(&mut self, open: usize) -> Option<(Vec<Cell>, Vec<Option<u16>>, usize)> {
        let text = self.text;
        let head = text[text.floor_char_boundary(open.saturating_sub(120))..open].to_ascii_lowercase();
        if !head.contains("into") && !head.contains("copy") {
            return None;
        }
        let (headers, close) = self.tuple(open, MAX_HEADER_BYTES, 0)?;
        let rules = self.headers(&headers)?;
        Some((headers, rules, close))
    }

    /// Reads `(a, 'b', …)` at `open`: the content of its cells and its end. `None` if it is longer than `max_bytes` or
    /// contains more than `max_depth` levels of parentheses.
    fn tuple(&mut self, open: usize, max_bytes: usize, max_depth: usize) -> Option<(Vec<Cell>, usize)> {
        let b = self.text.as_bytes();
        let mut cells = Vec::new();
        let (mut at, mut from, mut depth) = (open + 1, open + 1, 0);
        while at < b.len() && at - open < max_bytes {
            self.log.bytes += 1;
            match b[at] {
                quote @ (b'\'' | b'"' | b'`') => {
                    let close = closing_mark(b, at, quote);
                    self.log.bytes += close.map_or(MAX_QUOTED_BYTES, |close| close - at);
                    at = close?;
                }
                b'(' | b'[' if depth >= max_depth => return None,
                b'(' | b'[' => depth += 1,
                b')' | b']' if depth > 0 => depth -= 1,
                b',' if depth == 0 => {
                    cells.push(self.sql_value((from, at)));
                    from = at + 1;
                }
                b')' => {
                    cells.push(self.sql_value((from, at)));
                    return Some((cells, at + 1));
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// Returns the content of an SQL value: `N'x'`, `DATE '1944-05-14'` and `'x'::text` are what is in their quotes.
    fn sql_value(&self, cell: Cell) -> Cell {
        let cell = self.content(cell);
        if cell.0 > 0 && matches!(self.text.as_bytes()[cell.0 - 1], b'\'' | b'"' | b'`') {
            return cell;
        }
        let v = self.value(cell);
        match (v.find('\''), v.rfind('\'')) {
            (Some(s), Some(e)) if s < e => (cell.0 + s + 1, cell.0 + e),
            _ => cell,
        }
    }
}
