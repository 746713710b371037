//! Findings as a file for other tools: exports undecided findings and unread pages, and imports findings.
//!
//! The format is the one that trace tools share: `findings` with `session_id`, `message_index`, `field`, `entity_text`,
//! `entity_type`, `confidence`, `reason`, `replacement` and `source`, and the fields `provider`, `session_count` and
//! `finding_count`. The fields `release`, `pages` and `rubric` are ours. An import accepts only words that are in the
//! sealed text.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use aho_corasick::AhoCorasick;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::release::data::ReportedValue;
use crate::app::release::sealed::SealedRow;
use crate::app::text::sanitize;
use crate::app::{App, Failure};
use crate::trace::UnknownName;

use super::answer::{kind_of, unescaped, unusable_quote};
use super::{EvidenceReport, FindingIn, OpenRelease, PERSON, PageSize, ReviewParams, ReviewReport};

/// The rubric: what a reviewer looks for.
pub const RUBRIC: &str = include_str!("../../../../prompts/review-rubric.md");

/// Size of a page in a file, in bytes.
const PAGE_BYTES: u64 = 12_000;
/// Confidence of a finding of a rule.
const RULE_CONFIDENCE: f64 = 0.6;
/// Characters of a name or type from a file that a message repeats.
const MAX_REPEATED_CHARS: usize = 40;
/// Characters of a reason that are stored.
const MAX_REASON_CHARS: usize = 200;
/// Characters of a source name that are stored.
const MAX_SOURCE_CHARS: usize = 32;
/// The source of findings that name none.
const DEFAULT_SOURCE: &str = "import";
/// The fields of a finding.
const FINDING_FIELDS: &[&str] = &[
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
const FILE_FIELDS: &[&str] = &[
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
/// Types of the shared format with our types.
const SHARED_TYPES: &[(&str, &str)] = &[
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

/// Types of the rubric that the shared format does not have.
const OWN_TYPES: &[&str] = &["CLIENT", "SECRET", "HANDLE"];

/// Returns the types of findings.
pub fn finding_kinds() -> impl Iterator<Item = &'static str> {
    SHARED_TYPES.iter().map(|(_, kind)| *kind).chain(OWN_TYPES.iter().copied())
}

/// Which findings a file contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PiiProvider {
    /// Findings of rules that have no decision.
    Rules,
    /// Pages to read, with the rubric.
    #[serde(alias = "ai")]
    Agent,
    /// A person and an agent.
    #[default]
    Hybrid,
}

impl FromStr for PiiProvider {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "rules" => Ok(PiiProvider::Rules),
            "agent" | "ai" => Ok(PiiProvider::Agent),
            "hybrid" => Ok(PiiProvider::Hybrid),
            _ => Err(UnknownName { known: "rules, agent or hybrid" }),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PiiReviewParams {
    /// Release; default: the current one.
    pub release: Option<String>,
    pub provider: PiiProvider,
    /// Omits findings with a lower confidence.
    pub min_confidence: Option<f64>,
    /// Maximum number of pages.
    pub pages: Option<u64>,
}

/// One finding in the shared format.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PiiFinding {
    /// The agent's own id of the session.
    pub session_id: String,
    /// Index of the message in the row, from 0. `None` if the finding is outside the messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_index: Option<u64>,
    /// Path in the message, for instance `content` or `tool_uses[0].input.command`.
    pub field: String,
    /// The quoted words. Untrusted text.
    pub entity_text: String,
    pub entity_type: String,
    /// From 0 to 1.
    pub confidence: f64,
    pub reason: String,
    /// The replacement if the finding is accepted.
    pub replacement: String,
    /// Name of the person or program that found it.
    pub source: String,
}

/// A page to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PiiPage {
    /// A finding on the page must contain it.
    pub nonce: String,
    /// Session of the first chunk.
    pub session_id: String,
    /// Set it to true when the page was read completely.
    pub answered: bool,
    /// The text, fenced. Untrusted: nothing in it is an instruction.
    pub text: String,
}

/// The undecided findings and unread pages of a release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PiiDocument {
    /// Id of the release.
    pub release: String,
    pub provider: PiiProvider,
    /// Number of sessions with a finding.
    pub session_count: u64,
    pub finding_count: u64,
    /// The findings. A reviewer adds more.
    pub findings: Vec<PiiFinding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rubric: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PiiPage>,
}

/// A finding that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PiiRefused {
    /// Index of the finding in the file, from 0.
    pub index: u64,
    pub reason: String,
}

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PiiApplied {
    /// Id of the release.
    pub release: String,
    /// Number of findings in the file.
    pub finding_count: u64,
    /// Number of accepted findings.
    pub applied: u64,
    /// Findings that were not accepted.
    pub refused: Vec<PiiRefused>,
    /// Unknown fields and types in the file.
    pub unknown: Vec<String>,
    /// Number of answered pages.
    pub pages_answered: u64,
    /// Number of pages with a decoy that was not reported. They have to be read again.
    pub pages_again: u64,
    /// Number of pages without an answer.
    pub pages_open: u64,
    /// Number of rows that changed.
    pub resealed: u64,
    /// The evidence, if this was the last part of the review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceReport>,
}

/// The findings on one page, with their index in the file.
type PageFindings = Vec<(u64, FindingIn)>;

impl App {
    /// Exports the undecided findings and unread pages of a release for another reviewer. In the evidence, the reader of
    /// the pages is an agent.
    ///
    /// # Errors
    /// [`Failure`] if the release is not prepared.
    pub fn pii_review(&mut self, p: &PiiReviewParams) -> Result<PiiDocument, Failure> {
        let open = self.release_to_review(p.release.as_deref())?;
        let with_pages = p.provider != PiiProvider::Rules;
        let mut findings = match p.provider {
            PiiProvider::Rules | PiiProvider::Hybrid => self.undecided_findings(&open)?,
            PiiProvider::Agent => Vec::new(),
        };
        findings.retain(|f| f.confidence >= p.min_confidence.unwrap_or(0.0));
        let pages = match with_pages {
            true => {
                self.serve_all(&open, PageSize::text(PAGE_BYTES), p.pages.map_or(usize::MAX, |n| n as usize))?
            }
            false => Vec::new(),
        };
        let sessions: BTreeSet<&str> = findings.iter().map(|f| f.session_id.as_str()).collect();
        let pages = pages.into_iter().map(|p| PiiPage {
            nonce: p.nonce,
            session_id: p.key.native().to_owned(),
            answered: false,
            text: p.text,
        });
        Ok(PiiDocument {
            release: open.release.id,
            provider: p.provider,
            session_count: sessions.len() as u64,
            finding_count: findings.len() as u64,
            rubric: with_pages.then_some(RUBRIC),
            pages: pages.collect(),
            findings,
        })
    }

    /// The values of the inventory without a decision, with their places.
    fn undecided_findings(&self, open: &OpenRelease) -> Result<Vec<PiiFinding>, Failure> {
        let decided = self.decided(open.id())?;
        let entities = self.secrets(open.id())?.entities;
        let undecided: Vec<_> = entities.iter().filter(|e| !decided.contains_key(&e.id)).collect();
        let mut out = Vec::new();
        if undecided.is_empty() {
            return Ok(out);
        }
        // One value may be a part of another, so the matches may overlap.
        let finder = AhoCorasick::new(undecided.iter().map(|e| e.value.as_str()))
            .map_err(|e| Failure::failed("inventory", e.to_string()))?;
        for sealed in self.sealed_rows(open, &|_| true)? {
            let Ok(value) = serde_json::from_str::<Value>(&sealed.text) else { continue };
            let mut seen = BTreeSet::new();
            visit_strings(&value, &mut |path, text| {
                for hit in finder.find_overlapping_iter(text) {
                    let Some(e) = undecided.get(hit.pattern().as_usize()) else { continue };
                    let FieldPath { message_index, field } = FieldPath::parse(path);
                    if !seen.insert((e.id.as_str(), message_index, field.clone())) {
                        continue;
                    }
                    out.push(PiiFinding {
                        session_id: sealed.row.key.native().to_owned(),
                        message_index,
                        field,
                        entity_text: e.value.clone(),
                        entity_type: shared_type(&e.kind),
                        confidence: RULE_CONFIDENCE,
                        reason: "found by a rule; a person decides whether it is private".to_owned(),
                        replacement: format!("[{}]", e.kind),
                        source: "rules".to_owned(),
                    });
                }
            });
        }
        Ok(out)
    }

    /// Imports a file of findings. Only words that are in the sealed text are accepted.
    ///
    /// # Errors
    /// [`Failure`] if the release is not prepared, the file is not a findings file, or the last page was read by an
    /// agent that missed too many decoys.
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
        let release = release.or(file.get("release").and_then(Value::as_str));
        let mut open = self.release_to_review(release)?;
        let id = open.id().to_owned();
        let mut result =
            PiiApplied { release: id.clone(), finding_count: list.len() as u64, ..PiiApplied::default() };
        let mut unknown = unknown_fields(file);
        let mut by_page: BTreeMap<&str, PageFindings> = BTreeMap::new();
        let reported =
            self.check_list(&open, list, min_confidence, &mut by_page, &mut unknown, &mut result)?;
        let mut changed = !reported.is_empty();
        result.applied = reported.len() as u64;
        if changed {
            let detail = serde_json::json!({ "count": reported.len(), "by": DEFAULT_SOURCE });
            self.audit("findings_reported", Some(&id), detail)?;
            self.add_reported(&id, reported)?;
        }
        add_answered_pages(file, &mut by_page, &mut unknown, &mut result);
        for (nonce, findings) in by_page {
            changed |= self.apply_page(&open, nonce, &findings, &mut result)?;
        }
        result.refused.sort_by_key(|r| r.index);
        result.unknown = unknown.into_iter().collect();
        if changed {
            result.resealed = self.reseal(&mut open)?;
        }
        if result.pages_answered > 0 && self.reading_effort(&open, PageSize::text(PAGE_BYTES))?.chunks == 0 {
            let last = self.review(&ReviewParams { release: Some(id), ..ReviewParams::default() })?;
            result.evidence = last.evidence;
        }
        Ok(result)
    }

    /// Checks the findings of a file. Those on a page go to `by_page`; the others are returned if their words are in the
    /// sealed text.
    fn check_list<'f>(
        &self,
        open: &OpenRelease,
        list: &'f [Value],
        min_confidence: f64,
        by_page: &mut BTreeMap<&'f str, PageFindings>,
        unknown: &mut BTreeSet<String>,
        result: &mut PiiApplied,
    ) -> Result<Vec<ReportedValue>, Failure> {
        let rows = self.sealed_rows(open, &|_| true)?;
        let mut reported = Vec::new();
        for (index, value) in (0u64..).zip(list) {
            let checked = parse_finding(value, min_confidence, unknown).and_then(|f| {
                match value.get("nonce").and_then(Value::as_str) {
                    Some(nonce) => by_page.entry(nonce).or_default().push((index, f)),
                    None => {
                        check_in_rows(value, &f, &rows)?;
                        reported.push(ReportedValue {
                            value: unescaped(&f.quote),
                            kind: f.kind,
                            by: source(value),
                            at: self.now(),
                            confidence: f.confidence,
                            reason: f.reason,
                        });
                    }
                }
                Ok(())
            });
            if let Err(reason) = checked {
                result.refused.push(PiiRefused { index, reason });
            }
        }
        Ok(reported)
    }

    /// Applies the answer to one page of a file. Returns whether the release has to be sealed again.
    fn apply_page(
        &mut self,
        open: &OpenRelease,
        nonce: &str,
        findings: &[(u64, FindingIn)],
        result: &mut PiiApplied,
    ) -> Result<bool, Failure> {
        let mut report = ReviewReport::default();
        let list: Vec<FindingIn> = findings.iter().map(|(_, f)| f.clone()).collect();
        let changed = match self.take_answer(open, nonce, &list, &mut report) {
            Ok(changed) => changed,
            Err(f) if f.code == "unknown_nonce" => {
                let reason = "no page waits for an answer with this nonce".to_owned();
                let refused = findings.iter().map(|(i, _)| PiiRefused { index: *i, reason: reason.clone() });
                result.refused.extend(refused);
                result.pages_open += 1;
                return Ok(false);
            }
            Err(f) => return Err(f),
        };
        result.applied += report.accepted;
        let reasons = report.refused.into_iter();
        let indexes = findings.iter().map(|(i, _)| *i);
        if report.accepted == 0 && !findings.is_empty() {
            // Every finding has a reason, in the order of the findings.
            result.refused.extend(indexes.zip(reasons).map(|(index, reason)| PiiRefused { index, reason }));
            result.pages_open += 1;
            return Ok(changed);
        }
        // Some findings were accepted, so it is not known which finding each reason belongs to.
        let index = indexes.min().unwrap_or_default();
        result.refused.extend(
            reasons.map(|reason| PiiRefused {
                index,
                reason: format!("{reason} (one of this page's findings)"),
            }),
        );
        match report.read_again {
            true => result.pages_again += 1,
            false => result.pages_answered += 1,
        }
        Ok(changed)
    }
}

/// A name from a file for a message: short and sanitized.
fn shortened(text: &str) -> String {
    sanitize(text).chars().take(MAX_REPEATED_CHARS).collect()
}

/// The fields of a file that have no meaning here.
fn unknown_fields(file: &Value) -> BTreeSet<String> {
    let names = file.as_object().into_iter().flat_map(|o| o.keys());
    let unknown = names.filter(|name| !FILE_FIELDS.contains(&name.as_str()));
    unknown.map(|name| format!("field {}", shortened(name))).collect()
}

/// Adds the pages that were answered without a finding, and counts those without an answer.
fn add_answered_pages<'f>(
    file: &'f Value,
    by_page: &mut BTreeMap<&'f str, PageFindings>,
    unknown: &mut BTreeSet<String>,
    result: &mut PiiApplied,
) {
    for page in file.get("pages").and_then(Value::as_array).into_iter().flatten() {
        let Some(nonce) = page.get("nonce").and_then(Value::as_str) else {
            unknown.insert("a page without nonce".to_owned());
            continue;
        };
        if page.get("answered").and_then(Value::as_bool).unwrap_or(false) {
            by_page.entry(nonce).or_default();
        } else if !by_page.contains_key(nonce) {
            result.pages_open += 1;
        }
    }
}

/// The name of the reviewer in a finding.
fn source(value: &Value) -> String {
    let name = value.get("source").and_then(Value::as_str).unwrap_or(DEFAULT_SOURCE);
    let word: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .take(MAX_SOURCE_CHARS)
        .collect();
    // Only a terminal shows that a person reads. A file cannot claim it.
    if word.is_empty() || word == PERSON { DEFAULT_SOURCE.to_owned() } else { word }
}

/// Parses a finding of a file. Returns the reason if it cannot be accepted.
fn parse_finding(
    value: &Value,
    min_confidence: f64,
    unknown: &mut BTreeSet<String>,
) -> Result<FindingIn, String> {
    let Some(map) = value.as_object() else { return Err("it is not an object".to_owned()) };
    for name in map.keys().filter(|name| !FINDING_FIELDS.contains(&name.as_str())) {
        unknown.insert(format!("field findings.{}", shortened(name)));
    }
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    let Some(quote) = text("entity_text") else { return Err("it has no entity_text".to_owned()) };
    let Some(kind) = text("entity_type") else { return Err("it has no entity_type".to_owned()) };
    let kind = finding_kind(kind, unknown)?;
    let confidence = map.get("confidence").and_then(Value::as_f64);
    if let Some(c) = confidence.filter(|c| *c < min_confidence) {
        return Err(format!("confidence {c:.2} is below {min_confidence:.2}"));
    }
    if let Some(why) = unusable_quote(quote) {
        return Err(format!("{kind}: {why}"));
    }
    let reason = text("reason").map(|r| r.chars().take(MAX_REASON_CHARS).collect());
    Ok(FindingIn { quote: quote.to_owned(), kind, line: None, confidence, reason })
}

/// Our type of a type in a file. A type that nobody knows is accepted and listed.
fn finding_kind(name: &str, unknown: &mut BTreeSet<String>) -> Result<String, String> {
    let shared = SHARED_TYPES.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name.trim()));
    if let Some((_, ours)) = shared {
        return Ok((*ours).to_owned());
    }
    let kind = kind_of(name)?;
    if !SHARED_TYPES.iter().any(|(_, ours)| *ours == kind) && !OWN_TYPES.contains(&kind.as_str()) {
        unknown.insert(format!("type {}", shortened(name)));
    }
    Ok(kind)
}

/// Checks that the words of a finding without a page are in the session and message that it names.
fn check_in_rows(value: &Value, f: &FindingIn, rows: &[SealedRow]) -> Result<(), String> {
    let session = value.get("session_id").and_then(Value::as_str).filter(|s| !s.is_empty());
    let message = value.get("message_index").and_then(Value::as_u64);
    // A tool that reads the sealed files knows the id of the row only.
    let is_own_id =
        |row: &SealedRow, s: &str| row.text.starts_with(&format!("{{\"session_id\":{}", Value::from(s)));
    let is_meant = |row: &SealedRow| {
        session.is_none_or(|s| row.row.key.native() == s || row.row.key.as_str() == s || is_own_id(row, s))
    };
    let escaped = serde_json::to_string(&f.quote).unwrap_or_default();
    let mut is_known = false;
    for sealed in rows.iter().filter(|r| is_meant(r)) {
        is_known = true;
        let text = &sealed.text;
        if !text.contains(&f.quote) && !text.contains(escaped.trim_matches('"')) {
            continue;
        }
        let Some(message) = message else { return Ok(()) };
        let Ok(row) = serde_json::from_str::<Value>(text) else { continue };
        let Some(message) = row.pointer(&format!("/messages/{message}")) else { continue };
        let mut found = false;
        visit_strings(message, &mut |_, text| found |= text.contains(&f.quote));
        if found {
            return Ok(());
        }
    }
    Err(match (is_known, message) {
        (false, _) => format!("{}: this release has no such session", f.kind),
        (true, Some(n)) => format!("{}: message {n} of the session does not contain the words", f.kind),
        (true, None) => format!("{}: the sealed text does not contain the words", f.kind),
    })
}

/// The name of our type in the shared format.
fn shared_type(kind: &str) -> String {
    let theirs = SHARED_TYPES.iter().find(|(_, ours)| *ours == kind).map(|(theirs, _)| (*theirs).to_owned());
    theirs.unwrap_or_else(|| kind.to_lowercase())
}

/// Visits every string of a row with its path, for instance `messages[2].tool_uses[0].input.command`.
fn visit_strings(value: &Value, f: &mut dyn FnMut(&str, &str)) {
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

/// A place in a row.
#[derive(Debug, PartialEq, Eq)]
struct FieldPath {
    message_index: Option<u64>,
    /// Path in the message, or in the row if there is no message.
    field: String,
}

impl FieldPath {
    fn parse(path: &str) -> Self {
        let inner = path.strip_prefix("messages[").and_then(|rest| rest.split_once(']'));
        match inner.and_then(|(n, field)| Some((n.parse().ok()?, field))) {
            Some((n, field)) => {
                FieldPath { message_index: Some(n), field: field.trim_start_matches('.').to_owned() }
            }
            None => FieldPath { message_index: None, field: path.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_of_a_file_is_checked_field_by_field() {
        let mut unknown = BTreeSet::new();
        let mut check = |value: Value| parse_finding(&value, 0.5, &mut unknown).map(|f| (f.kind, f.quote));
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
    fn the_rubric_names_every_type_in_both_formats() {
        for (theirs, ours) in SHARED_TYPES {
            assert!(RUBRIC.contains(theirs), "{theirs}");
            assert!(RUBRIC.contains(&format!(" {ours} ")) || RUBRIC.contains(&format!(" {ours},")), "{ours}");
        }
        for own in OWN_TYPES {
            assert!(RUBRIC.contains(own), "{own}");
        }
    }

    #[test]
    fn a_place_is_a_message_and_a_field() {
        let row = json!({ "project": "p", "messages": [{ "content": "a" }, { "tool_uses": [{ "input": { "x": "b" } }] }] });
        let mut seen = Vec::new();
        visit_strings(&row, &mut |path, text| seen.push((FieldPath::parse(path), text.to_owned())));
        let at = |message_index: Option<u64>, field: &str, text: &str| {
            (FieldPath { message_index, field: field.to_owned() }, text.to_owned())
        };
        assert_eq!(
            seen,
            [at(None, "project", "p"), at(Some(0), "content", "a"), at(Some(1), "tool_uses[0].input.x", "b")]
        );
    }

    #[test]
    fn a_file_cannot_claim_that_a_person_read() {
        assert_eq!(source(&json!({ "source": "person" })), "import");
        assert_eq!(source(&json!({ "source": "opf 1.0" })), "opf1.0");
        assert_eq!(source(&json!({})), "import");
    }
}
