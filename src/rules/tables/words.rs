//! The words of `data/table_words.toml`.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

/// Name and content of the data file.
pub(in crate::rules) const FILE: (&str, &str) =
    ("table_words.toml", include_str!("../data/table_words.toml"));

/// The lists of the data file, whose comments say what each is for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub affixes: Set,
    pub frequent: Set,
    pub personal: Set,
    pub things: Set,
    pub software: Set,
    pub accounts: Set,
    pub results: Set,
    pub particles: Set,
    pub voids: Set,
    pub states: Set,
    pub remarks: Set,
    pub statements: Set,
    pub field_heads: Set,
    pub value_heads: Set,
}

/// A set of words that is written with spaces between them.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "String")]
pub(super) struct Set(HashSet<String>);

impl From<String> for Set {
    fn from(words: String) -> Self {
        Set(words.split_whitespace().map(str::to_owned).collect())
    }
}

impl Set {
    pub fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

pub(super) static WORDS: LazyLock<Words> = LazyLock::new(|| toml::from_str(FILE.1).unwrap_or_default());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_is_valid() {
        let words: Words = toml::from_str(FILE.1).unwrap();
        assert!(words.affixes.has("number") && words.voids.has("\\N"), "{words:?}");
    }
}
