//! Opening the archive.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{StoreError, migrate};

/// The one database. Cheap to open; a process opens one per thread that needs it.
pub struct Archive {
    pub(super) conn: Connection,
}

impl Archive {
    /// Opens the archive at `path`, creating it (0600) and bringing its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be made or is not an archive of this or an older version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |source: io::Error| StoreError::Io { path: path.display().to_string(), source };
        if let Some(dir) = path.parent() {
            private_dir(dir).map_err(io)?;
        }
        private_file(path).map_err(io)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        Self::set_up(conn)
    }

    /// An archive in memory; for tests.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite cannot start.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::set_up(Connection::open_in_memory()?)
    }

    fn set_up(mut conn: Connection) -> Result<Self, StoreError> {
        conn.busy_timeout(Duration::from_secs(30))?;
        conn.set_prepared_statement_cache_capacity(64);
        let mode: String = conn.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
        if mode != "wal" {
            let _: String = conn.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
        }
        conn.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
             PRAGMA secure_delete = ON; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000; PRAGMA trusted_schema = OFF;",
        )?;
        migrate::migrate(&mut conn)?;
        Ok(Archive { conn })
    }

    /// Waits for another process's lock no longer than this, where somebody waits for the answer.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn wait_at_most(&self, longest: Duration) -> Result<(), StoreError> {
        Ok(self.conn.busy_timeout(longest)?)
    }

    /// Leaves the write-ahead log as it is when the archive is closed. Writing it into the database waits for the disk
    /// some four times, which is most of what a glance takes; the next command that is no glance does it, or the
    /// glance that makes the log longer than 16 MB.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn leave_log(&self) -> Result<(), StoreError> {
        self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(())
    }

    /// Starts a writing transaction; waits for another writer.
    ///
    /// # Errors
    /// [`StoreError`] where the lock cannot be had.
    pub fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// One state of the archive for all that is read until it ends. What is written in it fails where another process
    /// wrote since it began.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn snapshot(&self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.conn.unchecked_transaction()?)
    }

    /// A fact kept under a name.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(q.query_row([key], |r| r.get(0)).optional()?)
    }

    /// Keeps a fact under a name.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn set_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )?;
        Ok(())
    }

    /// Keeps a fact under a name unless one stands there, and returns what stands.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn meta_or_insert(&self, key: &str, value: &str) -> Result<String, StoreError> {
        self.conn.execute("INSERT OR IGNORE INTO meta(key, value) VALUES(?1, ?2)", params![key, value])?;
        Ok(self.meta(key)?.unwrap_or_else(|| value.to_owned()))
    }

    /// Asks SQLite whether the database is whole; `None` where it is.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite cannot even check.
    pub fn integrity(&self) -> Result<Option<String>, StoreError> {
        let answer: String = self.conn.query_row("PRAGMA quick_check", [], |r| r.get(0))?;
        Ok((answer != "ok").then_some(answer))
    }
}

/// Makes a directory that only its owner can enter.
///
/// # Errors
/// As the file system says.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// Makes a file that only its owner can read, where there is none.
fn private_file(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_archive_is_for_its_owner_only() {
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
    fn a_glance_leaves_the_log_and_loses_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clawgate.db");
        let log = tmp.path().join("clawgate.db-wal");
        let glance = Archive::open(&path).unwrap();
        glance.leave_log().unwrap();
        glance.set_meta("a", "b").unwrap();
        drop(glance);
        assert!(fs::metadata(&log).unwrap().len() > 0);
        let usual = Archive::open(&path).unwrap();
        assert_eq!(usual.meta("a").unwrap().as_deref(), Some("b"));
        drop(usual);
        assert!(!log.exists());
    }

    #[test]
    fn a_file_that_is_no_archive_is_a_clear_error() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clawgate.db");
        fs::write(&path, vec![7u8; 8192]).unwrap();
        assert!(Archive::open(&path).is_err());
        assert!(Archive::open(&tmp.path().join("x")).is_ok());
    }
}
