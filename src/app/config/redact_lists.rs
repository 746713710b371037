//! The lists of what is always redacted and what is excluded: which entries are valid, and how often each hits.

use serde::Serialize;

use crate::app::Failure;
use crate::pricing::pluralize;
use crate::redact::{has_letters, is_long_enough, same_name};

/// Words that occur in most sessions. Redacting one of them leaves little of a text.
const COMMON_WORDS: &str = "able about after again agent all also and any api app are back base been being bin both branch bug build but \
    call can case change check class client cloud code com command commit company config could create data date day \
    default dev did directory docs does done down each edit else end env error even every exit false feature file find \
    first fix folder for from function get git github good group had has have help her here him his home host how \
    http https inc index info input int into issue its job just key know last like line link list local log long look \
    ltd main make man many master may message model module more most much must name need new next nil none not note \
    now null number off office old one only open org other our out output own package page part path people plan please \
    print private prod project prompt public pull push put read ready red release repo result return root run same say \
    script see self send server service session set she should show site size some src staging start state status step \
    still stop string such sys system table take task team test text than that the their them then there these they \
    thing this time title token tool too true try type two update use used user using value version very view want was \
    way web well were what when where which while who why will with word work world would write www year yes you your";

/// How often the entries of the lists hit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HitCounts {
    /// Each entry with its hits.
    pub hits: Vec<ListHits>,
    /// Number of sessions that were searched for strings and user names.
    pub sessions_counted: u64,
    /// Whether all sessions were searched, so that the numbers are exact.
    pub complete: bool,
}

/// How often an entry of a list hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListHits {
    /// `redact.strings`, `redact.usernames` or `scope.exclude`.
    pub setting: &'static str,
    pub value: String,
    /// Occurrences in the sessions that were searched; for an exclusion the number of sessions that it excludes.
    pub hits: u64,
    /// The value is a common word, so that redacting it removes ordinary text.
    pub common: bool,
}

impl ListHits {
    /// Returns the entry with its value reduced to the first letter and the length, for a reader that must not see what is
    /// redacted. An exclusion and a common word are not secrets, and the person has to be asked about a common word.
    pub fn masked(mut self) -> Self {
        if !self.common && self.setting != "scope.exclude" {
            let first: String = self.value.chars().take(1).collect();
            let length = pluralize(self.value.chars().count() as u64, "character");
            self.value = format!("{first}… ({length})");
        }
        self
    }
}

/// Whether a string is a common word.
pub fn is_common_word(value: &str) -> bool {
    let value = value.trim().to_lowercase();
    COMMON_WORDS.split_whitespace().any(|word| word == value)
}

/// Returns the values without spaces around them.
///
/// # Errors
/// A usage [`Failure`] if a value is empty or has only one or two letters, which would hit inside most words.
pub(in crate::app) fn checked(setting: &str, values: &[String]) -> Result<Vec<String>, Failure> {
    values
        .iter()
        .map(|value| match value.trim() {
            "" => Err(Failure::usage("bad_string", format!("{setting}: an empty string cannot be redacted."))),
            value if !has_letters(value) => Err(Failure::usage(
                "bad_string",
                format!("{setting}: {value:?} has no letters or digits, so it cannot be redacted."),
            )),
            value if !is_long_enough(value) => Err(Failure::usage(
                "bad_string",
                format!(
                    "{setting}: {value:?} is too short. It would be redacted inside ordinary words; at least three \
                     letters are needed."
                ),
            )),
            value => Ok(value.to_owned()),
        })
        .collect()
}

/// Returns the user names without spaces around them. They are redacted as whole words only, so two letters are enough.
///
/// # Errors
/// A usage [`Failure`] if a name is empty or has only one letter.
pub(in crate::app) fn checked_usernames(setting: &str, values: &[String]) -> Result<Vec<String>, Failure> {
    let short = values.iter().find(|v| v.trim().chars().filter(|c| c.is_alphanumeric()).count() < 2);
    match short {
        Some(value) => Err(Failure::usage(
            "bad_string",
            format!(
                "{setting}: {:?} is too short for a user name; at least two letters are needed.",
                value.trim()
            ),
        )),
        None => Ok(values.iter().map(|v| v.trim().to_owned()).collect()),
    }
}

/// Returns a warning for each entry that is too short to be added today, without the entry itself.
pub(super) fn warnings(strings: &[String], usernames: &[String]) -> Vec<String> {
    let strings = strings.iter().filter(|s| !is_long_enough(s)).map(|s| ("redact.strings", s));
    let is_short = |s: &&String| s.chars().filter(|c| c.is_alphanumeric()).count() < 2;
    let names = usernames.iter().filter(is_short).map(|s| ("redact.usernames", s));
    let line = |(setting, value): (&str, &String)| match value.chars().any(char::is_alphanumeric) {
        true => format!(
            "config.toml, {setting}: an entry of {} is too short to be redacted inside words, so it is \
             redacted only as a word of its own, in this spelling.",
            pluralize(value.chars().count() as u64, "character")
        ),
        false => format!(
            "config.toml, {setting}: an entry of {} has no letters and no effect.",
            pluralize(value.chars().count() as u64, "character")
        ),
    };
    strings.chain(names).map(line).collect()
}

/// Returns the values that are not in the list yet, in any spelling.
pub(in crate::app) fn new_values(list: &[String], values: Vec<String>) -> Vec<String> {
    let mut new: Vec<String> = Vec::new();
    for value in values {
        if !list.iter().chain(&new).any(|old| same_name(old, &value)) {
            new.push(value);
        }
    }
    new
}

/// Returns the entries of a list that are meant by the values to be removed.
///
/// # Errors
/// A usage [`Failure`] if a value is not in the list.
pub(in crate::app) fn entries_to_remove(
    setting: &str,
    list: &[String],
    values: &[String],
) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for value in values {
        let exact = list.iter().find(|entry| entry.trim() == value.trim());
        match exact.or_else(|| list.iter().find(|entry| same_name(entry, value))) {
            Some(entry) => out.push(entry.clone()),
            None => {
                return Err(Failure::usage(
                    "not_configured",
                    format!("{:?} is not in {setting}.", value.trim()),
                )
                .hint("clawgate config"));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|v| (*v).to_owned()).collect()
    }

    #[test]
    fn a_string_without_letters_after_decoding_is_refused() {
        for bad in ["%20%20%20", "&nbsp;", "\\u0020\\u0020", "\u{345}\u{345}\u{345}", "&#32;-&#32;"] {
            let failure = checked("x", &owned(&[bad])).unwrap_err();
            assert!(failure.message.contains("no letters or digits"), "{bad} {failure}");
        }
        assert_eq!(checked("x", &owned(&["Acme%20Works"])).unwrap(), ["Acme%20Works"]);
    }

    #[test]
    fn short_strings_are_refused_and_others_are_trimmed() {
        assert_eq!(checked("x", &owned(&[" Ada Works "])).unwrap(), ["Ada Works"]);
        for bad in ["", " ", "e", "ab", "-", "a-b", "é"] {
            assert_eq!(checked("x", &owned(&[bad])).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn an_entry_is_added_once_and_removed_in_any_spelling() {
        let list = owned(&["Ada Works", "ada_mill"]);
        assert_eq!(new_values(&list, owned(&["ada-works", "Nokia", "NOKIA"])), ["Nokia"]);
        assert_eq!(entries_to_remove("x", &list, &owned(&["AdaWorks "])).unwrap(), ["Ada Works"]);
        assert_eq!(entries_to_remove("x", &list, &owned(&["Ada"])).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn only_exclusions_and_common_words_are_shown_whole() {
        let masked = |setting, value: &str, common| {
            ListHits { setting, value: value.to_owned(), hits: 1, common }.masked().value
        };
        assert_eq!(masked("redact.strings", "Ébène SA", false), "É… (8 characters)");
        assert_eq!(masked("redact.usernames", "ada_mill", false), "a… (8 characters)");
        assert_eq!(masked("redact.strings", "server", true), "server");
        assert_eq!(masked("scope.exclude", "shop", false), "shop");
    }

    #[test]
    fn common_words_are_known() {
        assert!(is_common_word(" The ") && is_common_word("server") && !is_common_word("Borealis"));
    }
}
