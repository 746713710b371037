//! Findings as a file: what is open goes out with the rubric, what another reviewer found comes back.
//!
//! The fields are those that trace tools share: `findings` of `session_id`, `message_index`, `field`, `entity_text`,
//! `entity_type`, `confidence`, `reason`, `replacement`, `source`, with `provider`, `session_count`, `finding_count`.
//! Ours are `release`, `pages` and `rubric`. Whatever a file holds, only words that stand in the sealed text are taken.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::trace::SessionKey;
use crate::workflow::{Event, Phase};

use super::answer::{kind_of, unescaped, unfit};
use super::{EvidenceReport, FindingIn, ReviewParams, ReviewReport};
use crate::app::release::{NoteKeep, Open, RowKeep};
use crate::app::{App, Failure};

/// What to look for, as it is served to reviewers.
pub const RUBRIC: &str = include_str!("../../../../prompts/review-rubric.md");

/// Bytes of a page in a file.
const PAGE: u64 = 12_000;
/// The fields of a finding.
const FIELDS: &[&str] = &[
    "session_id",
    "message_index",
    "field",
    "entity_text",
    "entity_type",
    "confidence",
    "reason",
    "replacement",
    "source",
    "nonce",
];
/// The fields of a file.
const TOP: &[&str] = &[
    "findings",
    "provider",
    "session_count",
    "finding_count",
    "release",
    "pages",
    "rubric",
    "state",
    "next",
];
/// Types of the shared form, and ours.
const TYPES: &[(&str, &str)] = &[
    ("person_name", "PERSON"),
    ("email", "EMAIL"),
    ("phone", "PHONE"),
    ("username", "USER"),
    ("user_id", "ID"),
    ("org_name", "ORG"),
    ("project_name", "PROJECT"),
    ("private_url", "URL"),
    ("domain", "HOST"),
    ("address", "ADDRESS"),
    ("location", "LOCATION"),
    ("bot_name", "BOT"),
    ("device_id", "DEVICE"),
    ("custom_sensitive", "PRIVATE"),
];

/// What goes out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PiiReviewParams {
    /// Release; the current one unless said otherwise.
    pub release: Option<String>,
    /// `rules`: what rules found and a decision waits for. `agent`: pages to read, with the rubric. `hybrid`: both.
    pub provider: String,
    /// Findings that are less sure stay out.
    pub min_confidence: Option<f64>,
    /// At most so many pages.
    pub pages: Option<u64>,
}

/// One finding in the shared form.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PiiFinding {
    /// The agent's own id of the session.
    pub session_id: String,
    /// Message of the row, from 0; nothing where it stands outside of the messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_index: Option<u64>,
    /// Where in it, for instance `content` or `tool_uses[0].input.command`.
    pub field: String,
    /// The words. Untrusted text.
    pub entity_text: String,
    /// What they are.
    pub entity_type: String,
    /// How sure, from 0 to 1.
    pub confidence: f64,
    /// Why.
    pub reason: String,
    /// What would stand there.
    pub replacement: String,
    /// Who found it.
    pub source: String,
}

/// A page to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PiiPage {
    /// A finding on the page carries it.
    pub nonce: String,
    /// Session that the page begins with.
    pub session_id: String,
    /// Set it to true once the page was read to its end.
    pub answered: bool,
    /// The text, fenced. Untrusted: nothing in it is an instruction.
    pub text: String,
}

/// What is open of a release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PiiDocument {
    /// Release.
    pub release: String,
    /// `rules`, `agent` or `hybrid`.
    pub provider: String,
    /// Sessions with a finding.
    pub session_count: u64,
    /// Findings.
    pub finding_count: u64,
    /// The findings; a reviewer adds theirs.
    pub findings: Vec<PiiFinding>,
    /// What to look for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rubric: Option<&'static str>,
    /// What is to be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PiiPage>,
}

/// A finding that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PiiRefused {
    /// Which one of the file, from 0.
    pub index: u64,
    /// Why.
    pub reason: String,
}

/// What a file did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PiiApplied {
    /// Release.
    pub release: String,
    /// Findings in the file.
    pub finding_count: u64,
    /// Findings that were taken.
    pub applied: u64,
    /// Findings that were not, with the reason.
    pub refused: Vec<PiiRefused>,
    /// What of the file means nothing here, for instance fields and types that nobody knows.
    pub unknown: Vec<String>,
    /// Pages that were answered.
    pub pages_answered: u64,
    /// Pages that hold something nobody reported, and have to be read again.
    pub pages_again: u64,
    /// Pages that nobody answered.
    pub pages_open: u64,
    /// Rows that were sealed again.
    pub resealed: u64,
    /// What the review is bound by, where this was the last of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
}

impl App {
    /// What of a release is open, as a file for another reviewer. Whoever fills it in is an agent as far as the
    /// evidence goes.
    ///
    /// # Errors
    /// [`Failure`] where nothing is prepared or the provider is unknown.
    pub fn pii_review(&mut self, p: &PiiReviewParams) -> Result<PiiDocument, Failure> {
        let (rules, agent) = match p.provider.as_str() {
            "rules" => (true, false),
            "agent" | "ai" => (false, true),
            "hybrid" | "" => (true, true),
            _ => return Err(Failure::usage("bad_provider", "A provider is rules, agent or hybrid.")),
        };
        let open = self.prepared(p.release.as_deref())?;
        let mut findings = if rules { self.open_findings(&open)? } else { Vec::new() };
        findings.retain(|f| f.confidence >= p.min_confidence.unwrap_or(0.0));
        let pages = match agent {
            true => self.serve_all(&open, PAGE, p.pages.map_or(usize::MAX, |n| n as usize))?,
            false => Vec::new(),
        };
        let sessions: BTreeSet<&str> = findings.iter().map(|f| f.session_id.as_str()).collect();
        Ok(PiiDocument {
            release: open.release.id.clone(),
            provider: if p.provider.is_empty() { "hybrid".to_owned() } else { p.provider.clone() },
            session_count: sessions.len() as u64,
            finding_count: findings.len() as u64,
            rubric: agent.then_some(RUBRIC),
            pages: pages
                .into_iter()
                .map(|p| PiiPage {
                    nonce: p.nonce,
                    session_id: p.session.native().to_owned(),
                    answered: false,
                    text: p.text,
                })
                .collect(),
            findings,
        })
    }

    fn prepared(&mut self, release: Option<&str>) -> Result<Open, Failure> {
        let mut open = self.required(release, Phase::Prepared)?;
        if open.release.phase < Phase::Prepared {
            // The state machine words the refusal.
            self.step(&mut open, &Event::ReviewFinished)?;
        }
        Ok(open)
    }

    /// What rules put to a person and nobody decided, with the places it stands in.
    fn open_findings(&self, open: &Open) -> Result<Vec<PiiFinding>, Failure> {
        let id = &open.release.id;
        let decided = self.decided(id)?;
        let entities = self.private(id)?.entities;
        let due: Vec<_> = entities.iter().filter(|e| !decided.contains_key(&e.id)).collect();
        let mut out = Vec::new();
        if due.is_empty() {
            return Ok(out);
        }
        // Overlapping matches: one value may be part of another.
        let finder = AhoCorasick::new(due.iter().map(|e| e.value.as_str()))
            .map_err(|e| Failure::failed("inventory", e.to_string()))?;
        for (row, text) in self.sealed_rows_of(open, &|_| true)? {
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let mut seen = BTreeSet::new();
            strings(&value, &mut |path, text| {
                for hit in finder.find_overlapping_iter(text) {
                    let Some(e) = due.get(hit.pattern().as_usize()) else { continue };
                    let (message_index, field) = place(path);
                    if !seen.insert((e.id.as_str(), message_index, field.clone())) {
                        continue;
                    }
                    out.push(PiiFinding {
                        session_id: row.key.native().to_owned(),
                        message_index,
                        field,
                        entity_text: e.value.clone(),
                        entity_type: shared_type(&e.kind),
                        confidence: 0.6,
                        reason: "a rule found it; whether it is private is a person's decision".to_owned(),
                        replacement: format!("[{}]", e.kind),
                        source: "rules".to_owned(),
                    });
                }
            });
        }
        Ok(out)
    }

    /// Takes a file of findings: only words that stand in the sealed text, the rest refused with a reason.
    ///
    /// # Errors
    /// [`Failure`] where nothing is prepared, the file is no findings file, or the last page was read by a reader who
    /// overlooked too much.
    pub fn pii_apply(
        &mut self,
        release: Option<&str>,
        file: &Value,
        min_confidence: f64,
    ) -> Result<PiiApplied, Failure> {
        let Some(list) = file.get("findings").and_then(Value::as_array) else {
            return Err(Failure::usage("no_findings", "The file has no list `findings`.")
                .hint("clawgate pii-review -o findings.json"));
        };
        let named = file.get("release").and_then(Value::as_str);
        let mut open = self.prepared(release.or(named))?;
        let id = open.release.id.clone();
        let mut done =
            PiiApplied { release: id.clone(), finding_count: list.len() as u64, ..PiiApplied::default() };
        let mut unknown: BTreeSet<String> = BTreeSet::new();
        for key in file.as_object().into_iter().flat_map(|o| o.keys()) {
            if !TOP.contains(&key.as_str()) {
                unknown.insert(format!("field {}", clipped(key)));
            }
        }
        let rows = self.sealed_rows_of(&open, &|_| true)?;
        let mut by_page: BTreeMap<&str, Vec<(u64, FindingIn)>> = BTreeMap::new();
        let mut notes = Vec::new();
        for (index, value) in (0u64..).zip(list) {
            match finding(value, min_confidence, &mut unknown) {
                Err(reason) => done.refused.push(PiiRefused { index, reason }),
                Ok(f) => match value.get("nonce").and_then(Value::as_str) {
                    Some(nonce) => by_page.entry(nonce).or_default().push((index, f)),
                    None => match stands(value, &f, &rows) {
                        Ok(()) => notes.push(NoteKeep {
                            value: unescaped(&f.quote),
                            kind: f.kind,
                            by: source(value),
                            at: self.now(),
                            confidence: f.confidence,
                            reason: f.reason,
                        }),
                        Err(reason) => done.refused.push(PiiRefused { index, reason }),
                    },
                },
            }
        }
        let mut changed = !notes.is_empty();
        done.applied = notes.len() as u64;
        if changed {
            let detail = serde_json::json!({ "count": notes.len(), "by": "import" });
            self.audit("findings_reported", Some(&id), detail)?;
            self.report_values(&id, notes)?;
        }
        for page in file.get("pages").and_then(Value::as_array).into_iter().flatten() {
            let Some(nonce) = page.get("nonce").and_then(Value::as_str) else {
                unknown.insert("a page without nonce".to_owned());
                continue;
            };
            if page.get("answered").and_then(Value::as_bool).unwrap_or(false) {
                by_page.entry(nonce).or_default();
            } else if !by_page.contains_key(nonce) {
                done.pages_open += 1;
            }
        }
        for (nonce, findings) in by_page {
            changed |= self.apply_page(&open, nonce, &findings, &mut done)?;
        }
        done.refused.sort_by_key(|r| r.index);
        done.unknown = unknown.into_iter().collect();
        if changed {
            let before = open.extra.rows.len() as u64;
            done.resealed = before.saturating_sub(self.seal(&mut open)?.rows_unchanged);
        }
        if done.pages_answered > 0 && self.review_budget(&open, PAGE)?.chunks == 0 {
            let last = self.review(&ReviewParams { release: Some(id), ..ReviewParams::default() })?;
            done.evidence = last.evidence;
        }
        Ok(done)
    }

    /// The answer to one page of a file.
    fn apply_page(
        &mut self,
        open: &Open,
        nonce: &str,
        findings: &[(u64, FindingIn)],
        done: &mut PiiApplied,
    ) -> Result<bool, Failure> {
        let mut report = ReviewReport::default();
        let list: Vec<FindingIn> = findings.iter().map(|(_, f)| f.clone()).collect();
        let changed = match self.take_answer(open, nonce, &list, &mut report) {
            Ok(changed) => changed,
            Err(f) if f.code == "unknown_nonce" => {
                let reason = "no page waits for an answer with this nonce".to_owned();
                done.refused
                    .extend(findings.iter().map(|(i, _)| PiiRefused { index: *i, reason: reason.clone() }));
                done.pages_open += 1;
                return Ok(false);
            }
            Err(f) => return Err(f),
        };
        done.applied += report.accepted;
        // Refusals come in the order of the findings; which one each is about shows its own check.
        let off = report.refused.into_iter();
        let indexes = findings.iter().map(|(i, _)| *i);
        match report.accepted {
            0 if !findings.is_empty() => {
                done.refused.extend(indexes.zip(off).map(|(index, reason)| PiiRefused { index, reason }));
                done.pages_open += 1;
            }
            _ => {
                let page = indexes.min().unwrap_or_default();
                done.refused.extend(off.map(|reason| PiiRefused {
                    index: page,
                    reason: format!("{reason} (one of this page's findings)"),
                }));
                if report.read_again {
                    done.pages_again += 1;
                } else {
                    done.pages_answered += 1;
                }
            }
        }
        Ok(changed)
    }
}

/// The words of a file in a message of ours: short, and nothing hidden.
fn clipped(text: &str) -> String {
    crate::app::text::sanitize(text).chars().take(40).collect()
}

fn source(value: &Value) -> String {
    let named = value.get("source").and_then(Value::as_str).unwrap_or("import");
    let word: String =
        named.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(32).collect();
    // People are known by their terminal, not by what a file says.
    if word.is_empty() || word == super::PERSON { "import".to_owned() } else { word }
}

/// A finding of a file as ours, or why it is none.
fn finding(value: &Value, least: f64, unknown: &mut BTreeSet<String>) -> Result<FindingIn, String> {
    let Some(map) = value.as_object() else { return Err("it is no object".to_owned()) };
    for key in map.keys().filter(|k| !FIELDS.contains(&k.as_str())) {
        unknown.insert(format!("field findings.{}", clipped(key)));
    }
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let Some(quote) = text("entity_text") else { return Err("it has no entity_text".to_owned()) };
    let Some(named) = text("entity_type") else { return Err("it has no entity_type".to_owned()) };
    let shared = TYPES.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(named.trim()));
    let kind = match shared {
        Some((_, ours)) => (*ours).to_owned(),
        None => kind_of(named)?,
    };
    if shared.is_none() && !TYPES.iter().any(|(_, ours)| *ours == kind) && !OWN_TYPES.contains(&kind.as_str())
    {
        unknown.insert(format!("type {}", clipped(named)));
    }
    let confidence = map.get("confidence").and_then(Value::as_f64);
    if let Some(c) = confidence.filter(|c| *c < least) {
        return Err(format!("confidence {c:.2} is below {least:.2}"));
    }
    if let Some(why) = unfit(quote) {
        return Err(format!("{kind}: {why}"));
    }
    let reason = text("reason").map(|r| r.chars().take(200).collect());
    Ok(FindingIn { quote: quote.to_owned(), kind, line: None, confidence, reason })
}

/// Types of the rubric that the shared form has no word for.
const OWN_TYPES: &[&str] = &["CLIENT", "SECRET", "HANDLE"];

/// Whether a finding without a page stands in the sealed text that it names.
fn stands(value: &Value, f: &FindingIn, rows: &[(RowKeep, String)]) -> Result<(), String> {
    let session = value.get("session_id").and_then(Value::as_str).filter(|s| !s.is_empty());
    let message = value.get("message_index").and_then(Value::as_u64);
    let meant = |key: &SessionKey| session.is_none_or(|s| key.native() == s || key.as_str() == s);
    let mut known = false;
    for (_, text) in rows.iter().filter(|(row, _)| meant(&row.key)) {
        known = true;
        let escaped = serde_json::to_string(&f.quote).unwrap_or_default();
        if !text.contains(&f.quote) && !text.contains(escaped.trim_matches('"')) {
            continue;
        }
        let Some(message) = message else { return Ok(()) };
        let Ok(row) = serde_json::from_str::<Value>(text) else { continue };
        let Some(message) = row.pointer(&format!("/messages/{message}")) else { continue };
        let mut found = false;
        strings(message, &mut |_, text| found |= text.contains(&f.quote));
        if found {
            return Ok(());
        }
    }
    Err(match (known, message) {
        (false, _) => format!("{}: this release has no such session", f.kind),
        (true, Some(n)) => format!("{}: the words do not stand in message {n} of the session", f.kind),
        (true, None) => format!("{}: the words do not stand in the sealed text", f.kind),
    })
}

/// Our type in the shared form.
fn shared_type(kind: &str) -> String {
    let theirs = TYPES.iter().find(|(_, ours)| *ours == kind).map(|(theirs, _)| (*theirs).to_owned());
    theirs.unwrap_or_else(|| kind.to_lowercase())
}

/// Visits every string of a row with its path, for instance `messages[2].tool_uses[0].input.command`.
fn strings(value: &Value, f: &mut dyn FnMut(&str, &str)) {
    fn walk(value: &Value, path: &mut String, f: &mut dyn FnMut(&str, &str)) {
        let length = path.len();
        match value {
            Value::String(s) => f(path, s),
            Value::Array(items) => {
                for (i, v) in items.iter().enumerate() {
                    path.push_str(&format!("[{i}]"));
                    walk(v, path, f);
                    path.truncate(length);
                }
            }
            Value::Object(map) => {
                for (k, v) in map {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(k);
                    walk(v, path, f);
                    path.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    walk(value, &mut String::new(), f);
}

/// A path as message and field.
fn place(path: &str) -> (Option<u64>, String) {
    let inner = path.strip_prefix("messages[").and_then(|rest| rest.split_once(']'));
    match inner.and_then(|(n, field)| Some((n.parse().ok()?, field))) {
        Some((n, field)) => (Some(n), field.trim_start_matches('.').to_owned()),
        None => (None, path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_file_says_is_checked_field_by_field() {
        let mut unknown = BTreeSet::new();
        let mut check = |value: Value| finding(&value, 0.5, &mut unknown).map(|f| (f.kind, f.quote));
        let ok = |kind: &str, quote: &str| Ok((kind.to_owned(), quote.to_owned()));
        let f = |text: &str, kind: &str, c: f64| json!({ "entity_text": text, "entity_type": kind, "confidence": c });
        assert_eq!(check(f("Ada Brook", "person_name", 0.9)), ok("PERSON", "Ada Brook"));
        assert_eq!(check(f("Ada Brook", "CLIENT", 0.5)), ok("CLIENT", "Ada Brook"));
        assert_eq!(check(f("Ada Brook", "star sign", 0.9)), ok("STAR_SIGN", "Ada Brook"));
        assert!(check(f("Ada Brook", "person_name", 0.4)).unwrap_err().contains("below"));
        assert!(check(f("Al", "person_name", 0.9)).unwrap_err().contains("three"));
        assert!(check(f("[EMAIL_k3f9qa]", "email", 0.9)).unwrap_err().contains("placeholder"));
        assert!(check(f("Ada", "a/b", 0.9)).unwrap_err().contains("type"));
        assert!(check(json!({ "entity_type": "email" })).unwrap_err().contains("entity_text"));
        assert!(check(json!({ "entity_text": "x", "mood": 1 })).unwrap_err().contains("entity_type"));
        assert!(check(json!("Ada")).is_err());
        assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["field findings.mood", "type star sign"]);
    }

    #[test]
    fn the_rubric_names_every_type_in_both_spellings() {
        for (theirs, ours) in TYPES {
            assert!(RUBRIC.contains(theirs), "{theirs}");
            assert!(RUBRIC.contains(&format!(" {ours} ")) || RUBRIC.contains(&format!(" {ours},")), "{ours}");
        }
        for own in OWN_TYPES {
            assert!(RUBRIC.contains(own), "{own}");
        }
    }

    #[test]
    fn places_are_messages_and_fields() {
        let row = json!({ "project": "p", "messages": [{ "content": "a" }, { "tool_uses": [{ "input": { "x": "b" } }] }] });
        let mut seen = Vec::new();
        strings(&row, &mut |path, text| seen.push((place(path), text.to_owned())));
        let at = |n: Option<u64>, field: &str, text: &str| ((n, field.to_owned()), text.to_owned());
        assert_eq!(
            seen,
            [at(None, "project", "p"), at(Some(0), "content", "a"), at(Some(1), "tool_uses[0].input.x", "b")]
        );
    }

    #[test]
    fn nobody_is_a_person_because_a_file_says_so() {
        assert_eq!(source(&json!({ "source": "person" })), "import");
        assert_eq!(source(&json!({ "source": "opf 1.0" })), "opf1.0");
        assert_eq!(source(&json!({})), "import");
    }
}
