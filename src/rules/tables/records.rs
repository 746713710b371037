//! Arrays of JSON objects, and files with one object per line: the keys are the headers, each object is a row. In an
//! object of lists each list is a column.

use std::collections::HashMap;

use super::cell_shape::CellShape;
use super::columns::{Cell, Table};
use super::lines::{nested_end, scalar_end, skip_blanks, string_end};
use super::login_record::Field;
use super::{ColumnRules, MAX_HEADER_BYTES, MAX_HEADER_CELL_BYTES, MAX_ROW_BYTES, Reader};

/// Objects of one text that cannot be read, after which only short ones are tried.
const MAX_FAILED_OBJECTS: usize = 32;
/// Maximum number of keys of an object.
const MAX_KEYS: usize = 500;

/// A key with its value; the value is empty if it is an object or an array.
pub(super) struct Pair {
    pub key: Cell,
    pub value: Cell,
    /// Where the value begins if it is an array or an object.
    list: Option<usize>,
}

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the objects of an array from a key of the first one, which begins at `from`.
    pub(super) fn records(&mut self, from: usize, to: usize) -> Option<Table> {
        let open = self.object_around(from)?;
        if self.state.cursors.last_array == Some(open) {
            return None;
        }
        let is_first = self.is_first_record(open);
        let value = skip_blanks(self.text.as_bytes(), to, b"\"':");
        let is_list = matches!(self.text.as_bytes().get(value), Some(b'[' | b'{'));
        if !is_first && !is_list {
            return self.single_object(open, from, to);
        }
        self.state.cursors.last_array = Some(open);
        // Objects in which nothing can be read, such as deeply nested ones, must not be read again in full for each keyword.
        let over = self.state.failed_objects >= MAX_FAILED_OBJECTS;
        let Some(first) = self.object_within(open, if over { MAX_HEADER_BYTES } else { MAX_ROW_BYTES })
        else {
            self.state.failed_objects += 1;
            return None;
        };
        if let Some(table) = self.lists(from, &first.0) {
            return Some(table);
        }
        if !is_first {
            return None;
        }
        let mut rows = vec![first];
        let headers: Vec<Cell> = rows[0].0.iter().map(|p| p.key).collect();
        let rules = self.headers(&headers)?;
        let alone = |rule: &u16| self.rules.shape(*rule) != CellShape::MaybeName;
        if !rules.iter().flatten().any(alone) && !self.is_related(&headers, &rules) {
            return None;
        }
        while let Some((_, end)) = rows.last() {
            let next = self.after_key(skip_blanks(self.text.as_bytes(), *end, b","));
            if self.text.as_bytes().get(next) != Some(&b'{') {
                break;
            }
            let Some(row) = self.object(next) else { break };
            rows.push(row);
        }
        // A single object is not a table, but may be a record with an account.
        if rows.len() < 2 && !self.text[..open].trim_end().ends_with('[') {
            return self.login_record(&fields(&rows[0].0), from);
        }
        let mut names: HashMap<&str, usize> = HashMap::new();
        let mut headers = Vec::new();
        for pair in rows.iter().flat_map(|(pairs, _)| pairs) {
            names.entry(&self.text[pair.key.0..pair.key.1]).or_insert_with(|| {
                headers.push(pair.key);
                headers.len() - 1
            });
        }
        let rules = self.headers(&headers)?;
        let mut columns = self.columns(&headers, &rules, true);
        let mut row: Vec<Option<Cell>> = vec![None; headers.len()];
        for (pairs, _) in &rows {
            row.fill(None);
            for pair in pairs {
                if let Some(n) = names.get(&self.text[pair.key.0..pair.key.1]) {
                    row[*n] = Some(pair.value);
                }
            }
            if !columns.add_row(|n| row.get(n).copied().flatten()) {
                break;
            }
        }
        // The values may contain tables of their own, so the table ends where it was found.
        Some(columns.finish(from))
    }

    /// Reads an object that is not a row of a table.
    fn single_object(&mut self, open: usize, from: usize, to: usize) -> Option<Table> {
        if self.state.cursors.last_record == Some(open) || !self.names_login_secret((from, to)) {
            return None;
        }
        self.state.cursors.last_record = Some(open);
        let (pairs, _) = self.object_within(open, MAX_HEADER_BYTES)?;
        self.login_record(&fields(&pairs), from)
    }

    /// Skips a key before an object: `"0": {`.
    fn after_key(&self, at: usize) -> usize {
        let b = self.text.as_bytes();
        let end = string_end(b, at, b.len().min(at + MAX_HEADER_CELL_BYTES));
        end.map(|end| skip_blanks(b, end + 1, b""))
            .filter(|n| b.get(*n) == Some(&b':'))
            .map_or(at, |n| skip_blanks(b, n + 1, b""))
    }

    /// Reads an object of lists of equal length: `{"name": ["Ada", …], "dob": ["1944-05-14", …]}`.
    fn lists(&mut self, from: usize, pairs: &[Pair]) -> Option<Table> {
        let (mut headers, mut lists) = (Vec::new(), Vec::new());
        for pair in pairs {
            let Some(open) = pair.list else { continue };
            // pandas writes a column as a list, or as an object with the index as keys.
            let cells = match self.text.as_bytes()[open] {
                b'[' => self.list(open).map(|(cells, _)| cells),
                _ => self.object(open).map(|(pairs, _)| pairs.iter().map(|p| p.value).collect()),
            };
            if let Some(cells) = cells {
                headers.push(pair.key);
                lists.push(cells);
            }
        }
        let rows = lists.first()?.len();
        if lists.len() < 2 || rows == 0 || lists.iter().any(|l| l.len() != rows) {
            return None;
        }
        let rules = self.headers(&headers)?;
        let certain = self.is_related(&headers, &rules);
        let mut columns = self.columns(&headers, &rules, certain);
        for row in 0..rows {
            if !columns.add_row(|n| lists.get(n)?.get(row).copied()) {
                break;
            }
        }
        Some(columns.finish(from)).filter(|table| !table.cells.is_empty())
    }

    /// Returns where the object begins whose key is at `from`.
    fn object_around(&mut self, from: usize) -> Option<usize> {
        let b = self.text.as_bytes();
        let back = from.saturating_sub(MAX_HEADER_BYTES);
        let mut depth = 0usize;
        let mut at = from;
        while at > back {
            at -= 1;
            match b[at] {
                b'}' | b']' => depth += 1,
                b'{' | b'[' if depth > 0 => depth -= 1,
                b'{' => break,
                b'[' => return None,
                _ => {}
            }
        }
        self.state.bytes += from - at;
        (b[at] == b'{').then_some(at)
    }

    /// Whether an object is the first one of an array, or of lines that are objects.
    fn is_first_record(&self, open: usize) -> bool {
        let before = self.text[..open].trim_end_matches([' ', '\t', '\r', '\n']);
        if self.is_first_of_object(before) {
            return true;
        }
        let at_line_start = || open == 0 || self.text.as_bytes()[open - 1] == b'\n';
        before.ends_with('[') || at_line_start() && !before.ends_with(['}', ',', ':'])
    }

    /// Whether a text ends with the first key of an object: `{"0":`.
    fn is_first_of_object(&self, before: &str) -> bool {
        let near = &before[before.floor_char_boundary(before.len().saturating_sub(MAX_HEADER_CELL_BYTES))..];
        let key = near.strip_suffix(':').map(str::trim_end).and_then(|k| k.strip_suffix(['"', '\'']));
        key.and_then(|k| k.rfind(['"', '\'']).map(|n| k[..n].trim_end().ends_with('{'))).unwrap_or(false)
    }

    /// Reads the object at `open`: its keys and values, and where it ends.
    pub(super) fn object(&mut self, open: usize) -> Option<(Vec<Pair>, usize)> {
        self.object_within(open, MAX_ROW_BYTES)
    }

    fn object_within(&mut self, open: usize, max_bytes: usize) -> Option<(Vec<Pair>, usize)> {
        let b = self.text.as_bytes();
        let limit = (open + max_bytes).min(b.len());
        let mut pairs = Vec::new();
        let mut at = open + 1;
        while pairs.len() < MAX_KEYS {
            at = skip_blanks(b, at, b",");
            if at >= limit {
                return None;
            }
            let bare = match b[at] {
                b'}' => {
                    self.state.bytes += at - open;
                    return Some((pairs, at + 1));
                }
                b'"' | b'\'' => false,
                b if b.is_ascii_alphabetic() => true,
                _ => return None,
            };
            let key = match bare {
                false => (at + 1, string_end(b, at, limit)?),
                true => (
                    at,
                    at + b[at..limit].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == b'_').count(),
                ),
            };
            at = skip_blanks(b, key.1 + usize::from(!bare), b"");
            if b.get(at) != Some(&b':') {
                return None;
            }
            at = skip_blanks(b, at + 1, b"");
            let list = matches!(b.get(at), Some(b'[' | b'{')).then_some(at);
            let value = match b.get(at)? {
                b'"' | b'\'' => {
                    let end = string_end(b, at, limit)?;
                    let value = (at + 1, end);
                    at = end + 1;
                    value
                }
                b'{' | b'[' | b'(' => {
                    at = nested_end(b, at, limit)?;
                    (at, at)
                }
                _ => {
                    let end = scalar_end(b, at, limit)?;
                    // In code a word without quotes is a variable.
                    let value = if bare { (end, end) } else { self.content((at, end)) };
                    at = end;
                    value
                }
            };
            pairs.push(Pair { key, value, list });
        }
        None
    }
}

/// Returns the keys and values of an object.
fn fields(pairs: &[Pair]) -> Vec<Field> {
    pairs.iter().map(|p| (p.key, p.value)).collect()
}
