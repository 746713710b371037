//! What is known of each log file, so that an unchanged one is not read again.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::trace::{SessionFacts, UsageRow};

use super::forget::Left;
use super::{Archive, StoreError, ledger};

/// The outside of a file at the time it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Inode number (0 where the platform has none).
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Version of the reader.
    pub reader: u32,
}

/// A file the archive knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Row id.
    pub id: i64,
    /// Its outside when it was last read whole.
    pub state: FileState,
    /// Its outside when its usage was last read.
    pub usage: FileState,
    /// Whether it had disappeared at the last scan.
    pub gone: bool,
    /// Agent whose log it is.
    pub agent: String,
}

impl Archive {
    /// Every file of this machine that the archive knows, by path.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn files(&self) -> Result<HashMap<String, FileRow>, StoreError> {
        let mut q = self
            .conn
            .prepare_cached(
            "SELECT id, path, inode, size, mtime_ns, reader, usage_inode, usage_size, usage_mtime_ns, usage_reader,
               gone, agent FROM files WHERE path < 'device:' OR path >= 'device;'",
        )?;
        let rows = q.query_map([], |r| {
            let state = |from: usize| -> rusqlite::Result<FileState> {
                Ok(FileState {
                    inode: r.get::<_, i64>(from)? as u64,
                    size: r.get::<_, i64>(from + 1)? as u64,
                    mtime_ns: r.get(from + 2)?,
                    reader: r.get(from + 3)?,
                })
            };
            let row = FileRow {
                id: r.get(0)?,
                state: state(2)?,
                usage: state(6)?,
                gone: r.get(10)?,
                agent: r.get(11)?,
            };
            Ok((r.get::<_, String>(1)?, row))
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// The agent of a file, and the size in bytes that it had when its usage was read last.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn usage_size(&self, path: &str) -> Result<Option<(String, u64)>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT agent, usage_size FROM files WHERE path = ?1")?;
        let found = q.query_row([path], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?))).optional()?;
        Ok(found.and_then(|(agent, size)| Some((agent, u64::try_from(size).ok()?))))
    }

    /// Keys of the sessions with requests in the folder that is named like a session's own log: there Claude Code
    /// keeps the logs of its subagents.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
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
            // All that begins with the folder and a separator.
            let (from, to) = (format!("{folder}/"), format!("{folder}0"));
            for key in beneath.query_map([from, to], |r| r.get(0))? {
                out.push(key?);
            }
        }
        Ok(out)
    }

    /// Marks files as gone, and with them the sessions read from them; what was read stays.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn mark_gone(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        for id in ids {
            tx.execute("UPDATE files SET gone = 1 WHERE id = ?1", [id])?;
            tx.execute("UPDATE sessions SET gone = 1 WHERE file_id = ?1", [id])?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Marks files as there again.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn mark_back(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        for id in ids {
            tx.execute("UPDATE files SET gone = 0 WHERE id = ?1", [id])?;
            tx.execute("UPDATE sessions SET gone = 0 WHERE file_id = ?1", [id])?;
        }
        tx.commit()?;
        Ok(())
    }
}

/// The usage of one file, or of a piece of it, ready to be stored.
#[derive(Debug)]
pub struct UsageResult<'a> {
    /// Its path.
    pub path: &'a str,
    /// Its agent.
    pub agent: &'a str,
    /// Its outside, taken before it was read.
    pub state: &'a FileState,
    /// What is known of its sessions.
    pub facts: &'a [SessionFacts],
    /// The requests in it.
    pub rows: &'a [UsageRow],
}

impl Archive {
    /// Stores the usage of files in one transaction; they still count as not read whole.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses; then nothing of the batch is stored.
    pub fn put_usage(&mut self, files: &[UsageResult<'_>]) -> Result<(), StoreError> {
        if files.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        let left = Left::out(&tx)?;
        for file in files {
            let id = upsert_usage(&tx, file.path, file.agent, file.state)?;
            ledger::put(&tx, id, file.facts, file.rows, left.as_ref())?;
        }
        tx.commit()?;
        Ok(())
    }
}

/// Notes that a file was read whole in this state, and returns its row id.
pub(super) fn upsert(
    conn: &Connection,
    path: &str,
    agent: &str,
    state: &FileState,
) -> Result<i64, rusqlite::Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO files(path, agent, inode, size, mtime_ns, reader, usage_inode, usage_size, usage_mtime_ns,
           usage_reader) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?3, ?4, ?5, ?6)
         ON CONFLICT(path) DO UPDATE SET agent = excluded.agent, inode = excluded.inode, size = excluded.size,
           mtime_ns = excluded.mtime_ns, reader = excluded.reader, usage_inode = excluded.inode,
           usage_size = excluded.size, usage_mtime_ns = excluded.mtime_ns, usage_reader = excluded.reader, gone = 0
         RETURNING id",
    )?;
    q.query_row(
        params![path, agent, state.inode as i64, state.size as i64, state.mtime_ns, state.reader],
        |r| r.get(0),
    )
}

/// Notes that a file's usage was read in this state, and returns its row id. A new file counts as not read whole.
fn upsert_usage(
    conn: &Connection,
    path: &str,
    agent: &str,
    state: &FileState,
) -> Result<i64, rusqlite::Error> {
    let mut q = conn.prepare_cached(
        "INSERT INTO files(path, agent, inode, size, mtime_ns, reader, usage_inode, usage_size, usage_mtime_ns,
           usage_reader) VALUES(?1, ?2, 0, -1, 0, 0, ?3, ?4, ?5, ?6)
         ON CONFLICT(path) DO UPDATE SET usage_inode = excluded.usage_inode, usage_size = excluded.usage_size,
           usage_mtime_ns = excluded.usage_mtime_ns, usage_reader = excluded.usage_reader, gone = 0
         RETURNING id",
    )?;
    q.query_row(
        params![path, agent, state.inode as i64, state.size as i64, state.mtime_ns, state.reader],
        |r| r.get(0),
    )
}
