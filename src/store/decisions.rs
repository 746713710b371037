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
    /// Remembers a decision; a later one on the same value replaces it.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn decide(&self, d: &Decision) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT OR REPLACE INTO decisions(value_hash, kind, decision, reason, actor, at) VALUES(?1,?2,?3,?4,?5,?6)",
            params![d.value_hash, d.kind, d.decision, d.reason, d.actor, d.at.millis()],
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

    /// All decisions.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT value_hash, kind, decision, reason, actor, at FROM decisions ORDER BY value_hash",
        )?;
        let rows = q.query_map([], |r| {
            Ok(Decision {
                value_hash: r.get(0)?,
                kind: r.get(1)?,
                decision: r.get(2)?,
                reason: r.get(3)?,
                actor: r.get(4)?,
                at: Timestamp(r.get(5)?),
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
