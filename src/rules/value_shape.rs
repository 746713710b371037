//! Does a value look like a secret, a word, or a stand-in? Entropy and word shape.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::word_lists::{SHARED_ACCOUNTS, STANDIN_WORDS, STANDINS};

/// Shannon entropy of the bytes, in bits per byte.
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

/// How many kinds of characters a value has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mix {
    pub lower: usize,
    pub upper: usize,
    pub digit: usize,
    pub symbol: usize,
    pub space: usize,
    pub other: usize,
}

impl Mix {
    pub fn of(value: &[u8]) -> Mix {
        let mut m = Mix::default();
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

/// Whether a value stands for a secret without being one: `YOUR_API_KEY`, `${VAR}`, `<token>`, `****`, our own placeholder.
pub fn is_placeholder_value(value: &str) -> bool {
    let v = value.trim();
    if v.is_empty() {
        return true;
    }
    let b = v.as_bytes();
    if b[0] == b'$'
        && b.len() > 1
        && (b[1] == b'{' || b[1] == b'(' || b[1].is_ascii_uppercase() || b[1] == b'_')
    {
        // `$VAR`, `${VAR}`, `$(cmd)`; a crypt hash is `$2b$…`
        if b[1] == b'{'
            || b[1] == b'('
            || b[1..].iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_')
        {
            return true;
        }
    }
    if b[0] == b'<' && (b.contains(&b'>') || b.len() < 4) {
        return true;
    }
    if b[0] == b'[' && (v.ends_with(']') || stand_in_head(b.split(|c| *c == b']').next().unwrap_or(b))) {
        return true;
    }
    if v.contains("{{")
        || v.contains("${")
        || v.contains("#{")
        || v.starts_with('{')
        || v.contains("%(")
        || v.starts_with("%s")
    {
        return true;
    }
    if b[0] == b'%' && v.ends_with('%') && v.len() > 2 {
        return true;
    }
    let lower = v.to_ascii_lowercase();
    let version = lower
        .rsplit(['-', ':', '@'])
        .next()
        .is_some_and(|t| t.contains('.') && t.bytes().all(|c| c.is_ascii_digit() || c == b'.'));
    if version && looks_version(&lower) {
        return true;
    }
    if STANDIN_WORDS.has(&lower) || standin(&lower) {
        return true;
    }
    for call in [
        "process.env",
        "os.environ",
        "os.getenv",
        "getenv",
        "import.meta",
        "std::env",
        "env.",
        "secrets.",
        "config.",
        "settings.",
        "vault:",
        "op://",
        "arn:",
        "file:",
        "self.",
        "this.",
        "args.",
        "options.",
        "params.",
        "req.",
        "request.",
        "ctx.",
        "props.",
        "state.",
        "data.",
        "user.",
    ] {
        if lower.starts_with(call) {
            return true;
        }
    }
    repeats(b)
}

/// Our own stand-in whose closing bracket was taken for syntax: `[EMAIL_k3f9qa`.
fn stand_in_head(b: &[u8]) -> bool {
    let Some(at) = b
        .iter()
        .position(|c| c.is_ascii_lowercase())
        .map_or(b.iter().rposition(|c| *c == b'_'), |_| b.len().checked_sub(7).filter(|p| b[*p] == b'_'))
    else {
        return false;
    };
    at > 1 && b[1..at].iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_')
}

/// `name-1.2.3`: a package at a version.
fn looks_version(v: &str) -> bool {
    v.starts_with(|c: char| c.is_ascii_lowercase()) && v.len() < 48
}

/// Whether a stand-in's wording is in the value; a short one must stand apart, as random text contains it by chance.
fn standin(lower: &str) -> bool {
    static FINDER: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let b = lower.as_bytes();
    let Some(finder) = FINDER.get_or_init(|| AhoCorasick::new(STANDINS.list()).ok()) else { return false };
    finder.find_overlapping_iter(b).any(|hit| {
        let (at, s) = (hit.start(), STANDINS.list()[hit.pattern().as_usize()]);
        let apart = |c: Option<&u8>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
        s.len() >= 7
            || s.starts_with(['x', '*', '.', '<'])
            || b.len() < 16
            || (apart(at.checked_sub(1).and_then(|i| b.get(i))) || s.starts_with(['_', '-']))
                && (apart(b.get(at + s.len())) || s.ends_with(['_', '-']))
    })
}

/// Runs of one character, or a short unit over and over.
fn repeats(b: &[u8]) -> bool {
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
    // padding inside a long token is no sign of an example
    let most = if b.len() >= 40 { b.len() / 3 } else { 8 };
    let mut run = 1;
    for w in b.windows(2) {
        run = if w[0] == w[1] { run + 1 } else { 1 };
        if run >= most {
            return true;
        }
    }
    false
}

/// Whether ten or more characters follow each other as in the alphabet or in counting: `abcdefghij`, `0123456789`.
pub(crate) fn counts_up(value: &str) -> bool {
    let mut run = 1;
    value.as_bytes().windows(2).any(|w| {
        run = if w[0].wrapping_add(1) == w[1] { run + 1 } else { 1 };
        run >= 10
    })
}

/// Whether an account name says nothing about a person: `root`, `runner`, our own stand-in.
pub fn is_shared_account(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SHARED_ACCOUNTS.has(&lower) || lower.starts_with("user_") && lower.len() == 11
}

fn vowel(b: u8) -> bool {
    matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Letters that could be a word: vowels and consonants in a speakable order.
fn speakable(word: &[u8]) -> bool {
    if word.len() <= 3 {
        return true;
    }
    let mut run = 0;
    let mut vowels = 0;
    for b in word {
        if vowel(*b) {
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

/// Letter pairs that words and identifiers hardly have (fewer than one in 2,000 pairs of what programs and their
/// manuals are written in): a row for the first letter, a bit for the second.
const RARE: [u32; 26] = [
    0x2414291, 0x2e9b4e8, 0x3e12240, 0x3a126c0, 0x2000680, 0x3e1b6c2, 0x3e1966e, 0x3e5bee6, 0x1510780,
    0x3ffffef, 0x3fbfeee, 0x2e336c0, 0x3e326e0, 0x3c11282, 0x3810290, 0x3a11640, 0x3efffff, 0x2c10282,
    0x0a1024a, 0x2e10640, 0x3f14680, 0x3ffbeee, 0x3f99eee, 0x3f77eeb, 0x3f35fff, 0x3ffffef,
];

/// Whether three in ten letter pairs are rare ones: words have one in twenty, random letters every second.
fn rare_pairs(b: &[u8]) -> bool {
    let (mut pairs, mut rare) = (0u32, 0u32);
    for w in b.windows(2) {
        // where a capital follows a small letter, a new word begins
        if w[0].is_ascii_alphabetic()
            && w[1].is_ascii_alphabetic()
            && !(w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase())
        {
            pairs += 1;
            let (first, second) = (w[0].to_ascii_lowercase() - b'a', w[1].to_ascii_lowercase() - b'a');
            rare += RARE[usize::from(first)] >> second & 1;
        }
    }
    pairs >= 5 && rare * 10 >= pairs * 3
}

/// Whether a value is made of words, numbers and separators as identifiers, slugs, paths and prose are.
///
/// Splits at separators, case changes and between letters and digits; many short pieces mean randomness.
pub fn looks_wordy(value: &str) -> bool {
    let b = value.as_bytes();
    if b.iter().any(|c| *c >= 0x80) {
        return false;
    }
    let mut pieces = 0usize;
    let mut short = 0usize;
    let mut digits = 0usize;
    let mut changes = 0usize;
    let mut odd = 0usize;
    let mut i = 0;
    while i < b.len() {
        let c = b[i];
        let start = i;
        if c.is_ascii_digit() {
            while i < b.len() && b[i].is_ascii_digit() {
                i += 1;
            }
            digits += i - start;
            if i < b.len() && b[i].is_ascii_lowercase() {
                changes += 1;
            }
        } else if c.is_ascii_alphabetic() {
            while i < b.len() && b[i].is_ascii_uppercase() {
                i += 1;
            }
            let upper_run = i - start;
            if upper_run <= 1 {
                while i < b.len() && b[i].is_ascii_lowercase() {
                    i += 1;
                }
            }
            let word = &b[start..i];
            let glued = |c: Option<&u8>| c.is_some_and(u8::is_ascii_lowercase);
            if upper_run > 1 && (glued(b.get(i)) || glued(start.checked_sub(1).and_then(|k| b.get(k)))) {
                odd += 1;
            }
            pieces += 1;
            if word.len() <= 2 {
                short += 1;
            }
            if !speakable(word) {
                return false;
            }
        } else {
            i += 1;
        }
    }
    if digits * 3 > b.len() && pieces > 0 && changes > 1 {
        return false;
    }
    if odd > 1 || rare_pairs(b) {
        return false;
    }
    let upper = b.iter().any(u8::is_ascii_uppercase);
    let longish = pieces.saturating_sub(short);
    changes <= 1 && short * 2 <= pieces.max(1) + if upper { 1 } else { 2 } && (longish > 0 || b.len() < 8)
}

/// `8-4-4-4-12` hex.
pub(crate) fn is_uuid(v: &str) -> bool {
    let b = v.as_bytes();
    b.len() == 36
        && b.iter()
            .enumerate()
            .all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { *c == b'-' } else { c.is_ascii_hexdigit() })
}

/// Random enough to be a key on its own: long, mixed, not made of words.
pub(crate) fn looks_random(v: &str) -> bool {
    let b = v.as_bytes();
    let m = Mix::of(b);
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
    let need = if b.len() >= 24 { 3.4 } else { 3.0 };
    entropy(b) >= need && !looks_wordy(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standins_are_seen() {
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
    fn words_and_randomness_differ() {
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
}
