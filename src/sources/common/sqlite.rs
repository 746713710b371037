//! Opens an agent's SQLite database, including its write-ahead log, without changing any file next to it.
//!
//! Opening a database in WAL mode writes a `-shm` file next to it and may move the log into the database. So a database
//! that has a log is copied together with it into a private directory and read there. A database without a log is
//! opened in place as immutable. If it changes meanwhile, it is copied as well.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;

use crate::platform::private_dir;
use crate::sources::common::files::{SourceError, open_log};
use crate::sources::common::read::ReadOptions;
use crate::trace::Timestamp;

/// How many times a database that is being written to is copied before it is left for the next scan.
const MAX_COPY_ATTEMPTS: usize = 5;

/// A database opened for reading. If it was copied, the copy is deleted when this value is dropped.
pub(crate) struct Snapshot {
    /// A connection that can only read.
    pub conn: Connection,
    /// Size of the database and its log, in bytes.
    pub bytes: u64,
    _copy: Option<TempDir>,
}

/// Returns the paths of the write-ahead log and the rollback journal, which contain parts of a database.
pub(crate) fn companions(db: &Path) -> Vec<PathBuf> {
    ["-wal", "-journal"].map(|suffix| with_suffix(db, suffix)).to_vec()
}

/// Opens the database at `path`.
///
/// # Errors
/// [`SourceError`] if the file cannot be read, is not a database, or changes during every attempt to copy it.
pub(crate) fn open(path: &Path, opts: &ReadOptions) -> Result<Snapshot, SourceError> {
    drop(open_log(path)?);
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    if companions(path).iter().all(|p| file_size(p) == 0) && !with_suffix(path, "-shm").exists() {
        let before = fs::metadata(path).map_err(io)?;
        let uri = format!("file:{}?mode=ro&immutable=1", percent_encode(path));
        let snapshot = connect(path, &uri, before.len(), None)?;
        if same_version(&before, &fs::metadata(path).map_err(io)?) {
            return Ok(snapshot);
        }
    }
    for _ in 0..MAX_COPY_ATTEMPTS {
        let dir = copy_dir(opts).map_err(io)?;
        if let Some(bytes) = copy(path, dir.path()).map_err(io)? {
            let uri = format!("file:{}", percent_encode(&dir.path().join("db")));
            return connect(path, &uri, bytes, Some(dir));
        }
    }
    Err(SourceError::Busy { path: path.to_owned() })
}

/// Converts an error of SQLite. Leaves out SQLite's message, because it may quote session text.
pub(crate) fn error(path: &Path, error: &rusqlite::Error) -> SourceError {
    let detail = match error {
        rusqlite::Error::SqliteFailure(code, _) => code.to_string(),
        rusqlite::Error::InvalidColumnType(..) => "a column has an unexpected type".to_owned(),
        _ => "unexpected tables or columns".to_owned(),
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

/// Returns a query for columns of a table. Columns that the agent's version does not have are NULL.
pub(crate) fn select(conn: &Connection, table: &str, columns: &[&str], rest: &str) -> String {
    let known = columns.iter().map(|column| if has_column(conn, table, column) { *column } else { "NULL" });
    let columns: Vec<&str> = known.collect();
    format!("SELECT {} FROM {table} {rest}", columns.join(", "))
}

/// Returns the text in a column; `None` if it is absent or empty.
pub(crate) fn text(row: &Row<'_>, column: usize) -> Option<String> {
    let bytes = bytes(row, column).filter(|bytes| !bytes.is_empty())?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Returns the bytes of a text or blob in a column.
pub(crate) fn bytes<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r [u8]> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Some(bytes),
        _ => None,
    }
}

/// Returns the number in a column, as a real number.
pub(crate) fn number(row: &Row<'_>, column: usize) -> Option<f64> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(n)) => Some(n as f64),
        Ok(ValueRef::Real(n)) => Some(n),
        _ => None,
    }
}

/// Returns the count in a column; zero if it is absent or negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> u64 {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(n)) => u64::try_from(n).unwrap_or(0),
        _ => 0,
    }
}

/// Returns the instant in a column with seconds or milliseconds since the Unix epoch.
pub(crate) fn instant(row: &Row<'_>, column: usize) -> Option<Timestamp> {
    // Seconds stay below this for three hundred years.
    const FIRST_MILLIS: f64 = 1e10;
    let time = number(row, column).filter(|time| *time > 0.0 && *time < 9e15)?;
    Some(Timestamp(if time < FIRST_MILLIS { (time * 1000.0).round() } else { time } as i64))
}

fn connect(path: &Path, uri: &str, bytes: u64, copy: Option<TempDir>) -> Result<Snapshot, SourceError> {
    let flags = OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        // Opening a copy may have to recover its log, which writes to the copied database.
        | if copy.is_some() { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let conn = Connection::open_with_flags(uri, flags).map_err(|e| error(path, &e))?;
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON;")
        .and_then(|()| conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())))
        .map_err(|e| error(path, &e))?;
    Ok(Snapshot { conn, bytes, _copy: copy })
}

/// Copies the database with its log and journal. Returns the number of bytes, or `None` if the copy is inconsistent.
///
/// A log that only grew is consistent, because SQLite stops at the last complete transaction. A changed database file
/// or a log that was started again from its beginning is not.
fn copy(path: &Path, dir: &Path) -> io::Result<Option<u64>> {
    let before = fs::metadata(path)?;
    let [wal, journal] = [with_suffix(path, "-wal"), with_suffix(path, "-journal")];
    let wal_header = header(&wal);
    let mut bytes = copy_file(path, &dir.join("db"))?;
    for (from, to) in [(&wal, "db-wal"), (&journal, "db-journal")] {
        match copy_file(from, &dir.join(to)) {
            Ok(n) => bytes += n,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let unchanged = same_version(&before, &fs::metadata(path)?) && header(&wal) == wal_header;
    Ok(unchanged.then_some(bytes))
}

fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(from)?, &mut File::create_new(to)?)
}

fn copy_dir(opts: &ReadOptions) -> io::Result<TempDir> {
    let builder = || tempfile::Builder::new().prefix("read-").to_owned();
    match &opts.scratch {
        Some(dir) => {
            private_dir::make(dir)?;
            builder().tempdir_in(dir)
        }
        None => builder().tempdir(),
    }
}

/// Reads the 32 bytes of a log's header. Their salt changes when the log is started again.
fn header(path: &Path) -> Vec<u8> {
    let mut header = Vec::new();
    // An unreadable log makes the copy fail, so the error is not lost.
    let _ = File::open(path).and_then(|f| f.take(32).read_to_end(&mut header));
    header
}

fn same_version(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

fn file_size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Percent-encodes a path for an SQLite URI.
fn percent_encode(path: &Path) -> String {
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
    fn a_database_is_read_during_a_write_and_no_file_is_left_behind() {
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
        // Closing moves the log into the database and deletes it; then the database is read in place.
        drop(writer);
        let before = listing(home.path());
        assert_eq!(before.len(), 1);
        assert_eq!(count(&open(&path, &opts).unwrap()), 3);
        assert_eq!(listing(home.path()), before);
    }

    #[test]
    fn a_missing_column_is_null_and_values_of_other_types_are_absent() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t(a, b); INSERT INTO t VALUES ('x', 1796029384.5), (7, -1)")
            .unwrap();
        let sql = select(&conn, "t", &["a", "gone", "b"], "ORDER BY rowid");
        assert_eq!(sql, "SELECT a, NULL, b FROM t ORDER BY rowid");
        let mut query = conn.prepare(&sql).unwrap();
        let number = |r: &Row<'_>, column| super::count(r, column);
        let rows =
            query.query_map([], |r| Ok((text(r, 0), text(r, 1), number(r, 0), number(r, 2), instant(r, 2))));
        let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        let first = (Some("x".to_owned()), None, 0, 0, Some(Timestamp(1_796_029_384_500)));
        assert_eq!(rows, [first, (None, None, 7, 0, None)]);
    }

    #[test]
    fn a_file_that_is_not_a_database_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.db");
        assert!(open(&path, &ReadOptions::default()).is_err());
        fs::write(&path, vec![b'x'; 4096]).unwrap();
        assert!(matches!(open(&path, &ReadOptions::default()), Err(SourceError::Database { .. })));
        assert!(open(home.path(), &ReadOptions::default()).is_err());
    }
}
