//! Loads the rules from the data files that are compiled into the program.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::model::{RuleSpec, RulesError};

/// The rule files. The order matters only if two rules of equal confidence match the same span: the first one names the
/// finding. Append a new file at the end.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("ai.toml", include_str!("data/ai.toml")),
    ("chat.toml", include_str!("data/chat.toml")),
    ("cloud.toml", include_str!("data/cloud.toml")),
    ("commands.toml", include_str!("data/commands.toml")),
    ("data.toml", include_str!("data/data.toml")),
    ("entities.toml", include_str!("data/entities.toml")),
    ("generic.toml", include_str!("data/generic.toml")),
    ("keys.toml", include_str!("data/keys.toml")),
    ("names.toml", include_str!("data/names.toml")),
    ("network.toml", include_str!("data/network.toml")),
    ("ops.toml", include_str!("data/ops.toml")),
    ("packages.toml", include_str!("data/packages.toml")),
    ("payments.toml", include_str!("data/payments.toml")),
    ("people.toml", include_str!("data/people.toml")),
    ("pii.toml", include_str!("data/pii.toml")),
    ("places.toml", include_str!("data/places.toml")),
    ("saas.toml", include_str!("data/saas.toml")),
    ("tokens.toml", include_str!("data/tokens.toml")),
    ("urls.toml", include_str!("data/urls.toml")),
    ("vcs.toml", include_str!("data/vcs.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    rule: Vec<RuleSpec>,
}

/// Parses the rules of all files, in order.
pub(crate) fn builtin() -> Result<Vec<RuleSpec>, RulesError> {
    let mut rules = Vec::new();
    for (file, text) in FILES {
        let parsed: RuleFile =
            toml::from_str(text).map_err(|e| RulesError::Data { file, reason: e.to_string() })?;
        rules.extend(parsed.rule);
    }
    Ok(rules)
}

/// Returns the SHA-256 over the names and contents of the data files, in lower-case hex.
pub(crate) fn version() -> String {
    let mut hash = Sha256::new();
    for (file, text) in FILES {
        hash.update(file.as_bytes());
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
