//! OpenClaw's database of an agent (agent schema 4 and later; tested with 19 and 23): one transcript per session.
//!
//! Events are stored as JSON or, in later schemas, as zstd frames, and archived transcripts as blobs. An archive that
//! was moved into a separate file is reported as left out.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::sources::common::pi_transcript::TranscriptBuilder;
use crate::sources::common::sqlite::{self, Snapshot};
use crate::sources::common::zstd_frame::decompress;
use crate::sources::openclaw::AGENT;
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::SessionKey;

/// Values of `created_via` of sessions whose prompts no person wrote.
const AUTOMATIC: [&str; 3] = ["spawn", "cron", "internal"];

/// Calls `each` for every session in the database.
pub(super) fn read(file: &Path, opts: &ReadOptions, each: &mut dyn FnMut(Read)) -> Result<(), SourceError> {
    let snapshot = sqlite::open(file, opts)?;
    let fail = |e: rusqlite::Error| sqlite::error(file, &e);
    let schema = Schema::of(&snapshot);
    if !schema.events {
        // Before agent schema 4 the database contained no transcripts.
        each(Read { bytes_read: snapshot.bytes, ..Read::default() });
        return Ok(());
    }
    // The first session carries the size of the database.
    let mut first = Read { bytes_read: snapshot.bytes, ..Read::default() };
    for id in session_ids(&snapshot.conn, &schema).map_err(fail)? {
        let mut read = std::mem::take(&mut first);
        read_session(&snapshot.conn, &schema, &id, opts, &mut read).map_err(fail)?;
        each(read);
    }
    if first != Read::default() {
        each(first);
    }
    Ok(())
}

/// Which tables and columns the database has.
struct Schema {
    events: bool,
    /// Whether events can be compressed.
    compressed_events: bool,
    windows: bool,
    archives: bool,
    cold_archives: bool,
}

impl Schema {
    fn of(s: &Snapshot) -> Self {
        let has = |name| sqlite::has_table(&s.conn, name);
        Schema {
            events: has("transcript_events"),
            compressed_events: sqlite::has_column(&s.conn, "transcript_events", "event_zstd"),
            windows: has("session_windows") && has("session_nodes"),
            archives: has("session_transcript_archives"),
            cold_archives: has("session_transcript_cold_archives"),
        }
    }
}

fn session_ids(conn: &Connection, schema: &Schema) -> rusqlite::Result<Vec<String>> {
    let mut sql = "SELECT DISTINCT session_id FROM transcript_events".to_owned();
    for (exists, table) in [
        (schema.archives, "session_transcript_archives"),
        (schema.cold_archives, "session_transcript_cold_archives"),
    ] {
        if exists {
            sql.push_str(" UNION SELECT session_id FROM ");
            sql.push_str(table);
        }
    }
    sql.push_str(" ORDER BY 1");
    let mut q = conn.prepare(&sql)?;
    q.query_map([], |r| r.get(0))?.collect()
}

/// Reads one session: first its archived parts, then its current events.
fn read_session(
    conn: &Connection,
    schema: &Schema,
    id: &str,
    opts: &ReadOptions,
    read: &mut Read,
) -> rusqlite::Result<()> {
    let mut builder = TranscriptBuilder::new(AGENT, id);
    if schema.windows {
        add_window(conn, id, &mut builder)?;
    }
    let mut events = EventReader { id, opts, builder, read, number: 0, scratch: String::new() };
    if schema.archives {
        read_archives(conn, &mut events)?;
    }
    if schema.cold_archives {
        read_cold_archive(conn, &mut events)?;
    }
    read_events(conn, schema, &mut events)?;
    events.builder.finish_into(events.read);
    Ok(())
}

/// Passes the events of one session to its builder, and counts those that cannot be used.
struct EventReader<'a> {
    id: &'a str,
    opts: &'a ReadOptions,
    builder: TranscriptBuilder,
    read: &'a mut Read,
    /// Number of events so far.
    number: u64,
    scratch: String,
}

impl EventReader<'_> {
    fn event(&mut self, bytes: &[u8]) {
        self.number += 1;
        let limit = self.opts.line_limit;
        let result = match bytes.len() > limit {
            true => Err(format!("longer than {limit} bytes")),
            false => self.builder.read_entry(bytes, self.number, &mut self.scratch),
        };
        match result {
            Ok(repaired) => self.read.repaired_lines += u64::from(repaired),
            Err(reason) => self.skip(self.number, &reason),
        }
    }

    fn compressed_event(&mut self, frame: &[u8]) {
        match decompress(frame, self.opts.line_limit) {
            Ok(json) => self.event(&json),
            Err(reason) => self.skip_event(reason),
        }
    }

    /// Reads an archived transcript, which has one event per line.
    fn archive(&mut self, encoding: &str, blob: &[u8]) {
        if encoding != "zstd" {
            return lines(blob).for_each(|line| self.event(line));
        }
        match decompress(blob, self.opts.line_limit) {
            Ok(bytes) => lines(&bytes).for_each(|line| self.event(line)),
            Err(reason) => self.skip_event(reason),
        }
    }

    fn skip_event(&mut self, reason: &str) {
        self.number += 1;
        self.skip(self.number, reason);
    }

    fn skip(&mut self, number: u64, reason: &str) {
        self.read.skipped_lines.add(number, format!("session {}: {reason}", self.id));
    }
}

fn read_archives(conn: &Connection, events: &mut EventReader<'_>) -> rusqlite::Result<()> {
    let mut q = conn.prepare_cached(
        "SELECT encoding, archive_blob FROM session_transcript_archives WHERE session_id = ?1
         ORDER BY created_at, generation",
    )?;
    let mut rows = q.query([events.id])?;
    while let Some(r) = rows.next()? {
        events.archive(&text(r, 0), &bytes(r, 1));
    }
    Ok(())
}

fn read_cold_archive(conn: &Connection, events: &mut EventReader<'_>) -> rusqlite::Result<()> {
    let mut q = conn.prepare_cached(
        "SELECT storage, archive_blob FROM session_transcript_cold_archives WHERE session_id = ?1",
    )?;
    let row = q.query_row([events.id], |r| Ok((text(r, 0), bytes(r, 1)))).optional()?;
    match row {
        Some((storage, blob)) if storage == "sqlite" => {
            // The table does not record the encoding; zstd frames begin with this magic number.
            let zstd = blob.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]);
            events.archive(if zstd { "zstd" } else { "identity" }, &blob);
        }
        Some(_) => events.skip(0, "its older part was archived into a file, which is not read"),
        None => {}
    }
    Ok(())
}

fn read_events(conn: &Connection, schema: &Schema, events: &mut EventReader<'_>) -> rusqlite::Result<()> {
    let mut q = conn.prepare_cached(if schema.compressed_events {
        "SELECT event_json, event_zstd FROM transcript_events WHERE session_id = ?1 ORDER BY seq"
    } else {
        "SELECT event_json, NULL FROM transcript_events WHERE session_id = ?1 ORDER BY seq"
    })?;
    let mut rows = q.query([events.id])?;
    while let Some(r) = rows.next()? {
        match r.get_ref(0)? {
            rusqlite::types::ValueRef::Text(json) => events.event(json),
            _ => events.compressed_event(&bytes(r, 1)),
        }
    }
    Ok(())
}

/// Adds the title, the parent and the fork of a session. The header inside the transcript has none of them.
fn add_window(conn: &Connection, id: &str, builder: &mut TranscriptBuilder) -> rusqlite::Result<()> {
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
    // An older schema lacks some of the columns. Then only the transcript is used.
    let Ok(Some([label, display, spawned_by, parent, via, fork, reason, previous])) = row else {
        return Ok(());
    };
    builder.session.title = label.or(display);
    builder.automatic = via.as_deref().is_some_and(|v| AUTOMATIC.contains(&v));
    let parent_key = spawned_by.or(parent.filter(|_| via.as_deref() == Some("spawn")));
    if let Some(key) = parent_key {
        let mut q =
            conn.prepare_cached("SELECT current_session_id FROM session_nodes WHERE session_key = ?1")?;
        let found: Option<String> = q.query_row(params![key], |r| r.get(0)).optional()?;
        builder.session.parent = found.filter(|p| p != id).map(|p| SessionKey::new(AGENT, &p));
    }
    let source = fork.or(previous.filter(|_| matches!(reason.as_deref(), Some("fork" | "rewind"))));
    builder.session.forked_from = source.filter(|f| f != id).map(|f| SessionKey::new(AGENT, &f));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_without_compressed_events_is_read() {
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
