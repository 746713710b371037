//! Loads the rules from the data files that are compiled into the program.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::model::{RuleSpec, RulesError};

/// The rule files. The order matters only if two rules of equal confidence match the same span: the first one names the
/// finding. Append a new file at the end.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("service_ai.toml", include_str!("data/service_ai.toml")),
    ("service_messaging.toml", include_str!("data/service_messaging.toml")),
    ("service_cloud.toml", include_str!("data/service_cloud.toml")),
    ("secret_in_commands.toml", include_str!("data/secret_in_commands.toml")),
    ("service_databases.toml", include_str!("data/service_databases.toml")),
    ("inventory.toml", include_str!("data/inventory.toml")),
    ("secret_by_name.toml", include_str!("data/secret_by_name.toml")),
    ("secret_key_material.toml", include_str!("data/secret_key_material.toml")),
    ("person_names.toml", include_str!("data/person_names.toml")),
    ("machine_addresses.toml", include_str!("data/machine_addresses.toml")),
    ("service_devops.toml", include_str!("data/service_devops.toml")),
    ("service_packages.toml", include_str!("data/service_packages.toml")),
    ("service_payments.toml", include_str!("data/service_payments.toml")),
    ("person_records.toml", include_str!("data/person_records.toml")),
    ("person_identifiers.toml", include_str!("data/person_identifiers.toml")),
    ("person_addresses.toml", include_str!("data/person_addresses.toml")),
    ("service_other.toml", include_str!("data/service_other.toml")),
    ("secret_token_shapes.toml", include_str!("data/secret_token_shapes.toml")),
    ("secret_in_urls.toml", include_str!("data/secret_in_urls.toml")),
    ("service_code_hosting.toml", include_str!("data/service_code_hosting.toml")),
    ("table_columns.toml", include_str!("data/table_columns.toml")),
    ("secret_in_devices.toml", include_str!("data/secret_in_devices.toml")),
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
    for (file, text) in FILES.iter().chain([&super::tables::WORD_FILE]) {
        hash.update(file.as_bytes());
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
