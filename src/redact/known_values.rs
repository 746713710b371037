//! KnownValues that are known to be sensitive, found again wherever they stand.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::rules::{entropy, is_placeholder_value, looks_wordy};

/// How a known value is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownValue {
    pub kind: String,
    pub rule: String,
    pub confidence: u8,
    /// Only as a whole word.
    pub word: bool,
    /// Whatever its case.
    pub fold: bool,
}

/// A known value that was met in a text.
#[derive(Debug, Clone)]
pub(crate) struct Met {
    pub start: usize,
    pub end: usize,
    pub value: usize,
}

/// The set of known values, with its automaton.
#[derive(Debug, Default, Clone)]
pub(crate) struct KnownValues {
    known: BTreeMap<String, KnownValue>,
    list: Vec<(String, KnownValue)>,
    needles: Vec<Needle>,
    automaton: Option<AhoCorasick>,
    spellings: Spellings,
    stale: bool,
}

#[derive(Debug, Clone)]
struct Needle {
    value: usize,
    /// Only the head of the value: the rest may follow as far as it agrees.
    head: bool,
}

/// The other spellings of the known values. Most sets of values are known for a text or two, so these are looked for
/// one by one until that has taken as long as making an automaton of them does.
#[derive(Debug, Default)]
struct Spellings {
    /// Made when first needed: the value and how it is spelled.
    forms: OnceLock<Vec<(usize, String)>>,
    automaton: OnceLock<Option<AhoCorasick>>,
    /// Bytes looked through so far, those of every form for itself.
    spent: AtomicUsize,
}

impl Clone for Spellings {
    fn clone(&self) -> Self {
        Spellings {
            forms: self.forms.clone(),
            automaton: self.automaton.clone(),
            spent: AtomicUsize::new(self.spent.load(Ordering::Relaxed)),
        }
    }
}

impl Spellings {
    /// What looking for one form takes besides looking through the text, in bytes looked through.
    const EACH: usize = 3000;
    /// What a byte of a form takes in an automaton, in bytes looked through.
    const MADE: usize = 2000;

    /// Every spelling in the text: its value and where it stands.
    fn find(&self, list: &[(String, KnownValue)], text: &str) -> Vec<(usize, usize, usize)> {
        let forms = self.forms.get_or_init(|| {
            let of = |(n, (value, _)): (usize, &(String, KnownValue))| {
                forms(value).into_iter().skip(1).map(move |form| (n, form)).collect::<Vec<_>>()
            };
            list.iter().enumerate().flat_map(of).collect()
        });
        if forms.is_empty() {
            return Vec::new();
        }
        let b = text.as_bytes();
        let work = forms.len().saturating_mul(Self::EACH + b.len());
        let spent = self.spent.fetch_add(work, Ordering::Relaxed).saturating_add(work);
        let size: usize = forms.iter().map(|(_, form)| form.len()).sum();
        if spent < size.saturating_mul(Self::MADE) {
            let each = |(value, form): &(usize, String)| {
                let (value, len) = (*value, form.len());
                memchr::memmem::find_iter(b, form.as_bytes())
                    .map(move |at| (value, at, at + len))
                    .collect::<Vec<_>>()
            };
            return forms.iter().filter(|(_, form)| form.len() <= b.len()).flat_map(each).collect();
        }
        let made = self.automaton.get_or_init(|| {
            let patterns = forms.iter().map(|(_, form)| form.as_bytes());
            AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(patterns).ok()
        });
        let hits = made.iter().flat_map(|a| a.find_overlapping_iter(b));
        hits.filter_map(|hit| Some((forms.get(hit.pattern().as_usize())?.0, hit.start(), hit.end())))
            .collect()
    }
}

impl KnownValues {
    /// Adds a value; the surer kind stays, whichever came first.
    pub fn add(&mut self, value: &str, known: KnownValue) {
        let rank = |k: &KnownValue| {
            (k.confidence, !k.word, k.fold, std::cmp::Reverse((k.kind.clone(), k.rule.clone())))
        };
        match self.known.get(value) {
            Some(old) if rank(old) >= rank(&known) => {}
            _ => {
                self.known.insert(value.to_owned(), known);
                self.stale = true;
            }
        }
    }

    pub fn get(&self, n: usize) -> (&str, &KnownValue) {
        let (v, k) = &self.list[n];
        (v, k)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &KnownValue)> {
        self.known.iter().map(|(v, k)| (v.as_str(), k))
    }

    /// Makes the automaton current; false if it was.
    pub fn build(&mut self) -> bool {
        if !self.stale {
            return false;
        }
        self.stale = false;
        self.spellings = Spellings::default();
        self.list = self.known.iter().map(|(v, k)| (v.clone(), k.clone())).collect();
        self.needles.clear();
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        for (n, (value, known)) in self.list.iter().enumerate() {
            patterns.push(value.as_bytes().to_vec());
            self.needles.push(Needle { value: n, head: false });
            if let Some(h) = head_len(value, known) {
                patterns.push(value.as_bytes()[..h].to_vec());
                self.needles.push(Needle { value: n, head: true });
            }
        }
        self.automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            // a few values, known for one record: what is quick to make
            .kind(Some(match patterns.len() {
                0..64 => AhoCorasickKind::NoncontiguousNFA,
                _ => AhoCorasickKind::ContiguousNFA,
            }))
            .build(&patterns)
            .ok();
        true
    }

    /// Every known value in the text. Call [`KnownValues::build`] first.
    pub fn find(&self, text: &str) -> Vec<Met> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let b = text.as_bytes();
        let mut out = Vec::new();
        for hit in automaton.find_overlapping_iter(b) {
            let needle = &self.needles[hit.pattern().as_usize()];
            let (value, known) = &self.list[needle.value];
            let (v, fold, head) = (value.as_bytes(), known.fold, needle.head);
            let mut end = hit.end();
            if head {
                let mut n = end - hit.start();
                while n < v.len() && end < b.len() && b[end] == v[n] {
                    n += 1;
                    end += 1;
                }
            }
            if !fold && b[hit.start()..end] != v[..end - hit.start()] {
                continue;
            }
            if head && end - hit.start() < v.len() && b.get(end).is_some_and(|c| c.is_ascii_alphanumeric()) {
                // another value that begins alike
                continue;
            }
            if !text.is_char_boundary(hit.start()) || !text.is_char_boundary(end) {
                continue;
            }
            if !known.word || stands_alone(text, hit.start(), end) {
                out.push(Met { start: hit.start(), end, value: needle.value });
            }
        }
        out
    }

    /// Every known value in the text that is spelled otherwise: escaped, URL-encoded, in base64 or hex.
    pub fn find_spelled(&self, text: &str) -> Vec<Met> {
        let mut out = Vec::new();
        for (value, start, end) in self.spellings.find(&self.list, text) {
            let whole = self.list.get(value).is_some_and(|(_, known)| known.word);
            if text.is_char_boundary(start)
                && text.is_char_boundary(end)
                && (!whole || stands_alone(text, start, end))
            {
                out.push(Met { start, end, value });
            }
        }
        out
    }
}

/// Whether the words at both ends of a stretch of a text end there.
pub(crate) fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let value = &text[start..end];
    // a name of two characters is part of other words where words are not set apart
    let short = value.chars().nth(2).is_none();
    let joined = |inner: Option<char>, outer: Option<char>| match (inner, outer) {
        (Some(i), Some(o)) if unspaced(i) => short && unspaced(o),
        (Some(_), Some(o)) => o.is_alphanumeric() && !unspaced(o),
        _ => false,
    };
    !joined(value.chars().next(), text[..start].chars().next_back())
        && !joined(value.chars().next_back(), text[end..].chars().next())
}

/// Whether words are written without blanks between them: Thai, Chinese, Japanese, Korean (whose endings are).
fn unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// How much of a value is enough to know it by when it is cut short: eight characters after its public prefix.
fn head_len(value: &str, known: &KnownValue) -> Option<usize> {
    if known.word
        || value.len() < 20
        || !value.is_ascii()
        || value.contains(char::is_whitespace)
        || value.starts_with("-----")
    {
        return None;
    }
    let public = value[..value.len().min(24)].rfind(['_', '-', '.', ':', '/']).map_or(0, |p| p + 1);
    let public = if public > 16 { 0 } else { public };
    let h = public + 8;
    let body = &value.as_bytes()[public..h.min(value.len())];
    (h + 4 < value.len() && entropy(body) >= 2.0).then_some(h)
}

/// The spellings under which a value could stand in written bytes: raw, JSON-escaped, URL-encoded, base64, hex.
pub(crate) fn forms(value: &str) -> Vec<String> {
    let mut out = vec![value.to_owned()];
    let mut add = |s: String| {
        if s.len() >= 6 && !out.contains(&s) {
            out.push(s);
        }
    };
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.trim_matches('"').to_owned();
    let twice = serde_json::to_string(&json).unwrap_or_default();
    add(json);
    add(twice.trim_matches('"').to_owned());
    let mut url = String::with_capacity(value.len());
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            url.push(char::from(b));
        } else {
            url.push('%');
            url.push_str(&data_encoding::HEXUPPER.encode(&[b]));
        }
    }
    add(url);
    if value.len() >= 8 {
        add(data_encoding::HEXLOWER.encode(value.as_bytes()));
        for lead in 0..3usize {
            // the middle of the encoding does not depend on what stands around the value
            let mut padded = vec![b'x'; lead];
            padded.extend_from_slice(value.as_bytes());
            let code = data_encoding::BASE64_NOPAD.encode(&padded);
            let skip = [0, 2, 3][lead];
            let keep = code.len() - [0, 1, 1][padded.len() % 3].min(code.len());
            if keep > skip + 8 {
                add(code[skip..keep].to_owned());
            }
        }
    }
    out
}

/// Whether (and how) a found value may be looked for elsewhere: `production` never, even if a token was set to it.
pub(crate) fn propagates(kind: &str, value: &str, secret: bool) -> Option<bool> {
    let v = value.trim();
    if is_placeholder_value(v) && secret {
        return None;
    }
    match kind {
        "EMAIL" | "IBAN" | "CREDIT_CARD" | "SSN" | "MAC_ADDRESS" | "PHONE" | "IP_ADDRESS" | "NATIONAL_ID"
        | "BANK_ACCOUNT" => Some(true),
        "PERSON" => (v.contains(' ')).then_some(true),
        "ADDRESS" | "GEO" => Some(true),
        "USER" => (v.len() >= 3).then_some(true),
        _ if !secret => None,
        _ => {
            let digit = v.bytes().any(|b| b.is_ascii_digit());
            let letter = v.bytes().any(|b| b.is_ascii_alphabetic());
            let symbol = v.bytes().any(|b| b.is_ascii_punctuation());
            let strong = (digit && letter) || (letter && symbol && !looks_wordy(v)) || !looks_wordy(v);
            if !strong || entropy(v.as_bytes()) < 2.5 || v.len() < 6 {
                return None;
            }
            // words with digits and short ones must stand alone
            Some(v.len() < 12 || looks_wordy(v))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(word: bool) -> KnownValue {
        KnownValue { kind: "TOKEN".into(), rule: "t".into(), confidence: 80, word, fold: false }
    }

    #[test]
    fn whole_cut_and_foreign() {
        let mut v = KnownValues::default();
        let secret = "kq7Zp2Xw9Rt4Lm6Nv8Bc3";
        v.add(secret, known(false));
        v.build();
        assert!(!v.find(&format!("a{secret}b")).is_empty());
        let cut = v.find("see kq7Zp2Xw9Rt... there");
        assert_eq!((cut.len(), cut[0].start, cut[0].end), (1, 4, 15));
        assert!(v.find("kq7Zp2XwAAAAAAAA").is_empty());
    }

    #[test]
    fn words_end_at_marks_and_at_another_script() {
        let alone = |before: &str, value: &str, after: &str| {
            stands_alone(&[before, value, after].concat(), before.len(), before.len() + value.len())
        };
        for (before, after) in [("", ""), (" ", "."), ("\u{1f600}", "…"), ("ユーザー", "は"), ("_", "_")]
        {
            assert!(alone(before, "pvintergren", after), "{before} {after}");
        }
        for (before, after) in [("x", ""), ("", "9"), ("é", "")] {
            assert!(!alone(before, "pvintergren", after), "{before} {after}");
        }
        assert!(alone("", "山田太郎", "さん") && !alone("", "山田", "さん"));
    }

    #[test]
    fn other_spellings_are_met_too() {
        let mut v = KnownValues::default();
        let secret = "kq7Zp2Xw9Rt4Lm6Nv8Bc3";
        v.add(secret, known(false));
        v.build();
        for form in forms(secret) {
            let text = format!("0f{form}f0");
            assert!(!v.find(&text).is_empty() || !v.find_spelled(&text).is_empty(), "{form}");
        }
    }

    #[test]
    fn plain_words_do_not_spread() {
        assert_eq!(propagates("TOKEN", "production", true), None);
        assert_eq!(propagates("PASSWORD", "walnut7x", true), Some(true));
        assert_eq!(propagates("TOKEN", "kq7Zp2Xw9Rt4Lm6N", true), Some(false));
    }
}
