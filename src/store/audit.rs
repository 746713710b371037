//! The audit log: entries that `workflow` chains by hash, stored in order and never changed.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::trace::Timestamp;
use crate::workflow::AuditEntry;

use super::{Archive, StoreError};

impl Archive {
    /// Appends the entry that `make` builds from the last entry, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn audit_append(
        &mut self,
        make: impl FnOnce(Option<&AuditEntry>) -> AuditEntry,
    ) -> Result<(), StoreError> {
        let tx = self.begin()?;
        append(&tx, make)?;
        Ok(tx.commit()?)
    }

    /// Returns all entries, oldest first. An entry that somebody made unreadable is in its place, with the kind
    /// `unreadable`.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn audit(&self) -> Result<Vec<AuditEntry>, StoreError> {
        let texts: Vec<String> = self.rows("SELECT entry FROM audit ORDER BY seq", [], |r| r.get(0))?;
        Ok(texts.iter().map(|t| read_entry(t)).collect())
    }
}

/// Appends the entry that `make` builds from the last entry. The caller's transaction keeps other writers out.
pub(super) fn append(
    conn: &Connection,
    make: impl FnOnce(Option<&AuditEntry>) -> AuditEntry,
) -> Result<(), StoreError> {
    let last: Option<String> =
        conn.query_row("SELECT entry FROM audit ORDER BY seq DESC LIMIT 1", [], |r| r.get(0)).optional()?;
    let last = last.as_deref().map(read_entry);
    let text = serde_json::to_string(&make(last.as_ref())).map_err(StoreError::json("audit entry"))?;
    conn.execute("INSERT INTO audit(entry) VALUES(?1)", params![text])?;
    Ok(())
}

/// An entry, or one in its place that no check accepts.
fn read_entry(text: &str) -> AuditEntry {
    serde_json::from_str(text).unwrap_or_else(|_| AuditEntry {
        seq: 0,
        at: Timestamp(0),
        actor: String::new(),
        kind: "unreadable".to_owned(),
        release: None,
        detail: Value::Null,
        prev: String::new(),
        hash: String::new(),
    })
}
