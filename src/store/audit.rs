//! The audit log: entries that `workflow` chains by hash, stored in order and never changed.

use rusqlite::{OptionalExtension, params};

use crate::workflow::AuditEntry;

use super::{Archive, StoreError};

impl Archive {
    /// Appends the entry that `make` builds from the last entry, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or the last entry does not read back.
    pub fn audit_append(
        &mut self,
        make: impl FnOnce(Option<&AuditEntry>) -> AuditEntry,
    ) -> Result<(), StoreError> {
        let tx = self.begin()?;
        let last: Option<String> =
            tx.query_row("SELECT entry FROM audit ORDER BY seq DESC LIMIT 1", [], |r| r.get(0)).optional()?;
        let json = StoreError::json("audit entry");
        let last = last.map(|t| serde_json::from_str(&t)).transpose().map_err(&json)?;
        let text = serde_json::to_string(&make(last.as_ref())).map_err(&json)?;
        tx.execute("INSERT INTO audit(entry) VALUES(?1)", params![text])?;
        Ok(tx.commit()?)
    }

    /// Returns all entries, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or an entry does not read back.
    pub fn audit(&self) -> Result<Vec<AuditEntry>, StoreError> {
        let texts: Vec<String> = self.rows("SELECT entry FROM audit ORDER BY seq", [], |r| r.get(0))?;
        texts.iter().map(|t| serde_json::from_str(t).map_err(StoreError::json("audit entry"))).collect()
    }
}
