//! Tables with aligned columns that fit the terminal.
//!
//! If a table is too wide, optional columns are dropped and the others are shortened. [`Column::rank`] decides which
//! column people recognize a row by: that column gets its width first.

use anstyle::Style;
use unicode_width::UnicodeWidthChar;

pub(super) use crate::app::text::one_line;

/// Number of spaces between columns.
const COLUMN_GAP: usize = 2;

/// The part of a cell that is left out if the cell is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The cell is never shortened.
    Never,
    End,
    /// Keeps the beginning and the end, which tell names such as model ids apart.
    Middle,
    /// Keeps the end: the last directories of a path.
    Start,
    /// Keeps whole words, which are separated by spaces.
    Words,
    /// Shows the short form of the cell.
    ShortForm,
}

/// A column, and how it gives way if the table is too wide.
#[derive(Debug, Clone)]
pub(super) struct Column {
    header: String,
    is_right: bool,
    cut: Cut,
    /// The cell is not shortened below this width.
    min: usize,
    /// The column gets this width before columns of a lower rank get theirs.
    want: usize,
    /// Eighths of the table that the column wants, if that is more than `want`.
    want_eighths: usize,
    /// Columns of a higher rank get their width first, and are dropped last.
    rank: u8,
    is_optional: bool,
}

impl Column {
    /// Makes a left-aligned column that is never shortened.
    pub fn left(header: impl Into<String>) -> Self {
        Column {
            header: header.into(),
            is_right: false,
            cut: Cut::Never,
            min: usize::MAX,
            want: usize::MAX,
            want_eighths: 0,
            rank: 0,
            is_optional: false,
        }
    }

    /// Makes a right-aligned column, for numbers.
    pub fn right(header: impl Into<String>) -> Self {
        Column { is_right: true, ..Column::left(header) }
    }

    fn cut(self, cut: Cut, min: usize) -> Self {
        Column { cut, min, ..self }
    }

    /// Shortens cells at their end, down to `min` columns.
    pub fn cut_end(self, min: usize) -> Self {
        self.cut(Cut::End, min)
    }

    /// Shortens cells in the middle, down to `min` columns, or more if two cells would look the same.
    pub fn cut_middle(self, min: usize) -> Self {
        self.cut(Cut::Middle, min)
    }

    /// Shortens cells at their beginning, down to `min` columns.
    pub fn cut_start(self, min: usize) -> Self {
        self.cut(Cut::Start, min)
    }

    /// Leaves out the last words of cells, down to `min` columns.
    pub fn cut_words(self, min: usize) -> Self {
        self.cut(Cut::Words, min)
    }

    /// Shows the short forms of all cells if the table is too wide; see [`Cell::short`].
    pub fn short_form(self) -> Self {
        self.cut(Cut::ShortForm, 0)
    }

    /// Gives the column at most this width until the other columns have theirs.
    pub fn want(self, want: usize) -> Self {
        Column { want, ..self }
    }

    /// Raises what [`Column::want`] gives to this part of the width of the table, so that a wide terminal shows more of the
    /// column before it shows more columns.
    pub fn want_eighths(self, want_eighths: usize) -> Self {
        Column { want_eighths, ..self }
    }

    fn wanted(&self, table_width: usize) -> usize {
        self.want.max(table_width / 8 * self.want_eighths)
    }

    pub fn rank(self, rank: u8) -> Self {
        Column { rank, ..self }
    }

    /// Drops the column if the table is too wide.
    pub fn optional(self) -> Self {
        Column { is_optional: true, ..self }
    }
}

/// The text of a cell, on one line and without control characters.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    text: String,
    short: Option<String>,
    style: Style,
}

impl Cell {
    /// Makes a cell of text, which may be untrusted.
    pub fn new(text: impl AsRef<str>) -> Self {
        Cell { text: one_line(text.as_ref()), ..Cell::default() }
    }

    /// Sets a shorter form of the cell.
    pub fn short(self, text: impl AsRef<str>) -> Self {
        Cell { short: Some(one_line(text.as_ref())), ..self }
    }

    pub fn styled(self, style: Style) -> Self {
        Cell { style, ..self }
    }

    fn short_text(&self) -> &str {
        self.short.as_deref().unwrap_or(&self.text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::new(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::new(text)
    }
}

pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<(Vec<Cell>, Style)>,
}

impl Table {
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.styled_row(Style::new(), cells);
    }

    /// Adds a row in a style. Cells with a style of their own keep it.
    pub fn styled_row<C: Into<Cell>>(&mut self, style: Style, cells: impl IntoIterator<Item = C>) {
        self.rows.push((cells.into_iter().map(Into::into).collect(), style));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Renders the table in at most `width` columns, if the cells that are never shortened fit.
    pub fn render(&self, width: usize) -> String {
        let widths = self.widths(width);
        let mut out = String::new();
        if self.columns.iter().any(|c| !c.header.is_empty()) {
            let header: Vec<Cell> = self.columns.iter().map(|c| Cell::new(&c.header)).collect();
            self.line(&mut out, &header, &widths, Style::new().bold());
        }
        for (row, style) in &self.rows {
            self.line(&mut out, row, &widths, *style);
        }
        out
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &Cell> {
        self.rows.iter().filter_map(move |(row, _)| row.get(column))
    }

    /// Returns the width of each column. `None` for a dropped column.
    fn widths(&self, width: usize) -> Vec<Option<usize>> {
        let natural: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                self.cells(i)
                    .map(|c| text_width(&c.text))
                    .chain([text_width(&self.columns[i].header)])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let total = |widths: &[Option<usize>]| {
            let shown: Vec<usize> = widths.iter().flatten().copied().collect();
            shown.iter().sum::<usize>() + COLUMN_GAP * shown.len().saturating_sub(1)
        };
        // A column without any value says nothing.
        let has_values = |i: usize| self.rows.is_empty() || self.cells(i).any(|c| !c.text.is_empty());
        let mut widths: Vec<Option<usize>> =
            natural.iter().enumerate().map(|(i, w)| has_values(i).then_some(*w)).collect();
        if total(&widths) <= width {
            return widths;
        }
        for (i, column) in self.columns.iter().enumerate() {
            widths[i] = widths[i].map(|_| self.min_width(i, natural[i], column));
        }
        // A column is shown only if those of a higher rank have the width that they want. Otherwise the title would become
        // narrower on a wider terminal, where one more column fits.
        let wanted = |i: usize, now: usize| match self.columns[i].want {
            usize::MAX => now,
            _ => now.max(natural[i].min(self.columns[i].wanted(width))),
        };
        let mut some_dropped = false;
        loop {
            let droppable = |i: &usize| widths[*i].is_some() && self.columns[*i].is_optional;
            let Some(i) = (0..widths.len()).filter(droppable).min_by_key(|i| self.columns[*i].rank) else {
                break;
            };
            let above = |k: usize| self.columns[k].rank > self.columns[i].rank;
            let with_wanted = widths.iter().enumerate();
            let with_wanted: Vec<Option<usize>> =
                with_wanted.map(|(k, w)| w.map(|w| if above(k) { wanted(k, w) } else { w })).collect();
            if total(&with_wanted) <= width {
                break;
            }
            widths[i] = None;
            some_dropped = true;
        }
        let mut by_rank: Vec<usize> = (0..widths.len()).filter(|i| widths[*i].is_some()).collect();
        by_rank.sort_by_key(|i| std::cmp::Reverse(self.columns[*i].rank));
        let grow = |widths: &mut Vec<Option<usize>>, i: usize, to: usize| {
            let spare = width.saturating_sub(total(widths));
            let Some(now) = widths[i] else { return };
            let to = match self.columns[i].cut {
                // Half of the way from the short to the long form shows nothing more.
                Cut::ShortForm if to.saturating_sub(now) > spare => now,
                // Part of a word is not shown, so that only whole words need room.
                Cut::Words => {
                    let room = to.min(now + spare);
                    self.cells(i).map(|c| text_width(&truncate_words(&c.text, room))).max().unwrap_or(0)
                }
                _ => to.min(now + spare),
            };
            widths[i] = Some(to.max(now));
        };
        for i in &by_rank {
            grow(&mut widths, *i, natural[*i].min(self.columns[*i].wanted(width)));
        }
        for i in by_rank.iter().filter(|i| !some_dropped || self.columns[**i].want == usize::MAX) {
            grow(&mut widths, *i, natural[*i]);
        }
        // On a very narrow terminal, columns shrink below their minimum.
        while total(&widths) > width {
            let can_shrink = |i: &usize| !matches!(self.columns[*i].cut, Cut::Never | Cut::ShortForm);
            let widest = (0..widths.len())
                .filter(can_shrink)
                .filter(|i| widths[*i] > Some(1))
                .max_by_key(|i| widths[*i]);
            let Some(i) = widest else { break };
            widths[i] = widths[i].map(|w| w - 1);
        }
        widths
    }

    /// Returns the smallest width of a column that tells its cells apart.
    fn min_width(&self, i: usize, natural: usize, column: &Column) -> usize {
        let header = text_width(&column.header);
        match column.cut {
            Cut::Never => natural,
            Cut::ShortForm => {
                self.cells(i).map(|c| text_width(c.short_text())).chain([header]).max().unwrap_or(0)
            }
            Cut::Middle => {
                let mut distinct: Vec<&str> = self.cells(i).map(|c| c.text.as_str()).collect();
                distinct.sort_unstable();
                distinct.dedup();
                let is_distinct = |width: &usize| {
                    let mut cut: Vec<String> = distinct.iter().map(|t| truncate_middle(t, *width)).collect();
                    cut.sort_unstable();
                    cut.windows(2).all(|pair| pair[0] != pair[1])
                };
                (column.min.max(header)..natural).find(is_distinct).unwrap_or(natural)
            }
            Cut::End | Cut::Start | Cut::Words => column.min.max(header).min(natural),
        }
    }

    fn line(&self, out: &mut String, cells: &[Cell], widths: &[Option<usize>], row: Style) {
        let mut line = String::new();
        // Spaces are only written before the next text, so that no line ends with them.
        let mut gap = 0;
        let shown = cells.iter().zip(widths).zip(&self.columns);
        for ((cell, width), column) in shown {
            let Some(width) = *width else { continue };
            let text = match column.cut {
                Cut::ShortForm if text_width(&cell.text) > width => cell.short_text().to_owned(),
                Cut::Never | Cut::ShortForm => cell.text.clone(),
                Cut::End => truncate(&cell.text, width),
                Cut::Middle => truncate_middle(&cell.text, width),
                Cut::Start => truncate_start(&cell.text, width),
                Cut::Words => truncate_words(&cell.text, width),
            };
            let pad = width.saturating_sub(text_width(&text));
            let (before, after) = if column.is_right { (pad, 0) } else { (0, pad) };
            if !text.is_empty() {
                let style = if cell.style == Style::new() { row } else { cell.style };
                line.push_str(&" ".repeat(gap + before));
                line.push_str(&format!("{style}{text}{style:#}"));
                gap = after;
            } else {
                gap += width;
            }
            gap += COLUMN_GAP;
        }
        out.push_str(&line);
        out.push('\n');
    }
}

/// Returns the columns that text takes on a terminal. Terminals disagree about joined emoji, so each character counts by
/// itself.
pub(super) fn text_width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Returns the longest beginning of `chars` that fits in `width` columns.
fn prefix(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

/// Shortens text to `width` columns. Ends it with an ellipsis if something is missing.
pub(super) fn truncate(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let kept: String = prefix(text.chars(), width.saturating_sub(1)).iter().collect();
    format!("{}…", kept.trim_end())
}

/// Shortens text to `width` columns and keeps its end.
fn truncate_start(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let kept: String = prefix(text.chars().rev(), width.saturating_sub(1)).iter().rev().collect();
    format!("…{kept}")
}

/// Shortens text to `width` columns and keeps its beginning and its end.
fn truncate_middle(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let end: String = prefix(text.chars().rev(), room / 2).iter().rev().collect();
    let start: String = prefix(text.chars(), room - room / 2).iter().collect();
    format!("{start}…{end}")
}

/// Leaves out the last words of text until it fits in `width` columns.
fn truncate_words(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for word in text.split(' ') {
        // Two columns for the space and the ellipsis.
        if text_width(&out) + text_width(word) + 2 > width {
            break;
        }
        out.push_str(word);
        out.push(' ');
    }
    if out.is_empty() { truncate(text, width) } else { out + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &Table, width: usize) -> Vec<String> {
        let text = anstream::adapter::strip_str(&table.render(width)).to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_aligned_and_long_ones_are_truncated() {
        let mut t = Table::new([Column::left("key"), Column::right("n"), Column::left("title").cut_end(8)]);
        t.row(["a", "7", "a title that is far too long for the line"]);
        t.row(["bcd", "1,234", "東京\u{1b}[31m tower\nwith a second line"]);
        let lines = plain(&t, 30);
        assert_eq!(lines[0], "key      n  title");
        assert_eq!(lines[1], "a        7  a title that is f…");
        assert!(lines.iter().all(|l| text_width(l) <= 30), "{lines:?}");
        assert!(lines[2].starts_with("bcd  1,234  東京\\u{1b}[31m"), "{lines:?}");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_column_of_words_takes_no_room_that_it_leaves_empty() {
        let mut t = Table::new([
            Column::left("agents").cut_words(6).rank(2),
            Column::left("path").cut_start(6).optional().rank(1),
        ]);
        t.row(["claude, a-very-long-agent-name", "/home/ada/work/ledger-api"]);
        assert_eq!(plain(&t, 36), ["agents     path", "claude, …  /home/ada/work/ledger-api"]);
    }

    #[test]
    fn the_column_of_the_highest_rank_gets_its_width_first() {
        let columns = || {
            [
                Column::left("session"),
                Column::left("project").cut_end(8).rank(2).want(16),
                Column::right("tools").optional().rank(0),
                Column::left("badges").cut_words(8).optional().rank(1),
                Column::left("title").cut_end(20).rank(3),
            ]
        };
        let mut t = Table::new(columns());
        let title = "rework the export so that totals are rounded only once";
        t.row([
            "claude:01a1f9bd",
            "quarterly-forecast-service",
            "3 (3 failed)",
            "completed commands:41 names:3",
            title,
        ]);
        for width in 30..200 {
            let lines = plain(&t, width);
            assert!(lines.iter().all(|l| text_width(l) <= width || width < 46), "{width}: {lines:?}");
            if width >= 47 {
                assert!(lines[1].contains("rework the export s"), "{width}: {lines:?}");
            }
        }
        let narrow = plain(&t, 60);
        assert!(!narrow[0].contains("tools") && narrow[0].contains("project"), "{narrow:?}");
        let wide = plain(&t, 200);
        assert!(wide[1].contains("3 (3 failed)") && wide[1].contains("names:3"), "{wide:?}");
        let middle = plain(&t, 125);
        assert!(middle[1].contains("completed …"), "badges end after a whole word: {middle:?}");
        // Wide characters and emoji never make a row too long.
        let mut t = Table::new(columns());
        t.row([
            "claude:1",
            "東京プロジェクト",
            "1",
            "✅",
            "👩‍👩‍👧 👍🏽 東京タワーを直してください、急いでいます 🇯🇵 quickly please",
        ]);
        for width in 40..120 {
            assert!(plain(&t, width).iter().all(|l| text_width(l) <= width), "{width}");
        }
    }

    #[test]
    fn no_column_becomes_narrower_on_a_wider_terminal() {
        let mut t = Table::new([
            Column::left("session").rank(9),
            Column::left("project").cut_middle(7).want(20).optional().rank(5),
            Column::right("cache read").optional().rank(1),
            Column::right("requests").optional().rank(6),
            Column::left("title").cut_end(16).want(40).rank(8),
        ]);
        let title = "rework the export so that totals are rounded only once, and say where it was done";
        t.row(["claude:01a1f9bd", "quarterly-forecast-service", "12,345,678", "1,234", title]);
        let mut last = (0, 0);
        for width in 40..160 {
            let widths = t.widths(width);
            let now = (widths[1].unwrap_or(0), widths[4].unwrap());
            assert!(now.0 >= last.0 && now.1 >= last.1, "{width}: {now:?} after {last:?}");
            last = now;
        }
        assert_eq!(last.1, text_width(title));
    }

    #[test]
    fn a_wide_terminal_shows_more_of_the_title_before_it_shows_more_columns() {
        let mut t = Table::new([
            Column::left("session"),
            Column::left("title").cut_end(16).want(40).want_eighths(3).rank(8),
            Column::right("input").optional().rank(1),
        ]);
        let title = "rework the export so that totals are rounded only once";
        t.row(["claude:01a1f9bd", title, &"9".repeat(95)]);
        assert!(!plain(&t, 160)[1].contains('…'), "{:?}", plain(&t, 160));
        assert!(plain(&t, 160)[1].contains(title) && plain(&t, 170)[1].contains(&"9".repeat(95)));
    }

    #[test]
    fn names_that_differ_in_one_part_stay_different() {
        let mut t = Table::new([Column::left("model").cut_middle(12), Column::right("cost")]);
        let models = [
            "claude-opus-4-7-20260416",
            "claude-opus-4-6-20260205",
            "claude-opus-4-5-20251101",
            "claude-opus-4-8",
        ];
        models.iter().for_each(|m| t.row([*m, "$1.00"]));
        for width in 25..40 {
            let mut names: Vec<String> = plain(&t, width)[1..]
                .iter()
                .map(|l| l.split_whitespace().next().unwrap().to_owned())
                .collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 4, "{width}: {names:?}");
        }
        assert_eq!(truncate_middle("claude-opus-4-7-20260416", 15), "claude-…0260416");
        assert_eq!(truncate_start("/home/ada/work/shop", 10), "…work/shop");
    }

    #[test]
    fn a_column_without_values_is_left_out() {
        let mut t = Table::new([Column::left("model"), Column::left("since"), Column::right("cost")]);
        t.row(["gpt-5.1", "", "$1.00"]);
        assert_eq!(plain(&t, 80), ["model     cost", "gpt-5.1  $1.00"]);
    }

    #[test]
    fn a_short_form_replaces_the_whole_column() {
        let mut t = Table::new([
            Column::left("started").short_form().rank(0),
            Column::left("title").cut_end(20).rank(1),
        ]);
        t.row([Cell::new("2026-11-20 16:29").short("11-20 16:29"), Cell::new("a title of some length here")]);
        assert!(plain(&t, 50)[1].starts_with("2026-11-20 16:29"));
        assert!(plain(&t, 40)[1].starts_with("11-20 16:29"));
    }
}
