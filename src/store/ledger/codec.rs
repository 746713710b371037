//! The binary format of a segment: the requests of one session in one log file, packed into one value.
//!
//! A report reads every request, so a request takes about 60 bytes and some ten nanoseconds instead of one SQL row.
//! The layout is a format number, the table of texts, the table of sessions, then the rows. Every number is a LEB128
//! varint, signed ones with zigzag encoding; times and offsets are differences from the previous row.
//!
//! Format 2 adds to each row its provider and the prompt tokens that tool results added. Segments of format 1 remain
//! readable and are replaced when their log is read again.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::store::StoreError;
use crate::store::project_paths::ProjectPaths;
use crate::trace::{
    Confidence, PromptChain, SessionFacts, SessionKey, Timestamp, Tokens, ToolPromptTokens, UsageRow,
};

const FORMAT: u64 = 2;

/// The first format: no providers, no tools.
const FIRST_FORMAT: u64 = 1;

/// One request of a segment, and the facts of its session. The texts are borrowed from the segment or from a log's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SegmentEntry<'a> {
    pub row: UsageRow<&'a str>,
    pub facts: SessionFacts<&'a str>,
}

impl<'a> SegmentEntry<'a> {
    /// Borrows a row of a log, with the facts of its session.
    pub(super) fn borrow(row: &'a UsageRow, facts: &'a [SessionFacts]) -> Self {
        let key = SessionKey(row.session.as_str());
        let facts = SessionFacts::find(facts, &row.session).map(|f| f.map_text(String::as_str));
        SegmentEntry {
            row: row.map_text(String::as_str),
            facts: SessionFacts { key, ..facts.unwrap_or_default() },
        }
    }

    /// Returns the row and the facts with their own text.
    pub(super) fn to_owned(&self) -> (UsageRow, SessionFacts) {
        let text = |text: &&str| (*text).to_owned();
        (self.row.map_text(text), self.facts.map_text(text))
    }
}

/// Returns the eight bytes by which copies of a request are searched.
pub(super) fn key_hash(dedupe_key: &str) -> u64 {
    let digest = Sha256::digest(dedupe_key.as_bytes());
    digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Packs rows. Returns the packed value and the rows' key hashes, eight bytes each.
pub(super) fn pack(entries: &[SegmentEntry<'_>]) -> (Vec<u8>, Vec<u8>) {
    let mut texts = TextTable::default();
    let mut sessions: Vec<&SessionFacts<&str>> = Vec::new();
    let mut session_ids: HashMap<&SessionFacts<&str>, u64> = HashMap::new();
    let mut body = Vec::with_capacity(entries.len() * 72);
    let mut keys = Vec::with_capacity(entries.len() * 8);
    let (mut at, mut offset) = (0i64, 0i64);
    for SegmentEntry { row, facts } in entries {
        keys.extend_from_slice(&key_hash(row.dedupe_key).to_le_bytes());
        let session = *session_ids.entry(facts).or_insert_with(|| {
            sessions.push(facts);
            sessions.len() as u64 - 1
        });
        let flags = u64::from(row.fast)
            | u64::from(row.copied) << 1
            | u64::from(row.reported_picousd.is_some()) << 2
            | u64::from(confidence_code(row.confidence)) << 3
            | chain_code(row.chain) << 6;
        let out = &mut body;
        put(out, flags);
        put_text(out, row.dedupe_key);
        put(out, session);
        put(out, texts.id(row.model));
        for text in [row.geo, row.service_tier, row.subagent, row.skill] {
            put(out, texts.optional_id(text));
        }
        put_signed(out, row.at.millis().wrapping_sub(at));
        put_signed(out, (row.offset as i64).wrapping_sub(offset));
        (at, offset) = (row.at.millis(), row.offset as i64);
        row.tokens.counts().iter().for_each(|n| put(out, *n));
        if let Some(reported) = row.reported_picousd {
            put_signed(out, reported);
        }
        put(out, texts.optional_id(row.provider));
        put(out, row.tool_tokens.len() as u64);
        for added in &row.tool_tokens {
            put(out, texts.id(added.tool));
            put(out, added.tokens);
        }
    }
    let mut head = Vec::new();
    let mut session_table = Vec::new();
    put(&mut session_table, sessions.len() as u64);
    for s in &sessions {
        put_text(&mut session_table, s.key.0);
        put(&mut session_table, texts.optional_id(s.project));
        for t in [s.started, s.ended] {
            put(&mut session_table, u64::from(t.is_some()));
            put_signed(&mut session_table, t.map_or(0, Timestamp::millis));
        }
    }
    put(&mut head, FORMAT);
    put(&mut head, texts.texts.len() as u64);
    texts.texts.iter().for_each(|t| put_text(&mut head, t));
    head.extend_from_slice(&session_table);
    put(&mut head, entries.len() as u64);
    head.extend_from_slice(&body);
    (head, keys)
}

/// Which costly fields of a row are read. The others are read always.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The prompt tokens that tool results added, which take an allocation per row.
    pub tools: bool,
    /// The dedupe key, which must be checked to be UTF-8; empty if it is not read.
    pub keys: bool,
}

impl Fields {
    pub(super) const ALL: Fields = Fields { tools: true, keys: true };
    /// Only what is counted.
    pub(super) const FIGURES: Fields = Fields { tools: false, keys: false };
}

/// Reads the rows of a packed segment one after the other, and borrows every text from it.
pub(super) struct SegmentReader<'a> {
    rest: &'a [u8],
    format: u64,
    fields: Fields,
    texts: Vec<&'a str>,
    sessions: Vec<SessionFacts<&'a str>>,
    rows_left: u64,
    at: i64,
    offset: i64,
}

/// Where a row begins in a segment. A row is stored as differences from the previous one, so this includes the previous
/// row's time and offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPosition<'a> {
    rest: &'a [u8],
    at: i64,
    offset: i64,
}

impl<'a> SegmentReader<'a> {
    /// Reads the head of a segment.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the value is not what [`pack`] makes.
    pub(super) fn open(body: &'a [u8], fields: Fields) -> Result<Self, StoreError> {
        Self::read_head(body, fields).map_err(corrupt)
    }

    fn read_head(body: &'a [u8], fields: Fields) -> Result<Self, Damage> {
        let mut rest = body;
        let r = &mut rest;
        let format = get(r)?;
        if !(FIRST_FORMAT..=FORMAT).contains(&format) {
            return Err("another format");
        }
        let count = get_count(r)?;
        let texts = (0..count).map(|_| get_text(r)).collect::<Result<Vec<_>, _>>()?;
        let count = get_count(r)?;
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            let key = SessionKey(get_text(r)?);
            let project = optional_text(&texts, get(r)?)?;
            let mut time = || -> Result<_, Damage> {
                let known = get(r)? != 0;
                let t = get_signed(r)?;
                Ok(known.then_some(Timestamp(t)))
            };
            sessions.push(SessionFacts { key, project, started: time()?, ended: time()? });
        }
        let rows_left = get(r)?;
        Ok(SegmentReader { rest, format, fields, texts, sessions, rows_left, at: 0, offset: 0 })
    }

    /// Replaces the recorded directories by the paths of their projects, once a session and not once a row.
    #[must_use]
    pub(super) fn with_projects(mut self, projects: &'a ProjectPaths) -> Self {
        for session in &mut self.sessions {
            session.project = session.project.map(|recorded| projects.project_of(recorded));
        }
        self
    }

    /// Reads the dedupe keys from now on.
    #[must_use]
    pub(super) fn with_keys(mut self) -> Self {
        self.fields.keys = true;
        self
    }

    /// Returns the next entry; `None` after the last.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub(super) fn next(&mut self) -> Result<Option<SegmentEntry<'a>>, StoreError> {
        let mut entry = SegmentEntry::default();
        Ok(self.read(&mut entry)?.then_some(entry))
    }

    /// Reads the next entry into an existing one, which saves a report the copies. Returns false after the last.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub(super) fn read(&mut self, entry: &mut SegmentEntry<'a>) -> Result<bool, StoreError> {
        if self.rows_left == 0 {
            return Ok(false);
        }
        self.rows_left -= 1;
        self.read_row(entry).map_err(corrupt)?;
        Ok(true)
    }

    /// Returns the position of the next entry.
    #[inline]
    pub(super) fn position(&self) -> RowPosition<'a> {
        RowPosition { rest: self.rest, at: self.at, offset: self.offset }
    }

    /// Reads the entry at a position again, into an existing one.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub(super) fn read_at(
        &mut self,
        position: RowPosition<'a>,
        entry: &mut SegmentEntry<'a>,
    ) -> Result<(), StoreError> {
        (self.rest, self.at, self.offset) = (position.rest, position.at, position.offset);
        self.read_row(entry).map_err(corrupt)
    }

    fn read_row(&mut self, entry: &mut SegmentEntry<'a>) -> Result<(), Damage> {
        let r = &mut self.rest;
        let row = &mut entry.row;
        let flags = get(r)?;
        row.fast = flags & 1 != 0;
        row.copied = flags & 2 != 0;
        row.confidence = confidence_of(flags >> 3 & 7);
        row.chain = chain_of(flags >> 6 & 3);
        let key = get_bytes(r)?;
        row.dedupe_key = if self.fields.keys { utf8(key)? } else { "" };
        entry.facts = *self.sessions.get(get(r)? as usize).ok_or("no such session")?;
        row.session = entry.facts.key;
        row.model = text(&self.texts, get(r)?)?;
        let mut next_text = || optional_text(&self.texts, get(r)?);
        (row.geo, row.service_tier) = (next_text()?, next_text()?);
        (row.subagent, row.skill) = (next_text()?, next_text()?);
        self.at = self.at.wrapping_add(get_signed(r)?);
        self.offset = self.offset.wrapping_add(get_signed(r)?);
        (row.at, row.offset) = (Timestamp(self.at), self.offset as u64);
        let mut counts = [0; 7];
        for count in &mut counts {
            *count = get(r)?;
        }
        row.tokens = Tokens::from(counts);
        row.reported_picousd = if flags & 4 != 0 { Some(get_signed(r)?) } else { None };
        row.provider = None;
        row.tool_tokens.clear();
        if self.format > FIRST_FORMAT {
            row.provider = optional_text(&self.texts, get(r)?)?;
            for _ in 0..get_count(r)? {
                let added = ToolPromptTokens { tool: text(&self.texts, get(r)?)?, tokens: get(r)? };
                if self.fields.tools {
                    row.tool_tokens.push(added);
                }
            }
        }
        Ok(())
    }
}

/// Returns the key hashes as [`pack`] wrote them.
pub(super) fn key_hashes(keys: &[u8]) -> impl Iterator<Item = u64> + '_ {
    keys.as_chunks().0.iter().map(|hash| u64::from_le_bytes(*hash))
}

/// The texts of a segment, each of them once.
#[derive(Default)]
struct TextTable<'a> {
    ids: HashMap<&'a str, u64>,
    texts: Vec<&'a str>,
}

impl<'a> TextTable<'a> {
    fn id(&mut self, text: &'a str) -> u64 {
        *self.ids.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() as u64 - 1
        })
    }

    /// Returns zero for no text, else one more than the text's id.
    fn optional_id(&mut self, text: Option<&'a str>) -> u64 {
        text.map_or(0, |text| self.id(text) + 1)
    }
}

fn confidence_code(c: Confidence) -> u8 {
    match c {
        Confidence::Exact => 0,
        Confidence::Reported => 1,
        Confidence::Estimated => 2,
        Confidence::LowerBound => 3,
        Confidence::Unpriced => 4,
    }
}

pub(super) fn confidence_of(code: u64) -> Confidence {
    match code {
        1 => Confidence::Reported,
        2 => Confidence::Estimated,
        3 => Confidence::LowerBound,
        4 => Confidence::Unpriced,
        _ => Confidence::Exact,
    }
}

fn chain_code(c: PromptChain) -> u64 {
    match c {
        PromptChain::Detached => 0,
        PromptChain::Start => 1,
        PromptChain::Continuation => 2,
    }
}

fn chain_of(code: u64) -> PromptChain {
    match code {
        1 => PromptChain::Start,
        2 => PromptChain::Continuation,
        _ => PromptChain::Detached,
    }
}

/// What is wrong with a packed value. Every number of a row can fail, so the error has to fit in a register.
pub(super) type Damage = &'static str;

#[cold]
pub(super) fn corrupt(damage: Damage) -> StoreError {
    StoreError::Corrupt { what: "usage segment", detail: damage.to_owned() }
}

fn text<'a>(texts: &[&'a str], id: u64) -> Result<&'a str, Damage> {
    texts.get(id as usize).copied().ok_or("no such text")
}

fn optional_text<'a>(texts: &[&'a str], id: u64) -> Result<Option<&'a str>, Damage> {
    id.checked_sub(1).map(|id| text(texts, id)).transpose()
}

pub(super) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_signed(out: &mut Vec<u8>, n: i64) {
    put(out, (n << 1 ^ n >> 63) as u64);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[inline(always)]
pub(super) fn get(r: &mut &[u8]) -> Result<u64, Damage> {
    // Most numbers fit in one or two bytes.
    match *r {
        [a @ 0..0x80, rest @ ..] => {
            *r = rest;
            Ok(u64::from(*a))
        }
        [a, b @ 0..0x80, rest @ ..] => {
            *r = rest;
            Ok(u64::from(*a & 0x7F) | u64::from(*b) << 7)
        }
        _ => get_long(r),
    }
}

fn get_long(r: &mut &[u8]) -> Result<u64, Damage> {
    let mut n = 0u64;
    for (i, byte) in r.iter().take(10).enumerate() {
        n |= u64::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            *r = r.get(i + 1..).unwrap_or_default();
            return Ok(n);
        }
    }
    Err(if r.len() < 10 { "truncated" } else { "a number too long" })
}

#[inline]
fn get_signed(r: &mut &[u8]) -> Result<i64, Damage> {
    let n = get(r)?;
    Ok((n >> 1) as i64 ^ -((n & 1) as i64))
}

/// Reads how many things follow. Each of them takes at least one byte, which bounds a damaged number.
#[inline]
fn get_count(r: &mut &[u8]) -> Result<usize, Damage> {
    let n = get(r)?;
    usize::try_from(n).ok().filter(|n| *n <= r.len()).ok_or("truncated")
}

#[inline]
fn get_bytes<'a>(r: &mut &'a [u8]) -> Result<&'a [u8], Damage> {
    let len = get_count(r)?;
    let (bytes, rest) = r.split_at(len);
    *r = rest;
    Ok(bytes)
}

pub(super) fn get_text<'a>(r: &mut &'a [u8]) -> Result<&'a str, Damage> {
    utf8(get_bytes(r)?)
}

fn utf8(bytes: &[u8]) -> Result<&str, Damage> {
    std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(n: u64, key: &str, extra: bool) -> UsageRow {
        UsageRow {
            dedupe_key: key.to_owned(),
            session: SessionKey::new("claude", if extra { "a" } else { "b" }),
            at: Timestamp(n as i64),
            model: "m".to_owned(),
            provider: extra.then(|| "anthropic".to_owned()),
            chain: if extra { PromptChain::Continuation } else { PromptChain::Start },
            tool_tokens: vec![ToolPromptTokens { tool: key.to_owned(), tokens: n }; usize::from(extra) * 2],
            tokens: Tokens { input: n, output: n >> 1, web_search: u64::MAX - n, ..Tokens::default() },
            reported_picousd: extra.then_some(-(n as i64 >> 1)),
            fast: extra,
            geo: extra.then(|| "us".to_owned()),
            subagent: extra.then(|| "Explore".to_owned()),
            offset: n.wrapping_mul(7),
            copied: !extra,
            confidence: if extra { Confidence::Reported } else { Confidence::Unpriced },
            ..UsageRow::default()
        }
    }

    fn facts() -> Vec<SessionFacts> {
        let key = SessionKey::new("claude", "a");
        vec![SessionFacts {
            key, project: Some("/w/é".to_owned()), started: Some(Timestamp(5)), ended: None
        }]
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn rows_are_unchanged_after_packing_and_reading(rows in prop::collection::vec((any::<u64>(), "[a-zé]{0,9}", any::<bool>()), 0..20)) {
            let rows: Vec<_> = rows.iter().map(|(n, k, e)| row(*n, k, *e)).collect();
            let facts = facts();
            let packed: Vec<_> = rows.iter().map(|r| SegmentEntry::borrow(r, &facts)).collect();
            let (body, keys) = pack(&packed);
            let mut reader = SegmentReader::open(&body, Fields::ALL).unwrap();
            let mut back = Vec::new();
            while let Some(row) = reader.next().unwrap() {
                back.push(row);
            }
            prop_assert_eq!(&back, &packed);
            for (row, back) in rows.iter().zip(back) {
                prop_assert_eq!(&back.to_owned().0, row);
            }
            let hashes: Vec<_> = packed.iter().map(|r| key_hash(r.row.dedupe_key)).collect();
            prop_assert_eq!(key_hashes(&keys).collect::<Vec<_>>(), hashes);
        }

        #[test]
        fn segments_of_the_first_format_can_be_read(n in any::<u64>(), extra in any::<bool>()) {
            let (rows, facts) = ([row(n, "k", extra), row(n >> 3, "l", extra)], facts());
            let mut packed: Vec<_> = rows.iter().map(|r| SegmentEntry::borrow(r, &facts)).collect();
            for p in &mut packed {
                (p.row.provider, p.row.chain, p.row.tool_tokens) = (None, PromptChain::Detached, Vec::new());
            }
            // Format 2 adds two zeros after each of these rows; the length of the first row determines the position of its zeros.
            let (one, _) = pack(&packed[..1]);
            let (two, _) = pack(&packed);
            let cut = one.len() - 2;
            let mut first = two.clone();
            first.drain(two.len() - 2..);
            first.drain(cut..cut + 2);
            first[0] = FIRST_FORMAT as u8;
            let mut reader = SegmentReader::open(&first, Fields::ALL).unwrap();
            for want in &packed {
                let got = reader.next().unwrap();
                prop_assert_eq!(got.as_ref(), Some(want));
            }
            prop_assert!(reader.next().unwrap().is_none());
        }

        #[test]
        fn a_damaged_value_causes_an_error_and_no_panic(cut in any::<prop::sample::Index>(), flip in any::<(prop::sample::Index, u8)>()) {
            let (rows, facts) = ([row(300, "k", true), row(9, "l", false)], facts());
            let packed: Vec<_> = rows.iter().map(|r| SegmentEntry::borrow(r, &facts)).collect();
            let (mut body, _) = pack(&packed);
            let at = flip.0.index(body.len());
            body[at] ^= flip.1;
            let read = |body: &[u8]| -> Result<usize, StoreError> {
                let mut reader = SegmentReader::open(body, Fields::ALL)?;
                let mut n = 0;
                while reader.next()?.is_some() {
                    n += 1;
                }
                Ok(n)
            };
            let _ = read(&body);
            body[at] ^= flip.1;
            prop_assert_eq!(read(&body).unwrap(), 2);
            prop_assert!(read(&body[..cut.index(body.len())]).is_err());
        }
    }
}
