//! The second redaction: what the rules still find in the sealed rows at the moment of signing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::app::{App, Failure};
use crate::export::is_derived;
use crate::gate::SealedFile;
use crate::redact::{Redactor, for_each_input_text};
use crate::rules::Engine;
use crate::trace::{SessionKey, Timestamp};
use crate::workflow::{FileEntry, Phase};

use super::OpenRelease;
use super::carried::{INPUT_FIELD, TIME_FIELDS};
use super::evidence_check::Fault;
use super::session_ids::{ReleaseIds, is_session_id, named};

impl App {
    /// Redacts the sealed rows once more. Every finding is a fault that names its session.
    pub(super) fn redaction_faults(
        &self,
        open: &OpenRelease,
        files: &[SealedFile],
    ) -> Result<Vec<Fault>, Failure> {
        let mut redactor = self.second_redactor(open)?;
        let mut found: BTreeMap<&SessionKey, BTreeSet<String>> = BTreeMap::new();
        let ids = ReleaseIds::new(open.release.chosen.keys(), &redactor);
        let by_sha: BTreeMap<&str, &SessionKey> =
            open.data.rows.iter().map(|row| (row.place.sha256.as_str(), &row.key)).collect();
        for file in files.iter().filter(|f| f.path.starts_with("data/") && !is_derived(&f.path)) {
            // A line of no row is a fault of its own.
            for line in file.bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                self.ctx.check()?;
                let Some(key) = by_sha.get(FileEntry::of("", line).sha256.as_str()) else { continue };
                let kinds = found.entry(key).or_default();
                let own = ids.id(key, &redactor);
                for_each_text(line, &own, &mut |piece| {
                    let spans = match piece {
                        Piece::Text(text) => redactor.redact_text(text).spans,
                        Piece::Id(id) => redactor.redact_id(id).spans,
                    };
                    kinds.extend(spans.iter().map(|s| s.kind.to_string()));
                });
            }
        }
        redactor.check()?;
        found.retain(|_, kinds| !kinds.is_empty());
        let faults = found.into_iter().map(|(key, kinds)| {
            let kinds: Vec<String> = kinds.into_iter().collect();
            Fault {
                back_to: Phase::Draft,
                what: format!(
                    "{} contains values that have to be redacted ({})",
                    named(key),
                    kinds.join(", ")
                ),
                session: Some(key.clone()),
            }
        });
        Ok(faults.collect())
    }
}

impl App {
    /// The redactor for what is sealed: all rules, configured strings and reported values.
    pub(super) fn second_redactor(&self, open: &OpenRelease) -> Result<Redactor<'static>, Failure> {
        let secrets = self.secrets(open.id())?;
        let policy = self.policy_for(&self.export_options(&open.data));
        let key = crate::app::random::key_from_hex(&secrets.key)?;
        let mut redactor = Redactor::new(Engine::builtin()?, policy, key);
        redactor.add_values(&secrets.reported.iter().cloned().collect::<Vec<_>>());
        Ok(redactor)
    }
}

impl App {
    /// What the rules and the configured strings of this machine find in the files, by kind. For files of another machine,
    /// whose archive is not here.
    pub(super) fn found_in(&self, files: &[SealedFile]) -> Result<BTreeMap<String, u64>, Failure> {
        let policy = self.policy_for(&self.config.export);
        let key = crate::app::random::random_bytes()?;
        let mut redactor = Redactor::new(Engine::builtin()?, policy, key);
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let mut search = |piece: Piece<'_>| {
            let spans = match piece {
                Piece::Text(text) => redactor.redact_text(text).spans,
                Piece::Id(id) => redactor.redact_id(id).spans,
            };
            for span in spans {
                *found.entry(span.kind.to_string()).or_default() += 1;
            }
        };
        for file in files {
            if !file.path.starts_with("data/") {
                // The card and the description of the dataset.
                self.ctx.check()?;
                search(Piece::Text(&String::from_utf8_lossy(&file.bytes)));
                continue;
            }
            for line in file.bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                self.ctx.check()?;
                let row = serde_json::from_slice::<Value>(line).unwrap_or_default();
                for_each_text(line, row["session_id"].as_str().unwrap_or_default(), &mut search);
            }
        }
        redactor.check()?;
        Ok(found)
    }
}

/// A part of a row.
enum Piece<'a> {
    Text(&'a str),
    /// An id, in which only known values are searched for: it matches the shapes of numbers and tokens by chance.
    Id(&'a str),
}

/// Calls `f` with every text of a row, and with the name of every field. `own_id` is the id of the row's session.
///
/// The times are left out, because they match the shapes of numbers by chance. A field of that name with other content is a
/// text.
fn for_each_text(line: &[u8], own_id: &str, f: &mut dyn FnMut(Piece<'_>)) {
    let row: Option<Value> = serde_json::from_slice(line).ok();
    // A value that is parsed lacks repeated fields, so such a line is also read as a text.
    if row.as_ref().and_then(|row| serde_json::to_vec(row).ok()).as_deref() != Some(line) {
        f(Piece::Text(&String::from_utf8_lossy(line)));
    }
    let mut names = BTreeSet::new();
    if let Some(row) = &row {
        Walk { own_id, names: &mut names, f }.value(row, "");
    }
    for name in names {
        f(Piece::Text(&name));
    }
}

struct Walk<'a> {
    own_id: &'a str,
    /// The names of fields that occurred.
    names: &'a mut BTreeSet<String>,
    f: &'a mut dyn FnMut(Piece<'_>),
}

impl Walk<'_> {
    /// `path` has the names of the fields down to the value.
    fn value(&mut self, value: &Value, path: &str) {
        match value {
            _ if path == INPUT_FIELD => for_each_input_text(value, &mut |text| (self.f)(Piece::Text(text))),
            Value::String(text) => {
                let is_own_id = path == "session_id" && text == self.own_id;
                let is_time = TIME_FIELDS.contains(&path) && Timestamp::parse(text).is_some();
                match is_own_id && is_session_id(text) {
                    true => (self.f)(Piece::Id(text)),
                    false if is_time => {}
                    false => (self.f)(Piece::Text(text)),
                }
            }
            Value::Array(items) => items.iter().for_each(|v| self.value(v, path)),
            Value::Object(fields) => {
                for (name, v) in fields {
                    let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.value(v, &below);
                    self.names.insert(name.clone());
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::export::{Format, RowMeta, Rows};
    use crate::redact::Policy;
    use crate::trace::{Message, Origin, Part, Role, Session, ToolCall};

    const SECRET: &str = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8";

    fn texts(line: &[u8]) -> Vec<String> {
        let mut seen = Vec::new();
        for_each_text(line, "a", &mut |piece| {
            if let Piece::Text(text) = piece {
                seen.push(text.to_owned());
            }
        });
        seen
    }

    fn kinds(line: &str) -> Vec<String> {
        let mut redactor = Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32]);
        let found = texts(line.as_bytes());
        found.iter().flat_map(|t| redactor.redact_text(t).spans).map(|s| s.kind.to_string()).collect()
    }

    #[test]
    fn every_text_is_redacted_again_except_the_own_id_and_the_times() {
        let time = "2026-06-15T10:00:00.000Z";
        let row = json!({
            "session_id": "a", "start_time": time,
            "messages": [{"content": "one", "timestamp": time, "tool_uses": [{
                "tool": "two",
                "input": {"x": ["three"], "user_id": "four", "end_time": time, "session_id": "a"},
            }]}],
        });
        let mut seen = texts(row.to_string().as_bytes());
        let names =
            ["content", "input", "messages", "session_id", "start_time", "timestamp", "tool", "tool_uses"];
        assert_eq!(seen.split_off(seen.len() - names.len()), names);
        seen.sort();
        let mut expected: Vec<String> = [
            "one",
            "three",
            "two",
            "user_id",
            "user_id: four",
            "x",
            "end_time",
            "session_id",
            "session_id: a",
        ]
        .map(str::to_owned)
        .into();
        expected.push(format!("end_time: {time}"));
        expected.push(format!(
            r#"{{"x": ["three"], "user_id": "four", "end_time": "{time}", "session_id": "a"}}"#
        ));
        expected.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_secret_is_found_wherever_it_is_in_a_row() {
        let row = |input: Value| json!({"messages": [{"tool_uses": [{"input": input}]}]});
        for forged in [
            row(json!({"user_id": SECRET})),
            row(json!({"end_time": SECRET, "sha256": 1})),
            row(json!({"sha256": SECRET})),
            row(json!({"id": {"deep": [SECRET]}})),
            row(json!({ SECRET: 1 })),
            row(json!({"password": "Winterreise2024"})),
            row(json!({"lat": 48.137, "lon": 11.575})),
            row(json!({"card": 4111111111111111_u64})),
            json!({"session_id": SECRET}),
            json!({"start_time": SECRET}),
            json!({"parent": SECRET}),
            json!({ SECRET: 1 }),
            json!({"messages": [{"timestamp": SECRET}]}),
        ] {
            assert!(!kinds(&forged.to_string()).is_empty(), "{forged}");
        }
        let twice = format!("{{\"content\":\"{SECRET}\",\"content\":\"ok\"}}");
        assert!(!kinds(&twice).is_empty(), "a repeated field hides the first one");
        assert!(!kinds(&format!("{{\"content\":\"{SECRET}")).is_empty(), "a line that is not JSON");
    }

    #[test]
    fn a_row_that_was_redacted_has_no_second_finding() {
        let mut session = Session::empty("claude", "a");
        session.started = Timestamp::parse("2026-06-15T10:00:00Z");
        let call =
            |input: Value| Part::Tool(ToolCall { name: "mcp__x__y".into(), input, ..ToolCall::default() });
        let inputs = [
            json!({"password": "Winterreise2024", "user_id": SECRET, "card": 4111111111111111_u64}),
            json!({ SECRET: {"api_key": [SECRET], "mail": "ada@northwind.example"} }),
            json!({"env": format!("A=1\nTOKEN={SECRET}"), "json": format!("{{\"token\":\"{SECRET}\"}}")}),
            json!(SECRET),
            json!({"coordinates": [[11.575, 48.137], [11.6, 48.2]], "phone": 4915112345678_u64}),
        ];
        session.messages = vec![Message {
            id: None,
            role: Role::Assistant,
            origin: Origin::Model,
            at: session.started,
            model: Some("claude-sonnet-4-5-20250929".into()),
            parts: inputs.map(call).into(),
        }];
        let mut redactor = Redactor::new(Engine::builtin().unwrap(), Policy::default(), [7; 32]);
        let done = redactor.redact_session(&session);
        let row = Rows.document(&done.session, &RowMeta::default()).unwrap();
        assert!(!row.json.contains(SECRET) && !row.json.contains("Winterreise2024"), "{}", row.json);
        assert_eq!(kinds(&row.json), Vec::<String>::new(), "{}", row.json);
    }
}
