//! Badges: what can be said of a session without a model.

use crate::rules::{Classes, Engine};
use crate::trace::{Part, Session};

/// What can be said of a session without a model.
pub(super) fn badges(session: &Session, engine: &Engine) -> Vec<String> {
    let mut secrets = 0usize;
    let mut count = |text: &str| secrets += engine.scan(text, Classes::SECRET).len();
    for message in &session.messages {
        for part in &message.parts {
            match part {
                Part::Text { text } | Part::Thinking { text } => count(text),
                Part::Attachment { text, .. } => count(text),
                Part::Tool(call) => {
                    let mut input = String::new();
                    string_leaves(&call.input, &mut input);
                    count(&input);
                    if let Some(output) = &call.output {
                        count(output);
                    }
                }
                Part::Media { .. } => {}
            }
        }
    }
    let mut badges = Vec::new();
    if secrets > 0 {
        badges.push(format!("secrets:{secrets}"));
    }
    badges
}

/// The string leaves of a JSON value, a line each, with their keys so that `"password": "…"` is seen as one.
fn string_leaves(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::String(s) => {
            out.push_str(s);
            out.push('\n');
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| string_leaves(v, out)),
        serde_json::Value::Object(map) => {
            for (key, v) in map {
                if v.is_string() {
                    out.push_str(key);
                    out.push_str(": ");
                }
                string_leaves(v, out);
            }
        }
        _ => {}
    }
}
