//! The sessions that a dataset remembers as withdrawn, in its `metadata.json`: hashes of their ids.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A list of more withdrawn sessions is not one of clawgate.
const MAX_WITHDRAWN: usize = 100_000;

/// The hash under which a withdrawn session is remembered in `metadata.json`, by its id in the dataset or by its own.
pub fn withdrawn_hash(id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"clawgate withdrawn session\0");
    hash.update(id);
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// The hashes of the sessions that a dataset remembers as withdrawn.
pub fn withdrawn_in(metadata: &[u8]) -> BTreeSet<String> {
    let metadata: Value = serde_json::from_slice(metadata).unwrap_or_default();
    let listed = metadata["withdrawn"].as_array().into_iter().flatten();
    let is_hash = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    listed.filter_map(Value::as_str).filter(is_hash).take(MAX_WITHDRAWN).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_count_as_withdrawn_sessions() {
        let hash = withdrawn_hash("a");
        let metadata = serde_json::json!({ "withdrawn": [hash, "b", 1] }).to_string();
        assert_eq!(withdrawn_in(metadata.as_bytes()), BTreeSet::from([hash]));
        assert!(withdrawn_in(b"{}").is_empty() && withdrawn_in(b"no").is_empty());
    }
}
