//! What was decided on a value, remembered by a keyed hash of it, never in clear.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::trace::Timestamp;

use super::{Archive, StoreError};

/// A decision on one value of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Keyed hash of the value.
    pub value_hash: String,
    /// Kind of thing, for instance `ORG`.
    pub kind: String,
    /// The release it holds for; empty where it holds for every one.
    pub release: String,
    /// `redact` or `keep`.
    pub decision: String,
    /// Why it may stay in clear.
    pub reason: Option<String>,
    /// Who decided: `human` or `agent`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

impl Archive {
    /// Remembers a decision; a later one on the same value replaces it, and one that holds for every release also
    /// those on the same value for some.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn decide(&self, d: &Decision) -> Result<(), StoreError> {
        if d.release.is_empty() {
            self.conn.execute("DELETE FROM decisions WHERE value_hash = ?1", [&d.value_hash])?;
        }
        self.conn.execute(
            "INSERT OR REPLACE INTO decisions(value_hash, kind, release, decision, reason, actor, at)
             VALUES(?1,?2,?3,?4,?5,?6,?7)",
            params![d.value_hash, d.kind, d.release, d.decision, d.reason, d.actor, d.at.millis()],
        )?;
        Ok(())
    }

    /// Takes a decision back. Returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn undecide(&self, value_hash: &str) -> Result<bool, StoreError> {
        Ok(self.conn.execute("DELETE FROM decisions WHERE value_hash = ?1", [value_hash])? > 0)
    }

    /// All decisions; of one value the one for every release first.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT value_hash, kind, release, decision, reason, actor, at FROM decisions
             ORDER BY value_hash, release",
        )?;
        let rows = q.query_map([], |r| {
            Ok(Decision {
                value_hash: r.get(0)?,
                kind: r.get(1)?,
                release: r.get(2)?,
                decision: r.get(3)?,
                reason: r.get(4)?,
                actor: r.get(5)?,
                at: Timestamp(r.get(6)?),
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Uses a receipt's nonce up. Returns false where it was used before.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn use_nonce(&self, nonce: &str, release: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "INSERT OR IGNORE INTO nonces(nonce, release, used) VALUES(?1, ?2, ?3)";
        Ok(self.conn.execute(sql, params![nonce, release, now.millis()])? == 1)
    }

    /// Whether a receipt's nonce was used.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn nonce_used(&self, nonce: &str) -> Result<bool, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT 1 FROM nonces WHERE nonce = ?1")?;
        Ok(q.query_row([nonce], |_| Ok(())).optional()?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_for_all_releases_replaces_those_for_one() {
        let archive = Archive::in_memory().unwrap();
        let decide = |release: &str, decision: &str| {
            let d = Decision {
                value_hash: "v".into(),
                kind: "ORG".into(),
                release: release.into(),
                decision: decision.into(),
                reason: None,
                actor: "person".into(),
                at: Timestamp(1),
            };
            archive.decide(&d).unwrap();
            archive.decisions().unwrap().into_iter().map(|d| (d.release, d.decision)).collect::<Vec<_>>()
        };
        let pair = |r: &str, d: &str| (r.to_owned(), d.to_owned());
        assert_eq!(decide("", "redact"), [pair("", "redact")]);
        assert_eq!(decide("r1", "keep"), [pair("", "redact"), pair("r1", "keep")]);
        assert_eq!(decide("", "keep"), [pair("", "keep")]);
    }
}
