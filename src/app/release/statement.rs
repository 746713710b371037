//! What counts as a statement: words, of sufficient length, that the inventory does not contradict.

use std::collections::BTreeSet;

/// Minimum length of an attestation, in characters.
pub const MIN_ATTESTATION_CHARS: usize = 24;
/// Minimum number of different words, in scripts that separate words.
const MIN_WORDS: usize = 4;
/// Minimum number of different letters.
const MIN_LETTERS: usize = 8;

/// Why a text is not a statement. `None` if it is one.
pub fn statement_fault(words: &str) -> Option<&'static str> {
    let words = words.trim();
    if words.chars().count() < MIN_ATTESTATION_CHARS {
        return Some("it is too short");
    }
    let letters: BTreeSet<char> =
        words.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    if letters.len() < MIN_LETTERS {
        return Some("it repeats the same letters");
    }
    // Scripts without upper case, such as Chinese, do not separate words with spaces.
    let is_cased = |c: &char| c.is_lowercase() || c.is_uppercase();
    if letters.iter().filter(|c| is_cased(c)).count() * 2 >= letters.len() && tokens(words).len() < MIN_WORDS
    {
        return Some("it does not consist of words");
    }
    None
}

/// The different words of a text, in lower case.
fn tokens(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    words.filter(|w| w.chars().any(char::is_alphabetic)).map(str::to_lowercase).collect()
}

/// Whether a statement says that nothing was kept in clear. Only plain English sentences are recognized.
pub(super) fn denies_kept_values(statement: &str) -> bool {
    const NONE: [&str; 5] = ["no", "none", "nothing", "never", "not"];
    const KEPT: [&str; 8] = ["kept", "keep", "clear", "left", "remain", "remains", "retained", "visible"];
    const ALL: [&str; 4] = ["all", "every", "everything", "each"];
    const GONE: [&str; 7] =
        ["redacted", "removed", "replaced", "masked", "anonymized", "anonymised", "deleted"];
    const EXCEPT: [&str; 8] = ["except", "but", "other", "rest", "besides", "apart", "remaining", "only"];
    statement.split(['.', ';', '!', '?', '\n']).any(|sentence| {
        let words = tokens(sentence);
        let has = |list: &[&str]| list.iter().any(|w| words.contains(*w));
        (has(&NONE) && has(&KEPT) || has(&ALL) && has(&GONE)) && !has(&EXCEPT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_letters_and_texts_without_words_are_not_statements() {
        for bad in [
            "",
            "I read all.",
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzz",
            "ababababababababababababababab",
            "ok ok ok ok ok ok ok ok ok ok ok",
            "------------------------------",
            "1234567890 1234567890 1234567890",
            "abcdefghijklmnopqrstuvwxyzabcdef",
        ] {
            assert!(statement_fault(bad).is_some(), "{bad}");
        }
        for good in [
            "I read every session of it from beginning to end.",
            "The person was asked, and this is their answer.",
            "Ich habe alle Namen und Rechner durchgesehen.",
            "我已经阅读了所有的对话内容，并且确认其中没有任何个人信息或者公司名称。",
        ] {
            assert_eq!(statement_fault(good), None, "{good}");
        }
    }

    #[test]
    fn a_claim_that_nothing_was_kept_is_recognized() {
        for denial in [
            "I looked at the names; no names were kept in clear.",
            "Nothing stays visible.",
            "Every company and every host was redacted.",
            "All names were removed, I checked the list.",
        ] {
            assert!(denies_kept_values(denial), "{denial}");
        }
        for other in [
            "I looked through the names and hosts; none of them has to go.",
            "Two company names are kept because they are public.",
            "All names were redacted except the name of our project.",
            "The person was asked, and this is their answer.",
        ] {
            assert!(!denies_kept_values(other), "{other}");
        }
    }
}
