//! Review evidence: which bytes of which row were served to whom, and what came back.

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
    /// [`StoreError`] where SQLite refuses.
    pub fn serve(&self, s: &Served) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO served(release, row_sha256, start, stop, chunk_sha256, nonce, reviewer, served)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8)
             ON CONFLICT(release, row_sha256, start, stop) DO UPDATE SET nonce = excluded.nonce,
               chunk_sha256 = excluded.chunk_sha256, reviewer = excluded.reviewer, served = excluded.served
             WHERE served.answered IS NULL",
            params![
                s.release,
                s.row_sha256,
                s.start as i64,
                s.stop as i64,
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
    /// [`StoreError`] where SQLite refuses.
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
    /// [`StoreError`] where SQLite refuses.
    pub fn served(&self, release: &str) -> Result<Vec<Served>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT release, row_sha256, start, stop, chunk_sha256, nonce, reviewer, served, answered, verdict
             FROM served WHERE release = ?1 ORDER BY row_sha256, start",
        )?;
        let rows = q.query_map([release], |r| {
            Ok(Served {
                release: r.get(0)?,
                row_sha256: r.get(1)?,
                start: r.get::<_, i64>(2)? as u64,
                stop: r.get::<_, i64>(3)? as u64,
                chunk_sha256: r.get(4)?,
                nonce: r.get(5)?,
                reviewer: r.get(6)?,
                served: Timestamp(r.get(7)?),
                answered: r.get::<_, Option<i64>>(8)?.map(Timestamp),
                verdict: r.get(9)?,
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_and_only_for_what_was_served() {
        let archive = Archive::in_memory().unwrap();
        let sql =
            "INSERT INTO releases(id, created, updated, phase, state) VALUES('r', 0, 0, 'prepared', '{}')";
        archive.conn.execute(sql, []).unwrap();
        let chunk = Served {
            release: "r".into(),
            row_sha256: "row".into(),
            start: 0,
            stop: 10,
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
        archive.serve(&Served { nonce: "n2".into(), ..chunk }).unwrap();
        let served = archive.served("r").unwrap();
        assert_eq!(
            (served.len(), served[0].nonce.as_str(), served[0].answered),
            (1, "n1", Some(Timestamp(2)))
        );
    }
}
