//! Tables whose headers are in the first cell of each line: `name,Ada,Bo`, `dob,1944-05-14,1987-11-02`.

use super::cell_shape::CellShape;
use super::columns::{Cell, Table};
use super::lines::{is_border, line_at, next_line};
use super::{ColumnRules, FRAMES, MAX_HEADER_BYTES, Reader};

/// Minimum number of cells of a line of a table whose headers are in the first column. A line of two is a field.
const MIN_TRANSPOSED_CELLS: usize = 3;
/// Maximum number of lines of such a table above the line in which it was found.
const MAX_TRANSPOSED_LINES: usize = 40;

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads a table whose headers are in the first cell of each line, around a line of it.
    pub(super) fn transposed(&mut self, line: (usize, usize), separator: &str) -> Option<Table> {
        let text = self.text;
        if line.0 < self.state.cursors.transposed_end {
            return None;
        }
        let first = self.filled_cells(line, separator)?;
        let count = first.len();
        if count < MIN_TRANSPOSED_CELLS {
            return None;
        }
        let mut lines = vec![first];
        let (mut above, mut end) = (line.0, line.1);
        // Lines that were already read do not belong to this table.
        while above > self.state.cursors.transposed_end && lines.len() < MAX_TRANSPOSED_LINES {
            let near = above.saturating_sub(MAX_HEADER_BYTES);
            let from = memchr::memrchr(b'\n', &text.as_bytes()[near..above - 1]).map(|n| near + n + 1);
            self.state.bytes += above - from.unwrap_or(near);
            let Some(from) = from.or((near == 0).then_some(0)) else { break };
            let row = line_at(text, from);
            above = from;
            if is_border(&text[row.0..row.1]) && row.0 < row.1 {
                continue;
            }
            match self.filled_cells(row, separator).filter(|cells| cells.len() == count) {
                Some(cells) => lines.insert(0, cells),
                None => break,
            }
        }
        while lines.len() < 2 * MAX_TRANSPOSED_LINES {
            let row = line_at(text, next_line(text, end));
            if row.0 >= text.len() || row.0 == row.1 {
                break;
            }
            let border = is_border(&text[row.0..row.1]);
            let cells = self.filled_cells(row, separator).filter(|cells| cells.len() == count);
            end = match (border, cells) {
                (true, _) => row.1,
                (false, Some(cells)) => {
                    lines.push(cells);
                    row.1
                }
                (false, None) => break,
            };
        }
        self.state.cursors.transposed_end = end;
        let headers: Vec<Cell> = lines.iter().map(|cells| cells[0]).collect();
        let rules = self.headers(&headers)?;
        // One header alone may be a word of the first column of an ordinary table.
        let counts = |rule: &&u16| self.rules.shape(**rule) != CellShape::MaybeName;
        if rules.iter().flatten().filter(counts).count() < 2 {
            return None;
        }
        let mut columns = self.columns(&headers, &rules, true);
        for n in 1..count {
            if !columns.add_row(|line| lines.get(line).and_then(|cells| cells.get(n)).copied()) {
                break;
            }
        }
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Returns the cells of a line, without empty ones at its ends.
    fn filled_cells(&mut self, line: (usize, usize), separator: &str) -> Option<Vec<Cell>> {
        if line.1 - line.0 > MAX_HEADER_BYTES {
            return None;
        }
        self.state.bytes += line.1 - line.0;
        let (mut cells, end) = self.split(line.0, separator)?;
        if end != line.1 && end != line.1 + 1 || cells.len() < 2 {
            return None;
        }
        if FRAMES.contains(&separator) {
            let empty = |c: Option<&Cell>| c.is_some_and(|c| c.0 == c.1);
            if empty(cells.last()) {
                cells.pop();
            }
            if empty(cells.first()) {
                cells.remove(0);
            }
        }
        Some(cells)
    }
}
