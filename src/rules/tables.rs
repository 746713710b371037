//! Finds the values of a table that only the header of their column identifies: CSV, TSV, Markdown, output of databases,
//! data frames, SQL `INSERT`, and fields of JSON and YAML.
//!
//! The engine calls [`read`] at each keyword of a header. Most occurrences are ordinary words, which the bytes on either
//! side show. Otherwise the line is read as a header, and all columns of the table are judged in one pass over its rows:
//! a column counts only if at least half of its values are of the kind that its header promises.

use super::aligned_row::{Row, char_spans, split_blanks};
use super::columns::{self, CellShape, Headers};
use super::expanded;
use super::table_columns::{Cell, Columns, Reading, ReadingLog, Rejection, Table};

/// Longest line that is read as a header, in bytes.
const MAX_HEADER_BYTES: usize = 4096;
/// Longest cell that is read as a header, in bytes.
const MAX_HEADER_CELL_BYTES: usize = 60;
/// Longest cell in quotes, in bytes. A longer one means that its closing quote is missing.
const MAX_QUOTED_BYTES: usize = 4096;
/// Rows in a row that do not have the columns of the header. More of them end the table.
const MAX_BAD_ROWS: usize = 2;
/// Longest row, in bytes.
const MAX_ROW_BYTES: usize = 64 * 1024;
/// Largest number of cells of a row.
const MAX_CELLS: usize = 2000;
/// Rows by which the alignment of a table is judged.
const MAX_ALIGNED_ROWS: usize = 20;
/// Nesting of parentheses in a row of SQL.
const MAX_NESTING: usize = 16;

/// The separators of tables whose columns are framed, in the order in which they are tried.
const FRAMES: [&str; 4] = ["│", "┆", "┃", "|"];

/// What the rules of a header require of its column.
pub(crate) trait ColumnRules {
    fn headers(&self) -> &Headers;
    fn shape(&self, rule: u16) -> CellShape;
}

/// One table or field, as it is read.
struct Reader<'t, R> {
    text: &'t str,
    rules: &'t R,
    log: &'t mut ReadingLog,
}

/// Reads the table or field whose header contains the keyword `[start, end)`. Returns `None` if it is not a header. `log`
/// belongs to the text.
pub(crate) fn read<R: ColumnRules>(
    whole: &str,
    start: usize,
    end: usize,
    rules: &R,
    log: &mut ReadingLog,
) -> Option<Table> {
    let text = whole.as_bytes();
    if is_inside_word(text, start, end) {
        return None;
    }
    let (from, to) = cell_around(text, start, end)?;
    let after = skip(text, to, b"\"'`*] ");
    let closing = text.get(after).copied().unwrap_or(b'\n');
    let before = from.checked_sub(1).map_or(b'\n', |i| text[i]);
    // Code has other marks around a name: `user.name)`, `name = `, `fn name<`.
    if !matches!(closing, b',' | b';' | b'\t' | b'|' | b'\n' | b'\r' | b':' | b')' | 0xe2 | b' ' | 0xef)
        && !text[to..].starts_with(b"  ")
        && !text[after..].starts_with(b"=>")
        || closing == b')' && !matches!(before, b',' | b' ' | b'`' | b'"' | b'[')
        || matches!(before, b'<' | b'$' | b'{' | b'.' | b'&' | b'@') && closing != b':'
    {
        return None;
    }
    let mut reader = Reader { text: whole, rules, log };
    if rules.headers().rule(whole.get(from..to)?).is_none() {
        return reader.aligned_words(start, end);
    }
    if let Some(records) = expanded::read(whole, from, to) {
        let rules: Vec<Option<u16>> =
            records.headers.iter().map(|h| rules.headers().rule(reader.value(*h))).collect();
        let mut columns = reader.columns(&records.headers, &rules);
        for row in &records.rows {
            columns.add_row(|n| row.get(n).copied());
        }
        return Some(columns.finish(records.end));
    }
    if closing == b':' {
        return reader.field(from, to);
    }
    let Some(line) = reader.header_line(from) else { return reader.insert(from) };
    let listed = matches!(closing, b',' | b')');
    if listed && let Some(table) = reader.insert(from) {
        return Some(table);
    }
    if let Some(table) = reader.delimited(line, from, to) {
        return Some(table);
    }
    reader.field(from, to).or_else(|| reader.aligned(line, from, to))
}

/// Whether a keyword is only a part of a word, or is followed by a mark of code. Most occurrences are rejected here.
fn is_inside_word(text: &[u8], start: usize, end: usize) -> bool {
    let (first, last) = (text[start], text[end - 1]);
    let before = start.checked_sub(1).map_or(b'\n', |i| text[i]);
    let after = text.get(end).copied().unwrap_or(b'\n');
    let joined = |left: u8, right: u8| {
        left.is_ascii_alphanumeric()
            && right.is_ascii_alphanumeric()
            && !(left.is_ascii_lowercase() && right.is_ascii_uppercase())
    };
    joined(before, first)
        || joined(last, after)
        || matches!(before, b'.' | b'$' | b'<' | b'>' | b'&' | b'@' | b'!')
        || matches!(
            after,
            b'=' | b'(' | b'<' | b'>' | b'[' | b'{' | b'}' | b'+' | b'!' | b'?' | b'&' | b'@' | b'%' | b'$'
        )
}

/// Returns the words around a keyword that could be one header; `None` if they are too long for one.
fn cell_around(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let part = |b: u8| {
        b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'_' | b'-' | b'.' | b'#' | b'/' | b'\'')
    };
    let mut from = start;
    while from > 0 {
        let b = text[from - 1];
        let one_blank = b == b' ' && from >= 2 && part(text[from - 2]);
        if !(part(b) || one_blank) || b >= 0x80 && ends_frame(&text[..from]) {
            break;
        }
        from -= 1;
        if start - from > MAX_HEADER_CELL_BYTES {
            return None;
        }
    }
    let mut to = end;
    while to < text.len() {
        let b = text[to];
        let one_blank = b == b' ' && text.get(to + 1).is_some_and(|c| part(*c) || *c == b'(');
        // `Location (lat, lon)`
        if b == b'(' && to > 0 && matches!(text[to - 1], b' ' | b'_') {
            let inside = text[to..].iter().take(30).position(|c| matches!(c, b')' | b'\n'));
            match inside {
                Some(n) if text[to + n] == b')' => to += n + 1,
                _ => break,
            }
            break;
        }
        if !(part(b) || one_blank) || b >= 0x80 && begins_frame(&text[to..]) {
            break;
        }
        to += 1;
        if to - end > MAX_HEADER_CELL_BYTES {
            return None;
        }
    }
    // A byte beyond ASCII may be a part of a character that is not a letter.
    while from < start && text[from] & 0xc0 == 0x80 {
        from += 1;
    }
    while to > end && text.get(to).is_some_and(|b| b & 0xc0 == 0x80) {
        to -= 1;
    }
    while from < start && text[from] == b'\'' {
        from += 1;
    }
    while to > end && text[to - 1] == b'\'' {
        to -= 1;
    }
    Some((from, to))
}

fn ends_frame(text: &[u8]) -> bool {
    FRAMES[..3].iter().any(|f| text.ends_with(f.as_bytes())) || text.ends_with("，".as_bytes())
}

fn begins_frame(text: &[u8]) -> bool {
    FRAMES[..3].iter().any(|f| text.starts_with(f.as_bytes())) || text.starts_with("：".as_bytes())
}

fn skip(text: &[u8], at: usize, set: &[u8]) -> usize {
    at + text[at..].iter().take(8).take_while(|b| set.contains(b)).count()
}

impl<'t, R: ColumnRules> Reader<'t, R> {
    /// Returns the line around `at`, if it is short enough for a header.
    fn header_line(&self, at: usize) -> Option<(usize, usize)> {
        let b = self.text.as_bytes();
        let from = at.saturating_sub(MAX_HEADER_BYTES);
        let to = (at + MAX_HEADER_BYTES).min(b.len());
        let start = match memchr::memrchr(b'\n', &b[from..at]) {
            Some(n) => from + n + 1,
            None if from == 0 => 0,
            None => return None,
        };
        let end = match memchr::memchr(b'\n', &b[at..to]) {
            Some(n) => at + n,
            None if to == b.len() => to,
            None => return None,
        };
        Some((start, if end > start && b[end - 1] == b'\r' { end - 1 } else { end }))
    }

    /// Returns the content of a cell without blanks and quotes around it.
    fn content(&self, (mut s, mut e): Cell) -> Cell {
        let trim = |c: char| c.is_whitespace() || matches!(c, '│' | '┃' | '║');
        s += self.text[s..e].len() - self.text[s..e].trim_start_matches(trim).len();
        e = s + self.text[s..e].trim_end_matches(trim).len();
        let v = &self.text[s..e];
        for quote in ['"', '\'', '`'] {
            if v.len() >= 2 && v.starts_with(quote) && v.ends_with(quote) {
                return (s + 1, e - 1);
            }
        }
        // Markdown: `**1944-05-14**`
        match v.strip_prefix("**").and_then(|v| v.strip_suffix("**")) {
            Some(_) if v.len() > 4 => (s + 2, e - 2),
            _ => (s, e),
        }
    }

    fn value(&self, cell: Cell) -> &str {
        &self.text[cell.0..cell.1]
    }

    /// Returns the rule of each header cell, if they are the headers of a table.
    fn headers(&self, cells: &[Cell]) -> Option<Vec<Option<u16>>> {
        let mut filled = 0;
        let mut rules = Vec::with_capacity(cells.len());
        for cell in cells {
            let header = self.value(*cell);
            if header.is_empty() {
                rules.push(None);
                continue;
            }
            let odd = |c: char| matches!(c, '{' | '}' | '=' | '<' | '>' | '$' | '\\' | '@' | '!');
            if header.len() > MAX_HEADER_CELL_BYTES
                || header.contains(odd)
                || header.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_punctuation())
                || header.bytes().filter(u8::is_ascii_digit).count() * 2 > header.len()
            {
                return None;
            }
            filled += 1;
            rules.push(self.rules.headers().rule(header));
        }
        (filled * 2 >= cells.len() && rules.iter().any(Option::is_some)).then_some(rules)
    }

    /// Returns the columns of a table that have a rule.
    fn columns(&self, headers: &[Cell], rules: &[Option<u16>]) -> Columns<'t> {
        let personal = headers.iter().any(|h| columns::is_personal(self.value(*h)));
        Columns::new(self.text, rules, |rule| self.rules.shape(rule), self.log).of_persons(personal)
    }

    /// Reads a table whose columns are separated by a mark, from its header line.
    fn delimited(&mut self, line: (usize, usize), from: usize, to: usize) -> Option<Table> {
        let text = self.text;
        let after = text[to..line.1].trim_start_matches(['"', '\'', '`', '*', ' ']);
        let before = text[line.0..from].trim_end_matches(['"', '\'', '`', '*', ' ']);
        let mut marks = FRAMES.into_iter().chain([",", ";", "\t"]);
        let mark = marks.find(|m| after.starts_with(*m) || after.is_empty() && before.ends_with(*m))?;
        let mut read = self.delimited_headers(line.0, line.0, mark)?;
        if read.is_none() && !self.log.gave_up(line.0) {
            // The table may begin inside of a string: `{"content": "name,dob`.
            read = match self.string_start(line.0, from) {
                Some(start) => self.delimited_headers(line.0, start, mark)?,
                None => None,
            };
        }
        let Some(header) = read else {
            return match self.log.gave_up(line.0) {
                true => None,
                false => self.pair(&self.split(line.0, mark)?.0, line.1),
            };
        };
        let table = self.delimited_rows(&header, line, mark);
        if !table.cells.is_empty() {
            return Some(table);
        }
        self.log.reject(line.0, Reading::Delimited(header.start, mark), Rejection::Rows);
        self.pair(&header.cells, line.1)
    }

    /// Reads the headers in a line from `start` on: `Some(None)` if they are none, `None` if they were read before and no
    /// rows with their values are below them.
    #[allow(clippy::option_option)]
    fn delimited_headers(&mut self, line: usize, start: usize, mark: &'static str) -> Option<Option<Header>> {
        let reading = Reading::Delimited(start, mark);
        match self.log.rejection(line, reading) {
            Some(Rejection::Rows) => return None,
            Some(Rejection::Header) => return Some(None),
            None => {}
        }
        let header = self.split(start, mark).and_then(|(cells, end)| {
            self.log.bytes += end - start;
            let rules = self.headers(&cells).filter(|_| cells.len() > 1)?;
            Some(Header { start, cells, rules })
        });
        if header.is_none() {
            self.log.reject(line, reading, Rejection::Header);
        }
        Some(header)
    }

    /// Reads the rows below a header line.
    fn delimited_rows(&mut self, header: &Header, line: (usize, usize), mark: &str) -> Table {
        let text = self.text;
        let framed = FRAMES.contains(&mark);
        let quoted = header.start != line.0;
        let mut columns = self.columns(&header.cells, &header.rules);
        let (mut at, mut bad) = (next_line(text, line.1), 0);
        let mut end = line.1;
        while at < text.len() {
            let row = line_at(text, at);
            let body = &text[row.0..row.1];
            if body.len() > MAX_ROW_BYTES || body.trim().is_empty() {
                break;
            }
            if is_border(body) {
                self.log.bytes += body.len();
                at = next_line(text, row.1);
                continue;
            }
            let Some((mut cells, row_end)) = self.split(row.0, mark) else { break };
            self.log.bytes += row_end - row.0;
            if quoted && let Some(last) = cells.last_mut() {
                // The string ends with the last row.
                last.1 = text[last.0..last.1].find(['"', '\'', '`']).map_or(last.1, |n| last.0 + n);
            }
            let short = !framed && mark != "\t" && cells.len() < header.cells.len();
            if cells.len() < 2 {
                break;
            }
            if cells.len() == header.cells.len() || short {
                bad = 0;
                if !columns.add_row(|n| cells.get(n).copied()) {
                    break;
                }
            } else {
                bad += 1;
                if bad > MAX_BAD_ROWS {
                    break;
                }
            }
            end = row_end;
            at = next_line(text, row_end);
        }
        columns.finish(end)
    }

    /// Returns where the string begins that contains the header at `from`, after a line number.
    fn string_start(&self, line_start: usize, from: usize) -> Option<usize> {
        const OPENINGS: [&str; 9] = ["\": \"", "\":\"", ": '", "(\"", "('", "=\"", " \"", " '", "`"];
        let head = &self.text[line_start..from];
        let start = OPENINGS.iter().filter_map(|o| head.rfind(o).map(|n| line_start + n + o.len())).max()?;
        let line = &self.text[start..];
        let number = line.trim_start_matches(' ').trim_start_matches(|c: char| c.is_ascii_digit());
        let after = number.strip_prefix('→').or_else(|| number.strip_prefix('\t'));
        Some(after.filter(|a| line.len() - a.len() < 16).map_or(start, |a| self.text.len() - a.len()))
    }

    /// Reads a line of a table of fields: `| Passport | ZS0000177 |`, `dob | 1944-05-14`.
    fn pair(&self, cells: &[Cell], end: usize) -> Option<Table> {
        let filled: Vec<Cell> = cells.iter().filter(|c| c.0 < c.1).copied().collect();
        let [name, value] = filled[..] else { return None };
        let rule = self.rules.headers().rule(self.value(name))?;
        let shape = self.rules.shape(rule);
        (shape.labels() && columns::fits(self.value(value), shape))
            .then(|| Table { end, cells: vec![(value.0, value.1, rule)] })
    }

    /// Splits a row at a mark; cells in double quotes may contain the mark and line ends. Returns the cells and where the
    /// row ends.
    fn split(&self, start: usize, mark: &str) -> Option<(Vec<Cell>, usize)> {
        let (text, b) = (self.text, self.text.as_bytes());
        let mut cells = Vec::new();
        let mut at = start;
        loop {
            let from = at;
            let open = at + b[at..].iter().take(40).take_while(|c| **c == b' ').count();
            if b.get(open) == Some(&b'"')
                && let Some(close) = closing_quote(b, open)
                && matches!(b.get(close + 1), None | Some(b' ' | b'\n' | b'\r'))
                    | text[close + 1..].starts_with(mark)
            {
                at = close + 1;
            }
            let line_end = memchr::memchr(b'\n', &b[at..]).map_or(b.len(), |n| at + n);
            let cell_end = memchr::memmem::find(&b[at..line_end], mark.as_bytes()).map(|n| at + n);
            match cell_end {
                Some(end) => {
                    cells.push(self.content((from, end)));
                    at = end + mark.len();
                }
                None => {
                    cells.push(self.content((from, line_end)));
                    return (cells.len() <= MAX_CELLS && line_end - start <= MAX_ROW_BYTES)
                        .then_some((cells, line_end));
                }
            }
            if cells.len() >= MAX_CELLS || at - start > MAX_ROW_BYTES {
                return None;
            }
        }
    }

    /// Reads a table whose columns are aligned with blanks, or a single column.
    fn aligned(&mut self, line: (usize, usize), from: usize, to: usize) -> Option<Table> {
        let text = self.text;
        let inside = |e: usize| e == line.1 || text[e..].starts_with("  ") || text[e..line.1].trim() == "\\";
        if !inside(to)
            || !(from == line.0 || text[line.0..from].ends_with("  ") || text[line.0..from].trim().is_empty())
        {
            return None;
        }
        if self.log.rejection(line.0, Reading::Aligned).is_some() {
            return None;
        }
        let table = self.aligned_rows(line);
        if table.is_none() {
            self.log.reject(line.0, Reading::Aligned, Rejection::Rows);
        }
        table
    }

    fn aligned_rows(&mut self, line: (usize, usize)) -> Option<Table> {
        let text = self.text;
        self.log.bytes += line.1 - line.0;
        let header_cells: Vec<Cell> = split_blanks(text, line.0, line.1);
        let headers = char_spans(text, line.0, &header_cells);
        let rules = self.headers(&header_cells)?;
        let mut lines = lines_below(text, line.1);
        if header_cells.len() == 1 {
            return self.single(rules[0]?, lines);
        }
        let fits = |row: &Row, right: bool| {
            (0..headers.len()).filter(|n| row.is_aligned(&headers, *n, right)).count()
        };
        let first: Vec<Row> = lines.by_ref().take(MAX_ALIGNED_ROWS).map(|l| Row::new(text, l)).collect();
        let (right, left): (usize, usize) =
            first.iter().fold((0, 0), |(r, l), row| (r + fits(row, true), l + fits(row, false)));
        let right = right >= left;
        let mut columns = self.columns(&header_cells, &rules);
        let mut end = line.1;
        for row in first.into_iter().chain(lines.map(|l| Row::new(text, l))) {
            self.log.bytes += row.end() - row.start();
            end = row.end();
            if !columns.add_row(|n| Some(self.content(row.cell(text, &headers, n, right)))) {
                break;
            }
        }
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Reads a data frame whose headers are single words that only one blank separates; every value ends with its header.
    fn aligned_words(&mut self, start: usize, end: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let near = start.saturating_sub(MAX_HEADER_CELL_BYTES);
        let from = near + b[near..start].iter().rposition(u8::is_ascii_whitespace)? + 1;
        let to = end + b[end..].iter().take(MAX_HEADER_CELL_BYTES).position(u8::is_ascii_whitespace)?;
        let line = self.header_line(start)?;
        if !text[line.0..line.1].starts_with("  ") {
            return None;
        }
        self.rules.headers().rule(text.get(from..to)?)?;
        if self.log.rejection(line.0, Reading::Words).is_some() {
            return None;
        }
        let table = self.word_rows(line);
        if table.is_none() {
            self.log.reject(line.0, Reading::Words, Rejection::Rows);
        }
        table
    }

    fn word_rows(&mut self, line: (usize, usize)) -> Option<Table> {
        let text = self.text;
        self.log.bytes += line.1 - line.0;
        let words = text[line.0..line.1].split_whitespace();
        let at = |w: &str| w.as_ptr() as usize - text.as_ptr() as usize;
        let header_cells: Vec<Cell> = words.map(|w| (at(w), at(w) + w.len())).collect();
        let rules = self.headers(&header_cells)?;
        let headers = char_spans(text, line.0, &header_cells);
        let mut columns = self.columns(&header_cells, &rules);
        let mut end = line.1;
        for row in lines_below(text, line.1).map(|l| Row::new(text, l)) {
            self.log.bytes += row.end() - row.start();
            if !(0..headers.len()).all(|n| row.is_aligned(&headers, n, true)) {
                break;
            }
            end = row.end();
            if !columns.add_row(|n| Some(self.content(row.cell(text, &headers, n, true)))) {
                break;
            }
        }
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Reads a list with a header and one value a line.
    fn single(&mut self, rule: u16, lines: impl Iterator<Item = (usize, usize)>) -> Option<Table> {
        let shape = self.rules.shape(rule);
        if !shape.labels() {
            return None;
        }
        let mut table = Table::default();
        for line in lines {
            self.log.bytes += line.1 - line.0;
            let cell = self.content(line);
            if !columns::fits(self.value(cell), shape) {
                break;
            }
            table.end = cell.1;
            table.cells.push((cell.0, cell.1, rule));
        }
        (!table.cells.is_empty()).then_some(table)
    }

    /// Reads the rows of `INSERT INTO t (columns) VALUES (…), (…)` and of `COPY t (columns) FROM stdin`.
    fn insert(&mut self, from: usize) -> Option<Table> {
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
        let (mut columns, count) = (self.columns(&headers, &rules), headers.len());
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

    /// Reads a field: `"pesel": "44051401359"`, `dob: 1944-05-14`, `'dob': ['1944-05-14', …]`.
    fn field(&self, from: usize, to: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let rule = self.rules.headers().rule(&text[from..to])?;
        let shape = self.rules.shape(rule);
        if !shape.labels() {
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
        if list {
            at = skip(b, at + 1, b" \n\r\t");
        }
        loop {
            let cell = match b.get(at)? {
                quote @ (b'"' | b'\'') => {
                    let close = closing_mark(b, at, *quote)?;
                    (at + 1, close)
                }
                _ => {
                    let stop = |c: &u8| matches!(c, b'\n' | b'\r' | b'}' | b']' | b'"' | b';' | b'<' | b'|');
                    let run = b[at..].iter().take(120).take_while(|c| !stop(c)).count();
                    let run = text.floor_char_boundary(at + run) - at;
                    let comma = if shape == CellShape::Coordinate && !quoted {
                        None
                    } else {
                        text[at..at + run].find([',', '，'])
                    };
                    self.content((at, at + comma.unwrap_or(run)))
                }
            };
            let value = self.value(cell);
            if !columns::fits(value, shape) {
                break;
            }
            table.cells.push((cell.0, cell.1, rule));
            table.end = cell.1;
            if !list {
                break;
            }
            let close = usize::from(matches!(b.get(cell.1), Some(b'"' | b'\'')));
            at = skip(b, cell.1 + close, b", \n\r\t");
            at = skip(b, at, b" \n\r\t");
        }
        (!table.cells.is_empty()).then_some(table)
    }
}

/// The header line of a table whose columns are separated by a mark.
struct Header {
    /// Where the first cell begins: the line, or a string in it.
    start: usize,
    cells: Vec<Cell>,
    /// The rule of each cell.
    rules: Vec<Option<u16>>,
}

/// Returns the line that begins at `start` without its line end.
fn line_at(text: &str, start: usize) -> (usize, usize) {
    let b = text.as_bytes();
    let end = memchr::memchr(b'\n', &b[start..]).map_or(b.len(), |n| start + n);
    (start, if end > start && b[end - 1] == b'\r' { end - 1 } else { end })
}

/// Returns the lines below a header, up to a blank one.
fn lines_below(text: &str, header_end: usize) -> impl Iterator<Item = (usize, usize)> {
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
fn next_line(text: &str, end: usize) -> usize {
    let b = text.as_bytes();
    memchr::memchr(b'\n', &b[end.min(b.len())..]).map_or(b.len(), |n| end + n + 1)
}

/// Whether a line is the border of a table: `|---|---|`, `+----+`, `╞═══╪═══╡`.
fn is_border(line: &str) -> bool {
    line.chars().all(|c| {
        matches!(c, '-' | '+' | '|' | ':' | '=' | ' ' | '\t' | '\r') || ('\u{2500}'..='\u{257f}').contains(&c)
    })
}

/// Returns the closing quote of the CSV cell whose opening quote is at `open`; a doubled quote is content.
fn closing_quote(b: &[u8], open: usize) -> Option<usize> {
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
fn closing_mark(b: &[u8], open: usize, quote: u8) -> Option<usize> {
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
