//! Tables with aligned columns that fit the terminal.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::app::text::sanitize;

/// Spaces between columns.
const COLUMN_GAP: usize = 2;
/// A truncated column keeps at least this width.
const MIN_COLUMN_WIDTH: usize = 8;

/// How a column is aligned and shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    /// Left-aligned and truncated if the table is too wide.
    Truncate,
    /// Like [`Align::Truncate`], but keeps the label of a session key (`#…`).
    Key,
}

pub(super) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<(Vec<String>, Style)>,
}

impl Table {
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Table { columns: columns.iter().map(|(h, s)| ((*h).to_owned(), *s)).collect(), rows: Vec::new() }
    }

    /// Adds a row. Cells may contain untrusted text.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.styled_row(Style::new(), cells);
    }

    /// Adds a row in a style.
    pub fn styled_row<S: Into<String>>(&mut self, style: Style, cells: impl IntoIterator<Item = S>) {
        self.rows.push((cells.into_iter().map(|c| one_line(&c.into())).collect(), style));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Renders the table. Shrinks the widest columns that may be truncated until each line fits into `width` columns.
    pub fn render(&self, width: usize) -> String {
        let cells = |i: usize| self.rows.iter().filter_map(move |(row, _)| row.get(i)).map(|c| c.width());
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|i| cells(i).chain([self.columns[i].0.width()]).max().unwrap_or(0))
            .collect();
        let mut total: usize = widths.iter().sum::<usize>() + COLUMN_GAP * widths.len().saturating_sub(1);
        while total > width {
            let widest = (0..widths.len())
                .filter(|i| {
                    matches!(self.columns[*i].1, Align::Truncate | Align::Key)
                        && widths[*i] > MIN_COLUMN_WIDTH
                })
                .max_by_key(|i| widths[*i]);
            let Some(i) = widest else { break };
            widths[i] -= 1;
            total -= 1;
        }
        let mut out = String::new();
        let heads: Vec<String> = self.columns.iter().map(|(h, _)| h.clone()).collect();
        if heads.iter().any(|h| !h.is_empty()) {
            self.line(&mut out, &heads, &widths, Style::new().bold());
        }
        for (row, style) in &self.rows {
            self.line(&mut out, row, &widths, *style);
        }
        out
    }

    fn line(&self, out: &mut String, cells: &[String], widths: &[usize], style: Style) {
        let mut line = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let label = cell.rfind('#').filter(|_| self.columns[i].1 == Align::Key && cell.width() > *width);
            let label = label.map_or("", |at| &cell[at..]);
            let cell = match width.checked_sub(label.width()).filter(|_| !label.is_empty()) {
                Some(room) if room > 1 => truncate(cell, room) + label,
                _ => truncate(cell, *width),
            };
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            if i > 0 {
                line.push_str(&" ".repeat(COLUMN_GAP));
            }
            match self.columns[i].1 {
                Align::Right => line.push_str(&(pad + &cell)),
                Align::Left | Align::Truncate | Align::Key => line.push_str(&(cell + &pad)),
            }
        }
        out.push_str(&format!("{style}{}{style:#}\n", line.trim_end()));
    }
}

/// Sanitizes text and joins its lines with single spaces.
pub(super) fn one_line(text: &str) -> String {
    sanitize(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Shortens text to `width` columns. Ends it with an ellipsis if something is missing.
pub(super) fn truncate(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_key_keeps_its_label() {
        let mut t = Table::new(&[("session", Align::Key), ("n", Align::Right)]);
        t.row(["claude:b9148785-c762#compaction", "1"]);
        t.row(["claude:b9148785-c762-c762", "2"]);
        let plain = anstream::adapter::strip_str(&t.render(25)).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines[1], "claude:b91…#compaction  1");
        assert_eq!(lines[2], "claude:b9148785-c762-…  2");
        let narrow = anstream::adapter::strip_str(&t.render(9)).to_string();
        assert!(narrow.lines().nth(1).unwrap().starts_with("claude:…"), "{narrow}");
    }

    #[test]
    fn columns_are_aligned_and_long_ones_are_truncated() {
        let mut t = Table::new(&[("key", Align::Left), ("n", Align::Right), ("title", Align::Truncate)]);
        t.row(["a", "7", "a title that is far too long for the line"]);
        t.row(["bcd", "1,234", "東京\u{1b}[31m tower\nwith a second line"]);
        let plain = anstream::adapter::strip_str(&t.render(30)).to_string();
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines[0], "key      n  title");
        assert_eq!(lines[1], "a        7  a title that is f…");
        assert!(lines.iter().all(|l| l.width() <= 30), "{plain}");
        assert!(lines[2].starts_with("bcd  1,234  東京\\u{1b}[31m"), "{plain}");
        assert_eq!(lines.len(), 3);
    }
}
