//! Building blocks of tool schemas, in the subset that every client understands.
//!
//! No `$ref`, no unions, no type arrays, no formats: one tool outside the subset makes some clients drop the whole
//! list.

use serde_json::{Map, Value, json};

/// A text.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// One of a few words.
pub(super) fn choice(description: &str, words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}

/// A whole number, 0 or more.
pub(super) fn count(description: &str) -> Value {
    json!({ "type": "integer", "description": description })
}

/// Yes or no.
pub(super) fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// A list of texts.
pub(super) fn texts(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

/// A list of objects.
pub(super) fn items(description: &str, item: Value) -> Value {
    json!({ "type": "array", "items": item, "description": description })
}

/// An object with these properties and no others.
pub(super) fn object(properties: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let mut out = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Some(map), false) = (out.as_object_mut(), required.is_empty()) {
        map.insert("required".to_owned(), json!(required));
    }
    out
}

/// What an answer holds: where the user stands, and the tool's own fields as (name, JSON type).
///
/// What the objects hold is said in the tool's description: a model reads that, and the list stays small.
pub(super) fn answer(fields: &[(&str, &str)]) -> Value {
    let mut properties = Map::new();
    properties.insert("state".to_owned(), json!({ "type": "string" }));
    properties.insert("next".to_owned(), json!({ "type": "object" }));
    for (name, kind) in fields {
        // `array<string>` is a list of texts; without a word, of objects.
        let (kind, of) = kind.trim_end_matches('>').split_once('<').unwrap_or((kind, "object"));
        let mut field = json!({ "type": kind });
        if kind == "array" {
            field["items"] = json!({ "type": of });
        }
        properties.insert((*name).to_owned(), field);
    }
    json!({ "type": "object", "properties": properties, "required": ["state", "next"] })
}
