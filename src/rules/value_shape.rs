//! Judges a value by its shape: whether it looks random, made of words, or like a placeholder.
//!
//! - Random: `gTq8WvB3rKzmYp5x`. Made of words: `getAccessToken`, `my-k8s-secret`. Placeholder: `YOUR_API_KEY`, `${TOKEN}`.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::word_lists::{PLACEHOLDER_PARTS, PLACEHOLDER_WORDS, REFERENCE_STARTS, SHARED_ACCOUNTS};

/// Returns the Shannon entropy of the bytes, in bits per byte: 0 for `aaaa`, about 4 for a random token.
pub fn entropy(value: &[u8]) -> f64 {
    if value.is_empty() {
        return 0.0;
    }
    let mut counts = [0u32; 256];
    for b in value {
        counts[usize::from(*b)] += 1;
    }
    let n = value.len() as f64;
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / n).map(|p| -p * p.log2()).sum()
}

/// The number of bytes of each character class in a value; `other` counts control bytes and bytes beyond ASCII.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CharCounts {
    pub lower: usize,
    pub upper: usize,
    pub digit: usize,
    pub symbol: usize,
    pub space: usize,
    pub other: usize,
}

impl CharCounts {
    pub fn of(value: &[u8]) -> CharCounts {
        let mut m = CharCounts::default();
        for b in value {
            match b {
                b'a'..=b'z' => m.lower += 1,
                b'A'..=b'Z' => m.upper += 1,
                b'0'..=b'9' => m.digit += 1,
                b' ' | b'\t' | b'\n' | b'\r' => m.space += 1,
                0x21..=0x7e => m.symbol += 1,
                _ => m.other += 1,
            }
        }
        m
    }

    pub fn letters(&self) -> usize {
        self.lower + self.upper
    }
}

/// Whether a value is a placeholder for a secret: `YOUR_API_KEY`, `${VAR}`, `<token>`, `****`, or one that we wrote.
pub fn is_placeholder_value(value: &str) -> bool {
    let v = value.trim();
    if v.is_empty() || is_variable(v) || is_bracketed_placeholder(v) || is_template(v) {
        return true;
    }
    let lower = v.to_ascii_lowercase();
    is_versioned_package(&lower)
        || PLACEHOLDER_WORDS.has(&lower)
        || has_placeholder_part(&lower)
        || REFERENCE_STARTS.list().iter().any(|start| lower.starts_with(start))
        || is_repetitive(v.as_bytes())
}

/// Whether a value is a shell variable or command: `$VAR`, `${VAR}`, `$(cmd)`. A crypt hash (`$2b$…`) is not one.
fn is_variable(v: &str) -> bool {
    let Some(name) = v.strip_prefix('$') else { return false };
    name.starts_with(['{', '('])
        || name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
}

/// Whether a value is a name in brackets: `<token>`, `[PASSWORD]`, `[EMAIL_k3f9qa]`.
fn is_bracketed_placeholder(v: &str) -> bool {
    let b = v.as_bytes();
    match b[0] {
        b'<' => b.contains(&b'>') || b.len() < 4,
        b'[' => v.ends_with(']') || is_placeholder_head(b.split(|c| *c == b']').next().unwrap_or(b)),
        _ => false,
    }
}

/// Whether a value has the syntax of a template: `{{ .Values.x }}`, `a${b}`, `#{name}`, `%(name)s`, `%NAME%`.
fn is_template(v: &str) -> bool {
    v.contains("{{")
        || v.contains("${")
        || v.contains("#{")
        || v.starts_with('{')
        || v.contains("%(")
        || v.starts_with("%s")
        || v.starts_with('%') && v.ends_with('%') && v.len() > 2
}

/// Whether this is one of our placeholders without its closing bracket, which was read as syntax: `[EMAIL_k3f9qa`.
fn is_placeholder_head(b: &[u8]) -> bool {
    // A tag may consist of digits and capitals only by chance; without a small letter the last `_` begins the tag.
    let Some(at) =
        b.iter().position(|c| c.is_ascii_lowercase()).map_or(b.iter().rposition(|c| *c == b'_'), |_| {
            [7, 13, 25].iter().filter_map(|n| b.len().checked_sub(*n)).find(|p| b[*p] == b'_')
        })
    else {
        return false;
    };
    at > 1 && b[1..at].iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_')
}

/// Whether a lower-case value is a package at a version: `react-18.2.0`, `lodash@4.17.21`, `redis:7.2`.
fn is_versioned_package(lower: &str) -> bool {
    let version = lower
        .rsplit(['-', ':', '@'])
        .next()
        .is_some_and(|t| t.contains('.') && t.bytes().all(|c| c.is_ascii_digit() || c == b'.'));
    version && lower.starts_with(|c: char| c.is_ascii_lowercase()) && lower.len() < 48
}

/// Whether a lower-case value contains the wording of a placeholder, such as `changeme` or `your-`.
///
/// A long random value contains a short wording by chance (`…todo…`), so a short one has to be a separate word.
fn has_placeholder_part(lower: &str) -> bool {
    static FINDER: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let b = lower.as_bytes();
    let Some(finder) = FINDER.get_or_init(|| AhoCorasick::new(PLACEHOLDER_PARTS.list()).ok()) else {
        return false;
    };
    finder.find_overlapping_iter(b).any(|hit| {
        let (at, part) = (hit.start(), PLACEHOLDER_PARTS.list()[hit.pattern().as_usize()]);
        let word_ends = |c: Option<&u8>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        part.len() >= 7
            || part.starts_with(['x', '*', '.', '<'])
            || b.len() < 16
            || (word_ends(at.checked_sub(1).and_then(|i| b.get(i))) || part.starts_with(['_', '-']))
                && (word_ends(b.get(at + part.len())) || part.ends_with(['_', '-']))
    })
}

/// Whether a value repeats one character, or has very few distinct ones: `xxxxxxxx`, `abababab`.
fn is_repetitive(b: &[u8]) -> bool {
    if b.len() < 4 {
        return false;
    }
    let mut distinct = [false; 256];
    for c in b {
        distinct[usize::from(*c)] = true;
    }
    let n = distinct.iter().filter(|d| **d).count();
    if n <= 2 || (b.len() >= 16 && n <= 3) {
        return true;
    }
    // A long token may contain padding (`AAAAAAAA…`); only a run of a third of it shows an example.
    let max_run = if b.len() >= 40 { b.len() / 3 } else { 8 };
    let mut run = 1;
    for w in b.windows(2) {
        run = if w[0] == w[1] { run + 1 } else { 1 };
        if run >= max_run {
            return true;
        }
    }
    false
}

/// Whether ten or more consecutive characters ascend by one: `abcdefghij`, `0123456789`.
pub(crate) fn counts_up(value: &str) -> bool {
    let mut run = 1;
    value.as_bytes().windows(2).any(|w| {
        run = if w[0].wrapping_add(1) == w[1] { run + 1 } else { 1 };
        run >= 10
    })
}

/// Whether an account name identifies no person: `root`, `runner`, or a placeholder of ours (`user_k3f9qa`).
pub fn is_shared_account(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SHARED_ACCOUNTS.has(&lower) || lower.starts_with("user_") && lower.len() == 11
}

fn is_vowel(b: u8) -> bool {
    matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Whether letters could be a word: enough vowels, and never more than four consonants in a row.
fn is_speakable(word: &[u8]) -> bool {
    if word.len() <= 3 {
        return true;
    }
    let mut run = 0;
    let mut vowels = 0;
    for b in word {
        if is_vowel(*b) {
            vowels += 1;
            run = 0;
        } else {
            run += 1;
            if run > 4 {
                return false;
            }
        }
    }
    vowels * 6 >= word.len()
}

/// Letter pairs that are rare in words and identifiers: each makes up less than one in 2,000 pairs in the text of programs
/// and their manuals. A row for the first letter, a bit for the second.
const RARE_PAIRS: [u32; 26] = [
    0x2414291, 0x2e9b4e8, 0x3e12240, 0x3a126c0, 0x2000680, 0x3e1b6c2, 0x3e1966e, 0x3e5bee6, 0x1510780,
    0x3ffffef, 0x3fbfeee, 0x2e336c0, 0x3e326e0, 0x3c11282, 0x3810290, 0x3a11640, 0x3efffff, 0x2c10282,
    0x0a1024a, 0x2e10640, 0x3f14680, 0x3ffbeee, 0x3f99eee, 0x3f77eeb, 0x3f35fff, 0x3ffffef,
];

/// Whether at least three in ten letter pairs are rare: in words one in twenty is, in random letters every second.
fn has_many_rare_pairs(b: &[u8]) -> bool {
    let (mut pairs, mut rare) = (0u32, 0u32);
    for w in b.windows(2) {
        // A capital after a small letter begins a new word, so the two are not a pair.
        if w[0].is_ascii_alphabetic()
            && w[1].is_ascii_alphabetic()
            && !(w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase())
        {
            pairs += 1;
            let (first, second) = (w[0].to_ascii_lowercase() - b'a', w[1].to_ascii_lowercase() - b'a');
            rare += RARE_PAIRS[usize::from(first)] >> second & 1;
        }
    }
    pairs >= 5 && rare * 10 >= pairs * 3
}

/// The pieces that [`looks_wordy`] splits a value into.
#[derive(Default)]
struct WordPieces {
    words: usize,
    /// Words of one or two letters.
    short: usize,
    digits: usize,
    /// Digits that a small letter follows directly, as in `k8s` or `7f3a`.
    digit_to_letter: usize,
    /// Runs of capitals glued to small letters, as in `aBCd`; `HTTPServer` has one.
    glued_capitals: usize,
}

impl WordPieces {
    /// Splits at separators, case changes and between letters and digits; `None` if a piece cannot be a word.
    fn split(b: &[u8]) -> Option<WordPieces> {
        let mut out = WordPieces::default();
        let mut i = 0;
        while i < b.len() {
            let start = i;
            if b[i].is_ascii_digit() {
                while i < b.len() && b[i].is_ascii_digit() {
                    i += 1;
                }
                out.digits += i - start;
                out.digit_to_letter += usize::from(b.get(i).is_some_and(u8::is_ascii_lowercase));
            } else if b[i].is_ascii_alphabetic() {
                while i < b.len() && b[i].is_ascii_uppercase() {
                    i += 1;
                }
                let capitals = i - start;
                // One capital begins a word (`Token`); several are a separate word (`API`).
                if capitals <= 1 {
                    while i < b.len() && b[i].is_ascii_lowercase() {
                        i += 1;
                    }
                }
                let word = &b[start..i];
                let small = |c: Option<&u8>| c.is_some_and(u8::is_ascii_lowercase);
                if capitals > 1 && (small(b.get(i)) || small(start.checked_sub(1).and_then(|k| b.get(k)))) {
                    out.glued_capitals += 1;
                }
                out.words += 1;
                out.short += usize::from(word.len() <= 2);
                if !is_speakable(word) {
                    return None;
                }
            } else {
                i += 1;
            }
        }
        Some(out)
    }
}

/// Whether a value is made of words, numbers and separators, as identifiers, slugs, paths and prose are.
///
/// `my-k8s-secret` and `ids_of_the_sequence` are; `gTq8WvB3rKzmYp5x` is not: many short pieces, frequent changes between
/// digits and letters and unusual letter pairs mean randomness.
pub fn looks_wordy(value: &str) -> bool {
    let b = value.as_bytes();
    if !value.is_ascii() {
        return false;
    }
    let Some(pieces) = WordPieces::split(b) else { return false };
    let WordPieces { words, short, digits, digit_to_letter, glued_capitals } = pieces;
    if digits * 3 > b.len() && words > 0 && digit_to_letter > 1 {
        return false;
    }
    if glued_capitals > 1 || has_many_rare_pairs(b) {
        return false;
    }
    let has_capital = b.iter().any(u8::is_ascii_uppercase);
    let long_words = words.saturating_sub(short);
    // A value in mixed case may have fewer short words: random letters in mixed case fall into many of them.
    digit_to_letter <= 1
        && short * 2 <= words.max(1) + if has_capital { 1 } else { 2 }
        && (long_words > 0 || b.len() < 8)
}

/// Whether a value is a UUID: hexadecimal digits in groups of 8-4-4-4-12.
pub(crate) fn is_uuid(v: &str) -> bool {
    let b = v.as_bytes();
    b.len() == 36
        && b.iter()
            .enumerate()
            .all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { *c == b'-' } else { c.is_ascii_hexdigit() })
}

/// Whether a value is random enough to be a key without further evidence: long, mixed and not made of words.
pub(crate) fn looks_random(v: &str) -> bool {
    let b = v.as_bytes();
    let m = CharCounts::of(b);
    if m.space > 0 || b.len() < 12 || m.letters() == 0 {
        return false;
    }
    let hex = b.iter().all(u8::is_ascii_hexdigit);
    if hex {
        return b.len() >= 16 && m.digit > 0 && entropy(b) >= 2.7;
    }
    if m.digit == 0 && !(m.upper > 1 && m.lower > 1) && b.len() < 24 {
        return false;
    }
    let min_entropy = if b.len() >= 24 { 3.4 } else { 3.0 };
    entropy(b) >= min_entropy && !looks_wordy(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_recognized_and_secrets_are_not() {
        for v in [
            "changeme",
            "${TOKEN}",
            "$TOKEN",
            "<token>",
            "YOUR_API_KEY",
            "process.env.X",
            "xxxxxxxxxxxx",
            "[PASSWORD_abc234]",
            "{{ .Values.x }}",
            "string",
        ] {
            assert!(is_placeholder_value(v), "{v}");
        }
        for v in ["copper-lantern-440", "gTq8WvB3rKzmY", "$2b$10$abc"] {
            assert!(!is_placeholder_value(v), "{v}");
        }
    }

    #[test]
    fn words_and_random_values_differ() {
        for v in [
            "ids_of_the_sequence",
            "information-about-something",
            "getAccessToken",
            "my-k8s-secret",
            "react-dom/server",
        ] {
            assert!(looks_wordy(v), "{v}");
            assert!(!looks_random(v), "{v}");
        }
        for v in ["gTq8WvB3rKzmYp5x", "fw_Tqij9ALOJO7ogSavGuIqQalC", "7hwnqdzk41vpbs8xtrrcg65mya92fe3u"] {
            assert!(looks_random(v), "{v}");
        }
        assert!(entropy(b"aaaa") < 0.01);
    }

    #[test]
    fn a_short_placeholder_wording_inside_a_long_random_value_proves_nothing() {
        assert!(is_placeholder_value("todo-later"));
        assert!(!has_placeholder_part("q7todox9m2kz4lr8vb"));
        assert!(has_placeholder_part("q7x9m2kz4lr8-todo-vb"));
    }

    #[test]
    fn a_run_of_ten_ascending_characters_counts_up() {
        assert!(counts_up("x0123456789") && counts_up("abcdefghij"));
        assert!(!counts_up("012345678") && !counts_up("gTq8WvB3rKzmYp5x"));
    }

    #[test]
    fn shared_accounts_and_user_placeholders_identify_no_person() {
        assert!(is_shared_account("Runner") && is_shared_account("user_k3f9qa"));
        assert!(!is_shared_account("pvintergren") && !is_shared_account("user_1"));
    }
}
