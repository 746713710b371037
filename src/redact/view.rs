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
pub(crate) struct View {
    pub text: String,
    segs: Vec<Seg>,
    parent: Option<Rc<View>>,
    /// Only line numbers were taken away: whatever the parent shows, this shows too.
    pub covers: bool,
    /// What is not text was taken away: colours, line numbers, diff marks, zero-width characters.
    pub cleaned: bool,
}

/// Builds a child view.
struct Builder {
    text: String,
    segs: Vec<Seg>,
    hard: bool,
}

impl Builder {
    fn new(capacity: usize) -> Self {
        Builder { text: String::with_capacity(capacity), segs: Vec::new(), hard: false }
    }

    fn copy(&mut self, parent: &str, from: usize, to: usize) {
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

    fn put(&mut self, text: &str, from: usize, to: usize) {
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

    fn done(self, parent: &Rc<View>) -> Rc<View> {
        self.view(parent, false, false)
    }

    fn view(self, parent: &Rc<View>, covers: bool, cleaned: bool) -> Rc<View> {
        Rc::new(View { text: self.text, segs: self.segs, parent: Some(Rc::clone(parent)), covers, cleaned })
    }
}

impl View {
    pub fn raw(text: &str) -> Rc<View> {
        Rc::new(View { text: text.to_owned(), segs: Vec::new(), parent: None, covers: false, cleaned: false })
    }

    /// A reading in which pieces of the parent were replaced; `pieces` are sorted and apart.
    pub fn replaced(parent: &Rc<View>, pieces: &[(usize, usize, String)]) -> Rc<View> {
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
pub(crate) fn clean(parent: &Rc<View>) -> Option<Rc<View>> {
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

/// One level of JSON (and shell, and source) escapes taken away; none if there were none. Holds only the lines with
/// escapes and their neighbours: what the others say, the parent says too.
pub(crate) fn unescape(parent: &Rc<View>) -> Option<Rc<View>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    memchr::memchr(b'\\', b)?;
    let mut out = Builder::new(t.len().min(4096));
    let mut changed = false;
    let mut at = 0;
    // end of the stretch of lines that is being copied
    let mut region = 0;
    let mut i = 0;
    while let Some(n) = memchr::memchr(b'\\', &b[i..]) {
        i += n;
        let Some(next) = b.get(i + 1) else { break };
        let mut buffer = [0; 4];
        let (with, len): (&str, usize) = match next {
            b'n' => ("\n", 2),
            b'r' => ("\r", 2),
            b't' => ("\t", 2),
            b'"' => ("\"", 2),
            b'\'' => ("'", 2),
            b'/' => ("/", 2),
            b'\\' => ("\\", 2),
            b'e' if b.get(i + 2) == Some(&b'[') => ("\u{1b}", 2),
            b'x' | b'0' if b[i..].starts_with(b"\\x1b") || b[i..].starts_with(b"\\033") => ("\u{1b}", 4),
            b'u' => {
                let code = t
                    .get(i + 2..i + 6)
                    .and_then(|h| u32::from_str_radix(h, 16).ok())
                    .and_then(char::from_u32);
                match code {
                    Some(c) => (c.encode_utf8(&mut buffer), 6),
                    None => ("", 0),
                }
            }
            _ => ("", 0),
        };
        if len == 0 {
            i += 1;
            continue;
        }
        if !changed || i >= region {
            let from = lines_back(b, i).max(if changed { region } else { 0 });
            if changed {
                out.copy(t, at, region);
                out.hard |= from > region;
            }
            at = from;
            changed = true;
        }
        region = region.max(lines_on(b, i));
        out.copy(t, at, i);
        out.put(with, i, i + len);
        i += len;
        at = i;
    }
    out.copy(t, at, region.max(at));
    changed.then(|| out.done(parent))
}

/// Lines before and after an escape that are read with it.
const NEIGHBOURS: usize = 2;

fn lines_back(b: &[u8], i: usize) -> usize {
    memchr::memrchr_iter(b'\n', &b[..i]).nth(NEIGHBOURS).map_or(0, |n| n + 1)
}

fn lines_on(b: &[u8], i: usize) -> usize {
    memchr::memchr_iter(b'\n', &b[i..]).nth(NEIGHBOURS).map_or(b.len(), |n| i + n + 1)
}

/// `%XX` decoded; none if there is none.
pub(crate) fn percent(parent: &Rc<View>) -> Option<Rc<View>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    let mut out = Builder::new(t.len());
    let mut at = 0;
    let mut i = 0;
    while let Some(n) = memchr::memchr(b'%', &b[i..]) {
        i += n;
        let byte = t
            .get(i + 1..i + 3)
            .filter(|h| h.bytes().all(|c| c.is_ascii_hexdigit()))
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match byte.filter(|c| c.is_ascii_graphic() || matches!(c, b' ' | b'\n' | b'\r' | b'\t')) {
            Some(c) => {
                out.copy(t, at, i);
                let mut buffer = [0; 4];
                out.put(char::from(c).encode_utf8(&mut buffer), i, i + 3);
                i += 3;
                at = i;
            }
            None => i += 1,
        }
    }
    out.copy(t, at, b.len());
    (at > 0).then(|| out.done(parent))
}

/// The pieces of a streamed answer put together, each frame left out; none if there are not two pieces.
pub(crate) fn deltas(parent: &Rc<View>) -> Option<Rc<View>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    memchr::memmem::find(b, b"delta")?;
    let mut out = Builder::new(t.len());
    let mut pieces = 0;
    let mut i = 0;
    // every `"key":"piece"` after a mention of a delta
    while let Some(n) = memchr::memmem::find(&b[i..], b"delta") {
        i += n + 5;
        let to = (i + 400).min(b.len());
        let next = memchr::memmem::find(&b[i..to], b"data: {").map_or(to, |n| i + n);
        for key in [
            &b"\"partial_json\":"[..],
            b"\"delta\":",
            b"\"text\":",
            b"\"content\":",
            b"\"arguments\":",
            b"\"thinking\":",
            b"\":",
        ] {
            let from = if key == b"\":" { i.saturating_sub(1) } else { i };
            let area = &b[from.min(next)..next];
            let Some(k) = memchr::memmem::find(area, key) else { continue };
            let mut s = from + k + key.len();
            while s < b.len() && b[s] == b' ' {
                s += 1;
            }
            if b.get(s) != Some(&b'"') {
                continue;
            }
            let mut e = s + 1;
            while e < b.len() && b[e] != b'"' {
                e += if b[e] == b'\\' { 2 } else { 1 };
            }
            let e = e.min(b.len());
            if !t.is_char_boundary(e) {
                break;
            }
            out.hard = true;
            out.copy(t, s + 1, e);
            pieces += 1;
            i = e;
            break;
        }
    }
    (pieces > 1).then(|| out.done(parent))
}
