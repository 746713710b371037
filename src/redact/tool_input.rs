//! Redacts the input of a tool as the text of one JSON document. The names of its fields say what a number is, and fields
//! beside each other say more than each alone: `{"lat": 48.137, "lon": 11.575}`.

use std::collections::HashMap;

use serde_json::Value;

use crate::rules::Class;
use crate::trace::{Part, Session};

use super::decoded_view::DecodedView;
use super::placeholder::DistinctNames;
use super::{Redactor, Span, render};

/// Rounds of redaction. Each round redacts what only the placeholders of the round before made sensitive.
const MAX_ROUNDS: usize = 4;
/// Maximum length of a string that is judged by the fields around it, in bytes without the whitespace around it. A longer
/// one is a text.
const MAX_STRING_BYTES: usize = 200;
/// Maximum length of the name of a field in the path of a value, in bytes.
const MAX_SHOWN_NAME_BYTES: usize = 100;

/// The name of a field, or a value that is neither an array nor an object.
struct Leaf {
    /// The last step of its path. The other steps are those of the arrays and objects around it.
    step: usize,
    /// Span in the text.
    start: usize,
    end: usize,
}

/// A step from a document down to a value, and the index of the step before it. Values below one have it in common.
struct Step {
    parent: Option<usize>,
    kind: StepKind,
}

enum StepKind {
    Item(usize),
    Field(String),
    /// The name of a field.
    Name,
}

/// The text of a document. Strings have no whitespace around them in it, and long strings are empty.
#[derive(Default)]
pub(crate) struct InputText {
    pub text: String,
    leaves: Vec<Leaf>,
    steps: Vec<Step>,
    /// Whether a value says more together with the rest of the document than as a text of its own.
    has_related_values: bool,
}

impl InputText {
    /// Writes the input of a tool as one JSON document.
    pub fn new(input: &Value) -> InputText {
        let mut out = InputText::default();
        out.write(input, None);
        let is_name =
            |leaf: &&Leaf| matches!(out.steps.get(leaf.step).map(|s| &s.kind), Some(StepKind::Name));
        out.has_related_values |= out.leaves.iter().filter(|leaf| !is_name(leaf)).nth(1).is_some();
        out
    }

    /// Whether the document has more than one string of one line, which is judged as a text of its own, together with its
    /// name.
    pub fn has_related_values(&self) -> bool {
        self.has_related_values
    }

    fn write(&mut self, value: &Value, at: Option<usize>) {
        match value {
            Value::Array(items) => {
                self.text.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        self.text.push_str(", ");
                    }
                    let step = self.step(at, StepKind::Item(n));
                    self.write(item, Some(step));
                }
                self.text.push(']');
            }
            Value::Object(fields) => {
                self.text.push('{');
                for (n, (name, field)) in fields.iter().enumerate() {
                    if n > 0 {
                        self.text.push_str(", ");
                    }
                    let step = self.step(at, StepKind::Name);
                    self.push_leaf(&Value::from(name.as_str()), step);
                    self.text.push_str(": ");
                    let step = self.step(at, StepKind::Field(name.clone()));
                    self.write(field, Some(step));
                }
                self.text.push('}');
            }
            Value::String(s) if is_text(s) => self.text.push_str("\"\""),
            scalar => {
                let step = at.unwrap_or_else(|| self.step(None, StepKind::Item(0)));
                let is_alone = self.steps[step].parent.is_none();
                match scalar {
                    Value::String(s) => {
                        let s = s.trim();
                        self.has_related_values |= !is_alone || s.contains('\n');
                        self.push_leaf(&Value::from(s), step);
                    }
                    scalar => {
                        self.has_related_values |= scalar.is_number();
                        self.push_leaf(scalar, step);
                    }
                }
            }
        }
    }

    fn step(&mut self, parent: Option<usize>, kind: StepKind) -> usize {
        self.steps.push(Step { parent, kind });
        self.steps.len() - 1
    }

    fn push_leaf(&mut self, scalar: &Value, step: usize) {
        let start = self.text.len();
        self.text.push_str(&scalar.to_string());
        self.leaves.push(Leaf { step, start, end: self.text.len() });
    }

    /// Returns the steps from the document down to a leaf.
    fn path(&self, leaf: &Leaf) -> Vec<&StepKind> {
        let next = |step: &&Step| step.parent.and_then(|n| self.steps.get(n));
        let mut path: Vec<&StepKind> =
            std::iter::successors(self.steps.get(leaf.step), next).map(|step| &step.kind).collect();
        path.reverse();
        path
    }
}

/// Appends the name of a field to a path. Only the beginning of a long one is shown.
pub(super) fn push_name(path: &mut String, name: &str) {
    path.push('.');
    match name.get(..name.floor_char_boundary(MAX_SHOWN_NAME_BYTES)) {
        Some(start) if start.len() < name.len() => {
            path.push_str(start);
            path.push('…');
        }
        _ => path.push_str(name),
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
            let mut names = HashMap::new();
            let mut replaced = false;
            let mut leaves = document.leaves.iter();
            // Spans and leaves are both in the order of the text.
            let mut next = 0;
            for_each_leaf_mut(input, &mut |value| {
                let Some(leaf) = leaves.next() else { return };
                next += spans[next..].iter().take_while(|s| s.start < leaf.start).count();
                let inside = spans[next..].iter().take_while(|s| s.end <= leaf.end).count();
                let inside = &spans[next..next + inside];
                if let Some(new) = redacted_leaf(&document.text, leaf, inside) {
                    *value = Value::String(match value {
                        Value::String(old) => [space_before(old), &new, space_after(old)].concat(),
                        _ => new,
                    });
                    replaced = true;
                    let path = self.shown_path(path, &document.path(leaf), &mut names);
                    note(&path, &document.text, inside);
                }
            });
            if !replaced {
                return;
            }
        }
    }
}

impl Redactor<'_> {
    /// Returns the path of a value, with redacted names of fields. `names` has those that were redacted before.
    fn shown_path(
        &mut self,
        document: &str,
        steps: &[&StepKind],
        names: &mut HashMap<String, String>,
    ) -> String {
        let mut path = document.to_owned();
        for step in steps {
            match step {
                StepKind::Item(n) => path.push_str(&format!("[{n}]")),
                StepKind::Field(name) => match names.get(name) {
                    Some(shown) => push_name(&mut path, shown),
                    None => {
                        let shown = self.redact_name(name);
                        push_name(&mut path, &shown);
                        names.insert(name.clone(), shown);
                    }
                },
                StepKind::Name => path.push_str(".(key)"),
            }
        }
        path
    }
}

/// Returns the whitespace before the content of a string; none if it has no content.
fn space_before(s: &str) -> &str {
    &s[..s.trim_end().len() - s.trim().len()]
}

fn space_after(s: &str) -> &str {
    &s[s.trim_end().len()..]
}

/// Calls `f` with the values of [`InputText::leaves`], in their order.
fn for_each_leaf_mut(value: &mut Value, f: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_leaf_mut(item, f)),
        Value::Object(fields) => {
            let mut names = DistinctNames::default();
            for (name, mut field) in std::mem::take(fields) {
                let mut name = Value::String(name);
                f(&mut name);
                for_each_leaf_mut(&mut field, f);
                let name =
                    names.take(name.as_str().unwrap_or_default().to_owned(), |n| fields.contains_key(n));
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
    s.trim().len() > MAX_STRING_BYTES
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

    fn shown(document: &InputText, leaf: &Leaf) -> String {
        redactor().shown_path("input", &document.path(leaf), &mut HashMap::new())
    }

    #[test]
    fn white_space_around_a_value_changes_nothing() {
        for input in [
            json!({"password": "Winterreise2030"}),
            json!({"password": "Winterreise2030", "n": 1}),
            json!({"api_key": "zq81hs72kd93jf04", "n": 1}),
            json!({"dob": "1944-05-14", "n": 1}),
            json!({"ssn": "219099999", "n": 1}),
            json!({"first_name": "Zephyr", "last_name": "Quillon", "email": "a@mill.fi"}),
            json!({"lat": "48.13712", "lon": "11.57543"}),
        ] {
            let all = |input: &Value| {
                let call =
                    json!({"type": "tool", "id": "t", "name": "x", "status": "success", "input": input});
                let messages = json!([{"role": "assistant", "parts": [call]}]);
                let session = json!({"key": "claude:1", "agent": "claude", "messages": messages});
                let session: Session = serde_json::from_value(session).unwrap();
                let done = redactor().redact_session(&session).session;
                match &done.messages[0].parts[0] {
                    Part::Tool(call) => call.input.clone(),
                    other => panic!("{other:?}"),
                }
            };
            let plain = all(&input);
            assert_ne!(plain, input);
            for (before, after) in [("", "\n"), ("", "\r\n"), ("\n", ""), (" \t\n", "\n \u{a0}")] {
                let around = |input: &Value| {
                    let mut input = input.clone();
                    for value in input.as_object_mut().unwrap().values_mut() {
                        if let Value::String(s) = value {
                            *s = format!("{before}{s}{after}");
                        }
                    }
                    input
                };
                assert_eq!(all(&around(&input)), around(&plain), "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn values_of_several_lines_are_judged_by_their_names() {
        let (out, _) = redacted(json!({"password": "Winterreise2030\nSommerreise2031"}));
        assert!(!out.to_string().contains("reise"), "{out}");
    }

    #[test]
    fn a_nested_value_is_judged_by_the_nearest_name_that_says_what_it_is() {
        for input in [
            json!({"password": {"value": "Winterreise2026"}}),
            json!({"password": ["Winterreise2036"]}),
            json!({"password": ["Winterreise2036", "Sommerreise2037"], "n": 1}),
            json!({"password": 8_812_734_551_u64}),
            json!({"password": 48_213}),
            json!({"password": {"current": 8_812_734_551_u64}}),
            json!({"users": [{"password": {"S": "Winterreise2026"}}]}),
            json!({"dob": {"year": 1944, "month": 5, "day": 14}}),
            json!({"dob": {"day": "14", "month": "05", "year": "1944"}}),
            json!({"dob": [1944, 5, 14]}),
        ] {
            let (out, paths) = redacted(input.clone());
            assert!(!paths.is_empty(), "{input}");
            // The same in a text.
            let done = redactor().redact_text(&input.to_string());
            assert!(serde_json::from_str::<Value>(&done.text).is_ok(), "{}", done.text);
            for out in [out.to_string(), done.text] {
                for rest in ["reise", "88127", "48213", "1944", "14"] {
                    assert!(!out.contains(rest), "{out}");
                }
            }
        }
    }

    #[test]
    fn what_a_schema_or_a_counter_says_stays() {
        for input in [
            json!({"password": null}),
            json!({"password": true, "n": 1}),
            json!({"password": [false, null]}),
            json!({"password": {"type": "string"}}),
            json!({"properties": {"password": {"type": "string", "minLength": 8, "pattern": "^[A-Za-z0-9]{8,}$"}}}),
            json!({"required": ["password", "token"], "n": 1}),
            json!({"token": 512, "tokens": 88_127_345, "max_tokens": 4096, "password_length": 16}),
            json!({"tokens": {"total": 88_127_345, "values": [1_234_567, 2_345_678]}, "pass": 123_456, "fail": 3}),
            json!({"errors": {"password": ["is too short (minimum is 8 characters)"]}}),
            json!({"date": {"year": 1944, "month": 5, "day": 14}}),
        ] {
            let (out, paths) = redacted(input.clone());
            assert_eq!((&out, paths.len()), (&input, 0));
        }
    }

    #[test]
    fn the_path_of_names_is_stored_once() {
        let input = json!({"k".repeat(1000): vec![0; 1000]});
        let document = InputText::new(&input);
        let names: usize = document
            .steps
            .iter()
            .map(|s| if let StepKind::Field(name) = &s.kind { name.len() } else { 0 })
            .sum();
        assert_eq!((names, document.steps.len()), (1000, 1002));
        assert!(shown(&document, &document.leaves[5]).len() < 150);
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
        let input = json!({"a\"b": [1, null, {"c": "d\\e"}], "long": long, "lines": "\tx\ny\r\n"});
        let document = InputText::new(&input);
        let parsed: Value = serde_json::from_str(&document.text).unwrap();
        assert_eq!(parsed, json!({"a\"b": [1, null, {"c": "d\\e"}], "long": "", "lines": "x\ny"}));
        let paths: Vec<String> = document.leaves.iter().map(|l| shown(&document, l)).collect();
        let values: Vec<&String> = paths.iter().filter(|p| !p.ends_with("(key)")).collect();
        assert_eq!(values, ["input.a\"b[0]", "input.a\"b[1]", "input.a\"b[2].c", "input.lines"]);
        assert_eq!(paths.len(), 4 + 4);
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
