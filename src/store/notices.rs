//! Notices that were reported, so that each is reported once in a window, and subagents that only a hook reported.
//!
//! A notice is stored as a hash of its text, so that neither sessions nor amounts can be read back from it.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::trace::Timestamp;

use super::{Archive, StoreError};

/// Prefix of the names of notices.
const NOTICE_PREFIX: &str = "notice:";

/// Prefix of the names of recorded subagents.
const SUBAGENT_PREFIX: &str = "below:";

/// How long notices are kept, in milliseconds. No window is longer.
const RETENTION_MS: i64 = 90 * 86_400_000;

impl Archive {
    /// Claims the right to report `what` now. Returns true if it was not reported within the last `silent_ms`
    /// milliseconds. If two processes ask at the same time, only one gets true.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn claim_notice(&mut self, what: &str, now: Timestamp, silent_ms: i64) -> Result<bool, StoreError> {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(what));
        let key = format!("{NOTICE_PREFIX}{}", &digest[..32]);
        let silent = |at: Option<String>| {
            let at = at.and_then(|at| at.parse::<i64>().ok());
            // A notice from the future comes from a clock that was wrong, and silences nothing.
            at.is_some_and(|at| (0..silent_ms).contains(&now.millis().saturating_sub(at)))
        };
        // In most cases the notice exists already, which a read finds without waiting for a writer.
        if silent(self.meta(&key)?) {
            return Ok(false);
        }
        let tx = self.begin()?;
        let known: Option<String> =
            tx.query_row("SELECT value FROM meta WHERE key = ?1", [&key], |r| r.get(0)).optional()?;
        if silent(known) {
            return Ok(false);
        }
        put_dated(&tx, &key, now)?;
        tx.commit()?;
        Ok(true)
    }

    /// Records that a session is a subagent of another. A hook knows this before any log says it.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn record_subagent(&mut self, parent: &str, child: &str, now: Timestamp) -> Result<(), StoreError> {
        let key = format!("{SUBAGENT_PREFIX}{parent}\n{child}");
        if self.meta(&key)?.is_some() {
            return Ok(());
        }
        let tx = self.begin()?;
        put_dated(&tx, &key, now)?;
        Ok(tx.commit()?)
    }

    /// Returns the recorded subagents of a session.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn recorded_subagents(&self, parent: &str) -> Result<Vec<String>, StoreError> {
        let from = format!("{SUBAGENT_PREFIX}{parent}\n");
        // The character after a line break.
        let to = format!("{SUBAGENT_PREFIX}{parent}\u{b}");
        let sql = "SELECT substr(key, length(?1) + 1) FROM meta WHERE key > ?1 AND key < ?2";
        self.rows(sql, [from, to], |r| r.get(0))
    }
}

/// Stores the current time under a name, and removes notices and subagents that are too old.
fn put_dated(conn: &Connection, key: &str, now: Timestamp) -> Result<(), rusqlite::Error> {
    conn.execute(
        "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        params![key, now.millis().to_string()],
    )?;
    conn.execute(
        "DELETE FROM meta WHERE (key LIKE 'notice:%' OR key LIKE 'below:%') AND CAST(value AS INTEGER) < ?1",
        [now.millis().saturating_sub(RETENTION_MS)],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_claimed_once_in_a_window() {
        let mut a = Archive::in_memory().unwrap();
        let mut ask = |what: &str, at: i64| a.claim_notice(what, Timestamp(at), 1000).unwrap();
        assert!(ask("x", 5000));
        assert!(!ask("x", 5000) && !ask("x", 5999));
        assert!(ask("y", 5000), "another notice");
        assert!(ask("x", 6000), "the window is over");
        assert!(ask("x", 5500), "a notice of the future silences nothing");
        assert!(ask("z", 5000 + RETENTION_MS + 1000));
        let left: i64 = a
            .conn
            .query_row("SELECT count(*) FROM meta WHERE key LIKE 'notice:%'", [], |r| r.get(0))
            .unwrap();
        assert_eq!(left, 1);
    }

    #[test]
    fn subagents_are_recorded_for_their_own_parent_only() {
        let mut a = Archive::in_memory().unwrap();
        for (parent, child, at) in [
            ("codex:p", "codex:1", 5),
            ("codex:p", "codex:1", 9),
            ("codex:p", "codex:2", 6),
            ("codex:pp", "codex:3", 7),
        ] {
            a.record_subagent(parent, child, Timestamp(at)).unwrap();
        }
        assert_eq!(a.recorded_subagents("codex:p").unwrap(), ["codex:1", "codex:2"]);
        assert_eq!(a.recorded_subagents("codex:").unwrap(), [""; 0]);
        a.record_subagent("codex:q", "codex:4", Timestamp(RETENTION_MS + 6)).unwrap();
        assert_eq!(a.recorded_subagents("codex:p").unwrap(), ["codex:2"], "the older one is forgotten");
    }
}
