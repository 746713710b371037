//! The newest report of each limit of a plan.

use rusqlite::{Connection, params};

use crate::trace::{PlanWindow, Timestamp};

use super::{Archive, StoreError};

impl Archive {
    /// Returns the newest report of each limit, the shortest windows of each agent first.
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

    /// Stores reports that are newer than the stored ones.
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

/// Stores reports that are newer than the stored ones.
pub(super) fn put(conn: &Connection, windows: &[PlanWindow]) -> Result<(), rusqlite::Error> {
    for w in windows {
        conn.prepare_cached(
            "INSERT INTO plan_windows(agent, limit_name, window_minutes, used_percent, observed, resets)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT(agent, limit_name, window_minutes) DO UPDATE SET used_percent = excluded.used_percent,
               observed = excluded.observed, resets = excluded.resets WHERE excluded.observed >= observed",
        )?
        .execute(params![
            w.agent,
            w.limit.as_deref().unwrap_or_default(),
            w.window_minutes as i64,
            w.used_percent,
            w.observed.millis(),
            w.resets.millis()
        ])?;
    }
    Ok(())
}
