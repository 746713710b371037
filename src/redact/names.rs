//! Finds configured names in every spelling: `Acme Works` is also `acme-works`, `AcmeWorks`, `ACME_WORKS` and
//! `acme%20works`.
//!
//! A name is split into words. One automaton searches for the longest word of each name; the other words are compared
//! around it, across the separators that people and programs put between words. Names and texts are compared in Unicode
//! normal form NFKC and without case.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Fewest letters and digits of a name. Shorter ones are part of most words.
const MIN_NAME_CHARS: usize = 3;
/// Fewest characters of a name in a script whose characters are syllables or words.
const MIN_IDEOGRAPHIC_NAME_CHARS: usize = 2;
/// Longest run of blanks between two words, in bytes: a line break and the indentation of the next line.
const MAX_BLANK_BYTES: usize = 100;

/// The names that are searched for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    names: Vec<Name>,
    automaton: Option<AhoCorasick>,
}

#[derive(Debug, Clone)]
struct Name {
    /// The name as it is configured.
    text: String,
    /// The words in folded form.
    words: Vec<String>,
    /// Index of the longest word, which the automaton searches for.
    anchor: usize,
}

/// Returns the words of a name in folded form: separators, and capitals after small letters, begin a new word.
fn name_words(name: &str) -> Vec<String> {
    let normal: String = name.nfkc().collect();
    let mut words: Vec<String> = Vec::new();
    let mut previous: Option<char> = None;
    for c in normal.chars() {
        if !c.is_alphanumeric() && !is_combining_mark(c) {
            previous = None;
            continue;
        }
        let begins = previous.is_none_or(|p| p.is_lowercase() && c.is_uppercase());
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            fold_char(c, word);
        }
        previous = Some(c);
    }
    words.into_iter().map(|w| w.nfkc().collect()).collect()
}

/// Whether a string is long enough to be searched for inside of words.
pub fn is_long_enough(name: &str) -> bool {
    let words = name_words(name);
    let chars = || words.iter().flat_map(|w| w.chars()).filter(|c| c.is_alphanumeric());
    let least = match chars().all(|c| ('\u{2e80}'..='\u{d7ff}').contains(&c) || c >= '\u{20000}') {
        true => MIN_IDEOGRAPHIC_NAME_CHARS,
        false => MIN_NAME_CHARS,
    };
    chars().count() >= least
}

/// Whether two strings are spellings of the same name.
pub fn same_name(a: &str, b: &str) -> bool {
    let (a, b) = (name_words(a).concat(), name_words(b).concat());
    a == b && !a.is_empty()
}

impl Names {
    /// Makes the search for these names; a name without letters and digits is never found.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<Name> = names
            .map(|name| {
                let words = name_words(name);
                let anchor = (0..words.len()).rev().max_by_key(|n| words[*n].len()).unwrap_or(0);
                Name { text: name.to_owned(), words, anchor }
            })
            .collect();
        let anchors = names.iter().map(|n| n.words.get(n.anchor).map_or("\u{0}\u{0}", String::as_str));
        let automaton = if names.is_empty() {
            None
        } else {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(anchors)
                .ok()
        };
        Names { names, automaton }
    }

    /// Whether the search could not be built, so that no name is found.
    pub fn has_failed(&self) -> bool {
        self.automaton.is_none() && !self.names.is_empty()
    }

    /// The names as they are configured.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|n| n.text.as_str())
    }

    /// Finds every name in the text, and returns its index and span.
    pub fn find(&self, text: &str) -> Vec<(usize, usize, usize)> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let folded = Folded::of(text);
        let b = folded.text.as_bytes();
        let mut out = Vec::new();
        for hit in automaton.find_overlapping_iter(b) {
            let n = hit.pattern().as_usize();
            let Some(name) = self.names.get(n).filter(|name| !name.words.is_empty()) else { continue };
            if let Some((start, end)) = name.around(b, hit.start(), hit.end()) {
                let (start, end) = folded.to_raw(start, end);
                out.push((n, text.floor_char_boundary(start), text.ceil_char_boundary(end)));
            }
        }
        out
    }
}

/// Counts how often configured names and user names occur in texts.
#[derive(Debug)]
pub struct NameCounter {
    names: Names,
    /// The name counts only as a whole word.
    whole_word: Vec<bool>,
    counts: Vec<u64>,
}

impl NameCounter {
    /// Makes a counter of strings, which count inside of words too, and of user names, which do not.
    pub fn new(strings: &[String], usernames: &[String]) -> Self {
        let all = || strings.iter().chain(usernames).map(|s| s.trim());
        NameCounter {
            names: Names::new(all()),
            whole_word: all().enumerate().map(|(n, _)| n >= strings.len()).collect(),
            counts: vec![0; all().count()],
        }
    }

    /// Adds the occurrences in a text.
    pub fn add(&mut self, text: &str) {
        for (n, start, end) in self.names.find(text) {
            let counts = !self.whole_word[n] || is_whole_word(text, start, end);
            self.counts[n] += u64::from(counts);
        }
    }

    /// The occurrences of each string, and then of each user name.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

impl Name {
    /// Returns the span of the whole name around its longest word `[start, end)`.
    fn around(&self, b: &[u8], mut start: usize, mut end: usize) -> Option<(usize, usize)> {
        for word in &self.words[self.anchor + 1..] {
            let at = skip_separator(b, end);
            let to = at + word.len();
            if !b.get(at..to)?.eq_ignore_ascii_case(word.as_bytes()) {
                return None;
            }
            end = to;
        }
        for word in self.words[..self.anchor].iter().rev() {
            let before = skip_separator_back(b, start);
            let from = before.checked_sub(word.len())?;
            if !b[from..before].eq_ignore_ascii_case(word.as_bytes()) {
                return None;
            }
            start = from;
        }
        Some((start, end))
    }
}

/// Separators of one character, and encoded ones, that may be between two words.
const SEPARATORS: &[&str] = &[
    "--", "__", "-", "_", ".", "+", "~", "&", "'", "’", "·", "‐", "‑", "‒", "–", "—", "%20", "%2D", "%2d",
    "%5F", "%5f", "%2E", "%2e", "%0A", "%0a", "&nbsp;", "\\r\\n", "\\n", "\\t",
];

/// Marks that begin a line of a comment, a quotation or a difference.
const LINE_MARKS: &[u8] = b"#/*>+|-";

/// Returns the end of the separator between two words at `at`; `at` if there is none.
fn skip_separator(b: &[u8], at: usize) -> usize {
    let blanks = |from: usize| {
        let run = b[from..].iter().take(MAX_BLANK_BYTES).take_while(|c| c.is_ascii_whitespace());
        from + run.count()
    };
    let end = blanks(at);
    let lines = b[at..end].iter().filter(|c| **c == b'\n').count();
    if lines > 1 {
        return at;
    }
    if lines == 1 {
        let marks = b[end..].iter().take(3).take_while(|c| LINE_MARKS.contains(c)).count();
        return blanks(end + marks);
    }
    // ` - ` and ` & ` between blanks, but no full stop, which would end a sentence.
    let mark = SEPARATORS.iter().find(|s| b[end..].starts_with(s.as_bytes()));
    match mark {
        Some(s) if end == at => at + s.len(),
        Some(s) if matches!(*s, "-" | "&" | "–" | "—" | "+") => blanks(end + s.len()),
        _ => end,
    }
}

/// Returns the start of the separator between two words that ends at `at`; `at` if there is none.
fn skip_separator_back(b: &[u8], at: usize) -> usize {
    let from = at.saturating_sub(MAX_BLANK_BYTES);
    let mut start = at;
    while start > from {
        let head = &b[..start];
        let mark = SEPARATORS.iter().find(|s| head.ends_with(s.as_bytes())).map(|s| s.len());
        match mark {
            Some(len) => start -= len,
            None if b[start - 1].is_ascii_whitespace() || LINE_MARKS.contains(&b[start - 1]) => start -= 1,
            None => break,
        }
    }
    if skip_separator(b, start) == at { start } else { at }
}

/// Whether `[start, end)` begins and ends at a word boundary of the text.
pub(crate) fn is_whole_word(text: &str, start: usize, end: usize) -> bool {
    let value = &text[start..end];
    // In a script without blanks a name of two characters is often part of another word, a longer one hardly ever.
    let short = value.chars().nth(2).is_none();
    let joined = |inner: Option<char>, outer: Option<char>| match (inner, outer) {
        (Some(i), Some(o)) if is_unspaced(i) => short && is_unspaced(o),
        (Some(_), Some(o)) => o.is_alphanumeric() && !is_unspaced(o),
        _ => false,
    };
    !joined(value.chars().next(), text[..start].chars().next_back())
        && !joined(value.chars().next_back(), text[end..].chars().next())
}

/// Whether a character belongs to a script in which no blank ends a word: Thai, Lao, Chinese, Japanese, and Korean, whose
/// endings are attached.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// A text in folded form, with a map back to its bytes.
struct Folded<'t> {
    text: Cow<'t, str>,
    /// Where the folded form differs: the start and end in the folded text and in the raw text.
    changes: Vec<(usize, usize, usize, usize)>,
}

impl<'t> Folded<'t> {
    /// Folds a text. A text that folding does not change, apart from the case of ASCII letters, is not copied.
    fn of(text: &'t str) -> Self {
        let same = Folded { text: Cow::Borrowed(text), changes: Vec::new() };
        if text.is_ascii() || !text.chars().any(|c| !c.is_ascii() && changes(c)) {
            return same;
        }
        let mut out = String::with_capacity(text.len());
        let mut changed = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let cluster = cluster_at(text, at);
            let start = out.len();
            if cluster.is_ascii() {
                out.push_str(cluster);
            } else {
                let mut folded = String::new();
                cluster.nfkc().for_each(|c| fold_char(c, &mut folded));
                out.extend(folded.nfkc());
                changed.push((start, out.len(), at, at + cluster.len()));
            }
            at += cluster.len();
        }
        Folded { text: Cow::Owned(out), changes: changed }
    }

    /// Returns the span of the raw text that a span of the folded text came from.
    fn to_raw(&self, start: usize, end: usize) -> (usize, usize) {
        // Inside of a change only the whole of it has a place in the raw text.
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

/// Returns the run of ASCII at `at`, or the character there with the marks that combine with it.
fn cluster_at(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let ascii = rest.bytes().take_while(u8::is_ascii).count();
    if ascii == rest.len() {
        return rest;
    }
    let marked = |from: usize| rest[from..].chars().next().is_some_and(is_combining_mark);
    if ascii > 0 {
        // The last character of the run may have a mark.
        let run = if marked(ascii) { ascii - 1 } else { ascii };
        if run > 0 {
            return &rest[..run];
        }
    }
    let mut end = rest.chars().next().map_or(0, char::len_utf8);
    while let Some(c) = rest[end..].chars().next().filter(|c| is_combining_mark(*c)) {
        end += c.len_utf8();
    }
    &rest[..end]
}

/// Whether folding changes a character, alone or together with the one before it.
fn changes(c: char) -> bool {
    let mut folded = String::new();
    c.is_alphanumeric() && {
        fold_char(c, &mut folded);
        folded.chars().ne([c])
    } || is_combining_mark(c)
        || is_nfkc_quick(std::iter::once(c)) != IsNormalized::Yes
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        Names::new([name].into_iter()).find(text).into_iter().map(|(_, s, e)| &text[s..e]).collect()
    }

    #[test]
    fn a_name_is_found_in_every_spelling() {
        for text in [
            "Tarn Valley Foods",
            "TARN VALLEY FOODS",
            "tarnvalleyfoods",
            "TarnValleyFoods",
            "tarn-valley_foods",
            "Tarn  Valley\n    Foods",
            "Tarn Valley\n# Foods",
            "tarn%20valley%2Dfoods",
            "tarn.valley.foods",
            "Tarn\u{a0}Valley\u{2009}Foods",
            "Ｔａｒｎ　Ｖａｌｌｅｙ　Ｆｏｏｄｓ",
            "tarn+valley+foods",
            "TARN_VALLEY_FOODS",
            "Tarn\\nValley Foods",
        ] {
            assert_eq!(found("Tarn Valley Foods", &format!("x/{text}_Y é")), [text], "{text}");
            assert_eq!(found("TarnValley-foods", &format!("Ünit {text}.")), [text], "{text}");
        }
    }

    #[test]
    fn only_the_boundaries_of_words_may_be_separated() {
        for text in [
            "tarn vall ey foods",
            "Tarn. Valley",
            "tarn/valley",
            "Tarn, Valley",
            "Tarn\n\nValley",
            "valley tarn",
        ] {
            assert!(found("Tarn Valley", text).is_empty(), "{text}");
        }
        assert!(found("Newark", "a new ark").is_empty());
    }

    #[test]
    fn case_and_composition_of_letters_beyond_ascii_do_not_matter() {
        for (name, text) in [
            ("Straßenwerk Köln", "STRASSENWERK KO\u{308}LN"),
            ("Strassenwerk", "Straßenwerk"),
            ("Straßenwerk", "STRA\u{1e9e}ENWERK"),
            ("STRA\u{1e9e}ENWERK", "Straßenwerk"),
            ("STRA\u{1e9e}ENWERK", "STRASSENWERK"),
            ("İstanbul Dock", "istanbul-dock"),
            ("İstanbul Dock", "I\u{307}STANBUL DOCK"),
            ("ISTANBUL", "İstanbul"),
            ("Balıkçı", "BALIKÇI"),
            ("balikçi", "Balıkçı"),
            ("Νόστος Φάρος", "ΝΌΣΤΟΣ ΦΆΡΟΣ"),
            ("ΝΌΣΤΟΣ", "νόστος"),
            ("Tarn", "ＴＡＲＮ"),
            ("Ｔａｒｎ", "tarn"),
            ("ﬁnfield oﬃce", "FINFIELD-OFFICE"),
            ("finfield", "ﬁnﬁeld"),
            ("Kra\u{301}lovec", "KRÁLOVEC"),
            ("Ёлка Йод", "ЁЛКА_ЙОД"),
            ("İstanbul", "i\u{307}stanbul"),
            ("Їжак", "І\u{308}ЖАК"),
            ("ǅungla", "Ǆungla"),
            ("Łódź Dock", "łódź-dock"),
            ("Ακτή Ναύς", "ΑΚΤΉ_ΝΑΎΣ"),
            ("Гавань Север", "гаваньсевер"),
            ("北港", "（北港）"),
            ("ｱｵｲ商会", "アオイ商会"),
        ] {
            assert_eq!(found(name, &format!("· é {text} — é")).len(), 1, "{text}");
        }
        let text = "é KO\u{308}LN, ﬁn";
        assert_eq!(found("Köln", text), ["KO\u{308}LN"]);
        assert_eq!(found("fin", text), ["ﬁn"]);
    }

    #[test]
    fn a_name_needs_three_letters_or_two_ideographs() {
        for short in ["", " ", "e", "x1", "a b", "--", "é", "山"] {
            assert!(!is_long_enough(short), "{short}");
        }
        for long in ["IBM", "a.b.c", "北港", "o2x"] {
            assert!(is_long_enough(long), "{long}");
        }
    }

    #[test]
    fn a_word_ends_at_a_mark_and_at_another_script() {
        let alone = |before: &str, value: &str, after: &str| {
            is_whole_word(&[before, value, after].concat(), before.len(), before.len() + value.len())
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
}
