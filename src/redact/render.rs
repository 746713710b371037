//! Spans to text: unite, keep lines and JSON whole, write the stand-ins.

use std::sync::Arc;

use crate::rules::Class;

use super::detect::Found;
use super::{PlaceholderStyle, placeholder};

/// A stretch of raw text that goes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub start: usize,
    pub end: usize,
    pub kind: Arc<str>,
    pub rule: Arc<str>,
    pub confidence: u8,
    pub value: String,
    /// The first piece of its finding carries the stand-in; the others become nothing.
    pub first: bool,
    /// A bare JSON scalar: its stand-in needs quotes.
    pub bare: bool,
}

/// Findings to sorted cuts without overlaps; stand-ins already in the text are never touched.
pub(crate) fn cuts(text: &str, found: &[Found], style: PlaceholderStyle) -> Vec<Cut> {
    let fixed = placeholder::find_styled(text, style);
    let mut all: Vec<(usize, usize, usize, bool)> = Vec::new();
    // a stand-in is no part of a value: what was read together with one is known by what is left of it
    let mixed: Vec<bool> = match fixed.is_empty() {
        true => Vec::new(),
        false => found.iter().map(|f| !placeholder::find_styled(&f.value, style).is_empty()).collect(),
    };
    let value = |n: usize, s: usize, e: usize| match mixed.get(n) {
        Some(true) => &text[s..e],
        _ => found[n].value.as_str(),
    };
    for (n, f) in found.iter().enumerate() {
        if f.class == Class::Entity {
            continue;
        }
        let mut first = true;
        for (s, e) in &f.pieces {
            for (s, e) in lines(text, *s, *e) {
                for (s, e) in around(&fixed, s, e) {
                    let (s, e) = whole_escapes(text, s, e);
                    if s < e {
                        all.push((s, e, n, first));
                        first = false;
                    }
                }
            }
        }
    }
    all.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
    let mut out: Vec<Cut> = Vec::new();
    for (s, e, n, first) in all {
        let f = &found[n];
        match out.last_mut() {
            Some(last) if s < last.end => {
                last.end = last.end.max(e);
                last.first |= first;
                let value = value(n, s, e);
                if f.confidence > last.confidence
                    || (f.confidence == last.confidence && value.len() > last.value.len())
                {
                    last.kind = Arc::clone(&f.kind);
                    last.rule = Arc::clone(&f.rule);
                    last.confidence = f.confidence;
                    value.clone_into(&mut last.value);
                }
            }
            _ => out.push(Cut {
                start: s,
                end: e,
                kind: Arc::clone(&f.kind),
                rule: Arc::clone(&f.rule),
                confidence: f.confidence,
                value: value(n, s, e).to_owned(),
                first,
                bare: false,
            }),
        }
    }
    clip_json(text, out)
}

/// The parts of a span on each of its lines, without the line ends.
fn lines(text: &str, s: usize, e: usize) -> Vec<(usize, usize)> {
    let b = &text.as_bytes()[s..e];
    let mut out = Vec::new();
    let mut at = 0;
    for n in memchr::memchr_iter(b'\n', b) {
        let end = if n > at && b[n - 1] == b'\r' { n - 1 } else { n };
        if end > at {
            out.push((s + at, s + end));
        }
        at = n + 1;
    }
    if at < b.len() {
        out.push((s + at, e));
    }
    out
}

/// The parts of a span outside the fixed spans.
pub(crate) fn around(fixed: &[(usize, usize)], s: usize, e: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut at = s;
    let first = fixed.partition_point(|f| f.1 <= s);
    for (fs, fe) in fixed[first..].iter().take_while(|f| f.0 < e) {
        if *fs > at {
            out.push((at, *fs));
        }
        at = at.max(*fe);
    }
    if at < e {
        out.push((at, e));
    }
    out
}

/// A span never begins or ends in the middle of an escape.
fn whole_escapes(text: &str, mut s: usize, mut e: usize) -> (usize, usize) {
    let b = text.as_bytes();
    let slashes = |i: usize| b[..i].iter().rev().take_while(|c| **c == b'\\').count();
    if slashes(s) % 2 == 1 {
        s -= 1;
    }
    let before = slashes(e).min(e - s);
    if before % 2 == 1 {
        e -= 1;
    }
    (s, e)
}

/// Where text is JSON (whole, or line by line), cuts stay inside strings; a bare number becomes a string.
fn clip_json(text: &str, cuts: Vec<Cut>) -> Vec<Cut> {
    if cuts.is_empty() {
        return cuts;
    }
    let mut strings: Vec<(usize, usize)> = Vec::new();
    let mut documents: Vec<(usize, usize)> = Vec::new();
    let trimmed = text.trim_start();
    let json = |t: &str| serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok();
    if trimmed.starts_with(['{', '[', '"']) && json(text) {
        documents.push((0, text.len()));
    } else {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let touched = || {
                let next = cuts.partition_point(|c| c.end <= at);
                cuts.get(next).is_some_and(|c| c.start < at + line.len())
            };
            let body = line.trim();
            if body.len() > 1
                && body.starts_with(['{', '[', '"'])
                && body.ends_with(['}', ']', '"'])
                && touched()
                && json(body)
            {
                documents.push((at, at + line.len()));
            } else if let Some(p) = body.strip_prefix("data: ")
                && touched()
                && json(p)
            {
                documents.push((at, at + line.len()));
            }
            at += line.len();
        }
    }
    if documents.is_empty() {
        return cuts;
    }
    let b = text.as_bytes();
    for (ds, de) in &documents {
        let mut i = *ds;
        while i < *de {
            if b[i] == b'"' {
                let s = i + 1;
                i = s;
                while i < *de && b[i] != b'"' {
                    i += if b[i] == b'\\' { 2 } else { 1 };
                }
                strings.push((s, i.min(*de)));
            }
            i += 1;
        }
    }
    let mut out = Vec::with_capacity(cuts.len());
    for cut in cuts {
        let inside = documents.partition_point(|d| d.1 <= cut.start);
        if documents.get(inside).is_none_or(|d| d.0 >= cut.end) {
            out.push(cut);
            continue;
        }
        let first = strings.partition_point(|s| s.1 <= cut.start);
        let mut lead = cut.first;
        for (s, e) in strings[first..].iter().take_while(|s| s.0 < cut.end) {
            let (s, e) = (cut.start.max(*s), cut.end.min(*e));
            if s < e {
                out.push(Cut { start: s, end: e, first: lead, ..cut.clone() });
                lead = false;
            }
        }
        if lead && !strings[first..].iter().any(|s| s.0 < cut.end) {
            // a number or word outside strings
            out.extend(scalar(b, cut));
        }
    }
    out
}

/// The bare scalar that a cut is in, as a whole; none where the cut holds nothing but marks.
fn scalar(b: &[u8], mut cut: Cut) -> Option<Cut> {
    let part = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'+' | b'.');
    cut.start += b[cut.start..cut.end].iter().position(|c| part(*c))?;
    cut.end = cut.start + b[cut.start..cut.end].iter().take_while(|c| part(**c)).count();
    while cut.start > 0 && part(b[cut.start - 1]) {
        cut.start -= 1;
    }
    while cut.end < b.len() && part(b[cut.end]) {
        cut.end += 1;
    }
    (cut.first, cut.bare) = (true, true);
    Some(cut)
}
