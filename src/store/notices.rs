//! What was told to a person already, so that it is told once.
//!
//! Notices stand among the facts of the archive (`meta`) under a hash of what was said: neither sessions nor amounts
//! can be read back from them. Beside them stands which session is a subagent of which, as far as only a hook was told.

use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::trace::Timestamp;

use super::{Archive, StoreError};

/// Names of notices begin so.
const PREFIX: &str = "notice:";

/// What names the subagents of a session begins so.
const BELOW: &str = "below:";

/// Notices are forgotten after so long: no silence is longer.
const KEPT_MS: i64 = 90 * 86_400_000;

impl Archive {
    /// Whether `what` is to be told now: it was not told in the `silent_ms` before. If so it counts as told; of two
    /// processes that ask at the same time, one is told yes.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn first_notice(&mut self, what: &str, now: Timestamp, silent_ms: i64) -> Result<bool, StoreError> {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(what));
        let key = format!("{PREFIX}{}", &digest[..32]);
        let silent = |at: Option<String>| {
            let at = at.and_then(|at| at.parse::<i64>().ok());
            // A notice of the future comes from a clock that was wrong.
            at.is_some_and(|at| (0..silent_ms).contains(&now.millis().saturating_sub(at)))
        };
        // Mostly it was told, and that is seen without waiting for a writer.
        if silent(self.meta(&key)?) {
            return Ok(false);
        }
        let tx = self.begin()?;
        let known: Option<String> =
            tx.query_row("SELECT value FROM meta WHERE key = ?1", [&key], |r| r.get(0)).optional()?;
        if silent(known) {
            return Ok(false);
        }
        tx.execute(
            "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            params![key, now.millis().to_string()],
        )?;
        tx.execute(
            "DELETE FROM meta WHERE key LIKE 'notice:%' AND CAST(value AS INTEGER) < ?1",
            [now.millis().saturating_sub(KEPT_MS)],
        )?;
        tx.commit()?;
        Ok(true)
    }

    /// Notes that a session is a subagent of another: what a hook is told and no log says in time.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn note_below(&mut self, parent: &str, child: &str, now: Timestamp) -> Result<(), StoreError> {
        let key = format!("{BELOW}{parent}\n{child}");
        if self.meta(&key)?.is_some() {
            return Ok(());
        }
        let tx = self.begin()?;
        tx.execute(
            "INSERT OR IGNORE INTO meta(key, value) VALUES(?1, ?2)",
            params![key, now.millis().to_string()],
        )?;
        tx.execute(
            "DELETE FROM meta WHERE key LIKE 'below:%' AND CAST(value AS INTEGER) < ?1",
            [now.millis().saturating_sub(KEPT_MS)],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// The subagents that were noted of a session.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn noted_below(&self, parent: &str) -> Result<Vec<String>, StoreError> {
        let from = format!("{BELOW}{parent}\n");
        let mut q = self
            .conn
            .prepare_cached("SELECT substr(key, length(?1) + 1) FROM meta WHERE key > ?1 AND key < ?2")?;
        // The character after a line break.
        let to = format!("{BELOW}{parent}\u{b}");
        let keys = q.query_map([from, to], |r| r.get(0))?;
        keys.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_once_and_again_after_the_silence() {
        let mut a = Archive::in_memory().unwrap();
        let mut ask = |what: &str, at: i64| a.first_notice(what, Timestamp(at), 1000).unwrap();
        assert!(ask("x", 5000));
        assert!(!ask("x", 5000) && !ask("x", 5999));
        assert!(ask("y", 5000), "another one");
        assert!(ask("x", 6000), "the silence is over");
        assert!(ask("x", 5500), "a notice of the future silences nothing");
        assert!(ask("z", 5000 + KEPT_MS + 1000));
        let left: i64 = a
            .conn
            .query_row("SELECT count(*) FROM meta WHERE key LIKE 'notice:%'", [], |r| r.get(0))
            .unwrap();
        assert_eq!(left, 1);
    }

    #[test]
    fn subagents_are_noted_of_their_own_session() {
        let mut a = Archive::in_memory().unwrap();
        for (parent, child, at) in [
            ("codex:p", "codex:1", 5),
            ("codex:p", "codex:1", 9),
            ("codex:p", "codex:2", 6),
            ("codex:pp", "codex:3", 7),
        ] {
            a.note_below(parent, child, Timestamp(at)).unwrap();
        }
        assert_eq!(a.noted_below("codex:p").unwrap(), ["codex:1", "codex:2"]);
        assert_eq!(a.noted_below("codex:").unwrap(), [""; 0]);
        a.note_below("codex:q", "codex:4", Timestamp(KEPT_MS + 6)).unwrap();
        assert_eq!(a.noted_below("codex:p").unwrap(), ["codex:2"], "the older one is forgotten");
    }
}
