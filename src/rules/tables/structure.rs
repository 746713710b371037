//! The structure of a data frame as R prints it, with a line for each column: ` $ dob : chr  "1944-05-14" "1987-11-02"` of
//! `str` and `$ dob <chr> "1944-05-14", "1987-11-02"` of `glimpse`.

use super::columns::{Cell, Table};
use super::lines::{line_at, next_line, string_end};
use super::{ColumnRules, MAX_HEADER_BYTES, Reader};

/// Maximum number of columns of a data frame.
const MAX_COLUMNS: usize = 400;
/// Maximum number of values that a line shows.
const MAX_VALUES: usize = 200;

impl<R: ColumnRules> Reader<'_, R> {
    /// Reads the structure in whose line the name at `from` is the first word.
    pub(super) fn structure(&mut self, from: usize) -> Option<Table> {
        let (text, b) = (self.text, self.text.as_bytes());
        let mark = from - b[..from].iter().rev().take(2).take_while(|c| matches!(c, b' ' | b'`')).count();
        if mark == 0 || b[mark - 1] != b'$' || from < self.state.cursors.structure_end {
            return None;
        }
        let line = self.header_line(from)?;
        self.column_line(line)?;
        let mut first = line.0;
        for _ in 0..MAX_COLUMNS {
            // Lines that were already read do not belong to this structure.
            if first <= self.state.cursors.structure_end {
                break;
            }
            let above = memchr::memrchr(b'\n', &b[..first - 1]).map_or(0, |n| n + 1);
            if self.column_line(line_at(text, above)).is_none() {
                break;
            }
            first = above;
        }
        let (mut headers, mut values): (Vec<Cell>, Vec<Vec<Cell>>) = (Vec::new(), Vec::new());
        let (mut at, mut end) = (first, first);
        while at < text.len() && headers.len() < MAX_COLUMNS {
            let row = line_at(text, at);
            let Some((name, cells)) = self.column_line(row) else { break };
            headers.push(name);
            values.push(cells);
            end = row.1;
            at = next_line(text, row.1);
        }
        self.state.cursors.structure_end = end.max(from);
        self.state.bytes += end - first;
        let rules = self.headers(&headers)?;
        let mut columns = self.columns(&headers, &rules, true);
        let rows = values.iter().map(Vec::len).max().unwrap_or(0);
        for row in 0..rows {
            if !columns.add_row(|n| values.get(n)?.get(row).copied()) {
                break;
            }
        }
        let table = columns.finish(end);
        (!table.cells.is_empty()).then_some(table)
    }

    /// Reads the line of a column: its name and its first values.
    fn column_line(&mut self, line: Cell) -> Option<(Cell, Vec<Cell>)> {
        let (text, b) = (self.text, self.text.as_bytes());
        if line.1 - line.0 > MAX_HEADER_BYTES {
            return None;
        }
        let body = text[line.0..line.1].trim_start_matches([' ', '.']).strip_prefix("$ ")?;
        self.state.bytes += line.1 - line.0;
        let start = line.1 - body.len();
        let name_end = match body.strip_prefix('`') {
            Some(quoted) => 2 + quoted.find('`')?,
            None => body.find([' ', ':', '<'])?,
        };
        let name = self.content((start, start + name_end));
        let rest = body[name_end..].trim_start();
        let values = match rest.strip_prefix(':') {
            // str: the type ends at the first value, or is a word such as `chr`.
            Some(typed) => {
                let typed = typed.trim_start();
                let kind = typed.find(' ').unwrap_or(typed.len());
                let after = typed[kind..].trim_start();
                // `Date[1:2], format: "1944-05-14" …`, `chr [1:2] "a" "b"`
                let after = after
                    .strip_prefix("format:")
                    .or_else(|| after.strip_prefix("[").and_then(|a| Some(a.split_once(']')?.1)))
                    .unwrap_or(after);
                after.trim_start()
            }
            None => rest.strip_prefix('<')?.split_once('>')?.1.trim_start(),
        };
        let mut at = line.1 - values.len();
        let mut cells = Vec::new();
        while at < line.1 && cells.len() < MAX_VALUES {
            match b[at] {
                b' ' | b',' => at += 1,
                b'"' => {
                    let Some(end) = string_end(b, at, line.1) else { break };
                    cells.push((at + 1, end));
                    at = end + 1;
                }
                _ => {
                    let word = text[at..line.1].find([' ', ',']).map_or(line.1, |n| at + n);
                    let is_cut = text[at..word].starts_with(['…', '|', '_']) || &text[at..word] == "...";
                    if !is_cut {
                        cells.push((at, word));
                    }
                    at = word.max(at + 1);
                }
            }
        }
        Some((name, cells))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn the_lines_of_a_structure_are_columns() {
        let values = ["1944-05-14", "1987-11-02", "Ivo Bracken", "Maren Tolliver", "tulipanx", "zebraduck"];
        for text in [
            "Rows: 2\nColumns: 4\n$ n        <int> 1, 2\n$ name     <chr> \"Maren Tolliver\", \"Ivo Bracken\"\n$ dob      <date> 1944-05-14, 1987-11-02\n$ password <chr> \"zebraduck\", \"tulipanx\"\n",
            "'data.frame':\t2 obs. of  3 variables:\n $ name    : chr  \"Maren Tolliver\" \"Ivo Bracken\"\n $ dob     : Date, format: \"1944-05-14\" \"1987-11-02\"\n $ password: chr  \"zebraduck\" \"tulipanx\"\n",
            "tibble [2 × 3] (S3: tbl_df/tbl/data.frame)\n $ name    : chr [1:2] \"Maren Tolliver\" \"Ivo Bracken\"\n $ dob     : Date[1:2], format: \"1944-05-14\" \"1987-11-02\"\n $ password: chr [1:2] \"zebraduck\" \"tulipanx\"\n",
            "$ `Full name` <chr> \"Maren Tolliver\", \"Ivo Bracken\", …\n$ dob <chr> \"1944-05-14\", \"1987-11-02\", \"…\n$ Password <chr> \"zebraduck\", \"tulipanx\", …\n",
        ] {
            assert_eq!(found(text), values, "{text}");
        }
    }

    #[test]
    fn commands_and_other_columns_are_not_a_structure() {
        for text in [
            "$ password \"zebraduck\"\n",
            "$ name    <chr> \"tidyr\", \"dplyr\"\n$ version <chr> \"1.3.0\", \"1.1.0\"\n",
            " $ password: chr  \"\" NA\n $ phone: chr  NA NA\n",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
