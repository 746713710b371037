//! Reads the expanded display of a database client, which prints a line `name | value` for each column of a row:
//! `-[ RECORD 1 ]-` of psql and `*** 1. row ***` of mysql.

/// Maximum length of a part of a record, in bytes, before the line at which reading begins.
const MAX_RECORD_BYTES: usize = 2048;
/// Maximum number of columns of a record.
const MAX_COLUMNS: usize = 400;

/// The rows of an expanded display, as spans.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub headers: Vec<(usize, usize)>,
    pub rows: Vec<Vec<(usize, usize)>>,
    pub end: usize,
}

/// Reads the records around the name `[from, to)` of a column. Returns `None` if the line is not one of a record.
pub(super) fn read(text: &str, from: usize, to: usize) -> Option<Expanded> {
    let separator = separator_after(&text[to..])?;
    let line_start = memchr::memrchr(b'\n', &text.as_bytes()[..from]).map_or(0, |n| n + 1);
    if from - line_start > MAX_RECORD_BYTES
        || !text[line_start..from].trim_matches([' ', '|', '│']).is_empty()
    {
        return None;
    }
    let near = text.floor_char_boundary(line_start.saturating_sub(MAX_RECORD_BYTES));
    let mark = if separator == ':' { ". row *" } else { "[ RECORD " };
    let mark = near + text[near..line_start].rfind(mark)?;
    let first = memchr::memrchr(b'\n', &text.as_bytes()[..mark]).map_or(0, |n| n + 1);
    let mut out = Expanded { end: first, ..Expanded::default() };
    let mut at = first;
    while at < text.len() {
        let line_end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |n| at + n);
        let line = &text[at..line_end];
        if is_mark(line) {
            out.rows.push(Vec::new());
        } else {
            let Some((name, value)) = line_cells(line, separator) else { break };
            let span = |part: &str| {
                let start = part.as_ptr() as usize - text.as_ptr() as usize;
                (start, start + part.len())
            };
            let (count, row) = (out.rows.len(), out.rows.last_mut()?);
            let known = out.headers.get(row.len()).map(|h| &text[h.0..h.1]);
            if known != Some(name) {
                if count > 1 || row.len() >= MAX_COLUMNS {
                    break;
                }
                out.headers.push(span(name));
            }
            row.push(span(value));
        }
        out.end = line_end;
        at = line_end + 1;
    }
    (out.end > from).then_some(out)
}

/// Returns the separator between the name of a column and its value, if it follows.
fn separator_after(rest: &str) -> Option<char> {
    let rest = rest.trim_start_matches(' ');
    rest.chars().next().filter(|c| matches!(c, '|' | '│' | ':'))
}

/// Whether a line is the heading of a record.
fn is_mark(line: &str) -> bool {
    line.starts_with(['-', '+', '─', '┌', '├', '╔', '╠']) && line.contains("[ RECORD ")
        || line.starts_with("***") && line.contains(". row *")
}

/// Splits a line of a record; `None` at the line after the last record.
fn line_cells(line: &str, separator: char) -> Option<(&str, &str)> {
    let line = line.trim_end_matches('\r');
    let line = match line.strip_prefix(['|', '│']) {
        Some(framed) => framed.trim_end().trim_end_matches(['|', '│']),
        None => line,
    };
    let (name, value) = line.split_once(separator)?;
    let name = name.trim();
    (!name.is_empty()).then(|| (name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, name: &str) -> Option<Vec<Vec<String>>> {
        let from = text.find(name)?;
        let read = read(text, from, from + name.len())?;
        let cells = |row: &Vec<(usize, usize)>| row.iter().map(|c| text[c.0..c.1].to_owned()).collect();
        Some(read.rows.iter().map(cells).collect())
    }

    #[test]
    fn the_records_of_psql_and_mysql_are_rows() {
        let rows = Some(vec![vec!["7".into(), "Ivo Quast".into()], vec!["8".into(), "Ada Lund".into()]]);
        for text in [
            "-[ RECORD 1 ]----\nid   | 7\nname | Ivo Quast\n-[ RECORD 2 ]----\nid   | 8\nname | Ada Lund\n",
            "┌─[ RECORD 1 ]──────┐\n│ id   │ 7         │\n│ name │ Ivo Quast │\n├─[ RECORD 2 ]──────┤\n│ id   │ 8         │\n│ name │ Ada Lund  │\n└──────┘\n",
            "*** 1. row ***\n  id: 7\nname: Ivo Quast\n*** 2. row ***\n  id: 8\nname: Ada Lund\n2 rows in set\n",
        ] {
            assert_eq!(values(text, "name"), rows, "{text}");
        }
    }

    #[test]
    fn a_line_outside_of_a_record_is_not_read() {
        for text in [
            "id   | 7\nname | Ivo Quast\n",
            "name: Ivo Quast\n",
            "-[ RECORD 1 ]--\nid | 7\n\n(1 row)\n\nname | kind\n",
        ] {
            assert_eq!(values(text, "name"), None, "{text}");
        }
    }
}
