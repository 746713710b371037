//! The usage ledger: every request of every log, and which copy of it counts.
//!
//! Requests stand packed by session and file ([`super::segment`]). Copies of one request are found when the ledger
//! is read: the hashes of all keys are sorted, and only rows whose hash stands there twice are held and compared.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use rusqlite::{Connection, params};

use crate::trace::{PromptChain, SessionFacts, Timestamp, UsageRow};
use crate::usage::{CountedRow, Place, ToolShare};

use super::forget::ForgottenSessions;
use super::held::Held;
use super::segment::{PackedRow, Unpacked, key_hashes, pack};
use super::{Archive, Lately, StoreError};

/// A file with more sessions than this is a database; its segments are looked up one by one.
const FEW: usize = 4;

/// Stores the requests of one file, or of a piece of it. Requests that a rewritten file no longer holds stay
/// counted.
pub(super) fn put(
    conn: &Connection,
    file_id: i64,
    facts: &[SessionFacts],
    rows: &[UsageRow],
    left: Option<&ForgottenSessions>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut groups: Vec<(&str, Vec<PackedRow<'_>>)> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let key = row.session.as_str();
        if left.is_some_and(|l| l.usage(key)) {
            continue;
        }
        let packed = PackedRow::of(row, facts);
        // Rows mostly follow others of their session.
        let last = groups.len().wrapping_sub(1);
        let at = match groups.last() {
            Some((k, _)) if *k == key => last,
            _ => *index.entry(key).or_insert(groups.len()),
        };
        match groups.get_mut(at) {
            Some((_, group)) => group.push(packed),
            None => groups.push((key, vec![packed])),
        }
    }
    let old = standing(conn, file_id, &groups)?;
    let new_keys: HashSet<&str> = rows.iter().map(|r| r.dedupe_key.as_str()).collect();
    for (id, session, body) in &old {
        let mut unpacked = Unpacked::open(body)?;
        let (mut kept, mut dropped) = (Vec::new(), false);
        while let Some(row) = unpacked.next()? {
            if new_keys.contains(row.dedupe_key) {
                dropped = true;
            } else {
                kept.push(row);
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
            None if dropped => write(conn, file_id, session, &kept)?,
            None => {}
        }
    }
    for (session, group) in &groups {
        write(conn, file_id, session, group)?;
    }
    Ok(())
}

type Stored = (i64, String, Vec<u8>);

/// The segments of a file that new rows may replace rows of.
fn standing(
    conn: &Connection,
    file_id: i64,
    groups: &[(&str, Vec<PackedRow<'_>>)],
) -> Result<Vec<Stored>, StoreError> {
    let stored = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?));
    let mut all =
        conn.prepare_cached("SELECT id, session, body FROM segments WHERE file_id = ?1 LIMIT ?2")?;
    let found: Vec<Stored> =
        all.query_map(params![file_id, FEW as i64 + 1], stored)?.collect::<Result<_, _>>()?;
    if found.len() <= FEW {
        return Ok(found);
    }
    let mut one =
        conn.prepare_cached("SELECT id, session, body FROM segments WHERE file_id = ?1 AND session = ?2")?;
    let mut out = Vec::new();
    for (session, _) in groups {
        for row in one.query_map(params![file_id, session], stored)? {
            out.push(row?);
        }
    }
    Ok(out)
}

/// The earliest and the latest of some instants, in milliseconds.
pub(super) fn span(times: impl Iterator<Item = Timestamp>) -> (i64, i64) {
    times.fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at.millis()), last.max(at.millis())))
}

fn write(conn: &Connection, file_id: i64, session: &str, rows: &[PackedRow<'_>]) -> Result<(), StoreError> {
    let (body, keys) = pack(rows);
    let (first, last) = span(rows.iter().map(|r| r.at));
    conn.prepare_cached(
        "INSERT INTO segments(file_id, session, rows, keys, body, first, last) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT(file_id, session) DO UPDATE SET rows = excluded.rows, keys = excluded.keys,
           body = excluded.body, first = excluded.first, last = excluded.last",
    )?
    .execute(params![file_id, session, rows.len() as i64, keys, body, first, last])?;
    Ok(())
}

/// While it lives, pages are read where the system caches them instead of being copied: a report reads every segment
/// once. A scan must not, whose memory would seem to grow with the archive.
pub(super) struct Mapped<'c>(&'c Connection);

impl<'c> Mapped<'c> {
    const BYTES: i64 = 256 << 20;

    /// Where SQLite refuses, pages are copied.
    pub(super) fn of(conn: &'c Connection) -> Self {
        let _ = conn.pragma_update(None, "mmap_size", Self::BYTES);
        Mapped(conn)
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        let _ = self.0.pragma_update(None, "mmap_size", 0);
    }
}

/// Which requests are wanted, and how much of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only those at or after this instant.
    pub since: Option<Timestamp>,
    /// Only those before this instant.
    pub until: Option<Timestamp>,
    /// With what tools' results take up of their prompts.
    pub tools: bool,
}

impl Wanted {
    /// Whether an instant is in the range.
    pub fn holds(self, at: Timestamp) -> bool {
        self.since.is_none_or(|s| at >= s) && self.until.is_none_or(|u| at < u)
    }
}

/// The segments that are looked at.
pub(super) struct Part {
    /// Those that reach into the last days.
    pub(super) recent: Vec<i64>,
    /// Others.
    pub(super) also: Vec<i64>,
    /// With what tools' results take up of the prompts.
    pub(super) tools: bool,
}

/// What tools' results take up of the prompt, followed from row to row of one segment.
#[derive(Default)]
struct Carry<'a> {
    wanted: bool,
    shares: Vec<ToolShare<'a>>,
}

impl<'a> Carry<'a> {
    fn step(&mut self, row: &PackedRow<'a>) -> &[ToolShare<'a>] {
        if !self.wanted {
            return &[];
        }
        match row.chain {
            PromptChain::Detached => return &[],
            PromptChain::Start => self.shares.clear(),
            PromptChain::Continuation => {}
        }
        for s in &mut self.shares {
            s.carried = s.carried.saturating_add(std::mem::take(&mut s.fresh));
        }
        for (tool, tokens) in &row.tool_tokens {
            match self.shares.iter_mut().find(|s| s.tool == *tool) {
                Some(s) => s.fresh = s.fresh.saturating_add(*tokens),
                None => self.shares.push(ToolShare { tool, fresh: *tokens, carried: 0 }),
            }
        }
        &self.shares
    }
}

pub(super) fn agent_of(session: &str) -> &str {
    session.split_once(':').map_or("", |(agent, _)| agent)
}

/// The path that stands for a file of another machine.
pub fn device_path(device: &str, file: &str) -> String {
    format!("device:{device}:{file}")
}

/// The machine of such a path.
pub fn device_of(path: &str) -> Option<&str> {
    path.strip_prefix("device:")?.rsplit_once(':').map(|(device, _)| device)
}

fn plain<'a>(
    file: i64,
    row: &PackedRow<'a>,
    tools: &'a [ToolShare<'a>],
    devices: &'a HashMap<i64, Rc<str>>,
) -> CountedRow<'a> {
    CountedRow {
        agent: agent_of(row.session.key),
        session: row.session.key,
        project: row.session.project,
        at: row.at,
        model: row.model,
        provider: row.provider,
        tokens: row.tokens,
        reported_picousd: row.reported_picousd,
        fast: row.fast,
        geo: row.geo,
        service_tier: row.service_tier,
        // Mostly there is no other machine.
        device: if devices.is_empty() { None } else { devices.get(&file).map(|d| &**d) },
        subagent: row.subagent,
        skill: row.skill,
        tools,
        confidence: row.confidence,
        key: row.dedupe_key,
        place: Place { file, offset: row.offset, session: row.session.key },
        copies: &[],
    }
}

impl Archive {
    /// Hands every counted request to `each`, those at or after `since` and before `until`.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or a segment does not read back.
    pub fn counted(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        self.counted_with(Wanted { since, until, tools: false }, each)
    }

    /// The same, with the shares of tools where they are wanted. Of a range, only the segments that reach into it are
    /// opened, and those that hold copies of what they hold.
    ///
    /// # Errors
    /// As [`Archive::counted`].
    pub fn counted_with(
        &self,
        range: Wanted,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        let _mapped = Mapped::of(&self.conn);
        if let Some(segments) = self.within(range)? {
            let devices = self.devices()?;
            return self.in_segments(segments, range.tools, &devices, &|row| range.holds(row.at), each);
        }
        let all = Lately { since: Timestamp(i64::MIN), tools: range.tools, ..Lately::default() };
        self.counted_all(&all, &mut |row, _| {
            if range.holds(row.at) {
                each(row);
            }
        })?;
        Ok(())
    }

    /// Hands every counted request to `each`, and whether a copy of it stands in a segment that reaches into the last
    /// days. Returns what [`Recent::straddling`](super::Recent::straddling) is.
    ///
    /// # Errors
    /// As [`Archive::counted`].
    pub fn counted_all(
        &self,
        p: &Lately<'_>,
        each: &mut dyn FnMut(&CountedRow<'_>, bool),
    ) -> Result<u64, StoreError> {
        let _mapped = Mapped::of(&self.conn);
        let devices = self.devices()?;
        let mut hashes = self.key_hashes()?;
        hashes.sort_unstable();
        let (mut twice, mut copies): (HashSet<u64, Hashed>, usize) = (HashSet::default(), 0);
        for same in hashes.chunk_by(|a, b| a == b).filter(|same| same.len() > 1) {
            copies += same.len();
            twice.extend(same.first());
        }
        drop(hashes);
        let mut older = self.older_segments(p.since)?.into_iter().peekable();
        let mut held = Held::with_capacity(copies);
        let mut q = self.conn.prepare_cached("SELECT keys, body, file_id, id FROM segments ORDER BY id")?;
        let mut segments = q.query([])?;
        while let Some(r) = segments.next()? {
            let (keys, body, file, id) = (blob(r, 0)?, blob(r, 1)?, r.get(2)?, r.get(3)?);
            while older.next_if(|o| *o < id).is_some() {}
            let recent = older.peek() != Some(&id);
            let mut hashes = key_hashes(keys);
            let mut rows = Unpacked::open(body)?;
            if !p.tools {
                rows = rows.without_tools();
            }
            let mut carry = Carry { wanted: p.tools, ..Carry::default() };
            let mut row = PackedRow::default();
            while rows.read(&mut row)? {
                let tools = carry.step(&row);
                match hashes.next().filter(|h| twice.contains(h)) {
                    Some(hash) => held.add(hash, file, &row, tools, recent),
                    None => each(&plain(file, &row, tools, &devices), recent),
                }
            }
        }
        Ok(held.settle(&devices, each))
    }

    /// The segments that ended before an instant, by their ids.
    fn older_segments(&self, since: Timestamp) -> Result<Vec<i64>, StoreError> {
        if since.millis() == i64::MIN {
            return Ok(Vec::new());
        }
        let mut q = self.conn.prepare_cached("SELECT id FROM segments WHERE last < ?1")?;
        let mut ids: Vec<i64> = q.query_map([since.millis()], |r| r.get(0))?.collect::<Result<_, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// The segments with a request of the range, where they are few enough for it to pay.
    pub(super) fn within(&self, range: Wanted) -> Result<Option<Vec<i64>>, StoreError> {
        if range.since.is_none() && range.until.is_none() {
            return Ok(None);
        }
        let mut q = self
            .conn
            .prepare_cached("SELECT id FROM segments WHERE last >= ?1 AND first < ?2 ORDER BY id")?;
        let since = range.since.map_or(i64::MIN, Timestamp::millis);
        let until = range.until.map_or(i64::MAX, Timestamp::millis);
        let ids: Vec<i64> = q.query_map([since, until], |r| r.get(0))?.collect::<Result<_, _>>()?;
        let all: i64 =
            self.conn.prepare_cached("SELECT count(*) FROM segments")?.query_row([], |r| r.get(0))?;
        Ok((ids.len() as i64 * 2 < all).then_some(ids))
    }

    /// Hands every counted request of these sessions to `each`.
    ///
    /// # Errors
    /// As [`Archive::counted`].
    pub fn usage_of_sessions(
        &self,
        sessions: &HashSet<&str>,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        let _mapped = Mapped::of(&self.conn);
        let mut mine = Vec::new();
        let mut q = self.conn.prepare_cached("SELECT id FROM segments WHERE session = ?1")?;
        for session in sessions {
            for id in q.query_map([session], |r| r.get(0))? {
                mine.push(id?);
            }
        }
        self.in_segments(mine, false, &HashMap::new(), &|row| sessions.contains(row.session), each)
    }

    /// Hands what counts of these segments' requests to `each`, as far as it is wanted. Copies of them are looked for
    /// in all segments, by their hashes.
    fn in_segments(
        &self,
        mine: Vec<i64>,
        tools: bool,
        devices: &HashMap<i64, Rc<str>>,
        wanted: &dyn Fn(&CountedRow<'_>) -> bool,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        let part = Part { recent: mine, also: Vec::new(), tools };
        self.in_part(part, devices, &mut |row, _| {
            if wanted(row) {
                each(row);
            }
        })?;
        Ok(())
    }

    /// Hands what counts of these segments' requests to `each`, and whether a copy of it stands in a recent one. Returns
    /// what [`Recent::straddling`](super::Recent::straddling) is.
    pub(super) fn in_part(
        &self,
        mut part: Part,
        devices: &HashMap<i64, Rc<str>>,
        each: &mut dyn FnMut(&CountedRow<'_>, bool),
    ) -> Result<u64, StoreError> {
        part.recent.sort_unstable();
        part.also.sort_unstable();
        let mut own: HashMap<u64, u32, Hashed> = HashMap::default();
        let mut q = self.conn.prepare_cached("SELECT keys FROM segments WHERE id = ?1")?;
        for id in part.recent.iter().chain(&part.also) {
            let mut segment = q.query([id])?;
            let Some(r) = segment.next()? else { continue };
            for h in key_hashes(blob(r, 0)?) {
                own.entry(h).or_default();
            }
        }
        if own.is_empty() {
            return Ok(0);
        }
        // Which of them stand elsewhere too, and where.
        let (mut opened, mut copies) = (Vec::with_capacity(part.recent.len() + part.also.len()), 0usize);
        let mut q = self.conn.prepare_cached("SELECT id, keys FROM segments ORDER BY id")?;
        let mut segments = q.query([])?;
        while let Some(r) = segments.next()? {
            let id: i64 = r.get(0)?;
            let recent = part.recent.binary_search(&id).is_ok();
            let mut open = recent || part.also.binary_search(&id).is_ok();
            for h in key_hashes(blob(r, 1)?) {
                if let Some(n) = own.get_mut(&h) {
                    *n += 1;
                    copies += usize::from(*n > 1);
                    open = true;
                }
            }
            if open {
                opened.push((id, recent));
            }
        }
        let mut held = Held::with_capacity(copies.saturating_mul(2));
        let mut q = self.conn.prepare_cached("SELECT keys, body, file_id FROM segments WHERE id = ?1")?;
        for (id, recent) in opened {
            let mut segment = q.query([id])?;
            let Some(r) = segment.next()? else { continue };
            let mut hashes = key_hashes(blob(r, 0)?);
            let file = r.get(2)?;
            let mut rows = Unpacked::open(blob(r, 1)?)?;
            if !part.tools {
                rows = rows.without_tools();
            }
            let mut carry = Carry { wanted: part.tools, ..Carry::default() };
            let mut row = PackedRow::default();
            while rows.read(&mut row)? {
                let shares = carry.step(&row);
                let hash = hashes.next().unwrap_or_default();
                match own.get(&hash) {
                    None | Some(0) => {}
                    Some(1) => each(&plain(file, &row, shares, devices), recent),
                    Some(_) => held.add(hash, file, &row, shares, recent),
                }
            }
        }
        Ok(held.settle(devices, each))
    }

    /// The machines that files stand for whose usage was imported, by the files' ids.
    pub(super) fn devices(&self) -> Result<HashMap<i64, Rc<str>>, StoreError> {
        let mut q = self
            .conn
            .prepare_cached("SELECT id, path FROM files WHERE path >= 'device:' AND path < 'device;'")?;
        let mut out = HashMap::new();
        let mut names: HashSet<Rc<str>> = HashSet::new();
        let mut rows = q.query([])?;
        while let Some(r) = rows.next()? {
            let path: String = r.get(1)?;
            let Some(device) = device_of(&path) else { continue };
            let name = names.get(device).cloned().unwrap_or_else(|| Rc::from(device));
            names.insert(Rc::clone(&name));
            out.insert(r.get(0)?, name);
        }
        Ok(out)
    }

    /// Hands every copy of every request to `each`, with the path of its file and what its session is, whether it
    /// counts or not.
    ///
    /// # Errors
    /// As [`Archive::counted`].
    pub fn each_copy(
        &self,
        each: &mut dyn FnMut(&str, UsageRow, SessionFacts) -> bool,
    ) -> Result<(), StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT f.path, s.body FROM segments s JOIN files f ON f.id = s.file_id ORDER BY s.id",
        )?;
        let mut segments = q.query([])?;
        while let Some(r) = segments.next()? {
            let path: String = r.get(0)?;
            let mut rows = Unpacked::open(blob(r, 1)?)?;
            while let Some(row) = rows.next()? {
                let (row, facts) = row.owned();
                if !each(&path, row, facts) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Paths of files by id, and whether they are gone.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn file_paths(&self, ids: &HashSet<i64>) -> Result<HashMap<i64, (String, bool)>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT path, gone FROM files WHERE id = ?1")?;
        let mut out = HashMap::new();
        for id in ids {
            let mut rows = q.query([id])?;
            if let Some(r) = rows.next()? {
                out.insert(*id, (r.get(0)?, r.get(1)?));
            }
        }
        Ok(out)
    }

    /// Which of these sessions were forgotten with their requests.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn usage_forgotten(&self, sessions: &HashSet<&str>) -> Result<HashSet<String>, StoreError> {
        let left = ForgottenSessions::load(&self.conn)?;
        let gone = sessions.iter().filter(|k| left.as_ref().is_some_and(|l| l.usage(k)));
        Ok(gone.map(|k| (*k).to_owned()).collect())
    }

    fn key_hashes(&self) -> Result<Vec<u64>, StoreError> {
        let mut out = Vec::new();
        let mut q = self.conn.prepare_cached("SELECT keys FROM segments")?;
        let mut segments = q.query([])?;
        while let Some(r) = segments.next()? {
            out.extend(key_hashes(blob(r, 0)?));
        }
        Ok(out)
    }
}

/// The keys are hashes already.
type Hashed = BuildHasherDefault<AsIs>;

#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |n, b| n.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

fn blob<'r>(r: &'r rusqlite::Row<'_>, i: usize) -> Result<&'r [u8], StoreError> {
    r.get_ref(i)?.as_blob().map_err(|e| StoreError::Corrupt { what: "usage segment", detail: e.to_string() })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::{SessionKey, Tokens};

    pub(in crate::store) const DAY: i64 = 86_400_000;

    /// A request of (file, session, key, day, output, copied); the session and the time of a key differ from copy to
    /// copy, as forks have it.
    pub(in crate::store) type Asked = (i64, u8, u8, i64, u64, bool);

    /// Writes what a file holds.
    pub(in crate::store) fn write_file(archive: &Archive, file: i64, asked: &[Asked]) {
        archive
            .conn
            .execute(
                "INSERT OR IGNORE INTO files(id, path, agent, inode, size, mtime_ns, reader)
                 VALUES(?1, ?2, 'claude', 0, 1, 1, 1)",
                params![file, format!("/{file}")],
            )
            .unwrap();
        let own = asked.iter().filter(|a| a.0 == file);
        let rows: Vec<UsageRow> = own
            .enumerate()
            .map(|(n, (_, session, key, day, output, copied))| UsageRow {
                dedupe_key: format!("claude:{key}"),
                session: SessionKey::new("claude", &format!("s{session}")),
                at: Timestamp(day * DAY + i64::from(*key)),
                model: format!("m{}", key % 3),
                provider: key.is_multiple_of(2).then(|| "p".to_owned()),
                tokens: Tokens { output: *output, input: u64::from(*key), ..Tokens::default() },
                reported_picousd: (key % 3 == 1).then_some(i64::from(*key) - 4),
                fast: *output == 1,
                subagent: copied.then(|| "Explore".to_owned()),
                offset: n as u64,
                copied: *copied,
                ..UsageRow::default()
            })
            .collect();
        put(&archive.conn, file, &[], &rows, None).unwrap();
    }

    fn archive(asked: &[Asked]) -> Archive {
        let archive = Archive::in_memory().unwrap();
        for file in 1..=6i64 {
            write_file(&archive, file, asked);
        }
        archive
    }

    fn noted(out: &mut Vec<(i64, String)>, row: &CountedRow<'_>) {
        out.push((row.at.millis(), format!("{row:?}")));
    }

    fn sorted(mut rows: Vec<(i64, String)>) -> Vec<(i64, String)> {
        rows.sort();
        rows
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn a_part_of_the_ledger_is_that_part_of_the_whole(
            asked in prop::collection::vec((1i64..7, 0u8..5, 0u8..14, 0i64..40, 0u64..3, any::<bool>()), 0..40),
            since in 0i64..42, length in 0i64..20, session in 0u8..5,
        ) {
            let archive = archive(&asked);
            let mut all = Vec::new();
            archive.counted(None, None, &mut |r| noted(&mut all, r)).unwrap();
            let of = |session: &str| format!("session: {session:?}, project");
            let (since, until) = (Timestamp(since * DAY), Timestamp((since + length) * DAY));
            for (a, b) in [(Some(since), None), (None, Some(until)), (Some(since), Some(until))] {
                let mut part = Vec::new();
                archive.counted(a, b, &mut |r| noted(&mut part, r)).unwrap();
                let range = Wanted { since: a, until: b, tools: false };
                let want = all.iter().filter(|(at, _)| range.holds(Timestamp(*at))).cloned().collect();
                prop_assert_eq!(sorted(part), sorted(want));
            }
            let key = format!("claude:s{session}");
            let mut own = Vec::new();
            archive.usage_of_sessions(&HashSet::from([key.as_str()]), &mut |r| noted(&mut own, r)).unwrap();
            let want = all.iter().filter(|(_, r)| r.contains(&of(&key))).cloned().collect();
            prop_assert_eq!(sorted(own), sorted(want));

            let mut lately = Vec::new();
            let keys = HashSet::from([key.clone()]);
            let named = Lately { since, active: Some(until), named: Some(&keys), tools: false };
            let whole = archive.counted_lately(&named, &mut |r, _| noted(&mut lately, r)).unwrap().map(|r| r.whole);
            if whole.is_none() {
                lately.clone_from(&all);
            }
            for row in &lately {
                prop_assert!(all.contains(row));
            }
            let known = |row: &&(i64, String)| match &whole {
                None => true,
                Some(whole) => row.0 >= since.millis() || whole.iter().any(|s| row.1.contains(&of(s))),
            };
            let (lately, all) = (lately.iter().filter(known).cloned(), all.iter().filter(known).cloned());
            prop_assert_eq!(sorted(lately.collect()), sorted(all.collect()));
        }
    }
}
