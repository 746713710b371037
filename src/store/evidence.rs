//! Review evidence: which bytes of which row were served to whom, what came back, and what was planted to measure it.

use rusqlite::params;

use crate::trace::Timestamp;

use super::{Archive, StoreError};

/// One chunk of a sealed row as it was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Release.
    pub release: String,
    /// SHA-256 of the row the chunk is part of.
    pub row_sha256: String,
    /// First byte of the chunk in the row.
    pub start: u64,
    /// One past its last byte.
    pub stop: u64,
    /// The round of reading it was served in: a reader who overlooked too much begins another.
    pub round: u64,
    /// SHA-256 of the chunk's bytes.
    pub chunk_sha256: String,
    /// What the answer must carry.
    pub nonce: String,
    /// Who it was served to.
    pub reviewer: String,
    /// When.
    pub served: Timestamp,
    /// When it was answered.
    pub answered: Option<Timestamp>,
    /// `none`, or the number of findings.
    pub verdict: Option<String>,
}

/// An invented value that is shown to an agent inside a chunk, to see whether it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// Release.
    pub release: String,
    /// Round of reading.
    pub round: u64,
    /// SHA-256 of the sealed chunk that it is shown in.
    pub chunk_sha256: String,
    /// What it is, for instance `PERSON`.
    pub kind: String,
    /// The value.
    pub value: String,
    /// The text around it, itself included, as it is inserted into the sealed JSON.
    pub words: String,
    /// Byte of the chunk before which the words are inserted.
    pub at: u64,
    /// Whether it is a public name, which must not be reported.
    pub harmless: bool,
    /// `found`, `missed`, `flagged` or `passed`, as the first answer had it.
    pub outcome: Option<String>,
    /// How many answers did not report it.
    pub misses: u64,
}

/// Whether an answer fits what was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was noted.
    Noted,
    /// No chunk was served with this nonce.
    Unknown,
    /// The chunk has its answer already.
    Repeated,
}

impl Archive {
    /// Notes that a chunk was served; serving it again renews the nonce unless it was answered.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn serve(&self, s: &Served) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO served(release, row_sha256, start, stop, round, chunk_sha256, nonce, reviewer, served)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)
             ON CONFLICT(release, row_sha256, start, stop, round) DO UPDATE SET nonce = excluded.nonce,
               chunk_sha256 = excluded.chunk_sha256, reviewer = excluded.reviewer, served = excluded.served
             WHERE served.answered IS NULL",
            params![
                s.release,
                s.row_sha256,
                s.start as i64,
                s.stop as i64,
                s.round as i64,
                s.chunk_sha256,
                s.nonce,
                s.reviewer,
                s.served.millis()
            ],
        )?;
        Ok(())
    }

    /// Notes the answer to the chunk that was served with `nonce`.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn answer(
        &self,
        release: &str,
        nonce: &str,
        verdict: &str,
        now: Timestamp,
    ) -> Result<Answer, StoreError> {
        let sql = "UPDATE served SET answered = ?3, verdict = ?4 WHERE release = ?1 AND nonce = ?2 AND answered IS NULL";
        if self.conn.execute(sql, params![release, nonce, now.millis(), verdict])? > 0 {
            return Ok(Answer::Noted);
        }
        let sql = "SELECT count(*) FROM served WHERE release = ?1 AND nonce = ?2";
        let n: i64 = self.conn.query_row(sql, params![release, nonce], |r| r.get(0))?;
        Ok(if n > 0 { Answer::Repeated } else { Answer::Unknown })
    }

    /// Everything served of a release.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn served(&self, release: &str) -> Result<Vec<Served>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT release, row_sha256, start, stop, round, chunk_sha256, nonce, reviewer, served, answered, verdict
             FROM served WHERE release = ?1 ORDER BY row_sha256, start, round",
        )?;
        let rows = q.query_map([release], |r| {
            Ok(Served {
                release: r.get(0)?,
                row_sha256: r.get(1)?,
                start: r.get::<_, i64>(2)? as u64,
                stop: r.get::<_, i64>(3)? as u64,
                round: r.get::<_, i64>(4)? as u64,
                chunk_sha256: r.get(5)?,
                nonce: r.get(6)?,
                reviewer: r.get(7)?,
                served: Timestamp(r.get(8)?),
                answered: r.get::<_, Option<i64>>(9)?.map(Timestamp),
                verdict: r.get(10)?,
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Keeps what is planted in a chunk; the first stays.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn plant(&self, p: &Planted) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR IGNORE INTO planted(release, round, chunk_sha256, kind, value, words, at, harmless)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
            params![
                p.release,
                p.round as i64,
                p.chunk_sha256,
                p.kind,
                p.value,
                p.words,
                p.at as i64,
                p.harmless
            ],
        )?;
        Ok(())
    }

    /// Notes whether an answer reported what was planted in a chunk. The first answer is the one that counts.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn plant_answered(&self, p: &Planted, reported: bool) -> Result<(), StoreError> {
        let outcome = match (p.harmless, reported) {
            (false, true) => "found",
            (false, false) => "missed",
            (true, true) => "flagged",
            (true, false) => "passed",
        };
        self.conn.execute(
            "UPDATE planted SET outcome = coalesce(outcome, ?4), misses = misses + ?5
             WHERE release = ?1 AND round = ?2 AND chunk_sha256 = ?3",
            params![p.release, p.round as i64, p.chunk_sha256, outcome, i64::from(outcome == "missed")],
        )?;
        Ok(())
    }

    /// Everything planted for a release, in every round.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn planted(&self, release: &str) -> Result<Vec<Planted>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT release, round, chunk_sha256, kind, value, words, at, harmless, outcome, misses
             FROM planted WHERE release = ?1 ORDER BY round, chunk_sha256",
        )?;
        let rows = q.query_map([release], |r| {
            Ok(Planted {
                release: r.get(0)?,
                round: r.get::<_, i64>(1)? as u64,
                chunk_sha256: r.get(2)?,
                kind: r.get(3)?,
                value: r.get(4)?,
                words: r.get(5)?,
                at: r.get::<_, i64>(6)? as u64,
                harmless: r.get(7)?,
                outcome: r.get(8)?,
                misses: r.get::<_, i64>(9)? as u64,
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_release() -> Archive {
        let archive = Archive::in_memory().unwrap();
        let sql =
            "INSERT INTO releases(id, created, updated, phase, state) VALUES('r', 0, 0, 'prepared', '{}')";
        archive.conn.execute(sql, []).unwrap();
        archive
    }

    #[test]
    fn an_answer_counts_once_and_only_for_what_was_served() {
        let archive = with_release();
        let chunk = Served {
            release: "r".into(),
            row_sha256: "row".into(),
            start: 0,
            stop: 10,
            round: 1,
            chunk_sha256: "c".into(),
            nonce: "n1".into(),
            reviewer: "agent".into(),
            served: Timestamp(1),
            answered: None,
            verdict: None,
        };
        archive.serve(&chunk).unwrap();
        assert_eq!(archive.answer("r", "other", "none", Timestamp(2)).unwrap(), Answer::Unknown);
        assert_eq!(archive.answer("r", "n1", "none", Timestamp(2)).unwrap(), Answer::Noted);
        assert_eq!(archive.answer("r", "n1", "none", Timestamp(3)).unwrap(), Answer::Repeated);
        archive.serve(&Served { nonce: "n2".into(), ..chunk.clone() }).unwrap();
        let served = archive.served("r").unwrap();
        assert_eq!(
            (served.len(), served[0].nonce.as_str(), served[0].answered),
            (1, "n1", Some(Timestamp(2)))
        );
        archive.serve(&Served { nonce: "n3".into(), round: 2, ..chunk }).unwrap();
        assert_eq!(archive.served("r").unwrap().len(), 2, "another round is read anew");
    }

    #[test]
    fn the_first_answer_to_a_planted_value_counts() {
        let archive = with_release();
        let p = Planted {
            release: "r".into(),
            round: 1,
            chunk_sha256: "c".into(),
            kind: "PERSON".into(),
            value: "Tamsin Aldergate".into(),
            words: " Ask Tamsin Aldergate.".into(),
            at: 7,
            harmless: false,
            outcome: None,
            misses: 0,
        };
        archive.plant(&p).unwrap();
        archive.plant(&Planted { value: "another".into(), ..p.clone() }).unwrap();
        assert_eq!(archive.planted("r").unwrap(), vec![p.clone()]);
        archive.plant_answered(&p, false).unwrap();
        archive.plant_answered(&p, true).unwrap();
        let kept = archive.planted("r").unwrap();
        assert_eq!((kept[0].outcome.as_deref(), kept[0].misses), (Some("missed"), 1));
    }
}
