//! Values as SQL takes them.

/// Returns a list as a JSON array for `json_each`, or null.
pub(super) fn json_list(list: Option<&[String]>) -> Option<String> {
    list.map(|list| serde_json::to_string(list).unwrap_or_default())
}
