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
    /// What the application keeps beside it.
    pub extra: X,
}

impl Archive {
    /// Keeps a release. `phase` repeats the state's phase for lists.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses or a value cannot be written as JSON.
    pub fn put_release<S: Serialize, X: Serialize>(
        &self,
        id: &str,
        phase: &str,
        state: &S,
        extra: &X,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let json = StoreError::json("release");
        let (state, extra) =
            (serde_json::to_string(state).map_err(&json)?, serde_json::to_string(extra).map_err(&json)?);
        self.conn.execute(
            "INSERT INTO releases(id, created, updated, phase, state, extra) VALUES(?1, ?2, ?2, ?3, ?4, ?5)
             ON CONFLICT(id) DO UPDATE SET updated = excluded.updated, phase = excluded.phase,
               state = excluded.state, extra = excluded.extra",
            params![id, now.millis(), phase, state, extra],
        )?;
        Ok(())
    }

    /// One release.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses or the state does not read back.
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
            extra: serde_json::from_str(&extra).map_err(&json)?,
        }))
    }

    /// Ids and phases of all releases, the last changed first.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn releases(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        let mut q = self
            .conn
            .prepare_cached("SELECT id, phase, updated FROM releases ORDER BY updated DESC, id DESC")?;
        let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?, Timestamp(r.get(2)?))))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}
