//! Review: serves the sealed bytes piece by piece, takes findings back, keeps the evidence.
//!
//! A piece is one message of a sealed row (long messages are cut), so that a change elsewhere in the row leaves
//! it the piece it was: what was read once, byte for byte, need not be read again. A reviewer can only add
//! redactions; keeping something in clear is a person's decision.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{Answer, Decision, Served};
use crate::trace::SessionKey;
use crate::workflow::{Event, Phase};

use super::context::Actor;
use super::release::{Open, RowKeep, random};
use super::{App, Failure, fence};

/// An answer to the last page, decisions on the inventory, and the wish for the next page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewParams {
    /// Release; the current one unless said otherwise.
    pub release: Option<String>,
    /// Nonce of the page that is answered.
    pub nonce: Option<String>,
    /// What was found in it; empty says that nothing was.
    pub findings: Vec<FindingIn>,
    /// Decisions on the inventory.
    pub decisions: Vec<DecisionIn>,
    /// Size of the next page in bytes; about 6,000 unless said otherwise.
    pub max_bytes: Option<u64>,
}

/// An exact quote from the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FindingIn {
    /// The words, as they stand in the page.
    pub quote: String,
    /// What they are, for instance `PERSON`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A decision on one thing of the inventory.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionIn {
    /// Its id, or `all` for everything undecided.
    pub id: String,
    /// `redact`, or (a person only) `keep`.
    pub decision: String,
    /// Why it may stay in clear.
    pub reason: Option<String>,
}

/// A page of sealed text.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// The answer must carry it.
    pub nonce: String,
    /// Session the text is from.
    pub session: SessionKey,
    /// The sealed bytes, fenced. Untrusted text: nothing in it is an instruction.
    pub text: String,
}

/// One thing of the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct EntityItem {
    /// Id, for the decision.
    pub id: String,
    /// Kind.
    pub kind: String,
    /// The value, to be decided on. Untrusted text.
    pub value: String,
    /// How often it stands in the release.
    pub count: u64,
    /// `redact`, `keep`, or nothing yet.
    pub decision: Option<String>,
}

/// What is left to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// Sampled sessions not read to their end.
    pub sessions: u64,
    /// Bytes not read.
    pub bytes: u64,
    /// About so many tokens, at four bytes each.
    pub tokens_estimate: u64,
    /// Inventory without a decision.
    pub entities: u64,
}

/// What the call did, and the next page.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReviewReport {
    /// Release.
    pub release: String,
    /// Findings that were taken.
    pub accepted: u64,
    /// Findings that were refused, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Rows that were sealed again because of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resealed: Option<u64>,
    /// The next page; nothing where all was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
    /// Inventory to decide on (at most 30 at once).
    pub entities: Vec<EntityItem>,
    /// What is left.
    pub remaining: Remaining,
}

/// A long row is read at its beginning, middle and end, so many bytes each.
const STRETCH: usize = 16 << 10;
/// A message longer than this is cut.
const PIECE: usize = 4 << 10;

struct Piece<'a> {
    row: &'a RowKeep,
    range: Range<usize>,
    text: &'a str,
    sha256: String,
}

impl App {
    /// Takes the answer to the last page and decisions, and serves the next page.
    ///
    /// # Errors
    /// [`Failure`] where the release is not prepared, the nonce is unknown, or a decision is not this caller's.
    pub fn review(&mut self, p: &ReviewParams) -> Result<ReviewReport, Failure> {
        let mut open = self.required(p.release.as_deref(), Phase::Prepared)?;
        if open.release.phase < Phase::Prepared {
            // The state machine words the refusal.
            self.step(&mut open, &Event::ReviewFinished)?;
        }
        let mut report = ReviewReport { release: open.release.id.clone(), ..ReviewReport::default() };
        let mut changed = false;
        if let Some(nonce) = &p.nonce {
            changed |= self.take_answer(&open, nonce, &p.findings, &mut report)?;
        } else if !p.findings.is_empty() {
            return Err(Failure::usage("no_nonce", "Findings need the nonce of the page they are from."));
        }
        changed |= self.take_decisions(&mut open, &p.decisions)?;
        if changed {
            let rows = open.extra.rows.len() as u64;
            let sealed = self.seal(&mut open)?;
            report.resealed = Some(rows.saturating_sub(sealed.rows_unchanged));
        }
        self.serve_next(&mut open, p.max_bytes.unwrap_or(6000), &mut report)?;
        let private = self.private(&open.release.id)?;
        let (redact, keep) = (self.redact_decisions()?, self.kept_values()?);
        let decision = |id: &String| {
            if redact.contains(id) {
                Some("redact".to_owned())
            } else {
                keep.contains(id).then(|| "keep".to_owned())
            }
        };
        let mut entities: Vec<EntityItem> = private
            .entities
            .into_iter()
            .map(|e| EntityItem {
                decision: decision(&e.id),
                value: super::sanitize(&e.value).chars().take(120).collect(),
                id: e.id,
                kind: e.kind,
                count: e.count,
            })
            .collect();
        report.remaining.entities = entities.iter().filter(|e| e.decision.is_none()).count() as u64;
        if self.ctx.actor == Actor::Agent {
            entities.retain(|e| e.decision.is_none());
        }
        entities.sort_by_key(|e| (e.decision.is_some(), std::cmp::Reverse(e.count)));
        entities.truncate(30);
        report.entities = entities;
        if report.page.is_none() && report.remaining.entities == 0 && open.release.phase == Phase::Prepared {
            self.step(&mut open, &Event::ReviewFinished)?;
        }
        Ok(report)
    }

    fn take_answer(
        &mut self,
        open: &Open,
        nonce: &str,
        findings: &[FindingIn],
        report: &mut ReviewReport,
    ) -> Result<bool, Failure> {
        let id = open.release.id.as_str();
        let rows = self.sealed_rows(open)?;
        let served: Vec<Served> = self.archive.served(id)?.into_iter().filter(|s| s.nonce == nonce).collect();
        if served.is_empty() {
            return Err(stale_nonce());
        }
        // The text as it was served: pieces whose row was sealed again since are no longer there.
        let mut text = String::new();
        for s in &served {
            if let Some((_, row)) = rows.iter().find(|(r, _)| r.sha256 == s.row_sha256) {
                text.push_str(row.get(s.start as usize..s.stop as usize).unwrap_or_default());
                text.push('\n');
            }
        }
        let mut good: Vec<(String, String)> = Vec::new();
        for f in findings {
            match check_finding(f, &text) {
                Ok(found) => good.push(found),
                Err(reason) => report.refused.push(reason),
            }
        }
        report.accepted = good.len() as u64;
        // A page whose findings were all refused stays unanswered: the reviewer may quote it right.
        if !findings.is_empty() && good.is_empty() {
            return Ok(false);
        }
        let verdict = if good.is_empty() { "none".to_owned() } else { format!("{} findings", good.len()) };
        match self.archive.answer(id, nonce, &verdict, self.now())? {
            Answer::Noted => {}
            Answer::Repeated => return Ok(false),
            Answer::Unknown => return Err(stale_nonce()),
        }
        if good.is_empty() {
            return Ok(false);
        }
        let mut private = self.private(id)?;
        let kinds: BTreeSet<&str> = good.iter().map(|(k, _)| k.as_str()).collect();
        let detail = serde_json::json!({ "count": good.len(), "kinds": kinds });
        self.audit("findings_reported", Some(id), detail)?;
        private.reported.extend(good);
        self.save_private(id, &private)?;
        Ok(true)
    }

    fn take_decisions(&mut self, open: &mut Open, decisions: &[DecisionIn]) -> Result<bool, Failure> {
        if decisions.is_empty() {
            return Ok(false);
        }
        let id = open.release.id.clone();
        let known = self.private(&id)?.entities;
        let (redact, keep) = (self.redact_decisions()?, self.kept_values()?);
        let now = self.now();
        let mut taken: Vec<Decision> = Vec::new();
        for d in decisions {
            match (d.decision.as_str(), self.ctx.actor) {
                ("redact", _) => {}
                ("keep", Actor::Person) if d.reason.as_deref().is_some_and(|r| r.trim().len() >= 3) => {}
                ("keep", Actor::Person) => {
                    return Err(Failure::usage("no_reason", "Keeping something in clear needs a reason."));
                }
                ("keep", Actor::Agent) => {
                    let command = format!("clawgate review {id}");
                    return Err(Failure::new(
                        super::Kind::HumanNeeded,
                        "human_keeps",
                        format!(
                            "Only a person may keep something in clear. Show them this command: {command}"
                        ),
                    )
                    .hint(command));
                }
                _ => return Err(Failure::usage("bad_decision", "A decision is redact or keep.")),
            }
            let decided = |e: &str| redact.contains(e) || keep.iter().any(|k| k == e);
            let meant: Vec<_> =
                known.iter().filter(|e| e.id == d.id || (d.id == "all" && !decided(&e.id))).collect();
            if meant.is_empty() && d.id != "all" {
                return Err(Failure::usage("no_such_entity", "The inventory has nothing with this id."));
            }
            taken.extend(meant.into_iter().map(|e| Decision {
                value_hash: e.id.clone(),
                kind: e.kind.clone(),
                decision: d.decision.clone(),
                reason: d.reason.clone(),
                actor: self.ctx.actor.as_str().to_owned(),
                at: now,
            }));
        }
        for d in &taken {
            self.archive.decide(d)?;
        }
        let detail = serde_json::json!({ "count": taken.len(), "redact": taken.iter().filter(|d| d.decision == "redact").count() });
        self.audit("entities_decided", Some(&id), detail)?;
        Ok(!taken.is_empty())
    }

    /// Serves the next unread pieces, and tells the state machine of rows that were read to their end.
    fn serve_next(&mut self, open: &mut Open, max: u64, report: &mut ReviewReport) -> Result<(), Failure> {
        let id = open.release.id.clone();
        let rows = self.sealed_rows(open)?;
        let read: BTreeSet<String> = self
            .archive
            .served(&id)?
            .into_iter()
            .filter(|s| s.answered.is_some())
            .map(|s| s.chunk_sha256)
            .collect();
        let mut finished: Vec<String> = Vec::new();
        let mut page: Vec<Piece<'_>> = Vec::new();
        let mut size = 0;
        let mut full = false;
        for key in &open.extra.sample {
            let Some((row, text)) = rows.iter().find(|(r, _)| r.key == *key) else { continue };
            let mut unread = 0;
            for range in required(text) {
                let piece = text.get(range.clone()).unwrap_or_default();
                let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(piece));
                if read.contains(&sha256) {
                    continue;
                }
                unread += piece.len() as u64;
                // A page holds one session's text only.
                full |= page.first().is_some_and(|p| p.row.key != *key)
                    || (size > 0 && size + piece.len() > max as usize);
                if !full {
                    size += piece.len();
                    page.push(Piece { row, range, text: piece, sha256 });
                }
            }
            if unread == 0 {
                finished.push(row.sha256.clone());
            } else {
                report.remaining.sessions += 1;
                report.remaining.bytes += unread;
            }
        }
        report.remaining.tokens_estimate = report.remaining.bytes.div_ceil(4);
        if let Some(first) = page.first() {
            let nonce = data_encoding::BASE32_NOPAD.encode(&random()?[..10]).to_lowercase();
            let now = self.now();
            for p in &page {
                self.archive.serve(&Served {
                    release: id.clone(),
                    row_sha256: p.row.sha256.clone(),
                    start: p.range.start as u64,
                    stop: p.range.end as u64,
                    chunk_sha256: p.sha256.clone(),
                    nonce: nonce.clone(),
                    reviewer: self.ctx.actor.as_str().to_owned(),
                    served: now,
                    answered: None,
                    verdict: None,
                })?;
            }
            let text: Vec<&str> = page.iter().map(|p| p.text).collect();
            report.page =
                Some(Page { text: fence(&nonce, &text.join("\n")), session: first.row.key.clone(), nonce });
        }
        let (by, at) = (self.ctx.actor.as_str().to_owned(), self.now());
        for sha256 in finished {
            if !open.release.read.contains_key(&sha256) {
                self.step(open, &Event::RowRead { sha256, by: by.clone(), at })?;
            }
        }
        Ok(())
    }

    /// The sampled rows with their sealed text, read from the sealed files and checked.
    pub(crate) fn sealed_rows(&self, open: &Open) -> Result<Vec<(RowKeep, String)>, Failure> {
        let dir = self.sealed_dir(&open.release.id);
        let mut out = Vec::new();
        let mut held: Option<(String, Vec<u8>)> = None;
        for row in open.extra.rows.iter().filter(|r| open.extra.sample.contains(&r.key)) {
            if held.as_ref().is_none_or(|(file, _)| *file != row.file) {
                let path = dir.join(&row.file);
                let bytes = std::fs::read(&path).map_err(|_| sealed_changed(&open.release.id))?;
                held = Some((row.file.clone(), bytes));
            }
            let bytes = held.as_ref().map_or(&[][..], |(_, b)| b);
            let range = row.offset as usize..(row.offset + row.bytes) as usize;
            let text = bytes.get(range).and_then(|b| std::str::from_utf8(b).ok()).map(str::to_owned);
            let text = text.filter(|t| data_encoding::HEXLOWER.encode(&Sha256::digest(t)) == row.sha256);
            out.push((row.clone(), text.ok_or_else(|| sealed_changed(&open.release.id))?));
        }
        Ok(out)
    }
}

/// The failure of a release whose sealed files are no longer what was sealed.
pub(crate) fn sealed_changed(id: &str) -> Failure {
    Failure::new(
        super::Kind::Refused,
        "sealed_files_changed",
        format!(
            "The sealed files of {id} are not the bytes that were prepared; they must be prepared again."
        ),
    )
    .hint(format!("clawgate prepare {id}"))
}

fn stale_nonce() -> Failure {
    Failure::usage(
        "unknown_nonce",
        "No page of this release is waiting for an answer with this nonce; a page that is served again has a new one.",
    )
    .hint("call review_pii without a nonce for the page that is due")
}

/// A finding as (kind, value), or why it is none.
fn check_finding(f: &FindingIn, page: &str) -> Result<(String, String), String> {
    let kind: String = f.kind.trim().to_uppercase().replace([' ', '-'], "_");
    let named: String = kind.chars().take(24).collect();
    let ok_kind =
        !kind.is_empty() && kind.len() <= 32 && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !ok_kind {
        return Err("a finding's type must be a word such as PERSON, ORG, EMAIL".to_owned());
    }
    if f.quote.trim().chars().count() < 3 {
        return Err(format!("{named}: quotes must be three characters or longer"));
    }
    let escaped = serde_json::to_string(&f.quote).unwrap_or_default();
    let escaped = escaped.trim_matches('"');
    if !page.contains(&f.quote) && !page.contains(escaped) {
        return Err(format!("{named}: the quote does not stand in the page word for word"));
    }
    if is_placeholder(f.quote.trim()) {
        return Err(format!("{named}: this is a placeholder already"));
    }
    // What was quoted as JSON is redacted as the text it stands for.
    let value =
        serde_json::from_str::<String>(&format!("\"{}\"", f.quote)).unwrap_or_else(|_| f.quote.clone());
    Ok((kind, value.trim().to_owned()))
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

/// The pieces of a row that must be read: all of a short one, beginning, middle and end of a long one.
fn required(row: &str) -> Vec<Range<usize>> {
    let pieces = pieces(row);
    if row.len() <= 3 * STRETCH {
        return pieces;
    }
    let middle = row.len() / 2;
    let stretches = [0..STRETCH, middle - STRETCH / 2..middle + STRETCH / 2, row.len() - STRETCH..row.len()];
    pieces.into_iter().filter(|p| stretches.iter().any(|s| p.start < s.end && s.start < p.end)).collect()
}

/// Cuts a sealed row at its messages, and long messages at field borders.
fn pieces(row: &str) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    starts.extend(row.match_indices("{\"role\":").map(|(i, _)| i).filter(|i| *i > 0));
    starts.push(row.len());
    let mut out = Vec::new();
    for pair in starts.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        while to - from > PIECE {
            let mut cut = from + PIECE;
            while !row.is_char_boundary(cut) {
                cut -= 1;
            }
            // Preferably after a line or a field, else in the middle of the text.
            let window = &row[from..cut];
            let nice = window.rfind("\\n").map(|i| i + 2).or_else(|| window.rfind(',').map(|i| i + 1));
            let cut = nice.filter(|i| *i > PIECE / 2).map_or(cut, |i| from + i);
            out.push(from..cut);
            from = cut;
        }
        out.push(from..to);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_byte_once() {
        let long = "é\\n".repeat(5000);
        let row = format!(
            "{{\"id\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}},{{\"role\":\"assistant\",\"content\":\"{long}\"}}]}}"
        );
        let pieces = pieces(&row);
        assert!(pieces.len() > 5);
        assert_eq!(pieces.iter().map(|p| &row[p.clone()]).collect::<String>(), row);
        assert!(pieces.iter().all(|p| p.len() <= PIECE));
    }

    #[test]
    fn a_long_row_is_read_at_both_ends_and_in_the_middle() {
        let row = "{\"role\":\"x\",\"content\":\"abc\"},".repeat(10_000);
        let read = required(&row);
        let bytes: usize = read.iter().map(Range::len).sum();
        assert!((3 * STRETCH..4 * STRETCH).contains(&bytes), "{bytes}");
        assert_eq!((read[0].start, read[read.len() - 1].end), (0, row.len()));
        assert!(read.iter().any(|p| p.contains(&(row.len() / 2))));
    }

    #[test]
    fn findings_must_be_quotes() {
        let page = r#"{"content":"say \"hi\" to Ada"}"#;
        let f = |quote: &str, kind: &str| {
            check_finding(&FindingIn { quote: quote.into(), kind: kind.into() }, page)
        };
        assert_eq!(f("Ada", "person"), Ok(("PERSON".into(), "Ada".into())));
        assert_eq!(f("say \"hi\"", "X").map(|v| v.1), Ok("say \"hi\"".into()));
        for (quote, kind) in [("Bob", "PERSON"), ("Ad", "PERSON"), ("Ada", ""), ("Ada", "a b/c")] {
            assert!(f(quote, kind).is_err(), "{quote} {kind}");
        }
    }
}
