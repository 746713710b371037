//! Requests whose dedupe key stands in several places, held small until all copies are known.
//!
//! Touching memory for the first time is a good part of what a report takes, so what rows share (session, model and
//! the like) stands once, and a row is some hundred bytes.

use std::collections::HashMap;
use std::rc::Rc;

use crate::trace::{Confidence, Timestamp, Tokens};
use crate::usage::{Copy, CountedRow, Place, ToolShare, choose};

use super::segment::PackedRow;

/// The held rows; texts stand once each.
#[derive(Default)]
pub(super) struct Held {
    rows: Vec<Row>,
    stands: Vec<Stand>,
    kinds: Vec<Kind>,
    kind_ids: HashMap<Kind, u32>,
    tools: Vec<(u32, u64, u64)>,
    reported: Vec<i64>,
    texts: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, u32>,
    /// The dedupe keys, one after the other.
    keys: String,
}

/// Where rows stand: file and session.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stand {
    file: i64,
    session: u32,
    project: Option<u32>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// What many rows have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    model: u32,
    provider: Option<u32>,
    geo: Option<u32>,
    service_tier: Option<u32>,
    subagent: Option<u32>,
    skill: Option<u32>,
    fast: bool,
    copied: bool,
    confidence: Confidence,
}

struct Row {
    hash: u64,
    key: usize,
    key_len: u32,
    stand: u32,
    kind: u32,
    tool_count: u32,
    tools: usize,
    at: Timestamp,
    tokens: Tokens,
    offset: u64,
    /// In a segment that reaches into the last days.
    recent: bool,
    /// One more than the place in `reported`; zero for none.
    reported: usize,
}

impl Held {
    /// Room for so many rows.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Held { rows: Vec::with_capacity(rows), ..Held::default() }
    }

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

    fn is(&self, id: Option<u32>, text: Option<&str>) -> bool {
        id.map(|id| self.text(id)) == text
    }

    fn key(&self, row: &Row) -> &str {
        self.keys.get(row.key..row.key + row.key_len as usize).unwrap_or_default()
    }

    /// The number of where a row stands; neighbours mostly stand together.
    fn stand(&mut self, file: i64, row: &PackedRow<'_>) -> u32 {
        let s = &row.session;
        let same = self.stands.last().is_some_and(|l| {
            l.file == file
                && (l.started, l.ended) == (s.started, s.ended)
                && self.text(l.session) == s.key
                && self.is(l.project, s.project)
        });
        if !same {
            let stand = Stand {
                file,
                session: self.id(s.key),
                project: s.project.map(|t| self.id(t)),
                started: s.started,
                ended: s.ended,
            };
            self.stands.push(stand);
        }
        self.stands.len() as u32 - 1
    }

    /// The number of a row's kind; neighbours are mostly of one kind.
    fn kind(&mut self, row: &PackedRow<'_>) -> u32 {
        let before = self.rows.last().map(|r| r.kind);
        let same = |k: &Kind| {
            (k.fast, k.copied, k.confidence) == (row.fast, row.copied, row.confidence)
                && self.text(k.model) == row.model
                && self.is(k.provider, row.provider)
                && self.is(k.geo, row.geo)
                && self.is(k.service_tier, row.service_tier)
                && self.is(k.subagent, row.subagent)
                && self.is(k.skill, row.skill)
        };
        if let Some(id) = before
            && self.kinds.get(id as usize).is_some_and(same)
        {
            return id;
        }
        let kind = Kind {
            model: self.id(row.model),
            provider: row.provider.map(|t| self.id(t)),
            geo: row.geo.map(|t| self.id(t)),
            service_tier: row.service_tier.map(|t| self.id(t)),
            subagent: row.subagent.map(|t| self.id(t)),
            skill: row.skill.map(|t| self.id(t)),
            fast: row.fast,
            copied: row.copied,
            confidence: row.confidence,
        };
        if let Some(id) = self.kind_ids.get(&kind) {
            return *id;
        }
        let id = self.kinds.len() as u32;
        self.kinds.push(kind);
        self.kind_ids.insert(kind, id);
        id
    }

    /// Holds a row of a file; `hash` is that of its key, `recent` whether its segment reaches into the last days.
    pub(super) fn add(
        &mut self,
        hash: u64,
        file: i64,
        row: &PackedRow<'_>,
        tools: &[ToolShare<'_>],
        recent: bool,
    ) {
        let (stand, kind) = (self.stand(file, row), self.kind(row));
        let first_tool = self.tools.len();
        for t in tools {
            let id = self.id(t.tool);
            self.tools.push((id, t.fresh, t.carried));
        }
        let reported = row.reported_picousd.map_or(0, |n| {
            self.reported.push(n);
            self.reported.len()
        });
        let key = self.keys.len();
        self.keys.push_str(row.dedupe_key);
        self.rows.push(Row {
            hash,
            key,
            key_len: row.dedupe_key.len() as u32,
            stand,
            kind,
            tool_count: tools.len() as u32,
            tools: first_tool,
            at: row.at,
            tokens: row.tokens,
            offset: row.offset,
            recent,
            reported,
        });
    }

    /// Settles every group of copies and hands out what counts, and whether any copy is recent: the figures of one copy,
    /// the session, project and agent of another where copied history was cut short. Returns the sum of the hashes of
    /// copies that are not recent while others of their group are: as long as it is the same, so are those copies.
    pub(super) fn settle(
        &self,
        devices: &HashMap<i64, Rc<str>>,
        each: &mut dyn FnMut(&CountedRow<'_>, bool),
    ) -> u64 {
        let mut straddling = 0u64;
        let mut order: Vec<(u64, u32)> =
            self.rows.iter().enumerate().map(|(n, r)| (r.hash, n as u32)).collect();
        order.sort_unstable();
        let row = |n: &(u64, u32)| self.rows.get(n.1 as usize);
        let mut group: Vec<&Row> = Vec::new();
        for same_hash in order.chunk_by_mut(|a, b| a.0 == b.0) {
            let older = same_hash.iter().filter_map(row).filter(|r| !r.recent).count();
            let recent = older < same_hash.len();
            if recent && let Some((hash, _)) = same_hash.first() {
                straddling = straddling.wrapping_add(hash.wrapping_mul(older as u64));
            }
            if same_hash.len() > 2 {
                same_hash.sort_by_key(|n| row(n).map(|r| self.key(r)));
            }
            let same_key =
                |a: &(u64, u32), b: &(u64, u32)| row(a).map(|r| self.key(r)) == row(b).map(|r| self.key(r));
            for numbers in same_hash.chunk_by(same_key) {
                group.clear();
                group.extend(numbers.iter().filter_map(row));
                self.settle_one(&group, devices, &mut |row| each(row, recent));
            }
        }
        straddling
    }

    fn settle_one(
        &self,
        group: &[&Row],
        devices: &HashMap<i64, Rc<str>>,
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) {
        let stands = |r: &Row| self.stands.get(r.stand as usize);
        let kinds = |r: &Row| self.kinds.get(r.kind as usize);
        let copies: Vec<Copy<'_>> = group
            .iter()
            .filter_map(|r| {
                let (stand, kind) = (stands(r)?, kinds(r)?);
                Some(Copy {
                    session: self.text(stand.session),
                    session_started: stand.started,
                    session_ended: stand.ended,
                    output: r.tokens.output,
                    tokens: r.tokens.total(),
                    at: r.at,
                    copied: kind.copied,
                })
            })
            .collect();
        let Some((owner, figures)) = choose(&copies) else { return };
        let (Some(o), Some(f)) = (group.get(owner), group.get(figures)) else { return };
        let (Some(stand), Some(kind), Some(of)) = (stands(o), kinds(f), kinds(o)) else { return };
        let text = |id: Option<u32>| id.map(|id| self.text(id));
        let place = |r: &Row| {
            let stand = stands(r);
            Place {
                file: stand.map_or(0, |s| s.file),
                offset: r.offset,
                session: stand.map_or("", |s| self.text(s.session)),
            }
        };
        let places: Vec<Place<'_>> =
            if group.len() > 1 { group.iter().map(|r| place(r)).collect() } else { Vec::new() };
        let tools: Vec<ToolShare<'_>> = self
            .tools
            .iter()
            .skip(f.tools)
            .take(f.tool_count as usize)
            .map(|(tool, fresh, carried)| ToolShare {
                tool: self.text(*tool),
                fresh: *fresh,
                carried: *carried,
            })
            .collect();
        let session = self.text(stand.session);
        each(&CountedRow {
            device: if devices.is_empty() { None } else { devices.get(&stand.file).map(|d| &**d) },
            agent: super::ledger::agent_of(session),
            session,
            project: text(stand.project),
            at: f.at,
            model: self.text(kind.model),
            provider: text(kind.provider),
            tokens: f.tokens,
            reported_picousd: f.reported.checked_sub(1).and_then(|n| self.reported.get(n)).copied(),
            fast: kind.fast,
            geo: text(kind.geo),
            service_tier: text(kind.service_tier),
            subagent: text(of.subagent),
            skill: text(of.skill),
            tools: &tools,
            confidence: kind.confidence,
            key: self.key(f),
            place: place(f),
            copies: &places,
        });
    }
}
