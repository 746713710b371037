//! The usage ledger: every request of every log, and which copy of it counts.
//!
//! Requests stand packed by session and file ([`super::segment`]). Copies of one request are found when the ledger
//! is read: the hashes of all keys are sorted, and only rows whose hash stands there twice are held and compared.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use rusqlite::{Connection, params};

use crate::trace::{Chain, Confidence, SessionFacts, SessionKey, Timestamp, Tokens, UsageRow};
use crate::usage::{Copy, CountedRow, Place, ToolShare, choose};

use super::forget::Left;
use super::segment::{PackedRow, Unpacked, confidence_of, key_hashes, pack};
use super::{Archive, StoreError};

/// A file with more sessions than this is a database; its segments are looked up one by one.
const FEW: usize = 4;

/// Stores the requests of one file, or of a piece of it. Requests that a rewritten file no longer holds stay
/// counted.
pub(super) fn put(
    conn: &Connection,
    file_id: i64,
    facts: &[SessionFacts],
    rows: &[UsageRow],
    left: Option<&Left>,
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

fn write(conn: &Connection, file_id: i64, session: &str, rows: &[PackedRow<'_>]) -> Result<(), StoreError> {
    let (body, keys) = pack(rows);
    conn.prepare_cached(
        "INSERT INTO segments(file_id, session, rows, keys, body) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(file_id, session) DO UPDATE SET rows = excluded.rows, keys = excluded.keys,
           body = excluded.body",
    )?
    .execute(params![file_id, session, rows.len() as i64, keys, body])?;
    Ok(())
}

/// Rows whose key stands in several places, held until all copies are known; texts stand once each.
#[derive(Default)]
struct Held {
    rows: Vec<HeldRow>,
    texts: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, u32>,
    /// The dedupe keys, one after the other.
    keys: String,
}

/// One of them: the row with its texts by number.
struct HeldRow {
    hash: u64,
    key: (usize, usize),
    session: u32,
    project: Option<u32>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    at: Timestamp,
    model: u32,
    provider: Option<u32>,
    tokens: Tokens,
    /// Tool, fresh and carried tokens.
    tools: Vec<(u32, u64, u64)>,
    file: i64,
    offset: u64,
    reported_picousd: Option<i64>,
    fast: bool,
    geo: Option<u32>,
    service_tier: Option<u32>,
    subagent: Option<u32>,
    skill: Option<u32>,
    copied: bool,
    confidence: Confidence,
}

impl Held {
    fn id(&mut self, text: &str) -> u32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as u32;
        let text: Rc<str> = Rc::from(text);
        self.texts.push(Rc::clone(&text));
        self.ids.insert(text, id);
        id
    }

    fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |t| &**t)
    }

    fn key(&self, row: &HeldRow) -> &str {
        self.keys.get(row.key.0..row.key.1).unwrap_or_default()
    }

    fn add(&mut self, hash: u64, file: i64, row: &PackedRow<'_>, tools: &[ToolShare<'_>]) {
        let start = self.keys.len();
        self.keys.push_str(row.dedupe_key);
        let held = HeldRow {
            hash,
            key: (start, self.keys.len()),
            session: self.id(row.session.key),
            project: row.session.project.map(|t| self.id(t)),
            started: row.session.started,
            ended: row.session.ended,
            at: row.at,
            model: self.id(row.model),
            provider: row.provider.map(|t| self.id(t)),
            tokens: row.tokens,
            tools: tools.iter().map(|t| (self.id(t.tool), t.fresh, t.carried)).collect(),
            file,
            offset: row.offset,
            reported_picousd: row.reported_picousd,
            fast: row.fast,
            geo: row.geo.map(|t| self.id(t)),
            service_tier: row.service_tier.map(|t| self.id(t)),
            subagent: row.subagent.map(|t| self.id(t)),
            skill: row.skill.map(|t| self.id(t)),
            copied: row.copied,
            confidence: row.confidence,
        };
        self.rows.push(held);
    }

    /// Settles every group of copies and hands out what counts: the figures of one copy, the session, project and
    /// agent of another where copied history was cut short.
    fn settle(&mut self, devices: &HashMap<i64, Rc<str>>, each: &mut dyn FnMut(&CountedRow<'_>)) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|a, b| (a.hash, self.key(a)).cmp(&(b.hash, self.key(b))));
        for group in rows.chunk_by(|a, b| a.hash == b.hash && self.key(a) == self.key(b)) {
            let copies: Vec<Copy<'_>> = group
                .iter()
                .map(|r| Copy {
                    session: self.text(r.session),
                    session_started: r.started,
                    session_ended: r.ended,
                    output: r.tokens.output,
                    at: r.at,
                    copied: r.copied,
                })
                .collect();
            let Some((owner, figures)) = choose(&copies) else { continue };
            let (Some(o), Some(f)) = (group.get(owner), group.get(figures)) else { continue };
            let text = |id: Option<u32>| id.map(|id| self.text(id));
            let place = |r: &HeldRow| Place { file: r.file, offset: r.offset, session: self.text(r.session) };
            let places: Vec<Place<'_>> = group.iter().map(place).collect();
            let tools: Vec<ToolShare<'_>> = f
                .tools
                .iter()
                .map(|(tool, fresh, carried)| ToolShare {
                    tool: self.text(*tool),
                    fresh: *fresh,
                    carried: *carried,
                })
                .collect();
            each(&CountedRow {
                device: devices.get(&o.file).map(|d| &**d),
                agent: agent_of(self.text(o.session)),
                session: self.text(o.session),
                project: text(o.project),
                at: f.at,
                model: self.text(f.model),
                provider: text(f.provider),
                tokens: f.tokens,
                reported_picousd: f.reported_picousd,
                fast: f.fast,
                geo: text(f.geo),
                service_tier: text(f.service_tier),
                subagent: text(o.subagent),
                skill: text(o.skill),
                tools: &tools,
                confidence: f.confidence,
                key: self.key(f),
                place: place(f),
                copies: if places.len() > 1 { &places } else { &[] },
            });
        }
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
            Chain::Apart => return &[],
            Chain::Starts => self.shares.clear(),
            Chain::Continues => {}
        }
        for s in &mut self.shares {
            s.carried = s.carried.saturating_add(std::mem::take(&mut s.fresh));
        }
        for (tool, tokens) in &row.added {
            match self.shares.iter_mut().find(|s| s.tool == *tool) {
                Some(s) => s.fresh = s.fresh.saturating_add(*tokens),
                None => self.shares.push(ToolShare { tool, fresh: *tokens, carried: 0 }),
            }
        }
        &self.shares
    }
}

fn agent_of(session: &str) -> &str {
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

fn plain<'a>(file: i64, row: &PackedRow<'a>, tools: &'a [ToolShare<'a>]) -> CountedRow<'a> {
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
        device: None,
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
    /// [`StoreError`] where SQLite refuses or a segment does not read back.
    pub fn counted(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        self.counted_with(Wanted { since, until, tools: false }, each)
    }

    /// The same, with the shares of tools where they are wanted.
    ///
    /// # Errors
    /// As [`Archive::counted`].
    pub fn counted_with(
        &self,
        range: Wanted,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<(), StoreError> {
        let mut hashes = self.key_hashes()?;
        hashes.sort_unstable();
        let mut twice: Vec<u64> = hashes.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
        twice.dedup();
        let twice: HashSet<u64, Hashed> = twice.into_iter().collect();
        drop(hashes);
        let mut held = Held::default();
        let devices = self.devices()?;
        let mut q = self.conn.prepare_cached("SELECT keys, body, file_id FROM segments ORDER BY id")?;
        let mut segments = q.query([])?;
        while let Some(r) = segments.next()? {
            let (keys, body, file) = (blob(r, 0)?, blob(r, 1)?, r.get(2)?);
            let mut hashes = key_hashes(keys);
            let mut rows = Unpacked::open(body)?;
            if !range.tools {
                rows = rows.without_tools();
            }
            let mut carry = Carry { wanted: range.tools, ..Carry::default() };
            while let Some(row) = rows.next()? {
                let tools = carry.step(&row);
                if let Some(hash) = hashes.next().filter(|h| twice.contains(h)) {
                    held.add(hash, file, &row, tools);
                } else if range.holds(row.at) {
                    let mut counted = plain(file, &row, tools);
                    // Mostly there is no other machine.
                    if !devices.is_empty() {
                        counted.device = devices.get(&file).map(|d| &**d);
                    }
                    each(&counted);
                }
            }
        }
        held.settle(&devices, &mut |row| {
            if range.holds(row.at) {
                each(row);
            }
        });
        Ok(())
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
        let mut own: HashMap<u64, u32, Hashed> = HashMap::default();
        let mut mine = HashSet::new();
        let mut q = self.conn.prepare_cached("SELECT id, keys FROM segments WHERE session = ?1")?;
        for session in sessions {
            let mut segments = q.query([session])?;
            while let Some(r) = segments.next()? {
                mine.insert(r.get::<_, i64>(0)?);
                for h in key_hashes(blob(r, 1)?) {
                    own.entry(h).or_default();
                }
            }
        }
        if own.is_empty() {
            return Ok(());
        }
        // Which of them stand elsewhere too, and where.
        let mut wanted = mine.clone();
        let mut q = self.conn.prepare_cached("SELECT id, keys FROM segments")?;
        let mut segments = q.query([])?;
        while let Some(r) = segments.next()? {
            let id: i64 = r.get(0)?;
            for h in key_hashes(blob(r, 1)?) {
                if let Some(n) = own.get_mut(&h) {
                    *n += 1;
                    if *n > 1 || !mine.contains(&id) {
                        wanted.insert(id);
                    }
                }
            }
        }
        let mut ids: Vec<i64> = wanted.into_iter().collect();
        ids.sort_unstable();
        let mut held = Held::default();
        let mut q = self.conn.prepare_cached("SELECT keys, body, file_id FROM segments WHERE id = ?1")?;
        for id in ids {
            let mut segment = q.query([id])?;
            let Some(r) = segment.next()? else { continue };
            let mut hashes = key_hashes(blob(r, 0)?);
            let file = r.get(2)?;
            let mut rows = Unpacked::open(blob(r, 1)?)?.without_tools();
            while let Some(row) = rows.next()? {
                let hash = hashes.next().unwrap_or_default();
                let copies = own.get(&hash).copied().unwrap_or_default();
                if copies > 1 {
                    held.add(hash, file, &row, &[]);
                } else if copies == 1 && sessions.contains(row.session.key) {
                    each(&plain(file, &row, &[]));
                }
            }
        }
        held.settle(&HashMap::new(), &mut |row| {
            if sessions.contains(row.session) {
                each(row);
            }
        });
        Ok(())
    }

    /// The machines that files stand for whose usage was imported, by the files' ids.
    fn devices(&self) -> Result<HashMap<i64, Rc<str>>, StoreError> {
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
    /// [`StoreError`] where SQLite refuses.
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
    /// [`StoreError`] where SQLite refuses.
    pub fn usage_forgotten(&self, sessions: &HashSet<&str>) -> Result<HashSet<String>, StoreError> {
        let left = Left::out(&self.conn)?;
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

/// Packs the rows of the ledger's first shape, one file at a time, and lets it go.
pub(super) fn pack_old_rows(conn: &Connection) -> Result<(), StoreError> {
    let mut q = conn.prepare("SELECT DISTINCT file_id FROM usage ORDER BY file_id")?;
    let files: Vec<i64> = q.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    for file_id in files {
        let (rows, facts) = old_rows(conn, file_id)?;
        put(conn, file_id, &facts, &rows, None)?;
    }
    conn.execute_batch("DROP TABLE usage")?;
    Ok(())
}

fn old_rows(conn: &Connection, file_id: i64) -> Result<(Vec<UsageRow>, Vec<SessionFacts>), rusqlite::Error> {
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
            provider: None,
            chain: Chain::Apart,
            added: Vec::new(),
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
        });
    }
    Ok((rows, facts))
}
