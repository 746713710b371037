//! Decisions on values. A value is stored only as a keyed hash, never in clear.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::trace::Timestamp;

use super::{Archive, StoreError};

/// A decision on one value of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Keyed hash of the value.
    pub value_hash: String,
    /// Kind of the value, for instance `ORG`.
    pub kind: String,
    /// Release that the decision applies to; empty for every release.
    pub release: String,
    /// `redact` or `keep`.
    pub decision: String,
    /// Why it may stay in clear.
    pub reason: Option<String>,
    /// Who decided: `person` or `agent`.
    pub actor: String,
    pub at: Timestamp,
}

impl Archive {
    /// Stores a decision. It replaces an earlier one on the same value; a decision for every release replaces all of
    /// them.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
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

    /// Deletes the decisions on a value. Returns false if there were none.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn undecide(&self, value_hash: &str) -> Result<bool, StoreError> {
        Ok(self.conn.execute("DELETE FROM decisions WHERE value_hash = ?1", [value_hash])? > 0)
    }

    /// Returns all decisions. The decision for every release comes before those of single releases.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
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

    /// Marks the nonce of a receipt as used. Returns false if it was used before.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn use_nonce(&self, nonce: &str, release: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "INSERT OR IGNORE INTO nonces(nonce, release, used) VALUES(?1, ?2, ?3)";
        Ok(self.conn.execute(sql, params![nonce, release, now.millis()])? == 1)
    }

    /// Returns true if the nonce of a receipt was used.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
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
