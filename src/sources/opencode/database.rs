//! OpenCode's database: tables `session`, `message` and `part`, their content as JSON.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::sources::common::line_reader::parse;
use crate::sources::common::session_builder::Draft;
use crate::sources::common::sqlite;
use crate::sources::opencode::build::{Info, Whole, add, begin, end, light};
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::Timestamp;

/// Hands out every session of the database; of its parts only the names of tools where only usage is asked for.
pub(super) fn read(
    file: &Path,
    opts: &ReadOptions,
    parts: bool,
    piece: &mut dyn FnMut(Draft, Read),
) -> Result<(), SourceError> {
    let snapshot = sqlite::open(file, opts)?;
    let fail = |e: rusqlite::Error| sqlite::error(file, &e);
    if !sqlite::has_table(&snapshot.conn, "session") || !sqlite::has_table(&snapshot.conn, "message") {
        return Err(SourceError::Database {
            path: file.to_owned(),
            detail: "another layout than expected".to_owned(),
        });
    }
    let mut bytes = snapshot.bytes;
    let mut sessions = snapshot
        .conn
        .prepare("SELECT id, parent_id, directory, title, version, time_updated FROM session ORDER BY id")
        .map_err(fail)?;
    let mut rows = sessions.query([]).map_err(fail)?;
    while let Some(r) = rows.next().map_err(fail)? {
        let text = |i: usize| r.get::<_, Option<String>>(i).ok().flatten().filter(|t| !t.is_empty());
        let info = Info {
            id: text(0).unwrap_or_default(),
            parent: text(1),
            directory: text(2),
            title: text(3),
            version: text(4),
            updated: r.get(5).ok().map(Timestamp),
        };
        let mut read = Read { bytes_read: std::mem::take(&mut bytes), ..Read::default() };
        let draft = session(&snapshot.conn, &info, opts, parts, &mut read).map_err(fail)?;
        piece(draft, read);
    }
    Ok(())
}

fn session(
    conn: &rusqlite::Connection,
    info: &Info,
    opts: &ReadOptions,
    parts: bool,
    read: &mut Read,
) -> rusqlite::Result<Draft> {
    let mut number = 0;
    let mut value = |r: &rusqlite::Row<'_>, i: usize, read: &mut Read| -> Option<Value> {
        number += 1;
        let data = bytes(r, i).unwrap_or_default();
        let reason = if data.len() > opts.line_limit {
            format!("session {}: longer than {} bytes", info.id, opts.line_limit)
        } else {
            match parse::<Value>(data, &mut String::new()) {
                Ok((value, repaired)) => {
                    read.repaired_lines += u64::from(repaired);
                    return Some(value);
                }
                Err(_) => format!("session {}: a record that is no JSON object", info.id),
            }
        };
        read.skipped_lines.add(number, reason);
        None
    };
    let mut by_message: HashMap<String, Vec<Value>> = HashMap::new();
    if parts || sqlite::has_table(conn, "part") {
        let mut q =
            conn.prepare_cached("SELECT message_id, data FROM part WHERE session_id = ?1 ORDER BY id")?;
        let mut rows = q.query([&info.id])?;
        while let Some(r) = rows.next()? {
            let part = if parts { value(r, 1, read) } else { bytes(r, 1).and_then(|b| light(b, opts)) };
            if let Some(part) = part {
                by_message.entry(r.get(0).unwrap_or_default()).or_default().push(part);
            }
        }
    }
    let mut draft = begin(info);
    let mut q =
        conn.prepare_cached("SELECT id, data FROM message WHERE session_id = ?1 ORDER BY time_created, id")?;
    let mut rows = q.query([&info.id])?;
    let mut place = 0;
    while let Some(r) = rows.next()? {
        let id: String = r.get(0).unwrap_or_default();
        let parts = by_message.remove(&id).unwrap_or_default();
        place += 1;
        if let Some(data) = value(r, 1, read) {
            add(&mut draft, Whole { id, data, parts }, place);
        }
    }
    end(&mut draft, info);
    Ok(draft)
}

fn bytes<'r>(r: &'r rusqlite::Row<'_>, i: usize) -> Option<&'r [u8]> {
    match r.get_ref(i) {
        Ok(rusqlite::types::ValueRef::Text(t) | rusqlite::types::ValueRef::Blob(t)) => Some(t),
        _ => None,
    }
}
