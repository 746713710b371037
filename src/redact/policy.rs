//! What a release wants removed, and how.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timestamps {
    /// As recorded.
    #[default]
    Exact,
    /// Cut to the hour.
    Hour,
    /// Moved by one offset per session, so that durations stay.
    Shifted,
}

/// How the stand-ins of what points at a person look. Those of secrets are always typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceholderStyle {
    /// `[EMAIL_k3f9qa]`.
    #[default]
    Typed,
    /// In the shape of the value, out of ranges that are reserved for examples: `user-k3f9qa@example.com`,
    /// `203.0.113.7`, `+1-202-555-0143`. Typed where two known values would share one, where the value is not a whole one of
    /// its kind, and where the neighbours would read as part of it.
    Realistic,
}

impl PlaceholderStyle {
    /// The choice of that name.
    pub fn named(name: &str) -> Option<PlaceholderStyle> {
        match name {
            "typed" => Some(PlaceholderStyle::Typed),
            "realistic" => Some(PlaceholderStyle::Realistic),
            _ => None,
        }
    }
}

/// Choices of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How times are written.
    pub timestamps: Timestamps,
    /// How stand-ins look.
    #[serde(skip_serializing_if = "is_typed")]
    pub pseudonyms: PlaceholderStyle,
    /// Whether the model's reasoning is included.
    pub thinking: bool,
    /// Whether the outputs of tools are included.
    pub tool_outputs: bool,
}

/// The default is left out, so that the hash of a policy from before there was a choice stays.
fn is_typed(p: &PlaceholderStyle) -> bool {
    *p == PlaceholderStyle::Typed
}

impl Default for Options {
    fn default() -> Self {
        Options {
            timestamps: Timestamps::Exact,
            pseudonyms: PlaceholderStyle::Typed,
            thinking: true,
            tool_outputs: true,
        }
    }
}

/// What is removed beyond the rules, what is kept in clear, and the options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Strings to remove wherever they stand, whatever their case.
    pub custom: Vec<String>,
    /// User names to remove as whole words.
    pub usernames: Vec<String>,
    /// Home directories; their last component counts as a user name.
    pub homes: Vec<String>,
    /// Kind and value of what the machine's own files say of its owner: names, addresses, hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<(String, String)>,
    /// Keyed hashes (see [`super::Redactor::value_id`]) of values that a person decided to keep in clear.
    pub keep: BTreeSet<String>,
    /// Detectors outside this program: name and command of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
    /// Choices of the release.
    pub options: Options,
}

impl Policy {
    /// SHA-256 over the policy and the rules' version, in lower-case hex: changes when either does.
    pub fn hash(&self, rules_version: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(rules_version.as_bytes());
        hash.update([0]);
        // struct fields in declared order; cannot fail for these types
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        data_encoding::HEXLOWER.encode(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_follows_policy_and_rules() {
        let a = Policy::default();
        let b = Policy { custom: vec!["Acme".into()], ..Policy::default() };
        assert_eq!(a.hash("1"), a.clone().hash("1"));
        assert_ne!(a.hash("1"), b.hash("1"));
        assert_ne!(a.hash("1"), a.hash("2"));
        let json = serde_json::to_string(&b).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), b);
    }
}
