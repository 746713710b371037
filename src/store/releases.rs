//! Releases: the state machine's state as JSON, and what the application keeps beside it.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::trace::Timestamp;

use super::{Archive, StoreError};

/// A release as it stands in the archive.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseRow<S, X> {
    /// Id.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// The state machine's state.
    pub state: S,
    /// The same as it is stored, for [`Archive::put_release`].
    pub stored: String,
    /// What the application keeps beside it.
    pub extra: X,
}

impl Archive {
    /// Keeps a release that still stands as `before` (its state as JSON; `None` for a new one). `phase` repeats the
    /// state's phase for lists. Returns the new state as JSON, or `None` where another process was faster.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or a value cannot be written as JSON.
    pub fn put_release<S: Serialize, X: Serialize>(
        &self,
        id: &str,
        phase: &str,
        before: Option<&str>,
        (state, extra): (&S, &X),
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let json = StoreError::json("release");
        let state = serde_json::to_string(state).map_err(&json)?;
        let extra = serde_json::to_string(extra).map_err(&json)?;
        let rows = match before {
            None => self.conn.execute(
                "INSERT OR IGNORE INTO releases(id, created, updated, phase, state, extra) VALUES(?1, ?2, ?2, ?3, ?4, ?5)",
                params![id, now.millis(), phase, state, extra],
            )?,
            Some(before) => self.conn.execute(
                "UPDATE releases SET updated = ?2, phase = ?3, state = ?4, extra = ?5 WHERE id = ?1 AND state = ?6",
                params![id, now.millis(), phase, state, extra, before],
            )?,
        };
        Ok((rows == 1).then_some(state))
    }

    /// One release.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or the state does not read back.
    pub fn release<S: DeserializeOwned, X: DeserializeOwned>(
        &self,
        id: &str,
    ) -> Result<Option<ReleaseRow<S, X>>, StoreError> {
        let mut q =
            self.conn.prepare_cached("SELECT created, updated, state, extra FROM releases WHERE id = ?1")?;
        type Raw = (i64, i64, String, String);
        let raw: Option<Raw> =
            q.query_row([id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))).optional()?;
        let Some((created, updated, state, extra)) = raw else { return Ok(None) };
        let json = StoreError::json("release");
        Ok(Some(ReleaseRow {
            id: id.to_owned(),
            created: Timestamp(created),
            updated: Timestamp(updated),
            state: serde_json::from_str(&state).map_err(&json)?,
            stored: state,
            extra: serde_json::from_str(&extra).map_err(&json)?,
        }))
    }

    /// Ids and phases of all releases, the last changed first.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn releases(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        let mut q = self
            .conn
            .prepare_cached("SELECT id, phase, updated FROM releases ORDER BY updated DESC, id DESC")?;
        let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?, Timestamp(r.get(2)?))))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_writers_the_slower_one_is_told() {
        let archive = Archive::in_memory().unwrap();
        let put = |before: Option<&str>, n: u64| {
            archive.put_release("r", "draft", before, (&n, &()), Timestamp(1)).unwrap()
        };
        let first = put(None, 1).unwrap();
        assert_eq!(put(None, 2), None, "made twice");
        let second = put(Some(&first), 2).unwrap();
        assert_eq!(put(Some(&first), 3), None, "the slower writer overwrote the faster one");
        assert!(put(Some(&second), 3).is_some());
        assert_eq!(archive.release::<u64, ()>("r").unwrap().unwrap().state, 3);
    }
}
