//! Serving: the next page of what has not been read, and the end of a review when nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::store::{Planted, Served};
use crate::workflow::{Event, Evidence, Measured, Phase, coverage_root};

use super::chunks::{Chunk, chunks};
use super::{Budget, PERSON, Page, Remaining, ReviewReport, canaries};
use crate::app::context::Actor;
use crate::app::release::{Open, random};
use crate::app::text::fence;
use crate::app::{App, Failure};

/// What of a release was read, and what is left.
struct Reading<'a> {
    all: Vec<Chunk<'a>>,
    of_rows: Vec<Vec<String>>,
    served: Vec<Served>,
    /// Chunks that were answered, with who answered.
    read: BTreeMap<String, String>,
}

impl Reading<'_> {
    fn unread(&self) -> Vec<&Chunk<'_>> {
        self.all.iter().filter(|c| !self.read.contains_key(&c.sha256)).collect()
    }

    fn remaining(&self) -> Remaining {
        let bytes = self.unread().iter().map(|c| c.text.len() as u64).sum::<u64>();
        let sessions =
            self.of_rows.iter().filter(|row| row.iter().any(|c| !self.read.contains_key(c))).count();
        Remaining { sessions: sessions as u64, bytes, tokens_estimate: bytes.div_ceil(4), entities: 0 }
    }
}

impl App {
    fn reading<'a>(
        &self,
        open: &Open,
        rows: &'a [(crate::app::release::RowKeep, String)],
    ) -> Result<Reading<'a>, Failure> {
        let (all, of_rows) = chunks(rows);
        let served = self.archive.served(&open.release.id)?;
        // What a person read stays read. An agent's reading counts in the round that it belongs to.
        let mut read = BTreeMap::new();
        for s in served.iter().filter(|s| s.answered.is_some()) {
            if s.reviewer == PERSON || s.round == open.extra.round {
                read.insert(s.chunk_sha256.clone(), s.reviewer.clone());
            }
        }
        Ok(Reading { all, of_rows, served, read })
    }

    /// What a review of a release would have to read.
    pub(crate) fn review_budget(&self, open: &Open, page_bytes: u64) -> Result<Budget, Failure> {
        let rows = self.sealed_rows(open)?;
        let reading = self.reading(open, &rows)?;
        Ok(budget(&reading, page_bytes))
    }

    /// Serves the next unread chunks; where none is left, adds up the evidence and ends the reading.
    pub(super) fn serve_next(
        &mut self,
        open: &mut Open,
        max: u64,
        first: bool,
        report: &mut ReviewReport,
    ) -> Result<(), Failure> {
        let rows = self.sealed_rows(open)?;
        let reading = self.reading(open, &rows)?;
        report.remaining = reading.remaining();
        let unread = reading.unread();
        let round = open.extra.round;
        let mut planted = canaries::of_round(self.archive.planted(&open.release.id)?, round);
        if unread.is_empty() {
            let measured = self.reader_standing(round, &reading.all, &reading.served, &planted);
            let by = row_readers(&reading, &rows);
            return self.all_read(open, measured, by);
        }
        if first {
            report.budget = Some(budget(&reading, max));
        }
        if self.ctx.actor == Actor::Agent {
            // What is planted makes a page longer, so that no more chunks than these fit.
            let mut size = 0;
            let fits = |c: &&&Chunk<'_>| {
                size += c.text.len();
                size <= max as usize
            };
            let now = unread.iter().take_while(fits).count().max(1);
            self.plan(open, &rows, &reading.all, (&unread, now), &mut planted)?;
        }
        let mut rest = unread.as_slice();
        report.page = self.serve_page(open, &mut rest, self.ctx.actor, &planted, max)?;
        Ok(())
    }

    /// Serves everything that was not read to an agent, in pages; at most so many.
    pub(super) fn serve_all(&self, open: &Open, max: u64, pages: usize) -> Result<Vec<Page>, Failure> {
        let rows = self.sealed_rows(open)?;
        let reading = self.reading(open, &rows)?;
        let unread = reading.unread();
        let mut planted = canaries::of_round(self.archive.planted(&open.release.id)?, open.extra.round);
        self.plan(open, &rows, &reading.all, (&unread, unread.len()), &mut planted)?;
        let (mut rest, mut out) = (unread.as_slice(), Vec::new());
        while out.len() < pages {
            let Some(page) = self.serve_page(open, &mut rest, Actor::Agent, &planted, max)? else { break };
            out.push(page);
        }
        Ok(out)
    }

    /// Serves as many of these chunks as a page holds, and takes them off the list.
    fn serve_page(
        &self,
        open: &Open,
        unread: &mut &[&Chunk<'_>],
        reviewer: Actor,
        planted: &BTreeMap<String, Planted>,
        max: u64,
    ) -> Result<Option<Page>, Failure> {
        let nonce = data_encoding::BASE32_NOPAD.encode(&random()?[..10]).to_lowercase();
        let (mut texts, mut sessions, mut size) = (Vec::new(), Vec::new(), 0);
        while let Some((chunk, rest)) = unread.split_first() {
            let here: Option<&Planted> = planted.get(&chunk.sha256).filter(|_| reviewer == Actor::Agent);
            let text = canaries::shown(chunk.text, here);
            if size > 0 && size + text.len() > max as usize {
                break;
            }
            size += text.len();
            texts.push(text);
            if !sessions.contains(&chunk.row.key) {
                sessions.push(chunk.row.key.clone());
            }
            self.archive.serve(&Served {
                release: open.release.id.clone(),
                row_sha256: chunk.row.sha256.clone(),
                start: chunk.range.start as u64,
                stop: chunk.range.end as u64,
                round: open.extra.round,
                chunk_sha256: chunk.sha256.clone(),
                nonce: nonce.clone(),
                reviewer: if reviewer == self.ctx.actor {
                    self.ctx.reader()
                } else {
                    reviewer.as_str().to_owned()
                },
                served: self.now(),
                answered: None,
                verdict: None,
            })?;
            *unread = rest;
        }
        let mut sessions = sessions.into_iter();
        Ok(sessions.next().map(|session| Page {
            text: fence(&nonce, &texts.join("\n")),
            session,
            also: sessions.collect(),
            nonce,
        }))
    }

    /// Everything was read: what it adds up to goes to the state machine, and a reader who overlooked too much is
    /// told so and begins another round.
    fn all_read(
        &mut self,
        open: &mut Open,
        measured: Option<Measured>,
        by: BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let evidence = Evidence { measured, ..self.evidence(open)? };
        self.step(open, &Event::EvidenceNoted { evidence })?;
        if measured.is_some_and(|m| !m.passes()) {
            open.extra.round += 1;
            self.save(open)?;
            // The state machine words the refusal.
            self.step(open, &Event::ReviewFinished)?;
        }
        let at = self.now();
        for (sha256, by) in by {
            if !open.release.read.contains_key(&sha256) {
                self.step(open, &Event::RowRead { sha256, by, at })?;
            }
        }
        Ok(())
    }

    /// Ends the review where all is read and decided.
    pub(super) fn finish_review(&mut self, open: &mut Open) -> Result<(), Failure> {
        if open.release.phase == Phase::Prepared {
            self.nothing_planted(open)?;
            self.step(open, &Event::ReviewFinished)?;
        }
        Ok(())
    }

    /// The root over everything that was served and answered of a release, and what was planted in it.
    pub(crate) fn evidence(&self, open: &Open) -> Result<Evidence, Failure> {
        let id = &open.release.id;
        let mut leaves: Vec<Value> = Vec::new();
        for s in self.archive.served(id)?.iter().filter(|s| s.answered.is_some()) {
            leaves.push(json!([
                "read",
                s.row_sha256,
                s.start,
                s.stop,
                s.chunk_sha256,
                s.reviewer,
                s.round,
                s.nonce,
                s.verdict,
                s.answered.map(|t| t.millis()),
            ]));
        }
        for p in self.archive.planted(id)?.iter().filter(|p| p.outcome.is_some()) {
            leaves.push(json!([
                "planted",
                p.round,
                p.chunk_sha256,
                p.kind,
                p.value,
                p.harmless,
                p.outcome,
                p.misses,
            ]));
        }
        Ok(Evidence { root: coverage_root(&leaves), leaves: leaves.len() as u64, measured: None })
    }
}

fn budget(reading: &Reading<'_>, page_bytes: u64) -> Budget {
    let left = reading.remaining();
    Budget {
        sessions: left.sessions,
        chunks: reading.unread().len() as u64,
        bytes: left.bytes,
        tokens_estimate: left.tokens_estimate,
        pages_estimate: left.bytes.div_ceil(page_bytes.max(1)),
    }
}

/// Who read each row: an agent, where it read any of it.
fn row_readers(
    reading: &Reading<'_>,
    rows: &[(crate::app::release::RowKeep, String)],
) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for ((row, _), chunks) in rows.iter().zip(&reading.of_rows) {
        let by: BTreeSet<&str> =
            chunks.iter().filter_map(|c| reading.read.get(c)).map(String::as_str).collect();
        let by = by.iter().find(|b| **b != PERSON).copied().unwrap_or(PERSON);
        out.insert(row.sha256.clone(), by.to_owned());
    }
    out
}
