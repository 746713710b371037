//! The rows of a table whose columns are aligned with spaces.

use super::columns::Cell;

/// A row of an aligned table.
pub(super) struct Row {
    /// Byte offset of each character, and of the end.
    offsets: Vec<usize>,
    blank: Vec<bool>,
}

impl Row {
    pub fn new(text: &str, (start, end): (usize, usize)) -> Row {
        let chars = || text[start..end].char_indices();
        Row {
            offsets: chars().map(|(n, _)| start + n).chain([end]).collect(),
            blank: chars().map(|(_, c)| c == ' ').collect(),
        }
    }

    pub fn start(&self) -> usize {
        self.offsets.first().copied().unwrap_or(0)
    }

    pub fn end(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    fn is_blank(&self, at: usize) -> bool {
        self.blank.get(at).copied().unwrap_or(true)
    }

    /// Whether the row has a value that ends (or begins) with the header of column `n`.
    pub fn is_aligned(&self, columns: &[(usize, usize)], n: usize, right: bool) -> bool {
        let (start, end) = columns[n];
        match right {
            true => !self.is_blank(end - 1) && self.is_blank(end),
            false => !self.is_blank(start) && (start == 0 || self.is_blank(start - 1)),
        }
    }

    /// Returns the span of the value in column `n`.
    pub fn cell(&self, text: &str, columns: &[(usize, usize)], n: usize, right: bool) -> Cell {
        let past = |n: usize| columns.get(n).map_or(usize::MAX, |c| c.0);
        let (from, to) = match right {
            true => {
                let to = if n + 1 == columns.len() { usize::MAX } else { columns[n].1 };
                (n.checked_sub(1).map_or(0, |n| columns[n].1), to)
            }
            false => (columns[n].0, past(n + 1)),
        };
        let at = |i: usize| self.offsets.get(i).or(self.offsets.last()).copied().unwrap_or(0);
        let (s, e) = (at(from), at(to));
        // A value that reaches into the next column is not aligned with the headers.
        if to < self.blank.len() && !self.is_blank(to) && !self.is_blank(to - 1)
            || from > 0 && !self.is_blank(from) && !self.is_blank(from - 1)
        {
            return (s, s);
        }
        // The index of a data frame has no header and precedes the first column.
        let piece = text[s..e].trim();
        match piece.rfind("  ") {
            Some(p) if right && n == 0 => {
                let lead = text[s..e].len() - text[s..e].trim_start().len();
                (s + lead + p + 2, e)
            }
            _ => (s, e),
        }
    }
}

/// Splits a line where two or more spaces are, and returns the spans of the pieces.
pub(super) fn split_blanks(text: &str, start: usize, end: usize) -> Vec<Cell> {
    let line = text[start..end].trim_end().trim_end_matches('\\');
    let mut out = Vec::new();
    let mut at = 0;
    for piece in line.split("  ") {
        let lead = piece.len() - piece.trim_start().len();
        if !piece.trim().is_empty() {
            out.push((start + at + lead, start + at + lead + piece.trim().len()));
        }
        at += piece.len() + 2;
    }
    out
}

/// Returns the spans of cells in characters of the line that begins at `line`.
pub(super) fn char_spans(text: &str, line: usize, cells: &[Cell]) -> Vec<(usize, usize)> {
    let (mut at, mut count) = (line, 0);
    let mut offset = |to: usize| {
        count += text[at..to].chars().count();
        at = to;
        count
    };
    cells.iter().map(|c| (offset(c.0), offset(c.1))).collect()
}
