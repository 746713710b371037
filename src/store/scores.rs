//! Quality scores of sessions.

use rusqlite::{OptionalExtension, params};

use crate::trace::{SessionKey, Timestamp, Version};

use super::{Archive, StoreError};

/// A score and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    pub key: SessionKey,
    /// Score from 1 to 5.
    pub value: u8,
    /// `heuristic`, `agent` with the client's name, or `person`.
    pub scored_by: String,
    pub reason: String,
    /// The version of the session that was scored.
    pub version: Version,
    pub scored_at: Timestamp,
}

fn score_of_row(r: &rusqlite::Row<'_>) -> rusqlite::Result<Score> {
    Ok(Score {
        key: SessionKey(r.get(0)?),
        value: r.get(1)?,
        scored_by: r.get(2)?,
        reason: r.get(3)?,
        version: Version(r.get(4)?),
        scored_at: Timestamp(r.get(5)?),
    })
}

impl Archive {
    /// Stores the score of a session, in the place of an earlier one.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn set_scores(&mut self, scores: &[Score]) -> Result<(), StoreError> {
        let tx = self.begin()?;
        for s in scores {
            tx.execute(
                "INSERT OR REPLACE INTO scores (key, value, scored_by, reason, version, scored_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![s.key.as_str(), s.value, s.scored_by, s.reason, s.version.0, s.scored_at.millis()],
            )?;
            tx.execute("UPDATE sessions SET score = ?2 WHERE key = ?1", params![s.key.as_str(), s.value])?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Returns the score of a session.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn score(&self, key: &str) -> Result<Option<Score>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT key, value, scored_by, reason, version, scored_at FROM scores WHERE key = ?1",
        )?;
        Ok(q.query_row([key], score_of_row).optional()?)
    }

    /// Returns the scores that one scorer gave.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn scores_by(&self, scorer: &str) -> Result<Vec<Score>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT key, value, scored_by, reason, version, scored_at FROM scores WHERE scored_by = ?1 ORDER BY key",
        )?;
        Ok(q.query_map([scorer], score_of_row)?.collect::<Result<_, _>>()?)
    }

    /// Returns the keys of the sessions that have no score, or one that `guesser` gave to an earlier version, the newest
    /// first. Omits subagents, because a subagent is shared with its parent.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn unscored(&self, guesser: &str) -> Result<Vec<SessionKey>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT s.key FROM sessions s LEFT JOIN scores c ON c.key = s.key
             WHERE s.parent IS NULL AND (c.version IS NULL OR (c.version <> s.version AND c.scored_by = ?1))
             ORDER BY s.started DESC, s.key",
        )?;
        let keys = q.query_map([guesser], |r| Ok(SessionKey(r.get(0)?)))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_replaced_and_a_value_outside_1_to_5_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(&dir.path().join("clawgate.db")).unwrap();
        let score = |value, reason: &str| Score {
            key: SessionKey("claude:1".to_owned()),
            value,
            scored_by: "person".to_owned(),
            reason: reason.to_owned(),
            version: Version("v1".to_owned()),
            scored_at: Timestamp(7),
        };
        archive.set_scores(&[score(2, "thin")]).unwrap();
        archive.set_scores(&[score(4, "rich")]).unwrap();
        assert_eq!(archive.score("claude:1").unwrap(), Some(score(4, "rich")));
        assert!(archive.set_scores(&[score(5, "rare"), score(6, "more")]).is_err());
        assert_eq!(
            archive.score("claude:1").unwrap().unwrap().value,
            4,
            "nothing of a failed batch is stored"
        );
        assert!(archive.score("claude:2").unwrap().is_none());
    }
}
