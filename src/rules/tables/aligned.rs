//! Tables whose columns are aligned with spaces, data frames, and lists with a header.

use super::aligned_row::{Row, char_spans, split_blanks};
use super::columns::{Cell, Layout, Rejection, Table};
use super::lines::{is_border, line_at, lines_below, next_line};
use super::{ColumnRules, MAX_HEADER_CELL_BYTES, Reader, cell_shape};

/// Rows by which the alignment of a table is judged.
const MAX_ALIGNED_ROWS: usize = 20;
/// Minimum number of rows that show that a header consists of two. Two names may have their space in the same place by
/// chance.
const MIN_SPLITTING_ROWS: usize = 2;

impl<'t, R: ColumnRules> Reader<'t, R> {
    /// Reads a table whose columns are aligned with spaces, or a single column.
    pub(super) fn aligned(&mut self, line: (usize, usize), from: usize, to: usize) -> Option<Table> {
        let text = self.text;
        let inside = |e: usize| e == line.1 || text[e..].starts_with("  ") || text[e..line.1].trim() == "\\";
        if !inside(to)
            || !(from == line.0 || text[line.0..from].ends_with("  ") || text[line.0..from].trim().is_empty())
        {
            return None;
        }
        if self.state.rejection(line.0, Layout::Aligned).is_some() {
            return None;
        }
        let table = self.aligned_rows(line);
        if table.is_none() {
            self.state.reject(line.0, Layout::Aligned, Rejection::Rows);
        }
        table
    }

    fn aligned_rows(&mut self, line: (usize, usize)) -> Option<Table> {
        let text = self.text;
        self.state.bytes += line.1 - line.0;
        let mut header_cells: Vec<Cell> = split_blanks(text, line.0, line.1);
        self.split_narrow(line, &mut header_cells);
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
        let certain = self.is_certain_aligned(&header_cells, &rules, line.1);
        let mut columns = self.columns(&header_cells, &rules, certain);
        let mut end = line.1;
        for row in first.into_iter().chain(lines.map(|l| Row::new(text, l))) {
            self.state.bytes += row.end() - row.start();
            end = row.end();
            if !columns.add_row(|n| Some(self.content(row.cell(text, &headers, n, right)))) {
                break;
            }
        }
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Splits headers that only one space separates, because their values are as short as they: `ID NAME`. Every value begins
    /// below its header.
    fn split_narrow(&mut self, line: (usize, usize), cells: &mut Vec<Cell>) {
        let text = self.text;
        if !cells.iter().any(|c| self.value(*c).contains(' ')) {
            return;
        }
        let rows: Vec<Row> =
            lines_below(text, line.1).take(MAX_ALIGNED_ROWS).map(|l| Row::new(text, l)).collect();
        self.state.bytes += rows.iter().map(|row| row.end() - row.start()).sum::<usize>();
        if rows.len() < MIN_SPLITTING_ROWS {
            return;
        }
        let mut out = Vec::with_capacity(cells.len() + 1);
        for cell in cells.iter() {
            let mut from = cell.0;
            for (n, _) in self.value(*cell).match_indices(' ') {
                let pieces = [(from, cell.0 + n), (cell.0 + n + 1, cell.1)];
                let spans = char_spans(text, line.0, &pieces);
                if rows.iter().all(|row| row.is_aligned(&spans, 0, false) && row.is_aligned(&spans, 1, false))
                {
                    out.push(pieces[0]);
                    from = pieces[1].0;
                }
            }
            out.push((from, cell.1));
        }
        *cells = out;
    }

    /// Reads a data frame whose headers are single words that only one space separates; every value ends with its header.
    pub(super) fn aligned_words(&mut self, start: usize, end: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let near = start.saturating_sub(MAX_HEADER_CELL_BYTES);
        let from = near + b[near..start].iter().rposition(u8::is_ascii_whitespace)? + 1;
        let to = end + b[end..].iter().take(MAX_HEADER_CELL_BYTES).position(u8::is_ascii_whitespace)?;
        let line = self.header_line(start)?;
        if !text[line.0..line.1].starts_with("  ") {
            return None;
        }
        self.rules.headers().rule(text.get(from..to)?)?;
        if self.state.rejection(line.0, Layout::Words).is_some() {
            return None;
        }
        let table = self.word_rows(line);
        if table.is_none() {
            self.state.reject(line.0, Layout::Words, Rejection::Rows);
        }
        table
    }

    fn word_rows(&mut self, line: (usize, usize)) -> Option<Table> {
        let text = self.text;
        self.state.bytes += line.1 - line.0;
        let words = text[line.0..line.1].split_whitespace();
        let at = |w: &str| w.as_ptr() as usize - text.as_ptr() as usize;
        let header_cells: Vec<Cell> = words.map(|w| (at(w), at(w) + w.len())).collect();
        let rules = self.headers(&header_cells)?;
        let headers = char_spans(text, line.0, &header_cells);
        let certain = self.is_certain_aligned(&header_cells, &rules, line.1);
        let mut columns = self.columns(&header_cells, &rules, certain);
        let mut end = line.1;
        for row in lines_below(text, line.1).map(|l| Row::new(text, l)) {
            self.state.bytes += row.end() - row.start();
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

    /// Reads a list with a header and one value per line.
    fn single(&mut self, rule: u16, lines: impl Iterator<Item = (usize, usize)>) -> Option<Table> {
        let shape = self.rules.shape(rule);
        if !shape.applies_to_fields() {
            return None;
        }
        let mut table = Table::default();
        for line in lines {
            self.state.bytes += line.1 - line.0;
            let cell = self.content(line);
            if !cell_shape::matches(self.value(cell), shape) {
                break;
            }
            table.end = cell.1;
            table.cells.push((cell.0, cell.1, rule));
        }
        (!table.cells.is_empty()).then_some(table)
    }

    /// Whether a line is certainly a header: a border follows it, or it names accounts or persons too.
    fn is_certain_aligned(&self, headers: &[Cell], rules: &[Option<u16>], end: usize) -> bool {
        let below = line_at(self.text, next_line(self.text, end));
        let below = self.text[below.0..below.1].trim();
        below.len() >= 3 && is_border(below) || self.is_related(headers, rules)
    }
}
