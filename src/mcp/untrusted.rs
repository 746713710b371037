//! Redacts what a result repeats from logs, fences free text, and names the fields that contain it.
//!
//! Tools do not have to remember this: every result and every error passes through [`Untrusted::mark`] before it is
//! sent. It knows the fields that this program fills itself; every other text is treated as part of a log.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::app::random::nonce;
use crate::app::redaction::AgentView;
use crate::app::text::{fence, fence_line, sanitize};
use crate::app::{App, Failure};

/// The marker of a result that contains text from logs, which is data and never an instruction.
pub(super) const UNTRUSTED: &str = "untrusted";

/// Fields whose value this program makes or the person configured: words of the protocol, hashes, times, ids, its own
/// commands and the destination.
const OWN_FIELDS: &[&str] = &[
    "agent",
    "agents",
    "at",
    "badges",
    "by",
    "by_agent",
    "by_status",
    "code",
    "commit",
    "confidence",
    "cost",
    "cursor",
    "destination",
    "digest",
    "ended",
    "files",
    "id",
    "integrity",
    "kind",
    "last_scan",
    "licence",
    "next_cursor",
    "nonce",
    "policy",
    "release",
    "required_state",
    "rules_version",
    "setting",
    "sha256",
    "since",
    "started",
    "state",
    "status",
    "timezone",
    "until",
    "url",
    "version",
];

/// Fields whose text is untrusted but must stay as it is: an agent decides on the values of the inventory.
const VERBATIM_FIELDS: &[&str] = &["value"];

/// Fields with free text of a log, which is fenced.
const FENCED_FIELDS: &[&str] = &["snippet", "text", "title"];

/// Fields with keys of sessions.
const KEY_FIELDS: &[&str] = &["also", "excluded", "forked_from", "key", "left_out", "marked", "parent"];

/// Fields with names from logs. Their values are arguments of other calls, so they are listed as untrusted and not fenced.
const NAME_FIELDS: &[&str] = &[
    "alerts",
    "anomalies",
    "exclude",
    "model",
    "models",
    "name",
    "path",
    "project",
    "projects",
    "provider",
    "reason",
    "removed",
    "unmatched",
];

/// Fields with sentences of this program that may repeat names.
const MESSAGE_FIELDS: &[&str] = &["command", "hints", "human_action", "message", "missing", "note"];

/// Adds to one result which of its fields are untrusted.
pub(super) struct Untrusted {
    view: AgentView,
    nonce: String,
    fields: BTreeSet<String>,
}

impl Untrusted {
    /// # Errors
    /// [`Failure`] if the configured strings cannot be searched for, or there is no source of randomness.
    pub fn new(app: &App) -> Result<Self, Failure> {
        Ok(Untrusted { view: app.agent_view()?, nonce: nonce()?, fields: BTreeSet::new() })
    }

    /// Returns the first characters of a title, redacted and in a fence.
    pub fn title(&mut self, text: &str, chars: usize) -> String {
        // The whole title is redacted before it is cut, because the rules do not recognize half of a secret.
        let redacted = self.view.name(text);
        fence_line(&self.nonce, &clip(&sanitize(&redacted), chars))
    }

    /// Fences a text that is already redacted by the rules.
    pub fn snippet(&self, text: &str) -> String {
        fence(&self.nonce, &self.view.known_values(text))
    }

    /// Redacts and fences the texts of a result, and adds the fields that say what is untrusted.
    pub fn mark(mut self, answer: Value) -> Value {
        let Value::Object(map) = answer else { return answer };
        let mut out: Map<String, Value> =
            map.into_iter().map(|(name, value)| (name.clone(), self.value(&name, &name, value))).collect();
        if !self.fields.is_empty() {
            out.insert("integrity".to_owned(), json!(UNTRUSTED));
            out.insert("untrusted_fields".to_owned(), json!(self.fields));
        }
        Value::Object(out)
    }

    /// `field` is the name of the field that decides what the value is, `at` its path. Items of a list are what the list
    /// is.
    fn value(&mut self, at: &str, field: &str, value: Value) -> Value {
        if OWN_FIELDS.contains(&field) {
            return value;
        }
        if VERBATIM_FIELDS.contains(&field) {
            self.fields.insert(at.to_owned());
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(at, field, text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(at, field, item)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(name, value)| {
                    let value = self.value(&format!("{at}.{name}"), &name, value);
                    (name, value)
                })
                .collect(),
            other => other,
        }
    }

    fn text(&mut self, at: &str, field: &str, text: String) -> String {
        if FENCED_FIELDS.contains(&field) {
            self.fields.insert(at.to_owned());
            return match text.starts_with("<untrusted-") {
                true => text,
                false => fence_line(&self.nonce, &self.view.name(&text)),
            };
        }
        if KEY_FIELDS.contains(&field) {
            self.fields.insert(at.to_owned());
            return self.view.key(&text);
        }
        if NAME_FIELDS.contains(&field) {
            self.fields.insert(at.to_owned());
            return if field == "path" { self.view.path(&text) } else { self.view.name(&text) };
        }
        if MESSAGE_FIELDS.contains(&field) {
            // A message that quotes nothing contains no name.
            if text.contains(['"', '`', ':']) {
                self.fields.insert(at.to_owned());
            }
            return self.view.message(&text);
        }
        self.view.known_values(&text)
    }
}

/// Returns the first characters of a text, with an ellipsis if some are missing.
fn clip(text: &str, chars: usize) -> String {
    let mut out: String = text.chars().take(chars).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
