//! Texts without what does not matter for a name: case, accents, encodings, and characters that are not shown.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::encoded_chars;

/// Maximum length of a run of encoded characters that are folded together with those after them, in bytes.
const MAX_JOINED_BYTES: usize = 256;

/// A text in folded form, with a map back to its bytes.
pub(super) struct Folded<'t> {
    pub text: Cow<'t, str>,
    /// Where the folded form differs: the start and end in the folded text and in the raw text.
    changes: Vec<(usize, usize, usize, usize)>,
}

impl<'t> Folded<'t> {
    /// Folds a text. A text that folding does not change, apart from the case of ASCII letters, is not copied.
    pub fn of(text: &'t str) -> Self {
        let encoded = encoded_chars::first_from(text.as_bytes(), 0);
        if encoded.is_none() && (text.is_ascii() || !text.chars().any(|c| !c.is_ascii() && changes(c))) {
            return Folded { text: Cow::Borrowed(text), changes: Vec::new() };
        }
        let mut out = String::with_capacity(text.len());
        let mut changed = Vec::new();
        let mut at = 0;
        let mut next_encoded = encoded;
        // Returns the piece at a place and where it ends: encoded characters, a run of ASCII or a cluster.
        let mut piece = |at: usize| -> (Cow<'_, str>, usize) {
            if next_encoded.as_ref().is_some_and(|e| e.start < at) {
                next_encoded = encoded_chars::first_from(text.as_bytes(), at);
            }
            if let Some(encoded) = next_encoded.as_ref().filter(|e| e.start == at) {
                return (Cow::Owned(encoded.text.clone()), encoded.end);
            }
            let until = next_encoded.as_ref().map_or(text.len(), |e| e.start);
            let cluster = cluster_at(&text[..until], at);
            (Cow::Borrowed(cluster), at + cluster.len())
        };
        let mut next = (at < text.len()).then(|| piece(at));
        while let Some((mut cluster, mut end)) = next.take() {
            let mut is_encoded = matches!(cluster, Cow::Owned(_));
            while end < text.len() {
                let (more, more_end) = piece(end);
                // Encoded characters may belong to the one before them: `か%E3%82%99`.
                if cluster.len() > MAX_JOINED_BYTES || !more.chars().next().is_some_and(joins) {
                    next = Some((more, more_end));
                    break;
                }
                is_encoded = true;
                cluster.to_mut().push_str(&more);
                end = more_end;
            }
            if cluster.is_ascii() && !is_encoded {
                out.push_str(&cluster);
            } else {
                let start = out.len();
                out.push_str(&fold(&cluster));
                changed.push((start, out.len(), at, end));
            }
            at = end;
        }
        Folded { text: Cow::Owned(out), changes: changed }
    }

    /// Returns the span of the raw text that a span of the folded text came from.
    pub fn to_raw(&self, start: usize, end: usize) -> (usize, usize) {
        // Inside a change only the whole of it has a place in the raw text.
        let first =
            self.changes.partition_point(|c| c.0 <= start).checked_sub(1).and_then(|n| self.changes.get(n));
        let from = match first {
            Some((_, to, raw_from, _)) if start < *to => *raw_from,
            Some((_, to, _, raw_to)) => raw_to + (start - to),
            None => start,
        };
        let last =
            self.changes.partition_point(|c| c.0 < end).checked_sub(1).and_then(|n| self.changes.get(n));
        let to = match last {
            Some((_, to, _, raw_to)) => raw_to + end.saturating_sub(*to),
            None => end,
        };
        (from, to)
    }
}

/// Returns the run of ASCII at `at`, or the character there with those that join it.
fn cluster_at(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let ascii = rest.bytes().take_while(u8::is_ascii).count();
    if ascii == rest.len() {
        return rest;
    }
    let marked = |from: usize| rest[from..].chars().next().is_some_and(joins);
    if ascii > 0 {
        // The last character of the run may have a mark.
        let run = if marked(ascii) { ascii - 1 } else { ascii };
        if run > 0 {
            return &rest[..run];
        }
    }
    let mut end = rest.chars().next().map_or(0, char::len_utf8);
    while let Some(c) = rest[end..].chars().next().filter(|c| joins(*c)) {
        end += c.len_utf8();
    }
    &rest[..end]
}

/// Whether a character may become one with the character before it in normal form NFKC: combining marks, the vowels and
/// finals of Hangul, and the voicing marks of Katakana in half width.
fn joins(c: char) -> bool {
    let first = (c >= '\u{300}').then(|| std::iter::once(c).nfkd().next()).flatten();
    first.is_some_and(|c| is_combining_mark(c) || ('\u{1160}'..='\u{11ff}').contains(&c))
}

/// Whether folding changes a character, alone or together with the one before it.
fn changes(c: char) -> bool {
    let mut folded = String::new();
    c.is_alphanumeric() && {
        fold_char(c, &mut folded);
        folded.chars().ne([c])
    } || is_combining_mark(c)
        || is_nfkc_quick(std::iter::once(c)) != IsNormalized::Yes
        || is_ignorable(c)
        || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Returns a text in folded form: in normal form NFKC, without case, without the accents of Latin letters, and without
/// characters that are not shown.
pub(super) fn fold(text: &str) -> String {
    let mut cased = String::new();
    text.nfkc().filter(|c| !is_ignorable(*c)).for_each(|c| fold_char(c, &mut cased));
    let mut latin = false;
    let bare = cased.nfkd().filter_map(|c| {
        if latin && ('\u{300}'..='\u{36f}').contains(&c) {
            return None;
        }
        latin = c.is_ascii_alphabetic() || ('\u{c0}'..='\u{24f}').contains(&c);
        Some(match c {
            'ø' => 'o',
            'ł' => 'l',
            'đ' | 'ð' => 'd',
            'ħ' => 'h',
            'ŧ' => 't',
            c => c,
        })
    });
    bare.nfkc().collect::<String>().replace('æ', "ae").replace('œ', "oe").replace('þ', "th")
}

/// Whether a character is not shown (`Default_Ignorable_Code_Point` of Unicode).
pub(super) fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Appends a character without case: `ß` and `ẞ` become `ss`, `ς` becomes `σ`, `İ` and `ı` become `i`.
fn fold_char(c: char, out: &mut String) {
    match c {
        c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
        // The lower case of `İ` is `i` and a combining dot, which most spellings of the word omit.
        'İ' => out.push('i'),
        '\u{307}' => {}
        // `ẞ` has no upper case but itself, so its lower case has to come first.
        c => out.extend(c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)),
    }
}
