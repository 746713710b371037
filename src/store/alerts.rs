//! Alerts that were raised, so that each is raised once a window.

use rusqlite::params;

use crate::trace::Timestamp;
use crate::usage::{Alert, AlertKind, PastAlert};

use super::{Archive, StoreError};

/// Alerts are kept this long: no window is longer.
const KEPT_MS: i64 = 90 * 86_400_000;

fn name(kind: AlertKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn kind(name: String) -> Option<AlertKind> {
    serde_json::from_value(serde_json::Value::String(name)).ok()
}

impl Archive {
    /// Raises the alerts that `due` finds in view of those raised before, in one transaction: of two processes that
    /// look at the same time, one raises an alert.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
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
                serde_json::to_value(a.severity).ok().and_then(|v| v.as_str().map(str::to_owned)),
                a.value,
                a.threshold,
                now.millis()
            ])?;
        }
        if !new.is_empty() {
            tx.execute("DELETE FROM alerts WHERE at < ?1", [now.millis().saturating_sub(KEPT_MS)])?;
        }
        tx.commit()?;
        Ok(new)
    }

    /// Marks every alert as seen, so that the next of its kind is raised at once; returns how many were not.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn acknowledge_alerts(&mut self) -> Result<u64, StoreError> {
        Ok(self.conn.execute("UPDATE alerts SET acknowledged = 1 WHERE acknowledged = 0", [])? as u64)
    }
}
