//! Redaction of whole sessions: every string of them, values collected first.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rules::{Class, Classes};
use crate::trace::{Part, Session, Timestamp};

use super::decoded_view::DecodedView;
use super::known_values::KnownValues;
use super::{PlaceholderStyle, Redactor, Timestamps, detect, placeholder};

/// A redacted session with the account of what was removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedactedSession {
    /// The session as it may leave.
    pub session: Session,
    /// Removed stretches by kind.
    pub counts: BTreeMap<String, u64>,
    /// One note per distinct stand-in and field.
    pub findings: Vec<FindingNote>,
    /// What a person should decide about.
    pub entities: Vec<Entity>,
}

/// What was removed where, without the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingNote {
    /// Placeholder type.
    pub kind: String,
    /// The rule that found it.
    pub rule: String,
    /// Where, for instance `messages[3].parts[0].output`.
    pub field: String,
    /// What stands there now.
    pub placeholder: String,
    /// How sure, in percent.
    pub confidence: u8,
    /// The value with all but its ends masked.
    pub masked: String,
    /// How often in this field.
    pub count: u64,
}

/// Something that is not removed by itself but put to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Keyed hash of the value.
    pub id: String,
    /// Placeholder type that it would get.
    pub kind: String,
    /// The value itself.
    pub value: String,
    /// How often it stands in the session.
    pub count: u64,
}

/// Calls `f` with the field's path and text for every string of the session that can hold something sensitive.
pub(crate) fn each_text(session: &Session, f: &mut dyn FnMut(&str, &str)) {
    let mut copy = session.clone();
    walk(&mut copy, &mut |path, text| f(path, text));
}

/// Visits every string of a session in place.
fn walk(session: &mut Session, f: &mut dyn FnMut(&str, &mut String)) {
    for (name, field) in [
        ("project", &mut session.project),
        ("git_branch", &mut session.git_branch),
        ("title", &mut session.title),
    ] {
        if let Some(s) = field {
            f(name, s);
        }
    }
    for (i, message) in session.messages.iter_mut().enumerate() {
        for (j, part) in message.parts.iter_mut().enumerate() {
            let at = format!("messages[{i}].parts[{j}]");
            match part {
                Part::Text { text } => f(&format!("{at}.text"), text),
                Part::Thinking { text } => f(&format!("{at}.thinking"), text),
                Part::Tool(call) => {
                    json(&mut call.input, &format!("{at}.input"), f);
                    if let Some(output) = &mut call.output {
                        f(&format!("{at}.output"), output);
                    }
                }
                Part::Attachment { name, text } => {
                    f(&format!("{at}.name"), name);
                    f(&format!("{at}.text"), text);
                }
                Part::Media { .. } => {}
            }
        }
    }
}

/// Visits the strings and keys of a JSON value; `key: value` pairs are shown as such so that names give context.
fn json(value: &mut Value, path: &str, f: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(s) => f(path, s),
        Value::Array(items) => {
            for (i, v) in items.iter_mut().enumerate() {
                json(v, &format!("{path}[{i}]"), f);
            }
        }
        Value::Object(map) => {
            let old = std::mem::take(map);
            for (k, mut v) in old {
                let mut key = k.clone();
                f(&format!("{path}.(key)"), &mut key);
                let below = format!("{path}.{key}");
                let plain = |s: &str| s.starts_with(['{', '[', '"']) || s.contains('\n');
                if let Value::String(s) = &mut v
                    && !plain(s)
                {
                    // the name of a field is what tells a password from a word
                    let head = format!("{key}: ");
                    let mut joined = format!("{head}{s}");
                    f(&below, &mut joined);
                    match joined.strip_prefix(&head) {
                        Some(rest) => rest.clone_into(s),
                        None => *s = joined,
                    }
                } else {
                    json(&mut v, &below, f);
                }
                map.insert(key, v);
            }
        }
        Value::Number(n) => {
            // A card or account number written as a number; its name stands before it, as alone it would be one that
            // nothing says anything about.
            let n = n.to_string();
            if n.len() >= 9 {
                let head = format!("{}: ", path.rsplit('.').next().unwrap_or("number"));
                let mut s = format!("{head}{n}");
                f(path, &mut s);
                let rest = s.strip_prefix(&head).unwrap_or(&s);
                if rest != n {
                    *value = Value::String(rest.to_owned());
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

impl Redactor<'_> {
    /// Learns every identity and sensitive value of a session; call it for all sessions of a release before the first
    /// is redacted, so that what one gives away is removed in the others too.
    pub fn collect(&mut self, session: &Session) {
        self.collect_identities(session);
        let mut texts = Vec::new();
        each_text(session, &mut |_, text| texts.push(text.to_owned()));
        let none = KnownValues::default();
        for text in texts {
            let base = DecodedView::raw(&text);
            let mut found = detect::detect(self.engine, &none, &base, Classes::SENSITIVE);
            found.extend(self.external(&base));
            self.spare(&base, &mut found);
            for f in found {
                self.learn_found(&f);
            }
        }
        self.collected.insert(session.key.as_str().to_owned());
    }

    /// Learns the secrets and mail addresses of a session that is not part of the release: what stands there with its
    /// name may stand here without.
    pub fn collect_elsewhere(&mut self, session: &Session) {
        let mut texts = Vec::new();
        each_text(session, &mut |_, text| texts.push(text.to_owned()));
        let none = KnownValues::default();
        for text in texts {
            let base = DecodedView::raw(&text);
            let mut found = detect::detect(self.engine, &none, &base, Classes::SENSITIVE);
            self.spare(&base, &mut found);
            for f in found {
                if f.class == Class::Secret || &*f.kind == "EMAIL" {
                    self.learn_found(&f);
                }
            }
        }
    }

    /// Redacts a session: everything collected is removed from it. One that was not collected yet is now.
    pub fn redact_session(&mut self, session: &Session) -> RedactedSession {
        if !self.collected.contains(session.key.as_str()) {
            self.collect(session);
        }
        let before: BTreeMap<_, _> = std::mem::take(&mut self.entities);
        let mut out = session.clone();
        let options = self.policy.options.clone();
        for message in &mut out.messages {
            message.parts.retain(|p| options.thinking || !matches!(p, Part::Thinking { .. }));
            if !options.tool_outputs {
                for part in &mut message.parts {
                    if let Part::Tool(call) = part {
                        call.output = None;
                    }
                }
            }
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut notes: BTreeMap<(String, String), FindingNote> = BTreeMap::new();
        walk(&mut out, &mut |path, text| {
            let done = self.redact_text(text);
            for span in &done.spans {
                if span.placeholder.is_empty() {
                    continue;
                }
                *counts.entry(span.kind.to_string()).or_insert(0) += 1;
                let note =
                    notes.entry((path.to_owned(), span.placeholder.clone())).or_insert_with(|| FindingNote {
                        kind: span.kind.to_string(),
                        rule: span.rule.to_string(),
                        field: path.to_owned(),
                        placeholder: span.placeholder.clone(),
                        confidence: span.confidence,
                        masked: mask(&span.kind, &text[span.start..span.end]),
                        count: 0,
                    });
                note.count += 1;
            }
            *text = done.text;
        });
        self.times(&mut out);
        let entities = std::mem::replace(&mut self.entities, before);
        let entities = entities
            .into_iter()
            .filter(|((kind, value), _)| !self.kept(kind, value))
            .map(|((kind, value), count)| Entity { id: self.value_id(&kind, &value), kind, value, count })
            .collect();
        RedactedSession { session: out, counts, findings: notes.into_values().collect(), entities }
    }

    /// Writes times as the options say.
    fn times(&self, session: &mut Session) {
        let shift = match self.policy.options.timestamps {
            Timestamps::Exact => return,
            Timestamps::Hour => None,
            Timestamps::Shifted => {
                let mac = placeholder::keyed(&self.key, &["time", session.key.as_str()]);
                // up to 180 days back, whole seconds
                Some(i64::from(u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]]) % (180 * 86_400)))
            }
        };
        let change = |t: &mut Option<Timestamp>| {
            if let Some(at) = t {
                *at = moved(*at, shift);
            }
        };
        change(&mut session.started);
        change(&mut session.ended);
        for message in &mut session.messages {
            change(&mut message.at);
        }
    }

    /// What looks for every value known by now in final bytes.
    pub fn sealed_scanner(&self) -> SealedScanner {
        let mut known = Vec::new();
        let mut patterns: Vec<String> = Vec::new();
        for (value, k) in self.values.iter() {
            for form in super::known_values::forms(value) {
                patterns.push(form);
                known.push((k.kind.clone(), k.rule.clone(), k.word));
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .ok();
        SealedScanner { automaton, known, style: self.policy.options.pseudonyms }
    }
}

/// Looks for known values in final bytes, in every spelling they could have there.
pub struct SealedScanner {
    automaton: Option<AhoCorasick>,
    known: Vec<(String, String, bool)>,
    style: PlaceholderStyle,
}

impl SealedScanner {
    /// KnownValue values in the final bytes: must be empty for anything that is about to leave.
    pub fn scan(&self, bytes: &[u8]) -> Vec<SealedHit> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let text = String::from_utf8_lossy(bytes);
        let b = text.as_bytes();
        // A stand-in is no value, whatever its tag looks like.
        let standins = placeholder::find_styled(&text, self.style);
        let mut out = Vec::new();
        for hit in automaton.find_overlapping_iter(b) {
            let (kind, rule, whole) = &self.known[hit.pattern().as_usize()];
            if *whole && !super::known_values::stands_alone(&text, hit.start(), hit.end()) {
                continue;
            }
            let next = standins.partition_point(|(_, end)| *end <= hit.start());
            if standins.get(next).is_some_and(|(start, end)| *start <= hit.start() && hit.end() <= *end) {
                continue;
            }
            out.push(SealedHit {
                kind: kind.clone(),
                rule: rule.clone(),
                whole_word: *whole,
                offset: hit.start(),
            });
        }
        out
    }
}

/// A known value that survived in sealed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedHit {
    /// Its kind.
    pub kind: String,
    /// The rule that first found the value.
    pub rule: String,
    /// Whether the value is an ordinary word elsewhere, and so counts only as a whole word.
    pub whole_word: bool,
    /// Where in the bytes.
    pub offset: usize,
}

/// The instant cut to the hour, or moved back by seconds.
fn moved(at: Timestamp, shift: Option<i64>) -> Timestamp {
    const HOUR: i64 = 3_600_000;
    match shift {
        None => Timestamp(at.millis().div_euclid(HOUR) * HOUR),
        Some(seconds) => Timestamp(at.millis().saturating_sub(seconds * 1000)),
    }
}

/// What a report may show of a value: nothing of a secret, the first letter of what points at a person.
fn mask(kind: &str, value: &str) -> String {
    let n = value.chars().count();
    let first = match kind {
        "EMAIL" | "PERSON" | "USER" | "HOST" | "ADDRESS" | "PHONE" => value.chars().next(),
        _ => None,
    };
    let dots = "•".repeat(n.min(8));
    match first {
        Some(c) if n >= 4 => format!("{c}{dots} ({n})"),
        _ => format!("{dots} ({n})"),
    }
}
