//! Append-only migrations, counted in `PRAGMA user_version`.

use rusqlite::Connection;

use super::StoreError;

const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001_archive.sql"), include_str!("migrations/0002_releases.sql")];

/// Brings the schema up to date, one transaction a step.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    if version(conn)? == known {
        return Ok(());
    }
    for _ in 0..=MIGRATIONS.len() {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found = version(&tx)?;
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
        let Some(sql) = usize::try_from(found).ok().and_then(|n| MIGRATIONS.get(n)) else { return Ok(()) };
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", found + 1)?;
        tx.commit()?;
    }
    Ok(())
}

fn version(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_version_reaches_the_newest_schema() {
        let schema = |c: &Connection| -> Vec<String> {
            let mut q =
                c.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
            q.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let mut fresh = Connection::open_in_memory().unwrap();
        migrate(&mut fresh).unwrap();
        for from in 0..MIGRATIONS.len() {
            let mut old = Connection::open_in_memory().unwrap();
            for sql in &MIGRATIONS[..from] {
                old.execute_batch(sql).unwrap();
            }
            old.pragma_update(None, "user_version", from as i64).unwrap();
            migrate(&mut old).unwrap();
            assert_eq!(schema(&old), schema(&fresh), "from {from}");
            assert_eq!(version(&old).unwrap(), MIGRATIONS.len() as i64);
        }
    }

    #[test]
    fn a_newer_archive_is_refused_and_left_alone() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut conn), Err(StoreError::Newer { found: 99, .. })));
        assert_eq!(version(&conn).unwrap(), 99);
    }
}
