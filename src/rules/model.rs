//! The words of detection: classes, findings, rules as they are written down.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a finding means for the text it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Opens something: keys, tokens, passwords.
    Secret,
    /// Points at a person.
    Pii,
    /// Not redacted by itself but put to a person: hosts, organisations, private URLs.
    Entity,
}

/// A set of classes to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Classes(u8);

impl Classes {
    /// Secrets alone.
    pub const SECRET: Classes = Classes(1);
    /// Personal data alone.
    pub const PII: Classes = Classes(2);
    /// Inventory alone.
    pub const ENTITY: Classes = Classes(4);
    /// Secrets and personal data.
    pub const SENSITIVE: Classes = Classes(3);
    /// Everything.
    pub const ALL: Classes = Classes(7);

    /// Whether the class is in the set.
    pub fn has(self, class: Class) -> bool {
        self.0 & Classes::from(class).0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0 & 7)
    }
}

impl From<Class> for Classes {
    fn from(class: Class) -> Self {
        match class {
            Class::Secret => Classes::SECRET,
            Class::Pii => Classes::PII,
            Class::Entity => Classes::ENTITY,
        }
    }
}

/// How bad it is when this gets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Hardly.
    Low,
    /// A nuisance, or sensitive together with other facts.
    Medium,
    /// Someone's account or person.
    #[default]
    High,
    /// Production, money, whole organisations.
    Critical,
}

/// One sensitive span of a text, in byte offsets on character boundaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Id of the rule that found it.
    pub rule: Arc<str>,
    /// Placeholder type, for instance `GITHUB_TOKEN`.
    pub kind: Arc<str>,
    /// Class of the rule.
    pub class: Class,
    /// How sure the rule is, in percent.
    pub confidence: u8,
}

/// What the documentation and the interfaces show of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogueEntry {
    /// Id of the rule.
    pub id: String,
    /// Placeholder type.
    pub kind: String,
    /// Class.
    pub class: Class,
    /// Severity.
    pub severity: Severity,
    /// How sure the rule is, in percent.
    pub confidence: u8,
}

/// Why the rules could not be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RulesError {
    /// A data file is not valid TOML or has an unknown field.
    #[error("rules/data/{file}: {reason}")]
    Data {
        /// The data file.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A rule's pattern, matcher or validator is not usable.
    #[error("rule {rule}: {reason}")]
    Rule {
        /// Id of the rule.
        rule: String,
        /// What is wrong.
        reason: String,
    },
}

/// A rule as written in `data/*.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSpec {
    pub id: String,
    pub kind: String,
    pub class: Class,
    /// `regex`, or the name of a matcher in `assign.rs`, `matchers.rs` or `numeric.rs`.
    #[serde(default = "regex_matcher")]
    pub matcher: String,
    /// Regex; the named group `s` is the sensitive part, else the whole match. A group `w` around it is removed
    /// whole, though the filters judge `s` alone.
    #[serde(default)]
    pub pattern: String,
    /// Regex for a body that was cut short; counts only where a truncation mark or the end of text follows.
    #[serde(default)]
    pub short: String,
    /// What must stand in the text before the rule looks, compared without case unless `exact`.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// The match begins at the keyword.
    #[serde(default)]
    pub anchored: bool,
    /// The keyword's case counts.
    #[serde(default)]
    pub exact: bool,
    /// The keyword must not be the inside of a longer word. Default: as `anchored`.
    pub word: Option<bool>,
    /// Bytes before the keyword that a pattern that is not anchored may use.
    #[serde(default)]
    pub back: usize,
    /// Bytes after the keyword's start that the pattern may use.
    #[serde(default = "default_fwd")]
    pub fwd: usize,
    #[serde(default)]
    pub min_entropy: f64,
    #[serde(default)]
    pub validators: Vec<String>,
    /// Values that are harmless.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Character classes know all of Unicode (slower; for names).
    #[serde(default)]
    pub unicode: bool,
    #[serde(default = "default_confidence")]
    pub confidence: u8,
    #[serde(default)]
    pub severity: Severity,
    /// Templates (see `template.rs`); `«…»` marks what must be found.
    pub examples: Vec<String>,
    /// Templates in which the rule must find nothing.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests run them"))]
    pub counter_examples: Vec<String>,
}

fn regex_matcher() -> String {
    "regex".to_owned()
}

fn default_fwd() -> usize {
    400
}

fn default_confidence() -> u8 {
    80
}
