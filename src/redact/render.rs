//! Turns detections into removals: merges overlaps and keeps lines, escapes and JSON valid.

use std::sync::Arc;

use crate::rules::Class;

use super::detect::Detection;
use super::{PlaceholderStyle, placeholder, word_rules};

/// A span of the raw text that is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removal {
    pub start: usize,
    pub end: usize,
    pub kind: Arc<str>,
    pub rule: Arc<str>,
    pub confidence: u8,
    pub value: String,
    /// The first piece of a value gets the placeholder; the other pieces are replaced by nothing.
    pub first: bool,
    /// The span is a JSON number or word outside strings, so its placeholder needs quotes.
    pub bare_scalar: bool,
}

/// Makes sorted removals without overlaps from detections. Placeholders that the text already contains are kept.
pub(crate) fn removals(text: &str, found: &[Detection], style: PlaceholderStyle) -> Vec<Removal> {
    let fixed = placeholder::find_styled(text, style);
    let mut all: Vec<(usize, usize, usize, bool)> = Vec::new();
    // A value that was read together with a placeholder (`token=abc[EMAIL_k3f9qa]`) is only what is left of it.
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
            for (s, e) in split_lines(text, *s, *e) {
                for (s, e) in outside(&fixed, s, e) {
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
    let mut out: Vec<Merged> = Vec::new();
    for (s, e, n, first) in all {
        match out.last_mut() {
            Some(last) if s < last.end => {
                last.end = last.end.max(e);
                last.first |= first;
                let (named, new) = (&found[last.by], &found[n]);
                if names_overlap(new, e - s, named, last.named.1 - last.named.0) {
                    (last.by, last.named) = (n, (s, e));
                }
            }
            _ => out.push(Merged { start: s, end: e, by: n, named: (s, e), first }),
        }
    }
    let out = out.into_iter().map(|m| {
        let f = &found[m.by];
        // A value that is only a part of what is removed does not name the rest: two values that have it in common would
        // get the same placeholder.
        let value =
            if m.named == (m.start, m.end) { value(m.by, m.start, m.end) } else { &text[m.start..m.end] };
        Removal {
            start: m.start,
            end: m.end,
            kind: Arc::clone(&f.kind),
            rule: Arc::clone(&f.rule),
            confidence: f.confidence,
            value: value.to_owned(),
            first: m.first,
            bare_scalar: false,
        }
    });
    let out = out.collect();
    clip_json(text, out)
}

/// Detections that overlap and are replaced as one.
struct Merged {
    start: usize,
    end: usize,
    /// Index of the detection that names them.
    by: usize,
    /// The span of that detection.
    named: (usize, usize),
    /// One of them is the first piece of a value.
    first: bool,
}

/// Whether of two detections that overlap the new one names both; each with the length of its span.
///
/// The one with the higher confidence does. But a word that is removed because a person chose it, or because it names
/// somebody, says nothing about a longer value that contains it: the mail address of a client is still a mail address.
fn names_overlap(new: &Detection, new_len: usize, old: &Detection, old_len: usize) -> bool {
    if is_chosen_word(new) || is_chosen_word(old) {
        return (new_len, new.confidence) > (old_len, old.confidence);
    }
    (new.confidence, new.value.len()) > (old.confidence, old.value.len())
}

fn is_chosen_word(f: &Detection) -> bool {
    word_rules::is_word_rule(&f.rule)
}

/// Splits a span at its line ends, which stay in the text.
fn split_lines(text: &str, s: usize, e: usize) -> Vec<(usize, usize)> {
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

/// Returns the parts of a span that are outside the fixed spans.
pub(crate) fn outside(fixed: &[(usize, usize)], s: usize, e: usize) -> Vec<(usize, usize)> {
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

/// Moves the ends of a span that are in the middle of an escape such as `\\n`.
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

/// Keeps removals inside the strings of JSON, and turns a bare number into a string.
///
/// The text may be one JSON document, or one document per line, or the `data:` lines of an event stream.
fn clip_json(text: &str, removals: Vec<Removal>) -> Vec<Removal> {
    if removals.is_empty() {
        return removals;
    }
    let documents = json_documents(text, &removals);
    if documents.is_empty() {
        return removals;
    }
    let b = text.as_bytes();
    let strings = json_strings(b, &documents);
    let mut out = Vec::with_capacity(removals.len());
    for removal in removals {
        let document = documents.partition_point(|d| d.1 <= removal.start);
        if documents.get(document).is_none_or(|d| d.0 >= removal.end) {
            out.push(removal);
            continue;
        }
        let from = strings.partition_point(|s| s.1 <= removal.start);
        if strings[from..].first().is_none_or(|s| s.0 >= removal.end) {
            out.extend(whole_scalars(text, removal));
            continue;
        }
        let mut first = removal.first;
        for (s, e) in strings[from..].iter().take_while(|s| s.0 < removal.end) {
            let (start, end) = (removal.start.max(*s), removal.end.min(*e));
            if start < end {
                out.push(Removal { start, end, first, ..removal.clone() });
                first = false;
            }
        }
    }
    out
}

/// Returns the spans of the JSON documents that a removal touches.
fn json_documents(text: &str, removals: &[Removal]) -> Vec<(usize, usize)> {
    let is_json = |t: &str| serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok();
    if text.trim_start().starts_with(['{', '[', '"']) && is_json(text) {
        return vec![(0, text.len())];
    }
    let mut documents = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        // Parsing is expensive, so a line without a removal is not parsed.
        let touched = || {
            let next = removals.partition_point(|r| r.end <= at);
            removals.get(next).is_some_and(|r| r.start < at + line.len())
        };
        let body = line.trim();
        let document =
            if body.len() > 1 && body.starts_with(['{', '[', '"']) && body.ends_with(['}', ']', '"']) {
                Some(body)
            } else {
                body.strip_prefix("data: ")
            };
        if document.is_some_and(|d| touched() && is_json(d)) {
            documents.push((at, at + line.len()));
        }
        at += line.len();
    }
    documents
}

/// Returns the insides of all strings in the documents.
fn json_strings(b: &[u8], documents: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut strings = Vec::new();
    for (start, end) in documents {
        let mut i = *start;
        while i < *end {
            if b[i] == b'"' {
                let string = i + 1;
                i = string;
                while i < *end && b[i] != b'"' {
                    i += if b[i] == b'\\' { 2 } else { 1 };
                }
                strings.push((string, i.min(*end)));
            }
            i += 1;
        }
    }
    strings
}

/// Widens a removal outside strings to whole numbers and words. Each of several, such as the two numbers of a position, is
/// a value of its own. There is none if the removal covers only punctuation.
fn whole_scalars(text: &str, removal: Removal) -> Vec<Removal> {
    let b = text.as_bytes();
    let part = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'+' | b'.');
    let mut scalars: Vec<(usize, usize)> = Vec::new();
    let mut at = removal.start;
    while let Some(n) = b[at..removal.end].iter().position(|c| part(*c)) {
        let start = at + n - b[..at + n].iter().rev().take_while(|c| part(**c)).count();
        at += n + b[at + n..].iter().take_while(|c| part(**c)).count();
        scalars.push((start, at));
        if at >= removal.end {
            break;
        }
    }
    let alone = scalars.len() == 1;
    let whole = |(start, end): (usize, usize)| Removal {
        start,
        end,
        value: if alone { removal.value.clone() } else { text[start..end].to_owned() },
        first: true,
        bare_scalar: true,
        ..removal.clone()
    };
    scalars.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(pieces: &[(usize, usize)], value: &str, confidence: u8) -> Detection {
        Detection {
            pieces: pieces.to_vec(),
            value: value.to_owned(),
            kind: "TOKEN".into(),
            rule: "r".into(),
            class: Class::Secret,
            confidence,
        }
    }

    fn spans(text: &str, found: &[Detection]) -> Vec<(usize, usize, bool)> {
        removals(text, found, PlaceholderStyle::Typed)
            .into_iter()
            .map(|r| (r.start, r.end, r.first))
            .collect()
    }

    #[test]
    fn a_removal_keeps_line_ends_and_only_its_first_piece_gets_a_placeholder() {
        assert_eq!(spans("ab\r\ncd", &[detection(&[(0, 6)], "ab\r\ncd", 80)]), [(0, 2, true), (4, 6, false)]);
    }

    #[test]
    fn overlapping_removals_become_one_with_the_kind_of_the_higher_confidence() {
        let found = [detection(&[(0, 4)], "abcd", 60), detection(&[(2, 6)], "cdef", 90)];
        let all = removals("abcdef", &found, PlaceholderStyle::Typed);
        assert_eq!(all.len(), 1);
        // The value is all that is removed, so that `xbcdef` does not get the same placeholder.
        assert_eq!((all[0].start, all[0].end, all[0].value.as_str()), (0, 6, "abcdef"));
        assert_eq!(all[0].confidence, 90);
    }

    #[test]
    fn a_chosen_word_does_not_name_a_longer_value_that_contains_it() {
        let custom = |span: (usize, usize), value: &str| Detection {
            kind: "CUSTOM".into(),
            rule: "custom".into(),
            ..detection(&[span], value, 100)
        };
        let kinds = |found: &[Detection]| -> Vec<(String, String)> {
            let all = removals("ada@mill.fi", found, PlaceholderStyle::Typed);
            all.into_iter().map(|r| (r.kind.to_string(), r.value)).collect()
        };
        let mail = detection(&[(0, 11)], "ada@mill.fi", 92);
        let token = |value: &str| vec![("TOKEN".to_owned(), value.to_owned())];
        assert_eq!(kinds(&[mail.clone(), custom((4, 8), "mill")]), token("ada@mill.fi"));
        assert_eq!(
            kinds(&[custom((0, 3), "ada"), detection(&[(2, 11)], "a@mill.fi", 60)]),
            token("ada@mill.fi")
        );
        // A word that is as long as the value names it.
        assert_eq!(kinds(&[mail, custom((0, 11), "ADA@mill.fi")])[0].0, "CUSTOM");
    }

    #[test]
    fn a_placeholder_in_the_text_is_not_removed_again() {
        let text = "x[EMAIL_abcdef]y";
        assert_eq!(spans(text, &[detection(&[(0, 16)], text, 80)]), [(0, 1, true), (15, 16, false)]);
    }

    #[test]
    fn a_removal_never_begins_or_ends_inside_an_escape() {
        assert_eq!(spans("a\\nbc", &[detection(&[(2, 4)], "nb", 80)]), [(1, 4, true)]);
        assert_eq!(spans("ab\\nc", &[detection(&[(0, 3)], "ab\\", 80)]), [(0, 2, true)]);
    }

    #[test]
    fn a_bare_number_in_json_is_removed_whole_and_gets_quotes() {
        let text = "{\"n\": 4111111111111111}";
        let all = removals(text, &[detection(&[(8, 12)], "1111", 80)], PlaceholderStyle::Typed);
        assert_eq!((all[0].start, all[0].end, all[0].bare_scalar), (6, 22, true));
        // The quote that ends a string is not removed.
        assert_eq!(spans("{\"n\": \"abc\", \"m\": 1}", &[detection(&[(7, 13)], "abc", 80)]), [(7, 10, true)]);
    }
}
