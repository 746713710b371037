//! Redacts the input of a tool as the text of one JSON document. The names of its fields say what a number is, and fields
//! beside each other say more than each alone: `{"lat": 48.137, "lon": 11.575}`.

use serde_json::Value;

use crate::rules::Class;
use crate::trace::{Part, Session};

use super::decoded_view::DecodedView;
use super::{Redactor, Span, distinct, render};

/// Rounds of redaction. Each round redacts what only the placeholders of the round before made sensitive.
const MAX_ROUNDS: usize = 4;
/// Longest string that is judged by the fields around it, in bytes. A longer one, or one of several lines, is a text.
const MAX_STRING_BYTES: usize = 200;

/// The name of a field, or a value that is neither an array nor an object.
struct Leaf {
    path: Vec<Step>,
    /// Span in the text.
    start: usize,
    end: usize,
}

/// A step from a document down to a value.
#[derive(Clone)]
enum Step {
    Item(usize),
    Field(String),
    /// The name of a field.
    Name,
}

/// The text of a document. Long strings are empty in it.
#[derive(Default)]
pub(crate) struct InputText {
    pub text: String,
    leaves: Vec<Leaf>,
}

impl InputText {
    /// Writes a document.
    pub fn new(input: &Value) -> InputText {
        let mut out = InputText::default();
        out.write(input, &mut Vec::new());
        out
    }

    /// Whether the document has more than one string, which is judged as a text of its own, together with its name.
    pub fn has_related_values(&self) -> bool {
        let is_value = |leaf: &&Leaf| !matches!(leaf.path.last(), Some(Step::Name));
        let mut values = self.leaves.iter().filter(is_value);
        let is_string = |leaf: &Leaf| self.text[leaf.start..].starts_with('"');
        values.next().is_some_and(|first| !is_string(first) || values.next().is_some())
    }

    fn write(&mut self, value: &Value, path: &mut Vec<Step>) {
        match value {
            Value::Array(items) => {
                self.text.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        self.text.push_str(", ");
                    }
                    path.push(Step::Item(n));
                    self.write(item, path);
                    path.pop();
                }
                self.text.push(']');
            }
            Value::Object(fields) => {
                self.text.push('{');
                for (n, (name, field)) in fields.iter().enumerate() {
                    if n > 0 {
                        self.text.push_str(", ");
                    }
                    path.push(Step::Name);
                    self.push_leaf(&Value::from(name.as_str()), path);
                    path.pop();
                    self.text.push_str(": ");
                    path.push(Step::Field(name.clone()));
                    self.write(field, path);
                    path.pop();
                }
                self.text.push('}');
            }
            Value::String(s) if is_text(s) => self.text.push_str("\"\""),
            scalar => self.push_leaf(scalar, path),
        }
    }

    fn push_leaf(&mut self, scalar: &Value, path: &[Step]) {
        let start = self.text.len();
        self.text.push_str(&scalar.to_string());
        self.leaves.push(Leaf { path: path.to_vec(), start, end: self.text.len() });
    }
}

/// Calls `f` with the input of every tool call of a session.
pub(super) fn for_each_input(session: &Session, f: &mut dyn FnMut(&Value)) {
    for part in session.messages.iter().flat_map(|message| &message.parts) {
        if let Part::Tool(call) = part {
            f(&call.input);
        }
    }
}

/// Calls `f` with the path and the input of every tool call of a session, which `f` may change.
pub(super) fn for_each_input_mut(session: &mut Session, f: &mut dyn FnMut(&str, &mut Value)) {
    for (i, message) in session.messages.iter_mut().enumerate() {
        for (j, part) in message.parts.iter_mut().enumerate() {
            if let Part::Tool(call) = part {
                f(&format!("messages[{i}].parts[{j}].input"), &mut call.input);
            }
        }
    }
}

impl Redactor<'_> {
    /// Redacts the input of a tool by the names of its fields. Calls `note` with the path of a value, the text of the
    /// document and the removed span of it.
    pub(super) fn redact_input(
        &mut self,
        input: &mut Value,
        path: &str,
        note: &mut dyn FnMut(&str, &str, &[Span]),
    ) {
        for _ in 0..MAX_ROUNDS {
            let document = InputText::new(input);
            if !document.has_related_values() {
                return;
            }
            let base = DecodedView::raw(&document.text);
            let mut found = self.detect_all(&base, false);
            found.retain(|f| f.class != Class::Entity);
            let removals = render::removals(&document.text, &found, self.policy.options.placeholder_style);
            if removals.is_empty() {
                return;
            }
            let spans = self.written(&base, &removals).spans;
            let mut replaced = false;
            let mut leaves = document.leaves.iter();
            for_each_leaf_mut(input, &mut |value| {
                let Some(leaf) = leaves.next() else { return };
                let inside = |s: &&Span| leaf.start <= s.start && s.end <= leaf.end;
                let inside: Vec<Span> = spans.iter().filter(inside).cloned().collect();
                if let Some(new) = redacted_leaf(&document.text, leaf, &inside) {
                    *value = Value::String(new);
                    replaced = true;
                    note(&self.shown_path(path, &leaf.path), &document.text, &inside);
                }
            });
            if !replaced {
                return;
            }
        }
    }
}

impl Redactor<'_> {
    /// Returns the path of a value, with redacted names of fields.
    fn shown_path(&mut self, document: &str, steps: &[Step]) -> String {
        let mut path = document.to_owned();
        for step in steps {
            match step {
                Step::Item(n) => path.push_str(&format!("[{n}]")),
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(&self.redact_name(name));
                }
                Step::Name => path.push_str(".(key)"),
            }
        }
        path
    }
}

/// Calls `f` with the values of [`InputText::leaves`], in their order.
fn for_each_leaf_mut(value: &mut Value, f: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_leaf_mut(item, f)),
        Value::Object(fields) => {
            for (name, mut field) in std::mem::take(fields) {
                let mut name = Value::String(name);
                f(&mut name);
                for_each_leaf_mut(&mut field, f);
                let name = distinct(name.as_str().unwrap_or_default().to_owned(), |n| fields.contains_key(n));
                fields.insert(name, field);
            }
        }
        Value::String(s) if is_text(s) => {}
        scalar => f(scalar),
    }
}

/// Returns a leaf without the removed spans; `None` if nothing was removed.
fn redacted_leaf(text: &str, leaf: &Leaf, removed: &[Span]) -> Option<String> {
    let first = removed.first()?;
    if !text[leaf.start..].starts_with('"') {
        return Some(first.placeholder.clone());
    }
    let mut json = String::new();
    let mut at = leaf.start;
    for span in removed {
        json.push_str(&text[at..span.start]);
        json.push_str(&span.placeholder);
        at = span.end;
    }
    json.push_str(&text[at..leaf.end]);
    serde_json::from_str(&json).ok()
}

/// Whether a string is judged only as a text of its own.
fn is_text(s: &str) -> bool {
    s.len() > MAX_STRING_BYTES || s.contains('\n')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redact::{Policy, Redacted};
    use crate::rules::Engine;

    fn redactor() -> Redactor<'static> {
        Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32])
    }

    /// Returns the redacted input and the paths of what was removed.
    fn redacted(mut input: Value) -> (Value, Vec<String>) {
        let mut paths = Vec::new();
        redactor().redact_input(&mut input, "input", &mut |path, _, _| paths.push(path.to_owned()));
        (input, paths)
    }

    #[test]
    fn numbers_are_judged_by_the_names_of_their_fields() {
        for (input, removed) in [
            (json!({"lat": 48.137, "lon": 11.575, "zoom": 12}), &["input.lat", "input.lon"][..]),
            (json!({"at": {"latitude": 48.13712}}), &["input.at.latitude"]),
            (
                json!({"type": "Point", "coordinates": [11.575, 48.137]}),
                &["input.coordinates[0]", "input.coordinates[1]"],
            ),
            (
                json!({"coordinates": [[11.575, 48.137, 520.0], [11.6, 48.2]], "weight": 0.125}),
                &[
                    "input.coordinates[0][0]",
                    "input.coordinates[0][1]",
                    "input.coordinates[0][2]",
                    "input.coordinates[1][0]",
                    "input.coordinates[1][1]",
                ],
            ),
            (
                json!({"ssn": 219_099_999, "phone": 4_915_112_345_678_u64, "salary": 68_000}),
                &["input.phone", "input.ssn"],
            ),
            (json!({"card": 4_111_111_111_111_111_u64}), &["input.card"]),
            (json!({"count": 219_099_999, "ratio": 0.4137, "lat": 12, "sizes": [11.575, 48.137]}), &[]),
        ] {
            let (out, mut paths) = redacted(input.clone());
            paths.sort();
            assert_eq!(paths, removed, "{input} {out}");
            assert_eq!(out == input, removed.is_empty(), "{out}");
        }
    }

    #[test]
    fn the_path_of_a_value_contains_no_value() {
        let (_, paths) = redacted(json!({"ada.lovelace@mill.fi": {"dob": "1944-05-14", "n": 1}}));
        assert_eq!(paths.len(), 2, "{paths:?}");
        assert!(paths[1].starts_with("input.[EMAIL_") && paths[1].ends_with("].dob"), "{paths:?}");
    }

    #[test]
    fn the_rows_of_an_input_are_judged_as_a_table() {
        let row = |name: &str, dob: &str| json!({"name": name, "dob": dob, "plan": "gold"});
        let (out, paths) = redacted(
            json!({"rows": [row("Brannoc Thule", "1944-05-14"), row("Isolde Quarry", "1987-11-02")]}),
        );
        assert_eq!(paths.len(), 4, "{out}");
        assert_eq!(out["rows"][0]["plan"], "gold");
    }

    #[test]
    fn the_document_is_the_same_json_except_for_long_strings() {
        let long = "x".repeat(201);
        let input = json!({"a\"b": [1, null, {"c": "d\\e"}], "long": long, "lines": "x\ny"});
        let document = InputText::new(&input);
        let parsed: Value = serde_json::from_str(&document.text).unwrap();
        assert_eq!(parsed, json!({"a\"b": [1, null, {"c": "d\\e"}], "long": "", "lines": ""}));
        let paths: Vec<String> =
            document.leaves.iter().map(|l| redactor().shown_path("input", &l.path)).collect();
        let values: Vec<&String> = paths.iter().filter(|p| !p.ends_with("(key)")).collect();
        assert_eq!(values, ["input.a\"b[0]", "input.a\"b[1]", "input.a\"b[2].c"]);
        assert_eq!(paths.len(), 3 + 4);
    }

    #[test]
    fn a_redacted_input_has_no_second_finding() {
        let (out, _) = redacted(
            json!({"user": "ada", "password": "Winterreise2024", "pin": 48_213, "lat": 48.137, "lon": 11.575}),
        );
        let Redacted { spans, .. } = redactor().redact_text(&InputText::new(&out).text);
        assert_eq!(spans, []);
    }
}
