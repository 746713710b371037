//! Tables of HTML.

use super::columns::{Cell, Table};
use super::login_record::MAX_FIELDS;
use super::{ColumnRules, MAX_CELLS, MAX_HEADER_BYTES, MAX_ROW_BYTES, Reader};

/// A row: the content of its cells.
struct HtmlRow {
    cells: Vec<Cell>,
    /// Number of cells that are `<th>`.
    headings: usize,
    end: usize,
}

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the table of which the row of headers contains `from`.
    pub(super) fn html(&mut self, from: usize) -> Option<Table> {
        let back = self.text.floor_char_boundary(from.saturating_sub(MAX_HEADER_BYTES));
        let start = back + find_tag_back(&self.text.as_bytes()[back..from], b"<tr")?;
        // A row of the last table is not a header: each row of a table of keywords would read all rows after it again.
        if self.state.cursors.last_array == Some(start) || start < self.state.cursors.html_rows_end {
            return None;
        }
        self.state.cursors.last_array = Some(start);
        let header = self.html_row(start)?;
        if header.headings == 1 && header.cells.len() == 2 {
            return self.vertical(start, &header).or_else(|| self.pair(&header.cells, header.end));
        }
        let rules = self.headers(&header.cells)?;
        let certain = header.headings > 0 || self.is_related(&header.cells, &rules);
        let mut columns = self.columns(&header.cells, &rules, certain);
        let mut at = header.end;
        while let Some(next) = self.next_row(at) {
            let Some(row) = self.html_row(next) else { break };
            at = row.end;
            if row.cells.len() != header.cells.len() {
                continue;
            }
            if !columns.add_row(|n| row.cells.get(n).copied()) {
                break;
            }
            self.state.cursors.html_rows_end = at;
        }
        Some(columns.finish(header.end))
    }

    /// Reads a table whose rows are a heading and a value each, from the first row.
    fn vertical(&mut self, start: usize, header: &HtmlRow) -> Option<Table> {
        let b = self.text.as_bytes();
        let back = self.text.floor_char_boundary(start.saturating_sub(MAX_HEADER_BYTES));
        let table = find_tag_back(&b[back..start], b"<table").map_or(start, |n| back + n);
        let first = find_tag(&b[table..=start], b"<tr").map_or(start, |n| table + n);
        let mut fields = Vec::new();
        let (mut row, mut end) = (self.html_row(first), header.end);
        while let Some(r) = row.filter(|r| r.headings == 1 && r.cells.len() == 2 && fields.len() < MAX_FIELDS)
        {
            fields.push((r.cells[0], r.cells[1]));
            end = r.end;
            row = self.next_row(end).and_then(|next| self.html_row(next));
        }
        let table = self.login_record(&fields, header.end);
        if table.is_some() {
            self.state.cursors.html_rows_end = end;
        }
        table
    }

    /// Returns where the next row of the same table begins.
    fn next_row(&mut self, at: usize) -> Option<usize> {
        let b = &self.text.as_bytes()[at..(at + MAX_ROW_BYTES).min(self.text.len())];
        let next = find_tag(b, b"<tr");
        let between = &b[..next.unwrap_or(b.len())];
        self.state.bytes += between.len();
        // Only what is before the next row is searched for the end of the table: the search must not grow with it.
        next.filter(|_| find_tag(between, b"</table").is_none()).map(|n| at + n)
    }

    /// Reads the row whose tag is at `start`.
    fn html_row(&mut self, start: usize) -> Option<HtmlRow> {
        let b = self.text.as_bytes();
        let limit = (start + MAX_ROW_BYTES).min(b.len());
        let mut row = HtmlRow { cells: Vec::new(), headings: 0, end: limit };
        let mut at = start + memchr::memchr(b'>', &b[start..limit])? + 1;
        // The content of the cell that is open, and the number of columns that it spans.
        let mut content: Option<usize> = None;
        let mut span = 1;
        while at < limit && row.cells.len() < MAX_CELLS {
            let Some(tag) = memchr::memchr(b'<', &b[at..limit]).map(|n| at + n) else { break };
            let name = &b[tag..limit];
            let is_cell = has_tag(name, b"<td") || has_tag(name, b"<th");
            let ends_cell = is_cell || has_tag(name, b"</td") || has_tag(name, b"</th");
            let ends_row = [&b"</tr"[..], b"<tr", b"</table", b"</thead", b"<tbody"];
            let ends_row = ends_row.iter().any(|t| has_tag(name, t));
            if (ends_cell || ends_row)
                && let Some(from) = content.take()
            {
                let cell = self.without_tags((from, tag));
                row.cells.extend(std::iter::repeat_n(cell, span));
            }
            if ends_row {
                row.end = tag;
                break;
            }
            at = tag + memchr::memchr(b'>', &b[tag..limit])? + 1;
            if is_cell {
                row.headings += usize::from(has_tag(name, b"<th"));
                span = column_span(&b[tag..at]);
                content = Some(at);
            }
        }
        self.state.bytes += row.end - start;
        Some(row)
    }

    /// Returns the content of a cell without the tags and spaces around it.
    pub(super) fn without_tags(&self, (mut s, mut e): Cell) -> Cell {
        loop {
            (s, e) = self.content((s, e));
            let v = &self.text[s..e];
            if let Some(end) = v.find('>').filter(|_| v.starts_with('<')) {
                s += end + 1;
            } else if let Some(start) = v.rfind('<').filter(|_| v.ends_with('>')) {
                e = s + start;
            } else {
                return (s, e);
            }
        }
    }
}

/// Returns the number of columns that a cell with this tag spans.
fn column_span(tag: &[u8]) -> usize {
    let Some(at) = memchr::memmem::find(tag, b"colspan=").map(|n| n + 8) else { return 1 };
    let digits =
        tag[at..].iter().skip_while(|c| matches!(c, b'"' | b'\'')).take_while(|c| c.is_ascii_digit());
    digits.take(2).fold(0, |n, c| n * 10 + usize::from(c - b'0')).clamp(1, 20)
}

/// Whether a text begins with a tag in any case.
fn has_tag(text: &[u8], tag: &[u8]) -> bool {
    text.get(..tag.len()).is_some_and(|t| t.eq_ignore_ascii_case(tag))
        && !text.get(tag.len()).is_some_and(u8::is_ascii_alphanumeric)
}

fn find_tag(text: &[u8], tag: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'<', text).find(|n| has_tag(&text[*n..], tag))
}

fn find_tag_back(text: &[u8], tag: &[u8]) -> Option<usize> {
    memchr::memrchr_iter(b'<', text).find(|n| has_tag(&text[*n..], tag))
}
