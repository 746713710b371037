//! How many placeholders of each kind a row contains. The card, the screen and the reports show these numbers, which anybody can
//! count again in the sealed bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::Failure;
use crate::redact::{PlaceholderStyle, placeholder_kinds};
use crate::rules::Engine;

/// Kinds beside those of the rules: the types that reviewers report, and the user's own strings.
const OTHER_KINDS: &[&str] = &[
    "ADDRESS", "BOT", "CLIENT", "CUSTOM", "DEVICE", "EMAIL", "HANDLE", "HOST", "ID", "LOCATION", "ORG",
    "PERSON", "PHONE", "PRIVATE", "PROJECT", "REPORTED", "SECRET", "URL", "USER",
];
/// The name of all other kinds. Texts of logs can look like a placeholder, and their words do not belong on the card.
const UNNAMED: &str = "OTHER";

/// Counts placeholders by kind.
pub(super) struct PlaceholderCounter {
    style: PlaceholderStyle,
    known: BTreeSet<String>,
}

impl PlaceholderCounter {
    /// A counter for placeholders of this style.
    ///
    /// # Errors
    /// [`Failure`] if the rules cannot be read.
    pub fn new(style: PlaceholderStyle) -> Result<Self, Failure> {
        let rules = Engine::builtin()?.catalogue().into_iter().map(|rule| rule.kind);
        let known = rules.chain(OTHER_KINDS.iter().map(|kind| (*kind).to_owned())).collect();
        Ok(PlaceholderCounter { style, known })
    }

    /// The number of placeholders in a row, by kind.
    pub fn count(&self, row: &str) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for kind in placeholder_kinds(row, self.style) {
            let kind = if self.known.contains(kind) { kind } else { UNNAMED };
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_counted_by_kind_and_unknown_words_have_no_name() {
        let counter = PlaceholderCounter::new(PlaceholderStyle::Typed).unwrap();
        let text = "[EMAIL_k3f9qa, [EMAIL_k3f2qa] [EMAIL_k3f2qa] user_k3f2qa [JOHN_SMITH_abcdef] [EMAIL_k3]";
        let expected = [("EMAIL", 2), ("OTHER", 1), ("USER", 1)];
        assert_eq!(counter.count(text), expected.map(|(kind, n)| (kind.to_owned(), n)).into());
        let counter = PlaceholderCounter::new(PlaceholderStyle::Realistic).unwrap();
        let text = "user-k3f2qa@example.com at 192.0.2.7 or host-k3f2qa.example.internal, +1-202-555-0143, \
                    00:00:5e:00:53:0a, 2001:db8::0a0b:0c0d [SECRET_abcdef]";
        let kinds = ["EMAIL", "HOST", "IP_ADDRESS", "MAC_ADDRESS", "PHONE", "SECRET"];
        let counts = counter.count(text);
        assert_eq!(counts.keys().collect::<Vec<_>>(), kinds.iter().collect::<Vec<_>>());
        assert_eq!(counts["IP_ADDRESS"], 2);
    }
}
