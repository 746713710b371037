//! The state of each log file at its last reading, so that an unchanged file is not read again.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::trace::{PlanWindow, SessionFacts, UsageRow};

use super::forget::ForgottenSessions;
use super::{Archive, StoreError, ledger, plan_windows};

/// Metadata of a file at the time it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Inode number; 0 on platforms without one.
    pub inode: u64,
    pub size: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Version of the reader.
    pub reader: u32,
}

/// A file the archive knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    pub id: i64,
    /// Metadata when the file was last read completely.
    pub state: FileState,
    /// Whether the last scan did not find the file.
    pub gone: bool,
    pub agent: String,
}

/// Reads the four columns of a file's state, from this one on.
fn file_state(r: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<FileState> {
    Ok(FileState {
        inode: r.get::<_, i64>(first)? as u64,
        size: r.get::<_, i64>(first + 1)? as u64,
        mtime_ns: r.get(first + 2)?,
        reader: r.get(first + 3)?,
    })
}

impl Archive {
    /// Returns every file of this machine by path. Files of other machines have a path that starts with `device:`.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn files(&self) -> Result<HashMap<String, FileRow>, StoreError> {
        let sql = "SELECT id, path, inode, size, mtime_ns, reader, gone, agent FROM files
             WHERE NOT (path >= 'device:' AND path < 'device;')";
        self.rows(sql, [], |r| {
            let row = FileRow { id: r.get(0)?, state: file_state(r, 2)?, gone: r.get(6)?, agent: r.get(7)? };
            Ok((r.get::<_, String>(1)?, row))
        })
    }

    /// Returns the metadata of each file of this machine when its usage was last read, by path.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn usage_states(&self) -> Result<HashMap<String, FileState>, StoreError> {
        let sql = "SELECT path, usage_inode, usage_size, usage_mtime_ns, usage_reader FROM files
             WHERE NOT (path >= 'device:' AND path < 'device;')";
        // Nearly all rows match, so a scan of the table takes half the time of two ranges of the index.
        self.rows(sql, [], |r| Ok((r.get(0)?, file_state(r, 1)?)))
    }

    /// Returns the existing files of this machine with lost records, and the number of these records, by path.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn files_with_lost_records(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT path, lost_records FROM files WHERE lost_records > 0 AND NOT gone ORDER BY path";
        self.rows(sql, [], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))
    }

    /// Returns the agent of a file and its size in bytes when its usage was last read.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn usage_size(&self, path: &str) -> Result<Option<(String, u64)>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT agent, usage_size FROM files WHERE path = ?1")?;
        let found = q.query_row([path], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?))).optional()?;
        Ok(found.and_then(|(agent, size)| Some((agent, u64::try_from(size).ok()?))))
    }

    /// Returns the sessions with requests in the folder that has the name of a session's log. Claude Code keeps the logs of
    /// subagents there.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn sessions_beneath(&self, session: &str) -> Result<Vec<String>, StoreError> {
        let mut own = self.conn.prepare_cached(
            "SELECT f.path FROM segments s JOIN files f ON f.id = s.file_id WHERE s.session = ?1",
        )?;
        let paths: Vec<String> = own.query_map([session], |r| r.get(0))?.collect::<Result<_, _>>()?;
        let mut beneath = self.conn.prepare_cached(
            "SELECT DISTINCT s.session FROM files f JOIN segments s ON s.file_id = f.id
             WHERE f.path >= ?1 AND f.path < ?2",
        )?;
        let mut out = Vec::new();
        for folder in paths.iter().filter_map(|p| p.strip_suffix(".jsonl")) {
            // `0` is the character after `/`, so this range contains every path in the folder.
            let (from, to) = (format!("{folder}/"), format!("{folder}0"));
            for key in beneath.query_map([from, to], |r| r.get(0))? {
                out.push(key?);
            }
        }
        Ok(out)
    }

    /// Marks files, and the sessions that were read from them, as gone or as present again. Their content stays in the
    /// archive.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn set_gone(&mut self, ids: &[i64], gone: bool) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        for id in ids {
            tx.execute("UPDATE files SET gone = ?2 WHERE id = ?1", params![id, gone])?;
            tx.execute("UPDATE sessions SET gone = ?2 WHERE file_id = ?1", params![id, gone])?;
        }
        tx.commit()?;
        Ok(())
    }
}

/// The usage of a file, or of a part of it, ready to be stored.
#[derive(Debug)]
pub struct UsageResult<'a> {
    pub path: &'a str,
    pub agent: &'a str,
    /// Metadata, taken before the file was read.
    pub state: &'a FileState,
    /// Facts about its sessions.
    pub facts: &'a [SessionFacts],
    /// The requests in the file.
    pub rows: &'a [UsageRow],
    /// What it says about the limits of the user's plan.
    pub plan_windows: &'a [PlanWindow],
    /// Number of its records that were lost.
    pub lost_records: u64,
}

impl Archive {
    /// Stores the usage of files in one transaction. The files still count as not completely read.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails; then nothing of the batch is stored.
    pub fn put_usage(&mut self, files: &[UsageResult<'_>]) -> Result<(), StoreError> {
        if files.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        let left = ForgottenSessions::load(&tx)?;
        for file in files {
            let id = upsert(&tx, USAGE_READ, file.path, file.agent, file.state, file.lost_records)?;
            ledger::put(&tx, id, file.facts, file.rows, left.as_ref())?;
            plan_windows::put(&tx, file.plan_windows)?;
        }
        tx.commit()?;
        Ok(())
    }
}

/// Records that a file was completely read.
pub(super) const FILE_READ: &str =
    "INSERT INTO files(path, agent, inode, size, mtime_ns, reader, usage_inode, usage_size, usage_mtime_ns,
       usage_reader, lost_records) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?3, ?4, ?5, ?6, ?7)
     ON CONFLICT(path) DO UPDATE SET agent = excluded.agent, inode = excluded.inode, size = excluded.size,
       mtime_ns = excluded.mtime_ns, reader = excluded.reader, usage_inode = excluded.inode,
       usage_size = excluded.size, usage_mtime_ns = excluded.mtime_ns, usage_reader = excluded.reader,
       lost_records = excluded.lost_records, gone = 0
     RETURNING id";

/// Records that the usage of a file was read. A new file counts as not completely read.
const USAGE_READ: &str =
    "INSERT INTO files(path, agent, inode, size, mtime_ns, reader, usage_inode, usage_size, usage_mtime_ns,
       usage_reader, lost_records) VALUES(?1, ?2, 0, -1, 0, 0, ?3, ?4, ?5, ?6, ?7)
     ON CONFLICT(path) DO UPDATE SET usage_inode = excluded.usage_inode, usage_size = excluded.usage_size,
       usage_mtime_ns = excluded.usage_mtime_ns, usage_reader = excluded.usage_reader,
       lost_records = excluded.lost_records, gone = 0
     RETURNING id";

/// Runs [`FILE_READ`] or [`USAGE_READ`] for a file in this state, and returns the row id of the file.
pub(super) fn upsert(
    conn: &Connection,
    sql: &str,
    path: &str,
    agent: &str,
    state: &FileState,
    lost_records: u64,
) -> Result<i64, rusqlite::Error> {
    let (inode, size, lost) = (state.inode as i64, state.size as i64, lost_records as i64);
    let values = params![path, agent, inode, size, state.mtime_ns, state.reader, lost];
    conn.prepare_cached(sql)?.query_row(values, |r| r.get(0))
}
