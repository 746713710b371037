//! OpenClaw's per-agent database (agent schema 4 and later; proved with 19 and 23): one transcript a session window.
//!
//! Events stand as JSON or, in later schemas, as zstd frames; archived transcripts as blobs. An archive that was moved into a file of
//! its own is named as left out.

use std::io::Read as _;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::sources::common::pi_transcript::Builder;
use crate::sources::common::sqlite::{self, Snapshot};
use crate::sources::openclaw::AGENT;
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::SessionKey;

/// Prompts of sessions made in these ways were written by no person.
const AUTOMATIC: [&str; 3] = ["spawn", "cron", "internal"];

/// Hands out every session of the database.
pub(super) fn read(file: &Path, opts: &ReadOptions, piece: &mut dyn FnMut(Read)) -> Result<(), SourceError> {
    let snapshot = sqlite::open(file, opts)?;
    let fail = |e: rusqlite::Error| sqlite::error(file, &e);
    let tables = Tables::of(&snapshot);
    if !tables.events {
        // Before agent schema 4 the database held no transcripts.
        piece(Read { bytes_read: snapshot.bytes, ..Read::default() });
        return Ok(());
    }
    let mut first = Read { bytes_read: snapshot.bytes, ..Read::default() };
    for id in session_ids(&snapshot.conn, &tables).map_err(fail)? {
        let mut read = std::mem::take(&mut first);
        session(&snapshot.conn, &tables, &id, opts, &mut read).map_err(fail)?;
        piece(read);
    }
    if first != Read::default() {
        piece(first);
    }
    Ok(())
}

struct Tables {
    events: bool,
    /// Whether events can be packed.
    packed: bool,
    windows: bool,
    archives: bool,
    cold: bool,
}

impl Tables {
    fn of(s: &Snapshot) -> Self {
        let has = |name| sqlite::has_table(&s.conn, name);
        Tables {
            events: has("transcript_events"),
            packed: sqlite::has_column(&s.conn, "transcript_events", "event_zstd"),
            windows: has("session_windows") && has("session_nodes"),
            archives: has("session_transcript_archives"),
            cold: has("session_transcript_cold_archives"),
        }
    }
}

fn session_ids(conn: &Connection, tables: &Tables) -> rusqlite::Result<Vec<String>> {
    let mut sql = "SELECT DISTINCT session_id FROM transcript_events".to_owned();
    for (there, table) in
        [(tables.archives, "session_transcript_archives"), (tables.cold, "session_transcript_cold_archives")]
    {
        if there {
            sql.push_str(" UNION SELECT session_id FROM ");
            sql.push_str(table);
        }
    }
    sql.push_str(" ORDER BY 1");
    let mut q = conn.prepare(&sql)?;
    q.query_map([], |r| r.get(0))?.collect()
}

/// Reads one session: what was archived of it, then what stands.
fn session(
    conn: &Connection,
    tables: &Tables,
    id: &str,
    opts: &ReadOptions,
    read: &mut Read,
) -> rusqlite::Result<()> {
    let mut builder = Builder::new(AGENT, id);
    if tables.windows {
        describe(conn, id, &mut builder)?;
    }
    let mut scratch = String::new();
    let mut number = 0;
    let mut take = |builder: &mut Builder, read: &mut Read, bytes: Result<&[u8], &str>| {
        number += 1;
        let used = match bytes {
            Ok(b) if b.len() > opts.line_limit => Err(format!("longer than {} bytes", opts.line_limit)),
            Ok(b) => builder.entry(b, number, &mut scratch),
            Err(reason) => Err(reason.to_owned()),
        };
        match used {
            Ok(repaired) => read.repaired_lines += u64::from(repaired),
            Err(reason) => read.skipped_lines.add(number, format!("session {id}: {reason}")),
        }
    };
    let mut archived = |builder: &mut Builder, read: &mut Read, encoding: &str, blob: &[u8]| match encoding {
        "zstd" => match unpack(blob, opts.line_limit) {
            Ok(bytes) => lines(&bytes).for_each(|l| take(builder, read, Ok(l))),
            Err(reason) => take(builder, read, Err(reason)),
        },
        _ => lines(blob).for_each(|l| take(builder, read, Ok(l))),
    };
    if tables.archives {
        let mut q = conn.prepare_cached(
            "SELECT encoding, archive_blob FROM session_transcript_archives WHERE session_id = ?1
             ORDER BY created_at, generation",
        )?;
        let mut rows = q.query([id])?;
        while let Some(r) = rows.next()? {
            archived(&mut builder, read, &text(r, 0), &bytes(r, 1));
        }
    }
    if tables.cold {
        let mut q = conn.prepare_cached(
            "SELECT storage, archive_blob FROM session_transcript_cold_archives WHERE session_id = ?1",
        )?;
        if let Some((storage, blob)) = q.query_row([id], |r| Ok((text(r, 0), bytes(r, 1)))).optional()? {
            if storage == "sqlite" {
                let encoding = if blob.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) { "zstd" } else { "identity" };
                archived(&mut builder, read, encoding, &blob);
            } else {
                let reason = "its older part was archived into a file, which is not read";
                read.skipped_lines.add(0, format!("session {id}: {reason}"));
            }
        }
    }
    let mut q = conn.prepare_cached(if tables.packed {
        "SELECT event_json, event_zstd FROM transcript_events WHERE session_id = ?1 ORDER BY seq"
    } else {
        "SELECT event_json, NULL FROM transcript_events WHERE session_id = ?1 ORDER BY seq"
    })?;
    let mut rows = q.query([id])?;
    while let Some(r) = rows.next()? {
        match r.get_ref(0)? {
            rusqlite::types::ValueRef::Text(json) => take(&mut builder, read, Ok(json)),
            _ => match unpack(&bytes(r, 1), opts.line_limit) {
                Ok(json) => take(&mut builder, read, Ok(&json)),
                Err(reason) => take(&mut builder, read, Err(reason)),
            },
        }
    }
    builder.finish(read);
    Ok(())
}

/// Title, parent and fork of a session window; the header inside the transcript names neither.
fn describe(conn: &Connection, id: &str, builder: &mut Builder) -> rusqlite::Result<()> {
    let row = conn
        .prepare_cached(
            "SELECT n.label, coalesce(w.display_name, n.display_name), coalesce(w.spawned_by, n.spawned_by),
               coalesce(w.parent_session_key, n.parent_session_key), n.created_via, n.fork_source_session_id,
               w.reason, w.previous_session_id
             FROM session_windows w JOIN session_nodes n ON n.session_key = w.session_key WHERE w.session_id = ?1",
        )
        .and_then(|mut q| {
            let get = |r: &rusqlite::Row<'_>| -> rusqlite::Result<[Option<String>; 8]> {
                Ok(std::array::from_fn(|i| r.get(i).ok().flatten()))
            };
            q.query_row([id], get).optional()
        });
    // An older schema lacks some of the columns; then the transcript speaks for itself.
    let Ok(Some([label, display, spawned_by, parent, via, fork, reason, previous])) = row else {
        return Ok(());
    };
    builder.session.title = label.or(display);
    builder.automatic = via.as_deref().is_some_and(|v| AUTOMATIC.contains(&v));
    let by = spawned_by.or(parent.filter(|_| via.as_deref() == Some("spawn")));
    if let Some(key) = by {
        let mut q =
            conn.prepare_cached("SELECT current_session_id FROM session_nodes WHERE session_key = ?1")?;
        let found: Option<String> = q.query_row(params![key], |r| r.get(0)).optional()?;
        builder.session.parent = found.filter(|p| p != id).map(|p| SessionKey::new(AGENT, &p));
    }
    let from = fork.or(previous.filter(|_| matches!(reason.as_deref(), Some("fork" | "rewind"))));
    builder.session.forked_from = from.filter(|f| f != id).map(|f| SessionKey::new(AGENT, &f));
    Ok(())
}

fn text(r: &rusqlite::Row<'_>, i: usize) -> String {
    r.get(i).unwrap_or_default()
}

fn bytes(r: &rusqlite::Row<'_>, i: usize) -> Vec<u8> {
    match r.get_ref(i) {
        Ok(rusqlite::types::ValueRef::Blob(b) | rusqlite::types::ValueRef::Text(b)) => b.to_vec(),
        _ => Vec::new(),
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|l| !l.iter().all(u8::is_ascii_whitespace))
}

/// Unpacks a frame of at most `limit` bytes.
fn unpack(frame: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    let broken = "a compressed event that does not unpack";
    let mut out = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(frame).map_err(|_| broken)?;
    decoder.take(limit as u64 + 1).read_to_end(&mut out).map_err(|_| broken)?;
    if out.is_empty() { Err(broken) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_a_schema_without_packed_events_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("агент 1/openclaw-agent.sqlite");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let conn = Connection::open(&file).unwrap();
        conn.execute_batch(
            r#"CREATE TABLE transcript_events(session_id TEXT, seq INTEGER, event_json TEXT, created_at INTEGER);
               INSERT INTO transcript_events VALUES
               ('s', 0, '{"type":"session","version":4,"id":"s","timestamp":"2026-11-21T13:47:00.000Z","cwd":"/дом/会计 系统"}', 0),
               ('s', 1, '{"type":"message","id":"a","timestamp":"2026-11-21T13:48:00.000Z","message":{"role":"user","content":"почини тест"}}', 0);"#,
        )
        .unwrap();
        drop(conn);
        let mut sessions = Vec::new();
        let opts = ReadOptions { scratch: Some(dir.path().join("tmp")), ..ReadOptions::default() };
        super::read(&file, &opts, &mut |read| sessions.extend(read.sessions)).unwrap();
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].project.as_deref(), Some("/дом/会计 系统"));
        assert_eq!(sessions[0].messages.len(), 1);
    }
}
