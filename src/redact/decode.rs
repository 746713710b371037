//! Views that undo an encoding: escapes, percent signs, streamed pieces, hard line breaks.

use std::rc::Rc;

use crate::rules::looks_wordy;

use super::decoded_view::{DecodedView, ViewBuilder};

/// Undoes one level of escapes of JSON, shells and source code; `None` if there are none.
///
/// The view contains only the lines with escapes and their neighbours, because the parent shows the other lines too.
pub(crate) fn unescape(parent: &Rc<DecodedView>) -> Option<Rc<DecodedView>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    memchr::memchr(b'\\', b)?;
    let mut out = ViewBuilder::new(t.len().min(4096));
    let mut changed = false;
    let mut at = 0;
    // The end of the lines that are being copied, and of the line from which that end was last computed.
    let mut region = 0;
    let mut line = 0;
    let mut i = 0;
    while let Some(n) = memchr::memchr(b'\\', &b[i..]) {
        i += n;
        let Some(next) = b.get(i + 1) else { break };
        let mut buffer = [0; 4];
        // What the escape means and how long it is; length 0 if it is not an escape.
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
        // Outside the current region: copy what is left of it and begin the next, two lines before the escape.
        if !changed || i >= region {
            let from = context_start(b, i).max(if changed { region } else { 0 });
            if changed {
                out.copy(t, at, region);
                out.separate |= from > region;
            }
            at = from;
            changed = true;
        }
        if i >= line {
            line = memchr::memchr(b'\n', &b[i..]).map_or(b.len(), |n| i + n + 1);
            region = region.max(context_end(b, i));
        }
        out.copy(t, at, i);
        out.replace(with, i, i + len);
        i += len;
        at = i;
    }
    out.copy(t, at, region.max(at));
    changed.then(|| out.finish(parent))
}

/// Lines before and after an escape that belong to its context.
const CONTEXT_LINES: usize = 2;

fn context_start(b: &[u8], i: usize) -> usize {
    memchr::memrchr_iter(b'\n', &b[..i]).nth(CONTEXT_LINES).map_or(0, |n| n + 1)
}

fn context_end(b: &[u8], i: usize) -> usize {
    memchr::memchr_iter(b'\n', &b[i..]).nth(CONTEXT_LINES).map_or(b.len(), |n| i + n + 1)
}

/// Decodes `%XX`; `None` if there is none.
pub(crate) fn percent(parent: &Rc<DecodedView>) -> Option<Rc<DecodedView>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    let byte = |i: usize| {
        let hex = t.get(i..i + 3)?.strip_prefix('%')?;
        hex.bytes().all(|c| c.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok())?
    };
    memchr::memchr(b'%', b)?;
    let mut out = ViewBuilder::new(t.len());
    let mut at = 0;
    let mut i = 0;
    while let Some(n) = memchr::memchr(b'%', &b[i..]) {
        i += n;
        let Some(first) = byte(i) else {
            i += 1;
            continue;
        };
        // A letter beyond ASCII is encoded as two to four bytes, each with its own percent sign.
        let count = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let bytes: Vec<u8> = (0..count).map_while(|k| byte(i + 3 * k)).collect();
        let text = std::str::from_utf8(&bytes).ok().filter(|s| {
            s.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')) && bytes.len() == count
        });
        match text {
            Some(text) => {
                out.copy(t, at, i);
                out.replace(text, i, i + 3 * count);
                i += 3 * count;
                at = i;
            }
            None => i += 1,
        }
    }
    out.copy(t, at, b.len());
    (at > 0).then(|| out.finish(parent))
}

/// Joins the pieces of a streamed answer without their frames; `None` if there are fewer than two.
///
/// A model streams `ghp_x7` and `Kq…` in two events, and only together they are a token.
pub(crate) fn deltas(parent: &Rc<DecodedView>) -> Option<Rc<DecodedView>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    memchr::memmem::find(b, b"delta")?;
    let mut out = ViewBuilder::new(t.len());
    let mut pieces = 0;
    let mut i = 0;
    // After each `delta` comes one `"key":"piece"`.
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
            out.separate = true;
            out.copy(t, s + 1, e);
            pieces += 1;
            i = e;
            break;
        }
    }
    (pieces > 1).then(|| out.finish(parent))
}

/// Minimum length of a line that can be full, in bytes.
const MIN_FULL_LINE_BYTES: usize = 40;

/// Common widths at which terminals and encoders break lines, in characters.
const COMMON_WIDTHS: [usize; 10] = [64, 72, 76, 78, 79, 80, 100, 120, 132, 160];

/// Joins lines that were broken at a fixed width inside a word; `None` if there are none. The view contains only the
/// lines concerned.
pub(crate) fn unwrap(parent: &Rc<DecodedView>) -> Option<Rc<DecodedView>> {
    let t = parent.text.as_str();
    let b = t.as_bytes();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', b).collect();
    let width = ends.iter().scan(0, |from, end| Some(end - std::mem::replace(from, end + 1))).max()?;
    let full =
        ends.iter().scan(0, |from, end| Some(end - std::mem::replace(from, end + 1))).filter(|n| *n == width);
    // A single full line is broken by a terminal only if it has a common width, and if its rest is not a word by itself.
    let several = full.count() > 1;
    if width < MIN_FULL_LINE_BYTES || !several && !COMMON_WIDTHS.contains(&width) {
        return None;
    }
    let word = |i: usize| {
        b.get(i).is_some_and(|c| {
            c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'+' | b'/' | b'=' | b'.' | b'%')
        })
    };
    let mut out = ViewBuilder::new(256);
    let mut at = None;
    let mut from = 0;
    for (n, end) in ends.iter().enumerate() {
        let broken = end - from == width && word(end - 1) && word(end + 1) && {
            let rest = &t[end + 1..ends.get(n + 1).copied().unwrap_or(b.len())];
            let rest = rest.split(char::is_whitespace).next().unwrap_or_default();
            several || !looks_wordy(rest.trim_end_matches(['=', ':']))
        };
        if broken {
            let start = at.unwrap_or(from);
            out.copy(t, start, *end);
            at = Some(end + 1);
        } else if let Some(start) = at.take() {
            out.copy(t, start, end + 1);
            out.separate = true;
        }
        from = end + 1;
        if n + 1 == ends.len()
            && let Some(start) = at
        {
            out.copy(t, start, b.len());
        }
    }
    (!out.text.is_empty()).then(|| out.finish(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_inside_a_word_is_undone() {
        let long = format!("{}KEY=abcdefgh", "x ".repeat(20));
        let text = format!("short\n{long}\nijklmnop\n{long}\nend\n");
        let view = unwrap(&DecodedView::raw(&text)).unwrap();
        assert!(view.text.contains("KEY=abcdefghijklmnop\n"), "{}", view.text);
        let at = view.text.find("abcdefgh").unwrap();
        let pieces = view.to_raw(at, at + 16);
        assert_eq!(
            pieces.iter().map(|(s, e)| text[*s..*e].replace('\n', "")).collect::<String>(),
            "abcdefghijklmnop"
        );
        assert!(unwrap(&DecodedView::raw("a line\nand another one, of words\n")).is_none());
    }

    #[test]
    fn only_lines_with_escapes_and_their_neighbours_are_in_the_view() {
        let far = "nothing here\n".repeat(10);
        let view = unescape(&DecodedView::raw(&format!("{far}say \\\"hi\\\"\n{far}"))).unwrap();
        assert!(view.text.contains("say \"hi\"\n") && view.text.len() < far.len(), "{}", view.text);
    }

    #[test]
    fn percent_signs_are_decoded_to_whole_characters() {
        let view = percent(&DecodedView::raw("a%3D%22%C3%A9%22 100% sure")).unwrap();
        assert_eq!(view.text, "a=\"é\" 100% sure");
        assert!(percent(&DecodedView::raw("100% sure")).is_none());
    }

    #[test]
    fn streamed_pieces_are_joined_without_their_frames() {
        let text = "data: {\"delta\":{\"text\":\"wal\"}}\ndata: {\"delta\":{\"text\":\"nut\"}}\n";
        assert_eq!(deltas(&DecodedView::raw(text)).unwrap().text, "walnut");
        assert!(deltas(&DecodedView::raw("one delta: \"x\" only")).is_none());
    }
}
