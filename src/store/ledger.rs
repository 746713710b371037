//! The usage ledger: one row a request and file, with the copies of one request resolved.

use rusqlite::{Connection, params};

use crate::trace::{Confidence, Session, Timestamp, Tokens, UsageRow};
use crate::usage::{Copy, CountedRow, choose};

use super::{Archive, StoreError};

fn confidence_code(c: Confidence) -> i64 {
    match c {
        Confidence::Exact => 0,
        Confidence::Reported => 1,
        Confidence::Estimated => 2,
        Confidence::LowerBound => 3,
        Confidence::Unpriced => 4,
    }
}

fn confidence_of(code: i64) -> Confidence {
    match code {
        1 => Confidence::Reported,
        2 => Confidence::Estimated,
        3 => Confidence::LowerBound,
        4 => Confidence::Unpriced,
        _ => Confidence::Exact,
    }
}

/// SQLite integers are signed; a figure beyond them is kept at the largest one.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Stores the requests of one file. Requests that a rewritten file no longer holds stay counted.
pub(super) fn put<'a>(
    conn: &Connection,
    file_id: i64,
    agent: &str,
    sessions: impl Iterator<Item = &'a Session>,
    rows: &[UsageRow],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sessions: Vec<&Session> = sessions.collect();
    let mut upsert = conn.prepare_cached(
        "INSERT INTO usage(file_id, dedupe_key, session, agent, project, session_started, session_ended, at, model,
           input, output, reasoning, cache_read, cache_write_5m, cache_write_1h, web_search, reported_picousd, fast,
           geo, service_tier, subagent, skill, offset, copied, confidence)
         VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25)
         ON CONFLICT(file_id, dedupe_key) DO UPDATE SET session = excluded.session, project = excluded.project,
           session_started = excluded.session_started, session_ended = excluded.session_ended, at = excluded.at,
           model = excluded.model, input = excluded.input, output = excluded.output,
           reasoning = excluded.reasoning, cache_read = excluded.cache_read,
           cache_write_5m = excluded.cache_write_5m, cache_write_1h = excluded.cache_write_1h,
           web_search = excluded.web_search, reported_picousd = excluded.reported_picousd, fast = excluded.fast,
           geo = excluded.geo, service_tier = excluded.service_tier, subagent = excluded.subagent,
           skill = excluded.skill, offset = excluded.offset, copied = excluded.copied,
           confidence = excluded.confidence",
    )?;
    for row in rows {
        // A subagent's requests may belong to its parent, which stands in another file: the file's own session
        // still tells project and time.
        let own = sessions.iter().find(|s| s.key == row.session).or(sessions.first());
        let t = &row.tokens;
        upsert.execute(params![
            file_id,
            row.dedupe_key,
            row.session.as_str(),
            agent,
            own.and_then(|s| s.project.as_deref()),
            own.and_then(|s| s.started).map(Timestamp::millis),
            own.and_then(|s| s.ended).map(Timestamp::millis),
            row.at.millis(),
            row.model,
            int(t.input),
            int(t.output),
            int(t.reasoning),
            int(t.cache_read),
            int(t.cache_write_5m),
            int(t.cache_write_1h),
            int(t.web_search),
            row.reported_picousd,
            row.fast,
            row.geo,
            row.service_tier,
            row.subagent,
            row.skill,
            int(row.offset),
            row.copied,
            confidence_code(row.confidence),
        ])?;
    }
    for row in rows {
        resolve(conn, &row.dedupe_key)?;
    }
    Ok(())
}

/// One copy of a request as it stands.
struct Standing {
    id: i64,
    session: String,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    output: u64,
    at: Timestamp,
    copied: bool,
    flags: (bool, bool),
}

/// Decides which copy of a request counts, where there are several.
fn resolve(conn: &Connection, key: &str) -> Result<(), StoreError> {
    let mut q = conn.prepare_cached(
        "SELECT id, session, session_started, session_ended, output, at, copied, owner, figures
         FROM usage WHERE dedupe_key = ?1 ORDER BY id",
    )?;
    let copies: Vec<Standing> = q
        .query_map([key], |r| {
            Ok(Standing {
                id: r.get(0)?,
                session: r.get(1)?,
                started: r.get::<_, Option<i64>>(2)?.map(Timestamp),
                ended: r.get::<_, Option<i64>>(3)?.map(Timestamp),
                output: r.get::<_, i64>(4)? as u64,
                at: Timestamp(r.get(5)?),
                copied: r.get(6)?,
                flags: (r.get(7)?, r.get(8)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    if copies.len() < 2 {
        return Ok(());
    }
    let only: Vec<Copy<'_>> = copies
        .iter()
        .map(|c| Copy {
            session: &c.session,
            session_started: c.started,
            session_ended: c.ended,
            output: c.output,
            at: c.at,
            copied: c.copied,
        })
        .collect();
    let Some((owner, figures)) = choose(&only) else { return Ok(()) };
    let mut set = conn.prepare_cached("UPDATE usage SET owner = ?2, figures = ?3 WHERE id = ?1")?;
    for (i, c) in copies.iter().enumerate() {
        if c.flags != (i == owner, i == figures) {
            set.execute(params![c.id, i == owner, i == figures])?;
        }
    }
    Ok(())
}

// The figures come from one copy, the session, project and agent from another where copied history was cut short.
const COUNTED: &str = "SELECT o.session, o.agent, o.project, f.at, f.model, f.input, f.output, f.reasoning,
   f.cache_read, f.cache_write_5m, f.cache_write_1h, f.web_search, f.reported_picousd, f.fast, f.geo,
   f.service_tier, o.subagent, o.skill, f.confidence FROM";

impl Archive {
    /// Hands every counted request to `each`, those at or after `since` and before `until`.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn counted(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        let range = "f.at >= coalesce(?1, f.at) AND f.at < coalesce(?2, f.at + 1)";
        let plain =
            format!("{COUNTED} usage o JOIN usage f ON f.id = o.id WHERE o.owner AND o.figures AND {range}");
        let split = format!(
            "{COUNTED} usage o JOIN usage f ON f.dedupe_key = o.dedupe_key AND f.figures
             WHERE o.owner AND NOT o.figures AND {range}"
        );
        for sql in [plain, split] {
            let mut q = self.conn.prepare_cached(&sql)?;
            let mut rows = q.query(params![since.map(Timestamp::millis), until.map(Timestamp::millis)])?;
            while let Some(r) = rows.next()? {
                each(&counted_row(r)?);
            }
        }
        Ok(())
    }

    /// Hands every counted request of one session to `each`.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn session_usage(&self, key: &str, each: &mut dyn FnMut(&CountedRow<'_>)) -> Result<(), StoreError> {
        let sql = format!(
            "{COUNTED} usage o JOIN usage f ON f.dedupe_key = o.dedupe_key AND f.figures
             WHERE o.owner AND o.session = ?1"
        );
        let mut q = self.conn.prepare_cached(&sql)?;
        let mut rows = q.query([key])?;
        while let Some(r) = rows.next()? {
            each(&counted_row(r)?);
        }
        Ok(())
    }
}

fn counted_row<'r>(r: &'r rusqlite::Row<'_>) -> rusqlite::Result<CountedRow<'r>> {
    let n = |i: usize| r.get::<_, i64>(i).map(|n| n as u64);
    let text = |i: usize| -> rusqlite::Result<&'r str> { Ok(r.get_ref(i)?.as_str()?) };
    let maybe = |i: usize| -> rusqlite::Result<Option<&'r str>> { Ok(r.get_ref(i)?.as_str_or_null()?) };
    Ok(CountedRow {
        session: text(0)?,
        agent: text(1)?,
        project: maybe(2)?,
        at: Timestamp(r.get(3)?),
        model: text(4)?,
        provider: None,
        tokens: Tokens {
            input: n(5)?,
            output: n(6)?,
            reasoning: n(7)?,
            cache_read: n(8)?,
            cache_write_5m: n(9)?,
            cache_write_1h: n(10)?,
            web_search: n(11)?,
        },
        reported_picousd: r.get(12)?,
        fast: r.get(13)?,
        geo: maybe(14)?,
        service_tier: maybe(15)?,
        subagent: maybe(16)?,
        skill: maybe(17)?,
        tools: &[],
        confidence: confidence_of(r.get(18)?),
    })
}
