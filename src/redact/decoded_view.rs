//! Decoded readings of a text, each with a map back to the bytes that it came from.
//!
//! A secret may be split by colour codes, escaped in JSON or encoded in base64. Each decoding makes a view; findings in
//! a view are mapped to the raw text through the chain of its parents.

use std::rc::Rc;

/// A run of bytes of a view and where it came from in the parent.
#[derive(Debug, Clone, Copy)]
struct Segment {
    view_start: usize,
    view_len: usize,
    parent_start: usize,
    parent_len: usize,
    /// Copied byte by byte, so that a part of the segment maps to a part of the parent. Otherwise only the whole maps.
    copied: bool,
    /// What was left out before this segment has to stay in the raw text: a line number, the frame of a delta. A span
    /// across it maps to separate pieces.
    separate: bool,
}

/// One reading of a text.
#[derive(Debug)]
pub(crate) struct DecodedView {
    pub text: String,
    segments: Vec<Segment>,
    parent: Option<Rc<DecodedView>>,
    /// Only line numbers were removed, so this view shows everything that the parent shows.
    pub covers_parent: bool,
    /// Noise was removed: colours, line numbers, diff prefixes, zero-width characters.
    pub cleaned: bool,
}

/// Builds a view of a parent from front to back.
pub(crate) struct ViewBuilder {
    pub text: String,
    segments: Vec<Segment>,
    /// The next segment is separate from the one before.
    pub separate: bool,
}

impl ViewBuilder {
    pub fn new(capacity: usize) -> Self {
        ViewBuilder { text: String::with_capacity(capacity), segments: Vec::new(), separate: false }
    }

    /// Copies `[from, to)` of the parent.
    pub fn copy(&mut self, parent: &str, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let len = to - from;
        if let Some(last) = self.segments.last_mut()
            && last.copied
            && !self.separate
            && last.parent_start + last.parent_len == from
        {
            last.view_len += len;
            last.parent_len += len;
        } else {
            self.segments.push(Segment {
                view_start: self.text.len(),
                view_len: len,
                parent_start: from,
                parent_len: len,
                copied: true,
                separate: self.separate,
            });
        }
        self.separate = false;
        self.text.push_str(&parent[from..to]);
    }

    /// Writes `text` for `[from, to)` of the parent.
    pub fn replace(&mut self, text: &str, from: usize, to: usize) {
        self.segments.push(Segment {
            view_start: self.text.len(),
            view_len: text.len(),
            parent_start: from,
            parent_len: to - from,
            copied: false,
            separate: self.separate,
        });
        self.separate = false;
        self.text.push_str(text);
    }

    pub fn finish(self, parent: &Rc<DecodedView>) -> Rc<DecodedView> {
        self.finish_cleaned(parent, false, false)
    }

    fn finish_cleaned(self, parent: &Rc<DecodedView>, covers_parent: bool, cleaned: bool) -> Rc<DecodedView> {
        let parent = Some(Rc::clone(parent));
        Rc::new(DecodedView { text: self.text, segments: self.segments, parent, covers_parent, cleaned })
    }
}

impl DecodedView {
    /// Makes the view that is the raw text itself.
    pub fn raw(text: &str) -> Rc<DecodedView> {
        Rc::new(DecodedView {
            text: text.to_owned(),
            segments: Vec::new(),
            parent: None,
            covers_parent: false,
            cleaned: false,
        })
    }

    /// Makes a view in which pieces of the parent are replaced; the pieces are sorted and do not overlap.
    pub fn replaced(parent: &Rc<DecodedView>, pieces: &[(usize, usize, String)]) -> Rc<DecodedView> {
        let mut out = ViewBuilder::new(parent.text.len());
        let mut at = 0;
        for (start, end, with) in pieces {
            out.copy(&parent.text, at, *start);
            out.replace(with, *start, *end);
            at = *end;
        }
        out.copy(&parent.text, at, parent.text.len());
        out.finish(parent)
    }

    /// Returns the pieces of the raw text that the span `[start, end)` of the view came from.
    pub fn to_raw(&self, start: usize, end: usize) -> Vec<(usize, usize)> {
        let Some(parent) = &self.parent else { return vec![(start, end)] };
        let mut pieces: Vec<(usize, usize)> = Vec::new();
        let first = self.segments.partition_point(|s| s.view_start + s.view_len <= start);
        for s in self.segments[first..].iter().take_while(|s| s.view_start < end) {
            let (from, to) = if s.copied {
                let before = start.saturating_sub(s.view_start);
                let until = end.min(s.view_start + s.view_len) - s.view_start;
                (s.parent_start + before, s.parent_start + until)
            } else {
                (s.parent_start, s.parent_start + s.parent_len)
            };
            // What was left out inside a value goes with it, such as the colour code in the middle of a token.
            match pieces.last_mut() {
                Some(last) if !s.separate && last.1 <= from => last.1 = to,
                _ => pieces.push((from, to)),
            }
        }
        let mut out: Vec<(usize, usize)> = Vec::new();
        for (from, to) in pieces {
            for (start, end) in parent.to_raw(from, to) {
                match out.last_mut() {
                    Some(last) if last.1 == start => last.1 = end,
                    _ => out.push((start, end)),
                }
            }
        }
        out
    }
}

/// Removes terminal colours, zero-width characters, line numbers and diff prefixes; `None` if there are none.
pub(crate) fn clean(parent: &Rc<DecodedView>) -> Option<Rc<DecodedView>> {
    let text = parent.text.as_str();
    let b = text.as_bytes();
    let noise = Noise::of(text);
    if noise.bare_returns {
        return Some(with_line_feeds(parent));
    }
    if !noise.in_lines() && !noise.line_numbers && !noise.diff {
        return None;
    }
    let mut out = ViewBuilder::new(text.len());
    let mut copied = 0;
    let mut i = 0;
    let mut line_start = true;
    while i < b.len() {
        if line_start {
            line_start = false;
            let end = noise.line_prefix_end(b, i);
            if end > i {
                out.copy(text, copied, i);
                out.separate = true;
                copied = end;
                i = end;
                continue;
            }
        }
        if !noise.in_lines() {
            i = memchr::memchr(b'\n', &b[i..]).map_or(b.len(), |n| i + n + 1);
            line_start = true;
            continue;
        }
        match noise.end_at(b, i) {
            Some(end) => {
                out.copy(text, copied, i);
                copied = end;
                i = end;
            }
            None => {
                line_start = b[i] == b'\n';
                i += 1;
            }
        }
    }
    out.copy(text, copied, b.len());
    // What reads as a line number may be the first column of a table, whose other rows then have one column more.
    let only_line_numbers = !noise.in_lines() && !noise.diff && !has_numbered_rows(b);
    (out.text.len() < text.len()).then(|| out.finish_cleaned(parent, only_line_numbers, true))
}

/// Returns a view in which every carriage return is a line feed.
fn with_line_feeds(parent: &Rc<DecodedView>) -> Rc<DecodedView> {
    let text = parent.text.as_str();
    let mut out = ViewBuilder::new(text.len());
    let mut at = 0;
    for end in memchr::memchr_iter(b'\r', text.as_bytes()) {
        out.copy(text, at, end);
        out.replace("\n", end, end + 1);
        at = end + 1;
    }
    out.copy(text, at, text.len());
    out.finish(parent)
}

/// The kinds of noise that a text contains.
#[derive(Debug, Clone, Copy)]
struct Noise {
    escapes: bool,
    zero_width: bool,
    line_numbers: bool,
    diff: bool,
    /// The lines end with a carriage return alone.
    bare_returns: bool,
}

impl Noise {
    fn of(text: &str) -> Noise {
        let b = text.as_bytes();
        Noise {
            escapes: memchr::memchr(0x1b, b).is_some(),
            zero_width: !text.is_ascii() && has_zero_width(b),
            line_numbers: has_line_numbers(b),
            diff: memchr::memmem::find(b, b"@@ ").is_some()
                || text.starts_with("diff --git")
                || text.starts_with("--- "),
            bare_returns: memchr::memchr2(b'\r', b'\n', b).is_some_and(|n| b[n] == b'\r')
                && memchr::memchr(b'\n', b).is_none(),
        }
    }

    /// Whether there is noise inside lines, as opposed to line prefixes.
    fn in_lines(&self) -> bool {
        self.escapes || self.zero_width
    }

    /// Returns the end of the line number and the diff prefix at the line start `i`; `i` if there are none.
    fn line_prefix_end(&self, b: &[u8], i: usize) -> usize {
        let end = if self.line_numbers { line_number_end(b, i).unwrap_or(i) } else { i };
        if !self.diff {
            return end;
        }
        let line = &b[end.min(b.len())..];
        let mark = matches!(line.first(), Some(b'+' | b'-'))
            && !line.starts_with(b"---")
            && !line.starts_with(b"+++");
        // `-----BEGIN` is the header of a key in a line that is kept; with six dashes its line was removed.
        end + usize::from(mark || line.starts_with(b"------"))
    }

    /// Returns the end of the escape sequence or zero-width character at `i`.
    fn end_at(&self, b: &[u8], i: usize) -> Option<usize> {
        match b[i] {
            0x1b if self.escapes => Some(escape_end(b, i)),
            0xc2 if self.zero_width && b[i..].starts_with("\u{ad}".as_bytes()) => Some(i + 2),
            0xe2 | 0xef
                if self.zero_width
                    && ["\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}", "\u{feff}"]
                        .iter()
                        .any(|z| b[i..].starts_with(z.as_bytes())) =>
            {
                Some(i + 3)
            }
            _ => None,
        }
    }
}

/// Whether the text contains a zero-width character, which can hide a value from a search.
fn has_zero_width(b: &[u8]) -> bool {
    memchr::memmem::find_iter(b, b"\xe2\x80").any(|i| matches!(b.get(i + 2), Some(0x8b..=0x8d)))
        || ["\u{2060}", "\u{feff}", "\u{ad}"].iter().any(|z| memchr::memmem::find(b, z.as_bytes()).is_some())
}

/// Returns the end of the terminal escape sequence at `i`; one that is cut off ends with the text.
fn escape_end(b: &[u8], i: usize) -> usize {
    let mut j = i + 1;
    match b.get(j) {
        // a control sequence such as `ESC [ 31 m`
        Some(b'[') => {
            j += 1;
            while j < b.len() && j - i < 32 && matches!(b[j], 0x20..=0x3f) {
                j += 1;
            }
            if b.get(j).is_some_and(|c| (0x40..=0x7e).contains(c)) { j + 1 } else { j }
        }
        // an operating system command such as a hyperlink, which ends with BEL or `ESC \`
        Some(b']') => {
            while j < b.len() && j - i < 256 && b[j] != 0x07 && b[j] != 0x1b && b[j] != b'\n' {
                j += 1;
            }
            if b.get(j) == Some(&0x07) {
                j + 1
            } else if b.get(j) == Some(&0x1b) && b.get(j + 1) == Some(&b'\\') {
                j + 2
            } else {
                j
            }
        }
        // a choice of the character set
        Some(b'(' | b')') if b.get(j + 1).is_some_and(u8::is_ascii) => j + 2,
        _ => j,
    }
}

/// Whether one of the first eight lines begins with a line number.
fn has_line_numbers(b: &[u8]) -> bool {
    let mut i = 0;
    for _ in 0..8 {
        if i >= b.len() {
            break;
        }
        if line_number_end(b, i).is_some() {
            return true;
        }
        match memchr::memchr(b'\n', &b[i..]) {
            Some(n) => i += n + 1,
            None => break,
        }
    }
    false
}

/// Whether the line numbers of the first eight lines could be the first column of a table: a bar or a bare tab follows them.
fn has_numbered_rows(b: &[u8]) -> bool {
    b.split(|c| *c == b'\n').take(8).any(|line| {
        line_number_end(line, 0).is_some_and(|end| {
            let prefix = &line[..end];
            prefix.ends_with(b"\t") && prefix[0] != b' '
                || prefix.ends_with(b"| ")
                || prefix.ends_with("│ ".as_bytes())
                || prefix.ends_with("│".as_bytes())
        })
    })
}

/// Returns the end of the line number at `i`: `   12→`, `  12<tab>`, `12 | `, `12│`.
fn line_number_end(b: &[u8], i: usize) -> Option<usize> {
    let run = |from: usize, most: usize, ok: fn(&u8) -> bool| {
        b[from..].iter().take(most).take_while(|c| ok(c)).count()
    };
    let digits = i + run(i, 10, |c| *c == b' ');
    let end = digits + run(digits, 7, u8::is_ascii_digit);
    if end == digits {
        return None;
    }
    ["→", "\t", " | ", " │ ", "| ", "│ ", "│"]
        .iter()
        .find(|mark| b[end..].starts_with(mark.as_bytes()))
        .map(|mark| end + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> Option<String> {
        clean(&DecodedView::raw(text)).map(|v| v.text.clone())
    }

    #[test]
    fn noise_is_removed_and_a_span_maps_back_to_the_raw_text() {
        let text = "a\u{1b}[31mse\u{200b}cret\u{1b}[0m b";
        let view = clean(&DecodedView::raw(text)).unwrap();
        assert_eq!(view.text, "asecret b");
        // The zero-width character inside the value belongs to its span; the colours around it do not.
        let pieces = view.to_raw(1, 7);
        assert_eq!(pieces.iter().map(|(s, e)| &text[*s..*e]).collect::<Vec<_>>(), ["se\u{200b}cret"]);
    }

    #[test]
    fn line_numbers_and_diff_marks_stay_outside_of_a_span() {
        let text = "  1→key: ab\n  2→cd\n";
        let view = clean(&DecodedView::raw(text)).unwrap();
        assert!(view.covers_parent && view.cleaned);
        assert_eq!(view.text, "key: ab\ncd\n");
        let pieces = view.to_raw(5, 10);
        assert_eq!(pieces.iter().map(|(s, e)| &text[*s..*e]).collect::<Vec<_>>(), ["ab\n", "cd"]);
        assert_eq!(cleaned("@@ -1 +1 @@\n+new\n-old\n same\n").unwrap(), "@@ -1 +1 @@\nnew\nold\n same\n");
    }

    #[test]
    fn the_header_of_a_key_in_a_diff_keeps_its_dashes() {
        let begin = ["-----BEGIN", " RSA"].concat();
        let text = format!("@@ -1 +1 @@\n{begin}\n+{begin}\n-{begin}\n");
        assert_eq!(cleaned(&text).unwrap(), format!("@@ -1 +1 @@\n{begin}\n{begin}\n{begin}\n"));
    }

    #[test]
    fn carriage_returns_alone_are_line_ends() {
        let view = clean(&DecodedView::raw("a,b\rc,dé\r")).unwrap();
        assert_eq!(view.text, "a,b\nc,dé\n");
        assert_eq!(view.to_raw(6, 9), [(6, 9)]);
        assert_eq!(cleaned("a,b\r\nc,d\r\n"), None);
    }

    #[test]
    fn a_text_without_noise_has_no_cleaned_view() {
        assert_eq!(cleaned("let x = 12;\nsecond line\n"), None);
    }
}
