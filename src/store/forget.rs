//! Removes sessions from the archive permanently, with every version, mark and index entry.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, params};
use sha2::Sha256;

use crate::trace::{Session, SessionKey, Timestamp};

use super::sql::json_list;
use super::{Archive, StoreError};

/// Selects sessions to forget. An empty field does not restrict the selection.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub agent: Option<String>,
    /// Names of projects. `None` for all.
    pub projects: Option<Vec<String>>,
    /// Sessions that ended before this time.
    pub before: Option<Timestamp>,
    /// Sessions whose log was deleted.
    pub gone: bool,
}

/// The number of removed rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub sessions: u64,
    /// Versions of the sessions.
    pub versions: u64,
    /// Requests of the usage ledger.
    pub requests: u64,
}

/// The forgotten sessions, which a scan leaves out. Their keys are stored only as keyed hashes.
pub(super) struct ForgottenSessions {
    salt: String,
    /// Hash of the key, and whether the requests were removed too.
    hashes: HashMap<String, bool>,
}

impl ForgottenSessions {
    /// Loads the forgotten sessions; `None` if there are none.
    pub(super) fn load(conn: &Connection) -> Result<Option<Self>, StoreError> {
        let mut q = conn.prepare_cached("SELECT key_hash, usage FROM forgotten")?;
        let hashes: HashMap<String, bool> =
            q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        if hashes.is_empty() {
            return Ok(None);
        }
        let salt = conn.query_row("SELECT value FROM meta WHERE key = 'forget_key'", [], |r| r.get(0))?;
        Ok(Some(ForgottenSessions { salt, hashes }))
    }

    /// Returns true if the session or its parent was forgotten.
    pub(super) fn session(&self, session: &Session) -> bool {
        let known = |key: &SessionKey| self.hashes.contains_key(&hash(&self.salt, key.as_str()));
        known(&session.key) || session.parent.as_ref().is_some_and(known)
    }

    /// Returns true if the requests of the session were removed too.
    pub(super) fn usage(&self, key: &str) -> bool {
        self.hashes
            .get(&hash(&self.salt, SessionKey::without_compaction_suffix(key)))
            .copied()
            .unwrap_or(false)
    }
}

fn hash(salt: &str, key: &str) -> String {
    // HMAC accepts a key of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt.as_bytes()) else { return String::new() };
    mac.update(key.as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

impl Archive {
    /// Returns the selected sessions in the order of their keys.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn chosen(&self, c: &Choice) -> Result<Vec<SessionKey>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT s.key FROM sessions s LEFT JOIN projects p ON p.id = s.project_id
             WHERE (?1 IS NULL OR s.agent = ?1) AND (?2 IS NULL OR coalesce(p.name, '(no project)') IN (SELECT value FROM json_each(?2)))
               AND (?3 IS NULL OR coalesce(s.ended, s.started) < ?3) AND (NOT ?4 OR s.gone) ORDER BY s.key",
        )?;
        let before = c.before.map(Timestamp::millis);
        let rows = q.query_map(params![c.agent, json_list(c.projects.as_deref()), before, c.gone], |r| {
            r.get(0).map(SessionKey)
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Forgets sessions. With `usage` their requests are removed too; without it they stay counted. `salt` becomes the key
    /// of the hashes if none is stored yet. Call [`Archive::compact`] afterwards.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails; then nothing is forgotten.
    pub fn forget(
        &mut self,
        keys: &[SessionKey],
        usage: bool,
        salt: &str,
        now: Timestamp,
    ) -> Result<Forgotten, StoreError> {
        let salt = self.meta_or_insert("forget_key", salt)?;
        let tx = self.begin()?;
        let mut out = Forgotten::default();
        for key in keys {
            let id: Result<i64, _> = tx
                .prepare_cached("SELECT id FROM sessions WHERE key = ?1")?
                .query_row([key.as_str()], |r| r.get(0));
            if let Ok(id) = id {
                tx.prepare_cached(
                    "DELETE FROM docs_fts WHERE rowid IN (SELECT id FROM docs WHERE session_id = ?1)",
                )?
                .execute([id])?;
                tx.prepare_cached("DELETE FROM docs WHERE session_id = ?1")?.execute([id])?;
                tx.prepare_cached("DELETE FROM session_parts WHERE key = ?1")?.execute([key.as_str()])?;
                for table in ["scores", "session_directories"] {
                    tx.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?
                        .execute([key.as_str()])?;
                }
                out.versions +=
                    tx.prepare_cached("DELETE FROM bodies WHERE session_id = ?1")?.execute([id])? as u64;
                out.sessions +=
                    tx.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id])? as u64;
            }
            if usage {
                let (own, compactions) = (key.as_str(), key.compaction_key());
                let both = [own, compactions.as_str()];
                let rows: i64 = tx
                    .prepare_cached("SELECT coalesce(sum(rows), 0) FROM segments WHERE session IN (?1, ?2)")?
                    .query_row(both, |r| r.get(0))?;
                out.requests += rows as u64;
                tx.prepare_cached("DELETE FROM segments WHERE session IN (?1, ?2)")?.execute(both)?;
                super::ledger::remove_rollup(&tx)?;
            }
            tx.prepare_cached(
                "INSERT INTO forgotten(key_hash, usage, at) VALUES(?1, ?2, ?3)
                 ON CONFLICT(key_hash) DO UPDATE SET usage = max(usage, excluded.usage), at = excluded.at",
            )?
            .execute(params![hash(&salt, key.as_str()), usage, now.millis()])?;
        }
        tx.execute("DELETE FROM meta WHERE key LIKE 'below:%'", [])?;
        tx.execute(
            "DELETE FROM directories WHERE path NOT IN (SELECT directory FROM sessions WHERE directory IS NOT NULL)",
            [],
        )?;
        tx.execute(
            "DELETE FROM projects WHERE id NOT IN (SELECT project_id FROM sessions WHERE project_id IS NOT NULL)",
            [],
        )?;
        tx.commit()?;
        Ok(out)
    }

    /// Clears the list of forgotten sessions, so that the next scan reads every log again and brings them back. Returns
    /// how many there were.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn clear_forgotten(&mut self) -> Result<u64, StoreError> {
        let tx = self.begin()?;
        let n = tx.execute("DELETE FROM forgotten", [])?;
        if n > 0 {
            tx.execute("UPDATE files SET size = -1, usage_size = -1", [])?;
        }
        tx.commit()?;
        Ok(n as u64)
    }

    /// Rewrites the index and the database so that no page and no log contains deleted text. Returns false if another
    /// process prevents it by reading or writing.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails for another reason.
    pub fn compact(&self) -> Result<bool, StoreError> {
        // FTS5 keeps the entries of deleted documents until its segments are merged.
        for sql in ["INSERT INTO docs_fts(docs_fts) VALUES('optimize')", "VACUUM"] {
            match self.conn.execute_batch(sql).map_err(StoreError::from) {
                Err(e) if e.is_busy() => return Ok(false),
                done => done?,
            }
        }
        let blocked: i64 = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0))?;
        Ok(blocked == 0)
    }
}
