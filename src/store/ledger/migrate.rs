//! Migrations of the ledger that need more than SQL: packing the rows of its first schema, and the time span of segments.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::trace::{SessionFacts, SessionKey, Timestamp, Tokens, UsageRow};

use crate::store::StoreError;

use super::codec::{Fields, SegmentEntry, SegmentReader, confidence_of, pack};
use super::time_span;

/// Packs the rows of the ledger's first schema, one file at a time, and drops its table.
pub(in crate::store) fn pack_rows_of_first_schema(conn: &Connection) -> Result<(), StoreError> {
    let mut q = conn.prepare("SELECT DISTINCT file_id FROM usage ORDER BY file_id")?;
    let files: Vec<i64> = q.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    for file_id in files {
        let (rows, facts) = rows_of_first_schema(conn, file_id)?;
        let mut groups: BTreeMap<&str, Vec<SegmentEntry<'_>>> = BTreeMap::new();
        for row in &rows {
            groups.entry(row.session.as_str()).or_default().push(SegmentEntry::borrow(row, &facts));
        }
        for (session, group) in groups {
            let (body, keys) = pack(&group);
            conn.prepare_cached(
                "INSERT INTO segments(file_id, session, rows, keys, body) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![file_id, session, group.len() as i64, keys, body])?;
        }
    }
    conn.execute_batch("DROP TABLE usage")?;
    Ok(())
}

/// Adds to each segment the instants of its first and its last request.
pub(in crate::store) fn add_time_spans(conn: &Connection) -> Result<(), StoreError> {
    let mut ids = conn.prepare("SELECT id FROM segments")?;
    let ids: Vec<i64> = ids.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    for id in ids {
        let mut q = conn.prepare_cached("SELECT body FROM segments WHERE id = ?1")?;
        let body: Vec<u8> = q.query_row([id], |r| r.get(0))?;
        let mut times = Vec::new();
        let mut reader = SegmentReader::open(&body, Fields::FIGURES)?;
        while let Some(entry) = reader.next()? {
            times.push(entry.row.at);
        }
        let (first, last) = time_span(times.into_iter());
        conn.prepare_cached("UPDATE segments SET first = ?2, last = ?3 WHERE id = ?1")?
            .execute([id, first, last])?;
    }
    Ok(())
}

fn rows_of_first_schema(
    conn: &Connection,
    file_id: i64,
) -> Result<(Vec<UsageRow>, Vec<SessionFacts>), rusqlite::Error> {
    let mut facts: Vec<SessionFacts> = Vec::new();
    let mut q = conn.prepare_cached(
        "SELECT dedupe_key, session, project, session_started, session_ended, at, model, input, output, reasoning,
           cache_read, cache_write_5m, cache_write_1h, web_search, reported_picousd, fast, geo, service_tier,
           subagent, skill, offset, copied, confidence FROM usage WHERE file_id = ?1 ORDER BY id",
    )?;
    let mut rows = Vec::new();
    let mut found = q.query([file_id])?;
    while let Some(r) = found.next()? {
        let n = |i: usize| r.get::<_, i64>(i).map(|n| n as u64);
        let time = |i: usize| r.get::<_, Option<i64>>(i).map(|t| t.map(Timestamp));
        let session = SessionKey(r.get(1)?);
        if !facts.iter().any(|f| f.key == session) {
            let key = session.clone();
            facts.push(SessionFacts { key, project: r.get(2)?, started: time(3)?, ended: time(4)? });
        }
        rows.push(UsageRow {
            dedupe_key: r.get(0)?,
            session,
            at: Timestamp(r.get(5)?),
            model: r.get(6)?,
            tokens: Tokens {
                input: n(7)?,
                output: n(8)?,
                reasoning: n(9)?,
                cache_read: n(10)?,
                cache_write_5m: n(11)?,
                cache_write_1h: n(12)?,
                web_search: n(13)?,
            },
            reported_picousd: r.get(14)?,
            fast: r.get(15)?,
            geo: r.get(16)?,
            service_tier: r.get(17)?,
            subagent: r.get(18)?,
            skill: r.get(19)?,
            offset: n(20)?,
            copied: r.get(21)?,
            confidence: confidence_of(n(22)?),
            ..UsageRow::default()
        });
    }
    Ok((rows, facts))
}
