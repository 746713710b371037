//! The archive: opening the database, transactions and small named facts.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Params, Row, Transaction, TransactionBehavior, params,
};

use crate::platform::{self, private_dir};
use crate::trace::SessionKey;

use super::{StoreError, migrate};

/// How long an operation waits for the lock of another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before trying again what SQLite does not wait for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// A connection to the database. It is cheap to open; a process opens one for each thread that needs it.
pub struct Archive {
    pub(super) conn: Connection,
}

impl Archive {
    /// Opens the archive at `path`. Creates it with mode 0600 if it does not exist, and migrates its schema.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be created, or is not an archive of this or an older version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |source: io::Error| StoreError::Io { path: path.display().to_string(), source };
        if let Some(dir) = path.parent() {
            private_dir::make(dir).map_err(io)?;
        }
        private_file(path).map_err(io)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        Self::set_up(conn)
    }

    /// Opens an empty archive in memory, for tests.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite cannot start.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::set_up(Connection::open_in_memory()?)
    }

    fn set_up(mut conn: Connection) -> Result<Self, StoreError> {
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(64);
        use_write_ahead_log(&conn)?;
        conn.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
             PRAGMA secure_delete = ON; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000; PRAGMA trusted_schema = OFF;",
        )?;
        migrate::migrate(&mut conn)?;
        Ok(Archive { conn })
    }

    /// Sets how long an operation waits for the lock of another process.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn set_busy_timeout(&self, longest: Duration) -> Result<(), StoreError> {
        Ok(self.conn.busy_timeout(longest)?)
    }

    /// Leaves the write-ahead log unmerged when the archive is closed. A merge syncs the disk about four times, which
    /// would be most of the time that a status line takes. The next other command merges the log, or SQLite does when the
    /// log exceeds 16 MB.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn skip_checkpoint_on_close(&self) -> Result<(), StoreError> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(())
    }

    /// Starts a write transaction and waits for another writer.
    ///
    /// # Errors
    /// [`StoreError`] if the lock is not free in time.
    pub fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Starts a read transaction: everything read in it comes from one state of the archive. A write in it fails if
    /// another process has written since it began.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn snapshot(&self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.conn.unchecked_transaction()?)
    }

    /// Runs a query and returns what `read` makes of each row.
    pub(super) fn rows<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C, StoreError> {
        let mut query = self.conn.prepare_cached(sql)?;
        Ok(query.query_map(params, read)?.collect::<Result<_, _>>()?)
    }

    /// Runs a query whose only column is the key of a session.
    pub(super) fn keys(&self, sql: &str, params: impl Params) -> Result<Vec<SessionKey>, StoreError> {
        self.rows(sql, params, |r| r.get(0).map(SessionKey))
    }

    /// Returns the named fact.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(q.query_row([key], |r| r.get(0)).optional()?)
    }

    /// Stores a named fact and replaces an older value.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )?;
        Ok(())
    }

    /// Stores a named fact unless it exists, and returns the stored value.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn meta_or_insert(&self, key: &str, value: &str) -> Result<String, StoreError> {
        self.conn.execute("INSERT OR IGNORE INTO meta(key, value) VALUES(?1, ?2)", params![key, value])?;
        Ok(self.meta(key)?.unwrap_or_else(|| value.to_owned()))
    }

    /// Checks the integrity of the database. Returns `None` if it is intact, else SQLite's first finding.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite cannot run the check.
    pub fn integrity(&self) -> Result<Option<String>, StoreError> {
        let answer: String = self.conn.query_row("PRAGMA quick_check", [], |r| r.get(0))?;
        Ok((answer != "ok").then_some(answer))
    }
}

/// Makes a new database use a write-ahead log. SQLite reports a lock at once here and does not wait for the busy timeout,
/// so two processes that open a new archive at the same time would otherwise fail.
fn use_write_ahead_log(conn: &Connection) -> Result<(), StoreError> {
    let mode = |sql| conn.query_row(sql, [], |r| r.get::<_, String>(0)).map_err(StoreError::from);
    for _ in 0..BUSY_TIMEOUT.as_millis() / BUSY_PAUSE.as_millis() {
        if mode("PRAGMA journal_mode")? == "wal" {
            return Ok(());
        }
        match mode("PRAGMA journal_mode = WAL") {
            Err(e) if e.is_busy() => thread::sleep(BUSY_PAUSE),
            result => return result.map(drop),
        }
    }
    mode("PRAGMA journal_mode = WAL").map(drop)
}

/// Creates an empty file with mode 0600 if it does not exist.
fn private_file(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    platform::for_owner_only(&mut options);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_archive() {
        use std::os::unix::fs::PermissionsExt;
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("state");
        let archive = Archive::open(&dir.join("clawgate.db")).unwrap();
        archive.set_meta("a", "b").unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        for entry in fs::read_dir(&dir).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }

    #[test]
    fn a_new_archive_can_be_opened_by_several_processes_at_once() {
        for _ in 0..20 {
            let tmp = tempfile::tempdir().unwrap();
            let path = tmp.path().join("clawgate.db");
            let start = std::sync::Barrier::new(8);
            thread::scope(|scope| {
                for n in 0..8 {
                    let (path, start) = (&path, &start);
                    scope.spawn(move || {
                        start.wait();
                        Archive::open(path).unwrap().set_meta(&format!("k{n}"), "v").unwrap();
                    });
                }
            });
            let archive = Archive::open(&path).unwrap();
            assert!((0..8).all(|n| archive.meta(&format!("k{n}")).unwrap().is_some()));
        }
    }

    #[test]
    fn a_skipped_checkpoint_keeps_the_log_and_loses_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clawgate.db");
        let log = tmp.path().join("clawgate.db-wal");
        let first = Archive::open(&path).unwrap();
        first.skip_checkpoint_on_close().unwrap();
        first.set_meta("a", "b").unwrap();
        drop(first);
        assert!(fs::metadata(&log).unwrap().len() > 0);
        let second = Archive::open(&path).unwrap();
        assert_eq!(second.meta("a").unwrap().as_deref(), Some("b"));
        drop(second);
        assert!(!log.exists());
    }

    #[test]
    fn a_file_that_is_not_an_archive_is_an_error() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clawgate.db");
        fs::write(&path, vec![7u8; 8192]).unwrap();
        assert!(Archive::open(&path).is_err());
        assert!(Archive::open(&tmp.path().join("x")).is_ok());
    }
}
