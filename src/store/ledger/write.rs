//! Writing the requests of a log into the ledger.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use crate::store::StoreError;
use crate::store::forget::ForgottenSessions;
use crate::trace::{SessionFacts, Timestamp, UsageRow};

use super::codec::{Fields, SegmentEntry, SegmentReader, pack};
use super::generation::next_generation;
use super::time_span;

/// A file with more sessions than this is a database, whose segments are looked up one by one.
const MAX_SESSIONS_PER_LOG: usize = 4;

/// Stores the requests of one file, or of a part of it. Requests that a rewritten file no longer contains remain in
/// the ledger; a request that is read again replaces its earlier record, even if its key is a different one now.
pub(in crate::store) fn put(
    conn: &Connection,
    file_id: i64,
    facts: &[SessionFacts],
    rows: &[UsageRow],
    left: Option<&ForgottenSessions>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    next_generation(conn)?;
    let mut groups: Vec<(&str, Vec<SegmentEntry<'_>>)> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let key = row.session.as_str();
        if left.is_some_and(|l| l.usage(key)) {
            continue;
        }
        let entry = SegmentEntry::borrow(row, facts);
        // Consecutive rows mostly belong to the same session.
        let last = groups.len().wrapping_sub(1);
        let at = match groups.last() {
            Some((k, _)) if *k == key => last,
            _ => *index.entry(key).or_insert(groups.len()),
        };
        match groups.get_mut(at) {
            Some((_, group)) => group.push(entry),
            None => groups.push((key, vec![entry])),
        }
    }
    let old = segments_to_update(conn, file_id, &groups)?;
    let new_keys: HashSet<&str> = rows.iter().map(|r| r.dedupe_key.as_str()).collect();
    // A record whose key a later version of its reader makes differently is found by its place and time.
    let new_places: OnceCell<HashSet<(u64, Timestamp)>> = OnceCell::new();
    let is_read_again = |row: &UsageRow<&str>| {
        new_keys.contains(row.dedupe_key)
            || row.offset > 0
                && new_places
                    .get_or_init(|| rows.iter().map(|r| (r.offset, r.at)).collect())
                    .contains(&(row.offset, row.at))
    };
    for StoredSegment { id, session, body } in &old {
        let mut reader = SegmentReader::open(body, Fields::ALL)?;
        let (mut kept, mut dropped) = (Vec::new(), false);
        while let Some(entry) = reader.next()? {
            if is_read_again(&entry.row) {
                dropped = true;
            } else {
                kept.push(entry);
            }
        }
        match index.get(session.as_str()).and_then(|at| groups.get_mut(*at)) {
            Some((_, group)) => {
                kept.append(group);
                *group = kept;
            }
            None if kept.is_empty() => {
                conn.prepare_cached("DELETE FROM segments WHERE id = ?1")?.execute([id])?;
            }
            None if dropped => write_segment(conn, file_id, session, &kept)?,
            None => {}
        }
    }
    for (session, group) in &groups {
        write_segment(conn, file_id, session, group)?;
    }
    Ok(())
}

struct StoredSegment {
    id: i64,
    session: String,
    body: Vec<u8>,
}

/// Reads the segments of a file whose rows the new ones may replace.
fn segments_to_update(
    conn: &Connection,
    file_id: i64,
    groups: &[(&str, Vec<SegmentEntry<'_>>)],
) -> Result<Vec<StoredSegment>, StoreError> {
    let stored =
        |r: &rusqlite::Row<'_>| Ok(StoredSegment { id: r.get(0)?, session: r.get(1)?, body: r.get(2)? });
    let mut all =
        conn.prepare_cached("SELECT id, session, body FROM segments WHERE file_id = ?1 LIMIT ?2")?;
    let found: Vec<StoredSegment> = all
        .query_map(params![file_id, MAX_SESSIONS_PER_LOG as i64 + 1], stored)?
        .collect::<Result<_, _>>()?;
    if found.len() <= MAX_SESSIONS_PER_LOG {
        return Ok(found);
    }
    let mut one =
        conn.prepare_cached("SELECT id, session, body FROM segments WHERE file_id = ?1 AND session = ?2")?;
    let mut out = Vec::new();
    for (session, _) in groups {
        for segment in one.query_map(params![file_id, session], stored)? {
            out.push(segment?);
        }
    }
    Ok(out)
}

fn write_segment(
    conn: &Connection,
    file_id: i64,
    session: &str,
    entries: &[SegmentEntry<'_>],
) -> Result<(), StoreError> {
    let (body, keys) = pack(entries);
    let (first, last) = time_span(entries.iter().map(|e| e.row.at));
    conn.prepare_cached(
        "INSERT INTO segments(file_id, session, rows, keys, body, first, last) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT(file_id, session) DO UPDATE SET rows = excluded.rows, keys = excluded.keys,
           body = excluded.body, first = excluded.first, last = excluded.last",
    )?
    .execute(params![file_id, session, entries.len() as i64, keys, body, first, last])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Archive, UsageFilter};
    use crate::trace::{SessionKey, Tokens};

    #[test]
    fn a_record_that_is_read_again_under_another_key_replaces_the_earlier_one() {
        let archive = Archive::in_memory().unwrap();
        archive
            .conn
            .execute(
                "INSERT INTO files(id, path, agent, inode, size, mtime_ns, reader) VALUES(1, '/1', 'claude', 0, 1, 1, 1)",
                [],
            )
            .unwrap();
        let row = |key: &str, offset: u64, at: i64| UsageRow {
            dedupe_key: key.to_owned(),
            session: SessionKey::new("claude", "s"),
            at: Timestamp(at),
            tokens: Tokens { input: offset, ..Tokens::default() },
            offset,
            ..UsageRow::default()
        };
        put(&archive.conn, 1, &[], &[row("claude:gw", 300, 3), row("claude:rewritten", 300, 2)], None)
            .unwrap();
        let now = [row("claude:gw@1", 100, 1), row("claude:gw@3", 300, 3)];
        put(&archive.conn, 1, &[], &now, None).unwrap();
        let mut keys = Vec::new();
        let with_keys = UsageFilter { keys: true, ..UsageFilter::default() };
        archive.for_each_request(with_keys, &mut |r| keys.push(r.request.dedupe_key.to_owned())).unwrap();
        keys.sort();
        assert_eq!(keys, ["claude:gw@1", "claude:gw@3", "claude:rewritten"]);
    }
}
