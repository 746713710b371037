//! The generation of the ledger: a number that every change of a segment increments, so that the rollup can tell whether it is
//! current.

use rusqlite::{Connection, OptionalExtension};

use crate::store::StoreError;

/// Returns the present generation.
pub(super) fn generation(conn: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'ledger_generation'";
    let mut q = conn.prepare_cached(sql)?;
    Ok(q.query_row([], |r| r.get(0)).optional()?.unwrap_or_default())
}

/// Starts the next generation. Must be part of the transaction that changes segments.
pub(super) fn next_generation(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO meta(key, value) VALUES('ledger_generation', '1')
         ON CONFLICT(key) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
    )?
    .execute([])?;
    Ok(())
}

/// Removes the rollup, because it contains something that must be forgotten.
pub(in crate::store) fn remove_rollup(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("DELETE FROM rollup", [])?;
    next_generation(conn)
}
