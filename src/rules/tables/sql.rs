//! The columns of `INSERT INTO t (columns) VALUES (…)`, of `INSERT INTO t (columns) SELECT …` and of
//! `COPY t (columns) FROM stdin`. A `CREATE TABLE` names the columns of an `INSERT` below it that has no list of its own.

use std::collections::HashMap;

use super::columns::{Cell, Columns, Table};
use super::lines::{closing_sql_quote, lines_below, skip_blanks};
use super::{ColumnRules, MAX_HEADER_BYTES, MAX_QUOTED_BYTES, MAX_ROW_BYTES, Reader};

/// Nesting of parentheses in a row of SQL.
const MAX_NESTING: usize = 16;
const CREATE: &str = "create table";
const INSERT: &str = "insert into";
/// Maximum length of the name of a table with its schema, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// First words of a definition that defines no column.
const CONSTRAINTS: [&str; 9] =
    ["primary", "foreign", "unique", "constraint", "check", "key", "index", "exclude", "like"];

impl<'t, R: ColumnRules> Reader<'t, R> {
    /// Reads the rows of `INSERT INTO t (columns) VALUES (…), (…)` and of `COPY t (columns) FROM stdin`.
    pub(super) fn insert(&mut self, from: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let back = from.saturating_sub(MAX_HEADER_BYTES / 2);
        let open = back + memchr::memrchr3(b'(', b')', b';', &b[back..from])?;
        if b[open] != b'(' || self.state.cursors.rejected_list == Some(open) {
            return None;
        }
        let Some((headers, rules, close)) = self.listed_headers(open) else {
            self.state.cursors.rejected_list = Some(open);
            return None;
        };
        let rest = &text[close..text.floor_char_boundary((close + 200).min(text.len()))];
        let lower = rest.to_ascii_lowercase();
        let (mut columns, count) = (self.columns(&headers, &rules, true), headers.len());
        let mut end = close;
        if let Some(values) = lower.find("values") {
            end = self.value_rows(close + values + 6, count, &mut columns).max(close);
        } else if let Some(select) = lower.find("select ").or_else(|| lower.find("select\n")) {
            end = self.selected_rows(close + select, count, &mut columns);
        } else if lower.contains("stdin") {
            for line in lines_below(text, close) {
                let Some((cells, row_end)) = self.split(line.0, "\t").filter(|(c, _)| c.len() == count)
                else {
                    break;
                };
                self.state.bytes += row_end - line.0;
                end = row_end;
                if !columns.add_row(|n| cells.get(n).copied()) {
                    break;
                }
            }
        }
        Some(columns.finish(end))
    }

    /// Adds the rows `(…), (…)` that follow at `at`. Returns where they end, or zero if there are none.
    fn value_rows(&mut self, mut at: usize, count: usize, columns: &mut Columns<'_>) -> usize {
        let b = self.text.as_bytes();
        let mut end = 0;
        loop {
            let between = |c: &&u8| {
                c.is_ascii_whitespace() || matches!(c, b',' | b'"' | b'\'' | b'[' | b';' | b')' | b'+')
            };
            let next = at + b[at..].iter().take(80).take_while(between).count();
            if b.get(next) != Some(&b'(') {
                return end;
            }
            let Some((cells, tuple_end)) = self.tuple(next, MAX_ROW_BYTES, MAX_NESTING) else { return end };
            (at, end) = (tuple_end, tuple_end);
            // `VALUES (?, ?)` is followed by the arguments of the call.
            if cells.len() == count && !columns.add_row(|n| cells.get(n).copied()) {
                return end;
            }
        }
    }

    /// Adds the rows `SELECT 'a', 'b' UNION ALL SELECT …` at `at`. Returns where they end.
    fn selected_rows(&mut self, mut at: usize, count: usize, columns: &mut Columns<'_>) -> usize {
        loop {
            let from = at + "select".len();
            let (cells, end) = self.cells(from, MAX_ROW_BYTES, MAX_NESTING, &ends_select);
            if cells.len() != count || !columns.add_row(|n| cells.get(n).map(|c| self.sql_value(*c))) {
                return end;
            }
            let rest = &self.text[end..self.text.floor_char_boundary((end + 40).min(self.text.len()))];
            let words: Vec<&str> = rest.split_whitespace().take(3).collect();
            let all = usize::from(words.get(1).is_some_and(|w| w.eq_ignore_ascii_case("all")));
            let is_union = words.first().is_some_and(|w| w.eq_ignore_ascii_case("union"));
            match words.get(1 + all).filter(|w| is_union && w.eq_ignore_ascii_case("select")) {
                Some(select) => at = end + (select.as_ptr() as usize - rest.as_ptr() as usize),
                None => return end,
            }
        }
    }

    /// Reads the rows below the `CREATE TABLE` that contains the keyword at `from`: those of `INSERT INTO t VALUES (…)`.
    pub(super) fn created(&mut self, from: usize) -> Option<Table> {
        let text = self.text;
        let has_create =
            *self.state.has_create.get_or_insert_with(|| find_ignoring_case(text, CREATE).is_some());
        if !has_create || from < self.state.cursors.created_end {
            return None;
        }
        let back = from.saturating_sub(MAX_HEADER_BYTES).max(self.state.cursors.created_end);
        let back = text.ceil_char_boundary(back);
        self.state.bytes += from - back;
        let Some(create) = text[back..from].to_ascii_lowercase().rfind(CREATE).map(|n| back + n) else {
            self.state.cursors.created_end = from.saturating_sub(CREATE.len());
            return None;
        };
        let open = create + text[create..from].find('(')?;
        let name = table_name(&text[create..open])?;
        self.state.cursors.created_end = open + MAX_HEADER_BYTES;
        let (definitions, close) = self.raw_tuple(open, MAX_HEADER_BYTES, MAX_NESTING)?;
        self.state.cursors.created_end = close;
        let headers: Vec<Cell> = definitions.into_iter().filter_map(|d| column_name(text, d)).collect();
        let rules = self.headers(&headers)?;
        let (mut columns, count) = (self.columns(&headers, &rules, true), headers.len());
        for values in self.inserts_into(name) {
            if values > close {
                self.value_rows(values, count, &mut columns);
            }
        }
        let mut table = columns.finish(close);
        // The definitions may contain other keywords.
        table.end = from;
        (!table.cells.is_empty()).then_some(table)
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

    /// Returns where the values of `INSERT INTO t VALUES …` begin, for every such statement. A second `CREATE TABLE` of the
    /// same name gets none.
    fn inserts_into(&mut self, name: &str) -> Vec<usize> {
        let text = self.text;
        let bytes = &mut self.state.bytes;
        let all = self.state.inserts.get_or_insert_with(|| {
            let mut all: HashMap<String, Vec<usize>> = HashMap::new();
            *bytes += text.len();
            let mut at = 0;
            while let Some(n) = find_ignoring_case(&text[at..], INSERT) {
                at += n + INSERT.len();
                let near = &text[at..text.floor_char_boundary((at + MAX_NAME_BYTES).min(text.len()))];
                let Some(values) = find_ignoring_case(near, "values") else { continue };
                // With a list of columns, the name is before the parenthesis.
                if let Some(name) = table_name(&near[..values]).filter(|_| !near[..values].contains('(')) {
                    all.entry(name.to_owned()).or_default().push(at + values + "values".len());
                }
            }
            all
        });
        all.remove(name).unwrap_or_default()
    }

    /// Reads `(a, 'b', …)` at `open`: the content of its cells and its end. `None` if it is longer than `max_bytes` or
    /// contains more than `max_depth` levels of parentheses.
    fn tuple(&mut self, open: usize, max_bytes: usize, max_depth: usize) -> Option<(Vec<Cell>, usize)> {
        let (mut cells, end) = self.raw_tuple(open, max_bytes, max_depth)?;
        cells.iter_mut().for_each(|cell| *cell = self.sql_value(*cell));
        Some((cells, end))
    }

    /// Reads a tuple with its cells as they are written.
    fn raw_tuple(&mut self, open: usize, max_bytes: usize, max_depth: usize) -> Option<(Vec<Cell>, usize)> {
        let (cells, end) = self.cells(open + 1, max_bytes, max_depth, &|b, at| b[at] == b')');
        (self.text.as_bytes().get(end) == Some(&b')')).then_some((cells, end + 1))
    }

    /// Reads cells between commas up to where `ends` says, or else the end of the text or of what may be read. No cells are
    /// returned if a quote has no end.
    fn cells(
        &mut self,
        start: usize,
        max_bytes: usize,
        max_depth: usize,
        ends: &dyn Fn(&[u8], usize) -> bool,
    ) -> (Vec<Cell>, usize) {
        let b = self.text.as_bytes();
        let mut cells = Vec::new();
        let (mut at, mut from, mut depth) = (start, start, 0);
        while at < b.len() && at - start < max_bytes {
            self.state.bytes += 1;
            match b[at] {
                quote @ (b'\'' | b'"' | b'`') => {
                    let close = closing_sql_quote(b, at, quote);
                    self.state.bytes += close.map_or(MAX_QUOTED_BYTES, |close| close - at);
                    match close {
                        Some(close) => at = close,
                        None => return (Vec::new(), start),
                    }
                }
                b'-' if b.get(at + 1) == Some(&b'-') => {
                    let comment = memchr::memchr(b'\n', &b[at..]).unwrap_or(b.len() - at);
                    self.state.bytes += comment;
                    at += comment;
                }
                _ if depth == 0 && ends(b, at) => break,
                b'(' | b'[' if depth >= max_depth => return (Vec::new(), start),
                b'(' | b'[' => depth += 1,
                b')' | b']' if depth > 0 => depth -= 1,
                b',' if depth == 0 => {
                    cells.push((from, at));
                    from = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        let end = self.text.floor_char_boundary(at);
        cells.push((from, end));
        (cells, end)
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

/// Whether the list of a `SELECT` ends at `at`.
fn ends_select(b: &[u8], at: usize) -> bool {
    const WORDS: [&[u8]; 5] = [b"from", b"union", b"where", b"on", b"returning"];
    let begins_word = at > 0 && b[at - 1].is_ascii_whitespace();
    let is_word = |word: &[u8]| {
        b.get(at..at + word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word))
            && b.get(at + word.len()).is_none_or(|c| !c.is_ascii_alphanumeric() && *c != b'_')
    };
    b[at] == b';' || b[at] == b')' || begins_word && WORDS.iter().any(|word| is_word(word))
}

/// Returns the last word of `CREATE TABLE IF NOT EXISTS s.t` or `s.t`, without quotes.
fn table_name(text: &str) -> Option<&str> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.rsplit(|c| !part(c)).find(|word| !word.is_empty())
}

/// Returns the name in the definition of a column. `None` if it defines a constraint.
fn column_name(text: &str, (start, end): Cell) -> Option<Cell> {
    let mut from = skip_blanks(text.as_bytes(), start, b"");
    while text.get(from..end)?.starts_with("--") {
        from = skip_blanks(text.as_bytes(), from + text[from..end].find('\n')?, b"");
    }
    let definition = text.get(from..end)?;
    let (open, close) = match definition.chars().next()? {
        quote @ ('"' | '`' | '\'') => (1, definition[1..].find(quote)? + 1),
        '[' => (1, definition.find(']')?),
        _ => (0, definition.find(char::is_whitespace).unwrap_or(definition.len())),
    };
    let name = &definition[open..close];
    let is_constraint = open == 0 && CONSTRAINTS.iter().any(|word| name.eq_ignore_ascii_case(word));
    (!is_constraint).then_some((from + open, from + close))
}

/// Returns where a text of ASCII letters begins, in any case.
fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    let (b, wanted) = (text.as_bytes(), wanted.as_bytes());
    let (small, large) = (wanted[0], wanted[0].to_ascii_uppercase());
    let found = memchr::memchr2_iter(small, large, b);
    found.into_iter().find(|n| b.get(*n..n + wanted.len()).is_some_and(|w| w.eq_ignore_ascii_case(wanted)))
}
