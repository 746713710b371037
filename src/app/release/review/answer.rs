//! Answers: only quotes that stand in the page are taken, and what was planted is told apart from what is there.

use std::collections::BTreeSet;

use crate::store::{Answer, Planted, Served};
use crate::trace::SessionKey;

use super::{FindingIn, PERSON, ReviewReport, canaries};
use crate::app::release::{NoteKeep, Open};
use crate::app::{App, Failure};

/// A chunk of the answered page, as it was served.
struct Piece {
    /// The sealed bytes.
    sealed: String,
    /// What the reader saw.
    shown: String,
    /// What was planted in it.
    planted: Option<Planted>,
}

/// What a quote is.
#[derive(Debug, PartialEq, Eq)]
enum Quoted {
    /// Sealed text: kind and value.
    Real(String, String),
    /// Something that was planted, or words around it.
    Planted,
}

impl App {
    /// Takes the answer to a page. Returns whether the release has to be sealed again.
    pub(super) fn take_answer(
        &mut self,
        open: &Open,
        nonce: &str,
        findings: &[FindingIn],
        report: &mut ReviewReport,
    ) -> Result<bool, Failure> {
        let id = open.release.id.as_str();
        let served: Vec<Served> = self.archive.served(id)?.into_iter().filter(|s| s.nonce == nonce).collect();
        let Some(first) = served.first() else { return Err(stale_nonce()) };
        if first.answered.is_some() {
            return Ok(false);
        }
        let by = first.reviewer.clone();
        let planted = canaries::of_round(self.archive.planted(id)?, first.round);
        // Pieces whose row was sealed again since are no longer there.
        let here = |key: &SessionKey| {
            let row = open.extra.rows.iter().find(|r| r.key == *key);
            row.is_some_and(|r| served.iter().any(|s| s.row_sha256 == r.sha256))
        };
        let rows = self.sealed_rows_of(open, &here)?;
        let page: Vec<Piece> = served
            .iter()
            .filter_map(|s| {
                let (_, row) = rows.iter().find(|(r, _)| r.sha256 == s.row_sha256)?;
                let sealed = row.get(s.start as usize..s.stop as usize)?.to_owned();
                let planted = planted.get(&s.chunk_sha256).filter(|_| by != PERSON).cloned();
                Some(Piece { shown: canaries::shown(&sealed, planted.as_ref()), sealed, planted })
            })
            .collect();
        let (mut real, mut quotes, mut at_planted) = (Vec::new(), Vec::new(), 0u64);
        for f in findings {
            match check_finding(f, &page) {
                Ok(Quoted::Real(kind, value)) => real.push((kind, value, f)),
                Ok(Quoted::Planted) => {
                    at_planted += 1;
                    quotes.push(f.quote.trim());
                }
                Err(reason) => report.refused.push(reason),
            }
        }
        report.accepted = real.len() as u64 + at_planted;
        // A page whose findings were all refused stays unanswered: the reviewer may quote it right.
        if !findings.is_empty() && report.accepted == 0 {
            return Ok(false);
        }
        for p in page.iter().filter_map(|p| p.planted.as_ref()) {
            let reported = quotes.iter().any(|q| reports(q, &p.value));
            self.archive.plant_answered(p, reported)?;
            report.read_again |= !p.harmless && !reported && p.misses < canaries::SHOWN_AGAIN;
        }
        if !report.read_again {
            let verdict = match real.len() {
                0 => "none".to_owned(),
                n => format!("{n} findings"),
            };
            match self.archive.answer(id, nonce, &verdict, self.now())? {
                Answer::Noted => {}
                Answer::Repeated => return Ok(false),
                Answer::Unknown => return Err(stale_nonce()),
            }
        }
        if real.is_empty() {
            return Ok(false);
        }
        let kinds: BTreeSet<&str> = real.iter().map(|(kind, _, _)| kind.as_str()).collect();
        let detail = serde_json::json!({ "count": real.len(), "kinds": kinds, "by": by });
        self.audit("findings_reported", Some(id), detail)?;
        let notes: Vec<NoteKeep> = real
            .into_iter()
            .map(|(kind, value, f)| NoteKeep {
                kind,
                value,
                by: by.clone(),
                at: self.now(),
                confidence: f.confidence.filter(|c| (0.0..=1.0).contains(c)),
                reason: f.reason.clone(),
            })
            .collect();
        self.report_values(id, notes)?;
        Ok(true)
    }

    /// Remembers values that a reviewer reported: they are redacted from now on.
    pub(super) fn report_values(&mut self, id: &str, notes: Vec<NoteKeep>) -> Result<(), Failure> {
        let mut private = self.private(id)?;
        for note in notes {
            private.reported.insert((note.kind.clone(), note.value.clone()));
            private.notes.retain(|n| (&n.kind, &n.value) != (&note.kind, &note.value));
            private.notes.push(note);
        }
        self.save_private(id, &private)
    }
}

fn stale_nonce() -> Failure {
    Failure::usage(
        "unknown_nonce",
        "No page of this release is waiting for an answer with this nonce; a page that is served again has a new one.",
    )
    .hint("call review_pii without a nonce for the page that is due")
}

/// Whether a quote reports a planted value: it holds it, or most of it.
fn reports(quote: &str, value: &str) -> bool {
    quote.contains(value) || (value.contains(quote) && 2 * quote.len() >= value.len())
}

/// A finding's type in its canonical spelling, or why it is none.
pub(super) fn kind_of(kind: &str) -> Result<String, String> {
    let kind = kind.trim().to_uppercase().replace([' ', '-'], "_");
    let ok =
        !kind.is_empty() && kind.len() <= 32 && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if ok { Ok(kind) } else { Err("a finding's type must be a word such as PERSON, ORG, EMAIL".to_owned()) }
}

/// What was quoted as JSON is redacted as the text it stands for.
pub(super) fn unescaped(quote: &str) -> String {
    let value = serde_json::from_str::<String>(&format!("\"{quote}\"")).unwrap_or_else(|_| quote.to_owned());
    value.trim().to_owned()
}

/// Why words cannot be a finding, whatever they stand in.
pub(super) fn unfit(quote: &str) -> Option<&'static str> {
    if quote.trim().chars().count() < 3 {
        return Some("quotes must be three characters or longer");
    }
    is_placeholder(quote.trim()).then_some("this is a placeholder already")
}

/// What a finding is, or why it is none.
fn check_finding(f: &FindingIn, page: &[Piece]) -> Result<Quoted, String> {
    let kind = kind_of(&f.kind)?;
    if let Some(why) = unfit(&f.quote) {
        return Err(format!("{kind}: {why}"));
    }
    let escaped = serde_json::to_string(&f.quote).unwrap_or_default();
    let escaped = escaped.trim_matches('"');
    let forms = [f.quote.as_str(), escaped];
    // A chunk is one line of the page: line ends inside it are written as JSON escapes.
    let in_line: Vec<&Piece> = match f.line {
        None => page.iter().collect(),
        Some(line) => {
            let at = usize::try_from(line).ok().and_then(|n| n.checked_sub(1)).and_then(|n| page.get(n));
            at.into_iter().collect()
        }
    };
    if in_line.iter().any(|p| forms.iter().any(|form| p.sealed.contains(form))) {
        return Ok(Quoted::Real(kind, unescaped(&f.quote)));
    }
    for piece in &in_line {
        let Some(planted) = &piece.planted else { continue };
        if forms.iter().any(|form| planted.words.contains(form.trim())) {
            return Ok(Quoted::Planted);
        }
        // Part of what is there and part of something else: each has to be judged by itself.
        if forms.iter().any(|form| piece.shown.contains(form)) {
            return Err(format!("{kind}: quote each thing by itself, in the fewest words"));
        }
    }
    Err(match f.line {
        Some(line) => format!("{kind}: the quote does not stand in line {line} of the page word for word"),
        None => format!("{kind}: the quote does not stand in the page word for word"),
    })
}

/// Whether a quote is nothing but a stand-in such as `[EMAIL_k3f9qa]`.
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

    fn page() -> Vec<Piece> {
        let piece = |sealed: &str, planted: Option<Planted>| Piece {
            shown: canaries::shown(sealed, planted.as_ref()),
            sealed: sealed.to_owned(),
            planted,
        };
        let planted = Planted {
            release: "r".into(),
            round: 1,
            chunk_sha256: "c".into(),
            kind: "PERSON".into(),
            value: "Tamsin Aldergate".into(),
            words: " Ask Tamsin Aldergate first.".into(),
            at: 21,
            harmless: false,
            outcome: None,
            misses: 0,
        };
        vec![
            piece(r#"{"content":"say \"hi\" to Ada"}"#, None),
            piece(r#"{"content":"Bo waits."}"#, Some(planted)),
        ]
    }

    fn check(quote: &str, kind: &str, line: Option<u64>) -> Result<Quoted, String> {
        let f = FindingIn { quote: quote.into(), kind: kind.into(), line, ..FindingIn::default() };
        check_finding(&f, &page())
    }

    #[test]
    fn findings_must_be_quotes() {
        let real = |kind: &str, value: &str| Ok(Quoted::Real(kind.to_owned(), value.to_owned()));
        assert_eq!(check("Ada", "person", None), real("PERSON", "Ada"));
        assert_eq!(check("Ada", "person", Some(1)), real("PERSON", "Ada"));
        assert_eq!(check("say \"hi\"", "X", None), real("X", "say \"hi\""));
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
    fn what_is_planted_is_told_apart_and_never_mixed_with_what_is_there() {
        assert_eq!(page()[1].shown, r#"{"content":"Bo waits. Ask Tamsin Aldergate first."}"#);
        for quote in ["Tamsin Aldergate", "Aldergate", "Ask Tamsin Aldergate first."] {
            assert_eq!(check(quote, "PERSON", None), Ok(Quoted::Planted), "{quote}");
        }
        let mixed = check("Bo waits. Ask Tamsin Aldergate", "PERSON", None).unwrap_err();
        assert!(mixed.contains("by itself"), "{mixed}");
        assert!(check("waits", "PERSON", Some(2)).is_ok());
    }

    #[test]
    fn a_planted_value_is_reported_by_most_of_it() {
        let value = "Tamsin Aldergate";
        for quote in ["Tamsin Aldergate", "Aldergate", "with Tamsin Aldergate here"] {
            assert!(reports(quote, value), "{quote}");
        }
        for quote in ["Tamsin", "Tam", "Aldergat Tamsin", "first"] {
            assert!(!reports(quote, value), "{quote}");
        }
    }
}
