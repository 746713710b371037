//! An agent's SQLite database as it stands, its `-wal` included, without a trace beside it.
//!
//! Opening a database in WAL mode writes a `-shm` file next to it and may move its log into it, so a database that
//! has a log is copied, both files, into a private directory and read there. One without a log is read in place as
//! immutable, and copied after all where it changed meanwhile.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::sources::{ReadOptions, SourceError, open_log};

/// How often a database that is being written to is copied again before it is left for the next scan.
const TRIES: usize = 5;

/// A database opened for reading; its private copy, if it needed one, goes when this does.
pub(crate) struct Snapshot {
    /// The connection; every statement on it only reads.
    pub conn: Connection,
    /// Size of the database and its log in bytes.
    pub bytes: u64,
    _copy: Option<TempDir>,
}

/// The log and the rollback journal beside a database: the files that hold parts of it.
pub(crate) fn companions(db: &Path) -> Vec<PathBuf> {
    ["-wal", "-journal"].map(|suffix| beside(db, suffix)).to_vec()
}

/// Opens the database at `path`.
///
/// # Errors
/// [`SourceError`] where it cannot be read, is no database, or is never still long enough to be copied.
pub(crate) fn open(path: &Path, opts: &ReadOptions) -> Result<Snapshot, SourceError> {
    drop(open_log(path)?);
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    if companions(path).iter().all(|p| size(p) == 0) && !beside(path, "-shm").exists() {
        let before = fs::metadata(path).map_err(io)?;
        let uri = format!("file:{}?mode=ro&immutable=1", percent(path));
        let snapshot = connect(path, &uri, before.len(), None)?;
        if same(&before, &fs::metadata(path).map_err(io)?) {
            return Ok(snapshot);
        }
    }
    for _ in 0..TRIES {
        let dir = private_dir(opts).map_err(io)?;
        if let Some(bytes) = copy(path, dir.path()).map_err(io)? {
            let uri = format!("file:{}", percent(&dir.path().join("db")));
            return connect(path, &uri, bytes, Some(dir));
        }
    }
    Err(SourceError::Busy { path: path.to_owned() })
}

/// What SQLite says, without the text that its messages may quote.
pub(crate) fn error(path: &Path, error: &rusqlite::Error) -> SourceError {
    let detail = match error {
        rusqlite::Error::SqliteFailure(code, _) => code.to_string(),
        rusqlite::Error::InvalidColumnType(..) => "a column of another type".to_owned(),
        _ => "another layout than expected".to_owned(),
    };
    SourceError::Database { path: path.to_owned(), detail }
}

/// Whether the database has a table of this name.
pub(crate) fn has_table(conn: &Connection, name: &str) -> bool {
    conn.prepare_cached("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1")
        .and_then(|mut q| q.exists([name]))
        .unwrap_or(false)
}

/// Whether a table of the database has a column of this name.
pub(crate) fn has_column(conn: &Connection, table: &str, name: &str) -> bool {
    conn.prepare_cached("SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2")
        .and_then(|mut q| q.exists([table, name]))
        .unwrap_or(false)
}

fn connect(path: &Path, uri: &str, bytes: u64, copy: Option<TempDir>) -> Result<Snapshot, SourceError> {
    let flags = OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        // A copy may have to take its log in.
        | if copy.is_some() { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let conn = Connection::open_with_flags(uri, flags).map_err(|e| error(path, &e))?;
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON;")
        .and_then(|()| conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())))
        .map_err(|e| error(path, &e))?;
    Ok(Snapshot { conn, bytes, _copy: copy })
}

/// Copies the database and what lies beside it; `None` where it changed meanwhile in a way that tears the copy.
///
/// A log that only grew is fine: SQLite ends at the last whole transaction. A changed database file or a log that
/// started over is not.
fn copy(path: &Path, dir: &Path) -> io::Result<Option<u64>> {
    let before = fs::metadata(path)?;
    let [wal, journal] = [beside(path, "-wal"), beside(path, "-journal")];
    let salt = head(&wal);
    let mut bytes = copy_file(path, &dir.join("db"))?;
    for (from, to) in [(&wal, "db-wal"), (&journal, "db-journal")] {
        match copy_file(from, &dir.join(to)) {
            Ok(n) => bytes += n,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let still = same(&before, &fs::metadata(path)?) && head(&wal) == salt;
    Ok(still.then_some(bytes))
}

fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(from)?, &mut File::create_new(to)?)
}

fn private_dir(opts: &ReadOptions) -> io::Result<TempDir> {
    let builder = || tempfile::Builder::new().prefix("read-").to_owned();
    match &opts.scratch {
        Some(dir) => {
            fs::create_dir_all(dir)?;
            builder().tempdir_in(dir)
        }
        None => builder().tempdir(),
    }
}

/// The first 32 bytes of a log: they change when it starts over.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // A log that cannot be read is found out by the copy.
    let _ = File::open(path).and_then(|f| f.take(32).read_to_end(&mut head));
    head
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A path as it stands in an SQLite URI.
fn percent(path: &Path) -> String {
    let mut out = String::new();
    for b in path.to_string_lossy().bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => out.push(b as char),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(dir: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
        let mut all: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| {
                let m = e.as_ref().unwrap().metadata().unwrap();
                (e.unwrap().path(), m.len(), m.modified().unwrap())
            })
            .collect();
        all.sort();
        all
    }

    fn count(s: &Snapshot) -> i64 {
        s.conn.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn a_log_is_read_while_its_writer_is_there_and_nothing_is_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let opts = ReadOptions { scratch: Some(scratch.path().to_owned()), ..ReadOptions::default() };
        let path = home.path().join("ä b%.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1),(2); BEGIN; INSERT INTO t VALUES(3);")
            .unwrap();
        let before = listing(home.path());
        let snapshot = open(&path, &opts).unwrap();
        assert_eq!(count(&snapshot), 2);
        assert!(snapshot.conn.execute("INSERT INTO t VALUES(9)", []).is_err());
        assert_eq!(listing(home.path()), before);
        drop(snapshot);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&open(&path, &opts).unwrap()), 3);
        // Closed: the log is taken in and goes; the database is then read where it is.
        drop(writer);
        let before = listing(home.path());
        assert_eq!(before.len(), 1);
        assert_eq!(count(&open(&path, &opts).unwrap()), 3);
        assert_eq!(listing(home.path()), before);
    }

    #[test]
    fn what_is_no_database_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.db");
        assert!(open(&path, &ReadOptions::default()).is_err());
        fs::write(&path, vec![b'x'; 4096]).unwrap();
        assert!(matches!(open(&path, &ReadOptions::default()), Err(SourceError::Database { .. })));
        assert!(open(home.path(), &ReadOptions::default()).is_err());
    }
}
