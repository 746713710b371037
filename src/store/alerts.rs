//! Raised alerts, stored so that each is raised once in a window.

use rusqlite::params;
use serde::Serialize;

use crate::trace::Timestamp;
use crate::usage::{Alert, AlertKind, PastAlert};

use super::{Archive, StoreError};

/// How long alerts are kept, in milliseconds. No window is longer.
const RETENTION_MS: i64 = 90 * 86_400_000;

fn name(word: impl Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn kind(name: String) -> Option<AlertKind> {
    serde_json::from_value(serde_json::Value::String(name)).ok()
}

impl Archive {
    /// Raises the alerts that `due` returns for the alerts raised before, in one transaction, so that only one of two
    /// concurrent processes raises an alert.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn raise_alerts(
        &mut self,
        now: Timestamp,
        due: impl FnOnce(&[PastAlert]) -> Vec<Alert>,
    ) -> Result<Vec<Alert>, StoreError> {
        let tx = self.begin()?;
        let past = {
            let mut q = tx.prepare_cached("SELECT kind, session, at, acknowledged FROM alerts")?;
            let rows = q.query_map([], |r| {
                Ok((r.get::<_, String>(0)?, r.get(1)?, Timestamp(r.get(2)?), r.get(3)?))
            })?;
            let mut past = Vec::new();
            for row in rows {
                let (name, session, at, acknowledged) = row?;
                past.extend(kind(name).map(|kind| PastAlert { kind, session, at, acknowledged }));
            }
            past
        };
        let new = due(&past);
        for a in &new {
            tx.prepare_cached(
                "INSERT INTO alerts(kind, session, severity, value, threshold, at, acknowledged)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)",
            )?
            .execute(params![
                name(a.kind),
                a.session,
                name(a.severity),
                a.value,
                a.threshold,
                now.millis()
            ])?;
        }
        if !new.is_empty() {
            tx.execute("DELETE FROM alerts WHERE at < ?1", [now.millis().saturating_sub(RETENTION_MS)])?;
        }
        tx.commit()?;
        Ok(new)
    }

    /// Acknowledges every alert, so that the next one of its kind is raised at once. Returns how many were new.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn acknowledge_alerts(&mut self) -> Result<u64, StoreError> {
        Ok(self.conn.execute("UPDATE alerts SET acknowledged = 1 WHERE acknowledged = 0", [])? as u64)
    }
}
