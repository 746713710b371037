//! The engine over every reading of a text: raw, cleaned, unescaped, percent-, base64- and hex-decoded.

use std::rc::Rc;
use std::sync::Arc;

use crate::rules::{Class, Classes, Engine, Finding, bare_identifiers, is_placeholder_value};

use super::decoded_view::{self, DecodedView};
use super::known_values::{KnownValues, Met};
use super::{decode, paths, placeholder};

/// Something sensitive in a text: its pieces in the raw bytes, and its decoded value.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub pieces: Vec<(usize, usize)>,
    pub value: String,
    pub kind: Arc<str>,
    pub rule: Arc<str>,
    pub class: Class,
    pub confidence: u8,
}

/// Levels of escaping that are read through.
const LEVELS: usize = 4;
/// Blobs inside blobs.
const DEPTH: usize = 3;
/// Longest blob that is decoded, in bytes.
const MAX_BLOB: usize = 256 * 1024;

/// Shortest run of letters and digits that is tried as a blob, in bytes.
const SHORTEST: usize = 16;

/// All readings of a text that differ from it, itself first.
pub(crate) fn readings(base: &Rc<DecodedView>) -> Vec<Rc<DecodedView>> {
    let mut out = vec![Rc::clone(base)];
    if let Some(v) = decoded_view::clean(base) {
        out.push(v);
    }
    if let Some(v) = out.last().and_then(decode::unwrap) {
        out.push(v);
    }
    let mut level = Rc::clone(base);
    if let Some(joined) = decode::deltas(base) {
        let mut l = Rc::clone(&joined);
        out.push(joined);
        for _ in 1..LEVELS {
            let Some(next) = decode::unescape(&l) else { break };
            out.push(Rc::clone(&next));
            l = next;
        }
    }
    for _ in 0..LEVELS {
        let Some(next) = decode::unescape(&level) else { break };
        match decoded_view::clean(&next) {
            Some(cleaned) => out.push(cleaned),
            None => out.push(Rc::clone(&next)),
        }
        level = next;
    }
    let mut decoded = Vec::new();
    for v in [out.first(), out.last()].into_iter().flatten() {
        if let Some(p) = decode::percent(v) {
            if let Some(twice) = decode::percent(&p) {
                decoded.push(twice);
            }
            decoded.push(p);
        }
        if out.len() == 1 {
            break;
        }
    }
    out.extend(decoded);
    out
}

/// Everything in the text, by rule, by path and by known value.
pub(crate) fn detect(
    engine: &Engine,
    values: &KnownValues,
    base: &Rc<DecodedView>,
    classes: Classes,
) -> Vec<Found> {
    let mut out = Vec::new();
    let all = readings(base);
    if classes.has(Class::Pii) {
        for (start, end) in bare_identifiers(&base.text) {
            out.push(Found {
                pieces: base.to_raw(start, end),
                value: base.text[start..end].to_owned(),
                kind: Arc::from("NATIONAL_ID"),
                rule: Arc::from("lone-id"),
                class: Class::Pii,
                confidence: 58,
            });
        }
    }
    out.extend(values.find_spelled(&base.text).iter().map(|met| known(values, base, met)));
    // where there is a cleaned reading, it comes second
    let cleaned = all.get(1).is_some_and(|v| v.cleaned);
    let covered = all.get(1).is_some_and(|v| v.covers);
    for (n, reading) in all.iter().enumerate() {
        if n == 0 && covered {
            continue;
        }
        let from = out.len();
        one(engine, values, reading, classes, 0, &mut out);
        if n == 0 && cleaned {
            // the cleaned reading finds blocks too, and leaves line numbers and diff marks standing
            let mut n = 0;
            out.retain(|f| {
                n += 1;
                n <= from || !f.value.contains('\n')
            });
        }
    }
    out
}

fn one(
    engine: &Engine,
    values: &KnownValues,
    v: &DecodedView,
    classes: Classes,
    depth: usize,
    out: &mut Vec<Found>,
) {
    let text = v.text.as_str();
    for f in engine.scan_apart(text, classes) {
        push(v, text, &f, out);
    }
    if classes.has(Class::Pii) {
        for (start, end) in paths::users(text) {
            out.push(Found {
                pieces: v.to_raw(start, end),
                value: text[start..end].to_owned(),
                kind: Arc::from(placeholder::USER),
                rule: Arc::from("home-path"),
                class: Class::Pii,
                confidence: 85,
            });
        }
    }
    out.extend(values.find(text).iter().map(|met| known(values, v, met)));
    if depth < DEPTH {
        for (start, end, decoded) in blobs(text) {
            let inner = DecodedView::raw(&decoded);
            let mut found = Vec::new();
            for reading in readings(&inner) {
                one(engine, values, &reading, Classes::SENSITIVE, depth + 1, &mut found);
            }
            // a decoded blob is noisy: only what is sure counts
            let sure = |f: &Found| f.confidence >= if f.class == Class::Secret { 65 } else { 62 };
            let Some(best) = found.into_iter().filter(sure).max_by_key(|f| f.confidence) else {
                continue;
            };
            out.push(Found { pieces: v.to_raw(start, end), value: text[start..end].to_owned(), ..best });
        }
    }
}

/// A known value that was met in a reading.
fn known(values: &KnownValues, v: &DecodedView, met: &Met) -> Found {
    let (value, known) = values.get(met.value);
    Found {
        pieces: v.to_raw(met.start, met.end),
        value: value.to_owned(),
        kind: Arc::from(known.kind.as_str()),
        rule: Arc::from(known.rule.as_str()),
        class: Class::Secret,
        confidence: known.confidence,
    }
}

/// The known values in all readings; in the text itself also those that are spelled otherwise.
pub(crate) fn all_known(values: &KnownValues, base: &Rc<DecodedView>) -> Vec<Found> {
    let mut out: Vec<Found> =
        values.find_spelled(&base.text).iter().map(|met| known(values, base, met)).collect();
    for reading in readings(base) {
        out.extend(values.find(&reading.text).iter().map(|met| known(values, &reading, met)));
    }
    out
}

fn push(v: &DecodedView, text: &str, f: &Finding, out: &mut Vec<Found>) {
    let value = &text[f.start..f.end];
    if is_placeholder_value(value) && placeholder::find(value).first().is_some_and(|p| *p == (0, value.len()))
    {
        return;
    }
    out.push(Found {
        pieces: v.to_raw(f.start, f.end),
        value: value.to_owned(),
        kind: Arc::clone(&f.kind),
        rule: Arc::clone(&f.rule),
        class: f.class,
        confidence: f.confidence,
    });
}

/// Runs of base64 or hex that decode to text, with the text.
fn blobs(text: &str) -> Vec<(usize, usize, String)> {
    let b = text.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    // a run worth decoding covers every sixteenth byte of some place: look there, and back only from a hit
    while i + SHORTEST <= b.len() {
        let probe = i + SHORTEST - 1;
        if !blob_byte(b[probe]) {
            i = probe + 1;
            continue;
        }
        let mut start = probe;
        while start > i && blob_byte(b[start - 1]) {
            start -= 1;
        }
        i = probe + 1;
        while i < b.len() && blob_byte(b[i]) {
            i += 1;
        }
        let mut end = i;
        while end < b.len() && b[end] == b'=' && end - i < 2 {
            end += 1;
        }
        if i - start < SHORTEST || i - start > MAX_BLOB {
            continue;
        }
        let run = &b[start..i];
        let decoded = if run.iter().all(u8::is_ascii_hexdigit) {
            if run.len().is_multiple_of(2) {
                data_encoding::HEXLOWER_PERMISSIVE.decode(run).ok()
            } else {
                None
            }
        } else {
            None
        };
        // the encoding may begin anywhere in the run: after a path, a prefix, or letters that were cut off
        let decoded = decoded.and_then(readable).or_else(|| (0..4).find_map(|k| base64(&run[k..])));
        if let Some(inner) = decoded {
            out.push((start, end, inner));
        }
    }
    out
}

fn blob_byte(b: u8) -> bool {
    static TABLE: [bool; 256] = {
        let mut t = [false; 256];
        let mut b = 0usize;
        while b < 256 {
            let c = b as u8;
            t[b] = c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'-' | b'_');
            b += 1;
        }
        t
    };
    TABLE[usize::from(b)]
}

/// The text that a run of base64 stands for. Most runs are paths and words: their beginning tells, and nothing is
/// allocated for them.
fn base64(run: &[u8]) -> Option<String> {
    let mut head = [0u8; 12];
    let mut n = 0;
    unpack(run.get(..16).unwrap_or(run), |byte| {
        if let Some(place) = head.get_mut(n) {
            *place = byte;
            n += 1;
        }
    })?;
    if let Err(e) = std::str::from_utf8(head.get(..n)?)
        && e.error_len().is_some()
    {
        return None;
    }
    let mut out = Vec::with_capacity(run.len() * 3 / 4);
    unpack(run, |byte| out.push(byte))?;
    readable(out)
}

/// The bytes of base64 in either alphabet; `None` at the first that is not of a text.
fn unpack(run: &[u8], mut each: impl FnMut(u8)) -> Option<()> {
    let (mut acc, mut bits) = (0u32, 0u32);
    for b in run {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        acc = (acc << 6) | u32::from(v);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let byte = (acc >> bits) as u8;
            acc &= (1 << bits) - 1;
            if byte < 9 || (byte > 13 && byte < 32) {
                return None;
            }
            each(byte);
        }
    }
    Some(())
}

fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let odd = text
        .chars()
        .filter(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || !c.is_ascii())
        .count();
    (odd * 10 <= text.len() && text.len() >= 8).then_some(text)
}
