//! Decoded readings of a text, each with a map back to the bytes it came from.

use std::rc::Rc;

/// A stretch of a view and where it stands in the parent.
#[derive(Debug, Clone, Copy)]
struct Seg {
    /// Start in the view.
    v: usize,
    /// Length in the view.
    vl: usize,
    /// Start in the parent.
    p: usize,
    /// Length in the parent.
    pl: usize,
    /// Copied byte by byte, so that parts of it map to parts.
    copy: bool,
    /// What was left out before it must stay in the text: line prefixes, the frame of a delta.
    hard: bool,
}

/// A reading of a text.
#[derive(Debug)]
pub(crate) struct DecodedView {
    pub text: String,
    segs: Vec<Seg>,
    parent: Option<Rc<DecodedView>>,
    /// Only line numbers were taken away: whatever the parent shows, this shows too.
    pub covers: bool,
    /// What is not text was taken away: colours, line numbers, diff marks, zero-width characters.
    pub cleaned: bool,
}

/// Builds a child view.
pub(crate) struct Builder {
    pub text: String,
    segs: Vec<Seg>,
    /// What is put next stands apart from what was put before.
    pub hard: bool,
}

impl Builder {
    pub fn new(capacity: usize) -> Self {
        Builder { text: String::with_capacity(capacity), segs: Vec::new(), hard: false }
    }

    pub fn copy(&mut self, parent: &str, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let v = self.text.len();
        if let Some(last) = self.segs.last_mut()
            && last.copy
            && !self.hard
            && last.p + last.pl == from
        {
            last.vl += to - from;
            last.pl += to - from;
        } else {
            self.segs.push(Seg { v, vl: to - from, p: from, pl: to - from, copy: true, hard: self.hard });
        }
        self.hard = false;
        self.text.push_str(&parent[from..to]);
    }

    pub fn put(&mut self, text: &str, from: usize, to: usize) {
        self.segs.push(Seg {
            v: self.text.len(),
            vl: text.len(),
            p: from,
            pl: to - from,
            copy: false,
            hard: self.hard,
        });
        self.hard = false;
        self.text.push_str(text);
    }

    pub fn done(self, parent: &Rc<DecodedView>) -> Rc<DecodedView> {
        self.view(parent, false, false)
    }

    pub fn view(self, parent: &Rc<DecodedView>, covers: bool, cleaned: bool) -> Rc<DecodedView> {
        Rc::new(DecodedView {
            text: self.text,
            segs: self.segs,
            parent: Some(Rc::clone(parent)),
            covers,
            cleaned,
        })
    }
}

impl DecodedView {
    pub fn raw(text: &str) -> Rc<DecodedView> {
        Rc::new(DecodedView {
            text: text.to_owned(),
            segs: Vec::new(),
            parent: None,
            covers: false,
            cleaned: false,
        })
    }

    /// A reading in which pieces of the parent were replaced; `pieces` are sorted and apart.
    pub fn replaced(parent: &Rc<DecodedView>, pieces: &[(usize, usize, String)]) -> Rc<DecodedView> {
        let mut b = Builder::new(parent.text.len());
        let mut at = 0;
        for (s, e, with) in pieces {
            b.copy(&parent.text, at, *s);
            b.put(with, *s, *e);
            at = *e;
        }
        b.copy(&parent.text, at, parent.text.len());
        b.done(parent)
    }

    /// The pieces of the raw text that a span of the view came from.
    pub fn to_raw(&self, start: usize, end: usize) -> Vec<(usize, usize)> {
        let Some(parent) = &self.parent else { return vec![(start, end)] };
        let mut pieces: Vec<(usize, usize)> = Vec::new();
        let first = self.segs.partition_point(|s| s.v + s.vl <= start);
        for seg in self.segs[first..].iter().take_while(|s| s.v < end) {
            let (p, q) = if seg.copy {
                (seg.p + start.saturating_sub(seg.v), seg.p + (end.min(seg.v + seg.vl) - seg.v))
            } else {
                (seg.p, seg.p + seg.pl)
            };
            match pieces.last_mut() {
                Some(last) if !seg.hard && last.1 <= p => last.1 = q,
                _ => pieces.push((p, q)),
            }
        }
        let mut out: Vec<(usize, usize)> = Vec::new();
        for (p, q) in pieces {
            for (s, e) in parent.to_raw(p, q) {
                match out.last_mut() {
                    Some(last) if last.1 == s => last.1 = e,
                    _ => out.push((s, e)),
                }
            }
        }
        out
    }
}

/// Terminal colours, zero-width characters, line numbers and diff marks taken away; none if there were none.
pub(crate) fn clean(parent: &Rc<DecodedView>) -> Option<Rc<DecodedView>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    let esc = memchr::memchr(0x1b, b).is_some();
    let zero = !t.is_ascii() && zero_width(b);
    let numbered = numbered(b);
    let diff =
        memchr::memmem::find(b, b"@@ ").is_some() || t.starts_with("diff --git") || t.starts_with("--- ");
    if !esc && !zero && !numbered && !diff {
        return None;
    }
    let mut out = Builder::new(t.len());
    let mut at = 0;
    let mut i = 0;
    let mut line = true;
    while i < b.len() {
        if line {
            line = false;
            let mut j = i;
            if numbered && let Some(e) = line_number(b, i) {
                j = e;
            }
            if diff
                && j < b.len()
                && matches!(b[j], b'+' | b'-')
                && !b[j..].starts_with(b"---")
                && !b[j..].starts_with(b"+++")
            {
                j += 1;
            } else if diff && b[j.min(b.len())..].starts_with(b"-----BEGIN") {
                // a header of a key, not a removed line
            } else if diff
                && (b[j.min(b.len())..].starts_with(b"+-----") || b[j.min(b.len())..].starts_with(b"------"))
            {
                j += 1;
            }
            if j > i {
                out.copy(t, at, i);
                out.hard = true;
                at = j;
                i = j;
                continue;
            }
        }
        if !esc && !zero {
            i = memchr::memchr(b'\n', &b[i..]).map_or(b.len(), |n| i + n + 1);
            line = true;
            continue;
        }
        match b[i] {
            b'\n' => {
                line = true;
                i += 1;
            }
            0x1b if esc => {
                out.copy(t, at, i);
                i = ansi_end(b, i);
                at = i;
            }
            0xc2 if zero && b[i..].starts_with("\u{ad}".as_bytes()) => {
                out.copy(t, at, i);
                i += 2;
                at = i;
            }
            0xe2 | 0xef
                if zero
                    && ["\u{200b}", "\u{200c}", "\u{200d}", "\u{2060}", "\u{feff}"]
                        .iter()
                        .any(|z| b[i..].starts_with(z.as_bytes())) =>
            {
                out.copy(t, at, i);
                i += 3;
                at = i;
            }
            _ => i += 1,
        }
    }
    out.copy(t, at, b.len());
    (out.text.len() < t.len()).then(|| out.view(parent, !esc && !zero && !diff, true))
}

/// Whether a character without width is in the text.
fn zero_width(b: &[u8]) -> bool {
    memchr::memmem::find_iter(b, b"\xe2\x80").any(|i| matches!(b.get(i + 2), Some(0x8b..=0x8d)))
        || ["\u{2060}", "\u{feff}", "\u{ad}"].iter().any(|z| memchr::memmem::find(b, z.as_bytes()).is_some())
}

/// End of an escape sequence that starts at `i`; a cut-off one ends with the text.
fn ansi_end(b: &[u8], i: usize) -> usize {
    let mut j = i + 1;
    match b.get(j) {
        Some(b'[') => {
            j += 1;
            while j < b.len() && j - i < 32 && matches!(b[j], 0x20..=0x3f) {
                j += 1;
            }
            if b.get(j).is_some_and(|c| (0x40..=0x7e).contains(c)) { j + 1 } else { j }
        }
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
        Some(b'(' | b')') if b.get(j + 1).is_some_and(u8::is_ascii) => j + 2,
        _ => j,
    }
}

fn numbered(b: &[u8]) -> bool {
    let mut i = 0;
    let mut looked = 0;
    while i < b.len() && looked < 8 {
        if line_number(b, i).is_some() {
            return true;
        }
        looked += 1;
        match memchr::memchr(b'\n', &b[i..]) {
            Some(n) => i += n + 1,
            None => break,
        }
    }
    false
}

/// `   12→`, `  12<tab>`, `12 | `, `12:`: end of the prefix.
fn line_number(b: &[u8], i: usize) -> Option<usize> {
    let mut j = i;
    while j < b.len() && j - i < 10 && b[j] == b' ' {
        j += 1;
    }
    let d = j;
    while j < b.len() && j - d < 7 && b[j].is_ascii_digit() {
        j += 1;
    }
    if j == d {
        return None;
    }
    let rest = &b[j..];
    if rest.starts_with("→".as_bytes()) {
        return Some(j + "→".len());
    }
    if rest.starts_with(b"\t") {
        return Some(j + 1);
    }
    for bar in [" | ", " │ ", "| ", "│ ", "│"] {
        if rest.starts_with(bar.as_bytes()) {
            return Some(j + bar.len());
        }
    }
    None
}
