//! Judges a value by its shape: whether it looks random or made of words.
//!
//! - Random: `gTq8WvB3rKzmYp5x`. Made of words: `getAccessToken`, `my-k8s-secret`.

use super::word_lists::SHARED_ACCOUNTS;

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
    /// Runs of capitals glued to lowercase letters, as in `aBCd`; `HTTPServer` has one.
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
