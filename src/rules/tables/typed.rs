//! Tables with the type of each column below its header, as R prints them: `<chr>`, `<date>`, `<dbl [1]>`. Texts begin below
//! their header, numbers end below it, and one space may separate the columns.

use unicode_width::UnicodeWidthChar;

use super::columns::{Cell, Layout, Rejection, Table};
use super::lines::{line_at, lines_below, next_line};
use super::{ColumnRules, MAX_HEADER_BYTES, Reader};

/// Rows by which the alignment of a column is judged if its header is as long as its type.
const MAX_ALIGNED_ROWS: usize = 20;

/// A line by the columns of a terminal, in which some characters take two.
struct DisplayLine {
    /// Byte offset of each column, and of the end.
    offsets: Vec<usize>,
    blank: Vec<bool>,
}

impl DisplayLine {
    fn of(text: &str, (start, end): Cell) -> DisplayLine {
        let mut out = DisplayLine { offsets: Vec::new(), blank: Vec::new() };
        for (n, c) in text[start..end].char_indices() {
            for _ in 0..c.width().unwrap_or(0) {
                out.offsets.push(start + n);
                out.blank.push(c == ' ');
            }
        }
        out.offsets.push(end);
        out
    }

    /// Returns the columns of a span of bytes.
    fn of_span(&self, (start, end): Cell) -> (usize, usize) {
        let at = |byte: usize| self.offsets.partition_point(|o| *o < byte);
        (at(start), at(end))
    }

    fn byte(&self, column: usize) -> usize {
        self.offsets.get(column).or(self.offsets.last()).copied().unwrap_or(0)
    }

    fn is_blank(&self, column: usize) -> bool {
        self.blank.get(column).copied().unwrap_or(true)
    }
}

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads a table whose header contains `at` and is followed by a line of types.
    pub(super) fn typed(&mut self, at: usize) -> Option<Table> {
        let text = self.text;
        let line = self.header_line(at)?;
        let below = line_at(text, next_line(text, line.1));
        let types = &text[below.0..below.1];
        if !types.trim_start_matches([' ', '*']).starts_with('<')
            || line.1 - line.0 > MAX_HEADER_BYTES
            || types.len() > MAX_HEADER_BYTES
            || self.state.rejection(line.0, Layout::Typed).is_some()
        {
            return None;
        }
        let table = self.typed_rows(line, below);
        if table.is_none() {
            self.state.reject(line.0, Layout::Typed, Rejection::Rows);
        }
        table
    }

    fn typed_rows(&mut self, line: Cell, below: Cell) -> Option<Table> {
        let text = self.text;
        self.state.bytes += below.1 - line.0;
        let types = spans(text, below, '<', '>')?;
        let headers = spans(text, line, '`', '`')?;
        let is_type = |t: &Cell| text[t.0..t.1].starts_with('<') && text[t.0..t.1].ends_with('>');
        if headers.len() != types.len() || headers.is_empty() || !types.iter().all(is_type) {
            return None;
        }
        let names: Vec<Cell> = headers.iter().map(|h| self.content(*h)).collect();
        let rules = self.headers(&names)?;
        let rows: Vec<Cell> =
            lines_below(text, below.1).take_while(|row| !text[row.0..row.1].starts_with('#')).collect();
        let first: Vec<DisplayLine> =
            rows.iter().take(MAX_ALIGNED_ROWS).map(|row| DisplayLine::of(text, *row)).collect();
        let (header, kind) = (DisplayLine::of(text, line), DisplayLine::of(text, below));
        let mut edges = Vec::with_capacity(headers.len());
        for (name, of_type) in headers.iter().zip(&types) {
            let (name, word) = (header.of_span(*name), self.value(*of_type));
            let alignment =
                match word.starts_with("<ch") || word.starts_with("<fct") || word.starts_with("<fact") {
                    true => ColumnAlignment::Texts,
                    false => ColumnAlignment::Other,
                };
            let kind = kind.of_span(*of_type);
            let begins_everywhere =
                || first.iter().all(|row| !row.is_blank(name.0) && (name.0 == 0 || row.is_blank(name.0 - 1)));
            edges.push(match (name.0 == kind.0, name.1 == kind.1) {
                (true, false) => Edge::Left(name.0),
                (false, true) => Edge::Right(name.1, alignment),
                (true, true) if begins_everywhere() => Edge::Left(name.0),
                (true, true) => Edge::Right(name.1, alignment),
                (false, false) => return None,
            });
        }
        let mut columns = self.columns(&names, &rules, true);
        let mut end = below.1;
        for row in rows {
            self.state.bytes += row.1 - row.0;
            end = row.1;
            let cells = cells_of(&DisplayLine::of(text, row), &edges);
            if !columns.add_row(|n| cells.get(n).map(|cell| self.content(*cell))) {
                break;
            }
        }
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }
}

/// The column of a terminal at which the values of a column of the table begin or end.
#[derive(Debug, Clone, Copy)]
enum Edge {
    Left(usize),
    /// The values end here. Texts may have spaces in them.
    Right(usize, ColumnAlignment),
}

/// How the beginning of a value is found in a column whose values end below their header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnAlignment {
    /// Texts may contain spaces, so they begin where the column before ends.
    Texts,
    /// Numbers and dates begin after a space.
    Other,
}

/// Returns the values of a row.
fn cells_of(row: &DisplayLine, edges: &[Edge]) -> Vec<Cell> {
    let after_blank = |end: usize| (0..end).rev().find(|n| row.is_blank(*n)).map_or(0, |n| n + 1);
    // What precedes the first column is the number of the row.
    let first_word = (0..row.blank.len()).find(|n| !row.is_blank(*n)).unwrap_or(0);
    let after_number = (first_word..row.blank.len()).find(|n| row.is_blank(*n)).unwrap_or(first_word);
    let start = |n: usize| match (edges[n], n.checked_sub(1).map(|n| edges[n])) {
        (Edge::Left(start), _) => start,
        (Edge::Right(end, ColumnAlignment::Texts), None) => after_number.min(end),
        (Edge::Right(_, ColumnAlignment::Texts), Some(Edge::Right(previous, _))) => previous,
        // A number has no spaces, and begins after the last one.
        (Edge::Right(end, _), _) => after_blank(end),
    };
    let starts: Vec<usize> = (0..edges.len()).map(start).collect();
    let end = |n: usize| match edges[n] {
        Edge::Left(_) => starts.get(n + 1).copied().unwrap_or(usize::MAX),
        Edge::Right(end, _) => end,
    };
    (0..edges.len()).map(|n| (row.byte(starts[n]), row.byte(end(n).max(starts[n])))).collect()
}

/// Returns the words of a line; what is between `open` and `close` is one word. `None` if something is not closed.
fn spans(text: &str, (start, end): Cell, open: char, close: char) -> Option<Vec<Cell>> {
    let mut out: Vec<Cell> = Vec::new();
    let (mut depth, mut from) = (0usize, None);
    for (n, c) in text[start..end].char_indices() {
        match c {
            c if c == close && depth > 0 => depth -= 1,
            c if c == open => depth += 1,
            ' ' if depth == 0 => {
                out.extend(from.take().map(|from| (from, start + n)));
                continue;
            }
            _ => {}
        }
        from = from.or(Some(start + n));
    }
    out.extend(from.map(|from| (from, end)));
    // A star marks the rows of grouped data.
    out.retain(|word| &text[word.0..word.1] != "*");
    (depth == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn the_columns_of_a_tibble_are_those_of_its_types() {
        let text = "# A tibble: 2 × 4\n     id full_name      salary `Date of birth`\n  <int> <chr>           <dbl> <date>         \n1     1 Maren Tolliver  54000 1944-05-14     \n2    20 Ivo Bracken     61000 NA             \n# ℹ 1 more variable: note <chr>\n";
        assert_eq!(found(text), ["1944-05-14", "Ivo Bracken", "Maren Tolliver"]);
        // The types alone show that the line above is a header.
        let text =
            "# A tibble: 2 × 2\n     id password \n  <dbl> <chr>    \n1     1 zebraduck\n2     2 tulipanx \n";
        assert_eq!(found(text), ["tulipanx", "zebraduck"]);
        let text = "# A tibble: 1 x 3\n# Groups:   plan [1]\n  plan  dob        phone      \n* <chr> <date>     <chr>      \n1 gold  1944-05-14 600 555 014\n";
        assert_eq!(found(text), ["1944-05-14", "600 555 014"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text = "# A tibble: 2 × 3\n  氏名      生年月日       n\n  <chr>     <date>     <dbl>\n1 山田 太郎 1944-05-14     4\n2 林 花     1987-11-02    12\n";
        assert_eq!(found(text), ["1944-05-14", "1987-11-02", "山田 太郎", "林 花"]);
    }

    #[test]
    fn the_values_of_a_data_table_end_below_their_headers() {
        let text = "             name        dob  password\n           <char>     <Date>    <char>\n1: Maren Tolliver 1944-05-14 zebraduck\n2:    Ivo Bracken 1987-11-02  tulipanx\n";
        let values = ["1944-05-14", "1987-11-02", "Ivo Bracken", "Maren Tolliver", "tulipanx", "zebraduck"];
        assert_eq!(found(text), values);
    }

    #[test]
    fn generics_in_code_are_not_types_of_columns() {
        for text in [
            "let phone\n<T> where\n600 555 014\n",
            "# A tibble: 1 × 2\n  name  n\n  <chr> <dbl>\n1 maren 4\n",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
