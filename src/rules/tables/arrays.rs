//! Arrays of arrays with a list of headers: `[["name", "dob"], ["Ada", "1944-05-14"]]`,
//! `{"columns": ["name", "dob"], "data": [["Ada", "1944-05-14"]]}`.

use super::columns::{Cell, Columns, Table};
use super::lines::{nested_end, scalar_end, skip_blanks, string_end};
use super::{ColumnRules, MAX_HEADER_BYTES, MAX_ROW_BYTES, Reader};

/// Keys of a list of headers.
const HEADER_KEYS: &[&str] = &[
    "columns",
    "cols",
    "headers",
    "header",
    "fields",
    "names",
    "fieldnames",
    "field_names",
    "column_names",
    "columnnames",
    "meta",
    "schema",
];
/// Keys of a list of rows.
const ROW_KEYS: &[&str] = &["rows", "data", "values", "records", "items", "result", "results", "body"];
/// Keys of the header in an object that describes a column.
const NAME_KEYS: &[&str] = &["name", "title", "label", "field", "key", "column_name", "header"];
/// Keys between the headers and the rows.
const MAX_KEYS_BETWEEN: usize = 8;

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the rows that belong to the list of headers around the string at `from`.
    pub(super) fn arrays(&mut self, from: usize) -> Option<Table> {
        let b = self.text.as_bytes();
        let back = from.saturating_sub(MAX_HEADER_BYTES);
        for mark in [b'[', b'('] {
            let Some(open) = memchr::memrchr(mark, &b[back..from]).map(|n| back + n) else { continue };
            if self.state.cursors.last_array == Some(open) {
                return None;
            }
            if let Some(table) = self.array_rows(open) {
                self.state.cursors.last_array = Some(open);
                return Some(table);
            }
            if mark == b'[' {
                self.state.cursors.last_array = Some(open);
            }
        }
        None
    }

    fn array_rows(&mut self, open: usize) -> Option<Table> {
        let before = self.text[..open].trim_end();
        // One array a line: the first one contains the headers.
        let at_line_start = open == 0 || self.text.as_bytes()[open - 1] == b'\n';
        let is_nested =
            before.ends_with('[') || at_line_start && !before.ends_with([',', ']', '=', ':', '(', '{']);
        let key = before.strip_suffix([':', '=']).map(key_before);
        if !is_nested && !key.is_some_and(|key| is_one_of(key, HEADER_KEYS)) {
            return None;
        }
        let (cells, close) = self.list(open)?;
        let headers: Vec<Cell> = cells.into_iter().map(|cell| self.column_name(cell)).collect();
        let rules = self.headers(&headers)?;
        let count = headers.len();
        let mut columns = self.columns(&headers, &rules, true);
        if is_nested {
            self.list_rows(close, count, &mut columns);
        } else if let Some(rows) = self.rows_after(close).or_else(|| self.rows_before(open)) {
            self.list_rows(rows, count, &mut columns);
        }
        let table = columns.finish(close);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Returns the header that an item of a list of headers is or contains: `{"name": "dob", "type": "date"}`.
    fn column_name(&mut self, cell: Cell) -> Cell {
        if self.text.as_bytes().get(cell.0) != Some(&b'{') {
            return cell;
        }
        let Some((pairs, _)) = self.object(cell.0) else { return (cell.0, cell.0) };
        let named = |name: &&str| pairs.iter().find(|p| self.value(p.key).eq_ignore_ascii_case(name));
        NAME_KEYS.iter().find_map(named).map_or((cell.0, cell.0), |p| p.value)
    }

    /// Returns where the rows begin in the object that contains the headers, after them.
    fn rows_after(&self, close: usize) -> Option<usize> {
        let b = self.text.as_bytes();
        let mut at = close;
        for _ in 0..MAX_KEYS_BETWEEN {
            at = skip_blanks(b, at, b",");
            let key_end = string_end(b, at, b.len().min(at + MAX_HEADER_BYTES))?;
            let key = &self.text[at + 1..key_end];
            at = skip_blanks(b, key_end + 1, b":");
            if is_one_of(key, ROW_KEYS) && self.begins_rows(at) {
                return Some(at + 1);
            }
            let limit = b.len().min(at + MAX_ROW_BYTES);
            at = match b.get(at)? {
                b'[' | b'{' => nested_end(b, at, limit)?,
                b'"' | b'\'' => string_end(b, at, limit)? + 1,
                _ => scalar_end(b, at, limit)?,
            };
        }
        None
    }

    /// Returns where the rows begin in the object that contains the headers, before them.
    fn rows_before(&mut self, open: usize) -> Option<usize> {
        let back = self.text.floor_char_boundary(open.saturating_sub(MAX_ROW_BYTES));
        let near = &self.text[back..open];
        self.state.bytes += near.len();
        // `DataFrame([[…]], columns=[…])`
        let call = ["DataFrame(", "from_records("].iter().filter_map(|call| {
            let at = back + near.rfind(call)? + call.len();
            let at = skip_blanks(self.text.as_bytes(), at, b"");
            self.begins_rows(at).then_some(at + 1)
        });
        if let Some(at) = call.max() {
            return Some(at);
        }
        let starts = ROW_KEYS.iter().filter_map(|key| {
            let at = near.rfind(&format!("{key}\""))? + key.len() + 1;
            let at = skip_blanks(near.as_bytes(), at, b":");
            self.begins_rows(back + at).then_some(back + at + 1)
        });
        starts.max()
    }

    /// Whether an array of arrays begins at `at`.
    fn begins_rows(&self, at: usize) -> bool {
        let b = self.text.as_bytes();
        b.get(at) == Some(&b'[') && matches!(b.get(skip_blanks(b, at + 1, b"")), Some(b'[' | b'('))
    }

    /// Adds the rows that follow at `at`.
    fn list_rows(&mut self, mut at: usize, count: usize, columns: &mut Columns<'_>) {
        loop {
            at = skip_blanks(self.text.as_bytes(), at, b",");
            let Some((cells, end)) = self.list(at) else { return };
            if cells.len() == count && !columns.add_row(|n| cells.get(n).copied()) {
                return;
            }
            at = end;
        }
    }

    /// Reads the list at `open`: the content of its items, and where it ends.
    pub(super) fn list(&mut self, open: usize) -> Option<(Vec<Cell>, usize)> {
        let b = self.text.as_bytes();
        let close = match b.get(open)? {
            b'[' => b']',
            b'(' => b')',
            _ => return None,
        };
        let limit = (open + MAX_ROW_BYTES).min(b.len());
        let mut cells = Vec::new();
        let mut at = open + 1;
        loop {
            at = skip_blanks(b, at, b",");
            if b.get(at)? == &close {
                self.state.bytes += at - open;
                return Some((cells, at + 1));
            }
            let start = at;
            let cell = match b[at] {
                b'"' | b'\'' => {
                    let end = string_end(b, at, limit)?;
                    at = end + 1;
                    (start + 1, end)
                }
                b'{' | b'[' | b'(' => {
                    at = nested_end(b, at, limit)?;
                    (start, at)
                }
                _ => {
                    at = scalar_end(b, at, limit)?;
                    self.content((start, at))
                }
            };
            cells.push(cell);
            if !matches!(b.get(skip_blanks(b, at, b"")), Some(c) if *c == b',' || *c == close) {
                return None;
            }
        }
    }
}

/// Returns the last word of a text, without quotes around it.
fn key_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let word = |c: char| !(c.is_alphanumeric() || c == '_');
    text.rfind(word).map_or(text, |n| text[n..].trim_start_matches(word))
}

fn is_one_of(key: &str, keys: &[&str]) -> bool {
    keys.iter().any(|k| key.eq_ignore_ascii_case(k))
}
