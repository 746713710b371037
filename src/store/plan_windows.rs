//! The report of each limit of a plan that says most.

use rusqlite::{Connection, OptionalExtension, params};

use crate::trace::{PlanWindow, Timestamp};

use super::{Archive, StoreError};

impl Archive {
    /// Returns the report of each limit, the shortest windows of each agent first.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn plan_windows(&self) -> Result<Vec<PlanWindow>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT agent, limit_name, window_minutes, used_percent, observed, resets FROM plan_windows
             ORDER BY agent, limit_name, window_minutes",
        )?;
        let rows = q.query_map([], |r| {
            Ok(PlanWindow {
                agent: r.get(0)?,
                limit: r.get::<_, Option<String>>(1)?.filter(|l| !l.is_empty()),
                window_minutes: r.get::<_, i64>(2)? as u64,
                used_percent: r.get(3)?,
                observed: Timestamp(r.get(4)?),
                resets: Timestamp(r.get(5)?),
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Stores the reports that say more than the stored ones.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn put_plan_windows(&mut self, windows: &[PlanWindow]) -> Result<(), StoreError> {
        let tx = self.begin()?;
        put(&tx, windows)?;
        tx.commit()?;
        Ok(())
    }
}

/// Stores the reports that say more than the stored ones.
pub(super) fn put(conn: &Connection, windows: &[PlanWindow]) -> Result<(), rusqlite::Error> {
    for w in windows {
        let (limit, minutes) = (w.limit.as_deref().unwrap_or_default(), w.window_minutes as i64);
        let known = conn
            .prepare_cached(
                "SELECT used_percent, observed, resets FROM plan_windows
                 WHERE agent = ?1 AND limit_name = ?2 AND window_minutes = ?3",
            )?
            .query_row(params![w.agent, limit, minutes], |r| {
                let (used_percent, observed, resets) =
                    (r.get(0)?, Timestamp(r.get(1)?), Timestamp(r.get(2)?));
                Ok(PlanWindow { used_percent, observed, resets, ..w.clone() })
            })
            .optional()?;
        if known.is_some_and(|known| !w.replaces(&known)) {
            continue;
        }
        conn.prepare_cached(
            "INSERT OR REPLACE INTO plan_windows(agent, limit_name, window_minutes, used_percent, observed, resets)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![w.agent, limit, minutes, w.used_percent, w.observed.millis(), w.resets.millis()])?;
    }
    Ok(())
}
