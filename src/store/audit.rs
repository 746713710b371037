//! The audit log: entries that `workflow` chains by hash, stored in order and never changed.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Archive, StoreError};

impl Archive {
    /// Appends the entry that `make` builds from the last entry, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or the last entry does not read back.
    pub fn audit_append<E: Serialize + DeserializeOwned>(
        &mut self,
        make: impl FnOnce(Option<&E>) -> E,
    ) -> Result<E, StoreError> {
        let tx = self.begin()?;
        let last: Option<String> =
            tx.query_row("SELECT entry FROM audit ORDER BY seq DESC LIMIT 1", [], |r| r.get(0)).optional()?;
        let json = StoreError::json("audit entry");
        let last: Option<E> = last.map(|t| serde_json::from_str(&t)).transpose().map_err(&json)?;
        let entry = make(last.as_ref());
        let text = serde_json::to_string(&entry).map_err(&json)?;
        tx.execute("INSERT INTO audit(entry) VALUES(?1)", params![text])?;
        tx.commit()?;
        Ok(entry)
    }

    /// Returns all entries, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or an entry does not read back.
    pub fn audit<E: DeserializeOwned>(&self) -> Result<Vec<E>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT entry FROM audit ORDER BY seq")?;
        let texts = q.query_map([], |r| r.get::<_, String>(0))?;
        let mut out = Vec::new();
        for text in texts {
            out.push(serde_json::from_str(&text?).map_err(StoreError::json("audit entry"))?);
        }
        Ok(out)
    }
}
