//! Reads OpenCode's database: tables `session`, `message` and `part`, with their content as JSON.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::sources::common::line_reader::parse;
use crate::sources::common::session_builder::SessionBuilder;
use crate::sources::common::sqlite;
use crate::sources::opencode::PartDetail;
use crate::sources::opencode::build::{
    SessionRecord, StoredMessage, add_message, begin_session, end_session, tool_name_part,
};
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::Timestamp;

/// Calls `each` for every session in the database.
pub(super) fn read(
    file: &Path,
    opts: &ReadOptions,
    detail: PartDetail,
    each: &mut dyn FnMut(SessionBuilder, Read),
) -> Result<(), SourceError> {
    let snapshot = sqlite::open(file, opts)?;
    let fail = |e: rusqlite::Error| sqlite::error(file, &e);
    if !sqlite::has_table(&snapshot.conn, "session") || !sqlite::has_table(&snapshot.conn, "message") {
        return Err(SourceError::Database {
            path: file.to_owned(),
            detail: "unexpected tables or columns".to_owned(),
        });
    }
    // The first session carries the size of the database.
    let mut bytes = snapshot.bytes;
    let mut sessions = snapshot
        .conn
        .prepare("SELECT id, parent_id, directory, title, version, time_updated FROM session ORDER BY id")
        .map_err(fail)?;
    let mut rows = sessions.query([]).map_err(fail)?;
    while let Some(r) = rows.next().map_err(fail)? {
        let text = |i: usize| r.get::<_, Option<String>>(i).ok().flatten().filter(|t| !t.is_empty());
        let record = SessionRecord {
            id: text(0).unwrap_or_default(),
            parent: text(1),
            directory: text(2),
            title: text(3),
            version: text(4),
            updated: r.get(5).ok().map(Timestamp),
        };
        let mut read = Read { bytes_read: std::mem::take(&mut bytes), ..Read::default() };
        let builder = read_session(&snapshot.conn, &record, opts, detail, &mut read).map_err(fail)?;
        each(builder, read);
    }
    Ok(())
}

fn read_session(
    conn: &rusqlite::Connection,
    record: &SessionRecord,
    opts: &ReadOptions,
    detail: PartDetail,
    read: &mut Read,
) -> rusqlite::Result<SessionBuilder> {
    let mut number = 0;
    let mut value = |r: &rusqlite::Row<'_>, i: usize, read: &mut Read| -> Option<Value> {
        number += 1;
        let data = bytes(r, i).unwrap_or_default();
        let reason = if data.len() > opts.line_limit {
            format!("session {}: longer than {} bytes", record.id, opts.line_limit)
        } else {
            match parse::<Value>(data, &mut String::new()) {
                Ok((value, repaired)) => {
                    read.repaired_lines += u64::from(repaired);
                    return Some(value);
                }
                Err(_) => format!("session {}: a record is not a JSON object", record.id),
            }
        };
        read.skipped_lines.add(number, reason);
        None
    };
    let mut by_message: HashMap<String, Vec<Value>> = HashMap::new();
    let full = detail == PartDetail::Full;
    if full || sqlite::has_table(conn, "part") {
        let mut q =
            conn.prepare_cached("SELECT message_id, data FROM part WHERE session_id = ?1 ORDER BY id")?;
        let mut rows = q.query([&record.id])?;
        while let Some(r) = rows.next()? {
            let part =
                if full { value(r, 1, read) } else { bytes(r, 1).and_then(|b| tool_name_part(b, opts)) };
            if let Some(part) = part {
                by_message.entry(r.get(0).unwrap_or_default()).or_default().push(part);
            }
        }
    }
    let mut builder = begin_session(record);
    let mut q =
        conn.prepare_cached("SELECT id, data FROM message WHERE session_id = ?1 ORDER BY time_created, id")?;
    let mut rows = q.query([&record.id])?;
    let mut position = 0;
    while let Some(r) = rows.next()? {
        let id: String = r.get(0).unwrap_or_default();
        let parts = by_message.remove(&id).unwrap_or_default();
        position += 1;
        if let Some(data) = value(r, 1, read) {
            add_message(&mut builder, StoredMessage { id, data, parts }, position);
        }
    }
    end_session(&mut builder, record);
    Ok(builder)
}

fn bytes<'r>(r: &'r rusqlite::Row<'_>, i: usize) -> Option<&'r [u8]> {
    match r.get_ref(i) {
        Ok(rusqlite::types::ValueRef::Text(t) | rusqlite::types::ValueRef::Blob(t)) => Some(t),
        _ => None,
    }
}
