//! Takes the answer to a page. Only exact quotes from the page are accepted, and quotes of decoys are kept apart from
//! quotes of sealed text.

use std::collections::BTreeSet;

use crate::app::release::data::ReportedValue;
use crate::app::{App, Failure};
use crate::store::{AnswerStatus, Decoy, ServedChunk};
use crate::trace::SessionKey;
use crate::workflow::PageVerdict;

use super::decoys::{MAX_REPEATS, of_round, with_decoy};
use super::{FindingIn, OpenRelease, PERSON, PageChunk, ReviewReport};

/// Minimum length of a quote, in characters.
const MIN_QUOTE_CHARS: usize = 3;
/// Maximum length of a finding's type.
const MAX_KIND_BYTES: usize = 32;

/// A chunk of the answered page, as it was served.
struct ServedText {
    /// The chunk as it is sealed, without decoys.
    sealed: String,
    /// The text that the reader saw.
    shown: String,
    decoy: Option<Decoy>,
}

/// The subject of a quote.
#[derive(Debug, PartialEq, Eq)]
enum Quote {
    /// The text is in the sealed files, so the finding is applied to them.
    Sealed { kind: String, value: String },
    /// A decoy, or words around it.
    Decoy,
}

/// The findings of an answer after the check.
#[derive(Default)]
struct CheckedFindings<'f> {
    reported: Vec<ReportedValue>,
    /// The quotes that name a decoy.
    decoys: Vec<&'f str>,
    /// Reasons of the findings that are not accepted.
    refused: Vec<String>,
}

impl App {
    /// Takes the answer to a page. Returns whether the release has to be sealed again.
    pub(super) fn take_answer(
        &mut self,
        open: &OpenRelease,
        nonce: &str,
        findings: &[FindingIn],
        report: &mut ReviewReport,
    ) -> Result<bool, Failure> {
        let id = open.id();
        let served: Vec<ServedChunk> =
            self.archive.served(id)?.into_iter().filter(|s| s.nonce == nonce).collect();
        let Some(first) = served.first() else { return Err(unknown_nonce()) };
        if first.answered.is_some() {
            return Ok(false);
        }
        let by = first.reviewer.clone();
        let page = self.answered_page(open, &served)?;
        let checked = self.check_findings(findings, &page, &by);
        report.accepted = (checked.reported.len() + checked.decoys.len()) as u64;
        report.refused.extend(checked.refused);
        // If no finding was accepted, the page stays unanswered, so that the reader can quote correctly.
        if !findings.is_empty() && report.accepted == 0 {
            return Ok(false);
        }
        for decoy in page.iter().filter_map(|p| p.decoy.as_ref()) {
            let reported = checked.decoys.iter().any(|quote| reports(quote, &decoy.value));
            self.archive.record_decoy_answer(decoy, reported)?;
            report.read_again |= !decoy.control && !reported && decoy.misses < MAX_REPEATS;
        }
        if !report.read_again {
            let verdict = PageVerdict { findings: checked.reported.len() as u64 };
            match self.archive.record_answer(id, nonce, verdict, self.now())? {
                // Before a signature, the stored answers are compared with these entries.
                AnswerStatus::Recorded => self.audit(
                    "page_answered",
                    Some(id),
                    serde_json::json!({ "nonce": nonce, "chunks": served.len(), "by": by }),
                )?,
                AnswerStatus::Repeated => return Ok(false),
                AnswerStatus::Unknown => return Err(unknown_nonce()),
            }
        }
        if checked.reported.is_empty() {
            return Ok(false);
        }
        let kinds: BTreeSet<&str> = checked.reported.iter().map(|v| v.kind.as_str()).collect();
        let detail = serde_json::json!({ "count": checked.reported.len(), "kinds": kinds, "by": by });
        self.audit("findings_reported", Some(id), detail)?;
        self.add_reported(id, checked.reported)?;
        Ok(true)
    }

    /// The chunks of a page as they were served. Chunks of rows that were sealed again since then are missing.
    fn answered_page(&self, open: &OpenRelease, served: &[ServedChunk]) -> Result<Vec<ServedText>, Failure> {
        let Some(first) = served.first() else { return Ok(Vec::new()) };
        let decoys = of_round(self.archive.decoys(open.id())?, first.round);
        let is_served = |key: &SessionKey| {
            let row = open.data.rows.iter().find(|r| r.key == *key);
            row.is_some_and(|r| served.iter().any(|s| s.row_sha256 == r.place.sha256))
        };
        let rows = self.sealed_rows(open, &is_served)?;
        let text = |s: &ServedChunk| {
            let row = rows.iter().find(|r| r.row.place.sha256 == s.row_sha256)?;
            let sealed = row.text.get(s.start as usize..s.stop as usize)?.to_owned();
            let decoy = decoys.get(&s.chunk_sha256).filter(|_| first.reviewer != PERSON).cloned();
            Some(ServedText { shown: with_decoy(&sealed, decoy.as_ref()), sealed, decoy })
        };
        Ok(served.iter().filter_map(text).collect())
    }

    fn check_findings<'f>(
        &self,
        findings: &'f [FindingIn],
        page: &[ServedText],
        by: &str,
    ) -> CheckedFindings<'f> {
        let mut out = CheckedFindings::default();
        for f in findings {
            match check_finding(f, page) {
                Ok(Quote::Sealed { kind, value }) => out.reported.push(ReportedValue {
                    kind,
                    value,
                    by: by.to_owned(),
                    at: self.now(),
                    confidence: f.confidence.filter(|c| (0.0..=1.0).contains(c)),
                    reason: f.reason.clone(),
                }),
                Ok(Quote::Decoy) => out.decoys.push(f.quote.trim()),
                Err(reason) => out.refused.push(reason),
            }
        }
        out
    }

    /// Stores values that a reviewer reported. They are redacted from now on.
    pub(super) fn add_reported(&mut self, id: &str, reported: Vec<ReportedValue>) -> Result<(), Failure> {
        let mut secrets = self.secrets(id)?;
        for value in reported {
            secrets.reported.insert((value.kind.clone(), value.value.clone()));
            secrets.notes.retain(|n| (&n.kind, &n.value) != (&value.kind, &value.value));
            secrets.notes.push(value);
        }
        self.save_secrets(id, &secrets)
    }
}

fn unknown_nonce() -> Failure {
    Failure::usage(
        "unknown_nonce",
        "No page of this release waits for an answer with this nonce; a page that is served again has a new one.",
    )
    .hint("call review_pii without a nonce for the next page")
}

/// Whether a quote reports a decoy: it contains the value or at least half of it.
fn reports(quote: &str, value: &str) -> bool {
    quote.contains(value) || (value.contains(quote) && 2 * quote.len() >= value.len())
}

/// The type of a finding in its canonical spelling, or the reason why it is not valid.
pub(super) fn kind_of(kind: &str) -> Result<String, String> {
    let kind = kind.trim().to_uppercase().replace([' ', '-'], "_");
    let is_valid = !kind.is_empty()
        && kind.len() <= MAX_KIND_BYTES
        && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_valid
        .then_some(kind)
        .ok_or_else(|| "a finding's type must be a word such as PERSON, ORG, EMAIL".to_owned())
}

/// The text of a quote. Readers see JSON, so a quote may contain JSON escapes.
pub(super) fn unescaped(quote: &str) -> String {
    let value = serde_json::from_str::<String>(&format!("\"{quote}\"")).unwrap_or_else(|_| quote.to_owned());
    value.trim().to_owned()
}

/// Checks that a quote can be a finding at all. Returns the reason if it cannot.
pub(super) fn unusable_quote(quote: &str) -> Option<&'static str> {
    if quote.trim().chars().count() < MIN_QUOTE_CHARS {
        return Some("quotes must have at least three characters");
    }
    is_placeholder(quote.trim()).then_some("this is already a placeholder")
}

/// Finds the subject of a finding, or the reason why it is not accepted.
fn check_finding(f: &FindingIn, page: &[ServedText]) -> Result<Quote, String> {
    let kind = kind_of(&f.kind)?;
    if let Some(why) = unusable_quote(&f.quote) {
        return Err(format!("{kind}: {why}"));
    }
    let escaped = serde_json::to_string(&f.quote).unwrap_or_default();
    let escaped = escaped.trim_matches('"');
    // A quote inside a value has no quotation mark that is not escaped.
    let is_value = |form: &&str| !form.replace("\\\\", "").replace("\\\"", "").contains('"');
    let forms: Vec<&str> = [f.quote.as_str(), escaped].into_iter().filter(is_value).collect();
    // Each chunk is one line of the page, because line ends inside it are JSON escapes.
    let in_line: Vec<&ServedText> = match f.line {
        None => page.iter().collect(),
        Some(line) => {
            let at = usize::try_from(line).ok().and_then(|n| n.checked_sub(1)).and_then(|n| page.get(n));
            at.into_iter().collect()
        }
    };
    if in_line.iter().any(|p| forms.iter().any(|form| p.sealed.contains(form))) {
        return Ok(Quote::Sealed { kind, value: unescaped(&f.quote) });
    }
    for text in &in_line {
        let Some(decoy) = &text.decoy else { continue };
        if forms.iter().any(|form| decoy.insertion.contains(form.trim())) {
            return Ok(Quote::Decoy);
        }
        // The quote contains a part of a decoy and a part of the sealed text, so it cannot be applied to either.
        if forms.iter().any(|form| text.shown.contains(form)) {
            return Err(format!("{kind}: quote each thing by itself, in as few words as possible"));
        }
    }
    Err(match f.line {
        Some(line) => format!("{kind}: line {line} of the page does not contain the quote word for word"),
        None => format!("{kind}: the page does not contain the quote word for word"),
    })
}

/// Checks a quote against a page that a person reads, before the answer to the page is sent.
///
/// # Errors
/// Why the quote is not accepted.
pub fn check_quote(quote: &str, page: &[PageChunk]) -> Result<(), String> {
    if let Some(why) = unusable_quote(quote) {
        return Err(why.to_owned());
    }
    let served = |c: &PageChunk| ServedText { sealed: c.text.clone(), shown: c.text.clone(), decoy: None };
    let page: Vec<ServedText> = page.iter().map(served).collect();
    let finding = FindingIn { quote: quote.to_owned(), kind: "PERSON".to_owned(), ..FindingIn::default() };
    let checked = check_finding(&finding, &page).map(drop);
    checked.map_err(|why| why.strip_prefix("PERSON: ").unwrap_or(&why).to_owned())
}

/// Whether a quote is a placeholder such as `[EMAIL_k3f9qa]`.
fn is_placeholder(quote: &str) -> bool {
    let inner = quote.strip_prefix('[').and_then(|q| q.strip_suffix(']')).and_then(|q| q.rsplit_once('_'));
    inner.is_some_and(|(kind, tail)| {
        tail.len() == 6
            && tail.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && kind.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Vec<ServedText> {
        let served = |sealed: &str, decoy: Option<Decoy>| ServedText {
            shown: with_decoy(sealed, decoy.as_ref()),
            sealed: sealed.to_owned(),
            decoy,
        };
        let decoy = Decoy {
            release: "r".into(),
            round: 1,
            chunk_sha256: "c".into(),
            kind: "PERSON".into(),
            value: "Tamsin Aldergate".into(),
            insertion: " Ask Tamsin Aldergate first.".into(),
            offset: 21,
            control: false,
            outcome: None,
            misses: 0,
        };
        vec![
            served(r#"{"content":"say \"hi\" to Ada"}"#, None),
            served(r#"{"content":"Bo waits."}"#, Some(decoy)),
        ]
    }

    fn check(quote: &str, kind: &str, line: Option<u64>) -> Result<Quote, String> {
        let f = FindingIn { quote: quote.into(), kind: kind.into(), line, ..FindingIn::default() };
        check_finding(&f, &page())
    }

    #[test]
    fn findings_must_be_exact_quotes() {
        let sealed =
            |kind: &str, value: &str| Ok(Quote::Sealed { kind: kind.to_owned(), value: value.to_owned() });
        assert_eq!(check("Ada", "person", None), sealed("PERSON", "Ada"));
        assert_eq!(check("Ada", "person", Some(1)), sealed("PERSON", "Ada"));
        assert_eq!(check("say \"hi\"", "X", None), sealed("X", "say \"hi\""));
        for (quote, kind, line) in [
            ("Bob", "PERSON", None),
            ("Ad", "PERSON", None),
            ("Ada", "", None),
            ("Ada", "a b/c", None),
            ("Ada", "PERSON", Some(2)),
            ("Ada", "PERSON", Some(0)),
            ("Ada", "PERSON", Some(9)),
            ("[EMAIL_k3f9qa]", "EMAIL", None),
        ] {
            assert!(check(quote, kind, line).is_err(), "{quote} {kind} {line:?}");
        }
    }

    #[test]
    fn a_quote_of_a_decoy_is_kept_apart_from_sealed_text() {
        assert_eq!(page()[1].shown, r#"{"content":"Bo waits. Ask Tamsin Aldergate first."}"#);
        for quote in ["Tamsin Aldergate", "Aldergate", "Ask Tamsin Aldergate first."] {
            assert_eq!(check(quote, "PERSON", None), Ok(Quote::Decoy), "{quote}");
        }
        let mixed = check("Bo waits. Ask Tamsin Aldergate", "PERSON", None).unwrap_err();
        assert!(mixed.contains("by itself"), "{mixed}");
        assert!(check("waits", "PERSON", Some(2)).is_ok());
    }

    #[test]
    fn a_quote_of_half_a_decoy_reports_it() {
        let value = "Tamsin Aldergate";
        for quote in ["Tamsin Aldergate", "Aldergate", "with Tamsin Aldergate here"] {
            assert!(reports(quote, value), "{quote}");
        }
        for quote in ["Tamsin", "Tam", "Aldergat Tamsin", "first"] {
            assert!(!reports(quote, value), "{quote}");
        }
    }
}
