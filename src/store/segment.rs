//! The requests of one log file, packed into one value.
//!
//! A report reads every request there is, so a request takes some sixty bytes and a few dozen nanoseconds instead
//! of a row of SQL. Layout: a format number, the texts once each, the sessions, then the rows; every number is a
//! LEB128 varint, signed ones zigzagged, times and offsets as differences from the row before.
//!
//! Format 2 adds to each row its provider and what tools added to its prompt; segments of format 1 are read as they
//! are, and written anew when their log is read again.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::trace::{
    Confidence, PromptChain, SessionFacts, SessionKey, Timestamp, Tokens, ToolPromptTokens, UsageRow,
};

use super::StoreError;

const FORMAT: u64 = 2;

/// The first format: no providers, no tools.
const FIRST: u64 = 1;

/// A session as the rows of one file refer to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct SessionRef<'a> {
    pub key: &'a str,
    pub project: Option<&'a str>,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
}

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PackedRow<'a> {
    pub dedupe_key: &'a str,
    pub session: SessionRef<'a>,
    pub at: Timestamp,
    pub model: &'a str,
    pub provider: Option<&'a str>,
    pub tokens: Tokens,
    pub chain: PromptChain,
    /// Tools and the prompt tokens that their results added.
    pub tool_tokens: Vec<(&'a str, u64)>,
    pub reported_picousd: Option<i64>,
    pub fast: bool,
    pub geo: Option<&'a str>,
    pub service_tier: Option<&'a str>,
    pub subagent: Option<&'a str>,
    pub skill: Option<&'a str>,
    pub offset: u64,
    pub copied: bool,
    pub confidence: Confidence,
}

impl<'a> PackedRow<'a> {
    /// A source's row, its project and times from the facts of its session or else of the file's first one: a
    /// subagent's requests may belong to its parent, which stands in another file.
    pub(super) fn of(row: &'a UsageRow, facts: &'a [SessionFacts]) -> Self {
        let own = facts.iter().find(|f| f.key == row.session).or(facts.first());
        PackedRow {
            dedupe_key: &row.dedupe_key,
            session: SessionRef {
                key: row.session.as_str(),
                project: own.and_then(|f| f.project.as_deref()),
                started: own.and_then(|f| f.started),
                ended: own.and_then(|f| f.ended),
            },
            at: row.at,
            model: &row.model,
            provider: row.provider.as_deref(),
            tokens: row.tokens,
            chain: row.chain,
            tool_tokens: row.tool_tokens.iter().map(|a| (a.tool.as_str(), a.tokens)).collect(),
            reported_picousd: row.reported_picousd,
            fast: row.fast,
            geo: row.geo.as_deref(),
            service_tier: row.service_tier.as_deref(),
            subagent: row.subagent.as_deref(),
            skill: row.skill.as_deref(),
            offset: row.offset,
            copied: row.copied,
            confidence: row.confidence,
        }
    }
}

impl PackedRow<'_> {
    /// The row as a source would hand it on, and the facts of its session.
    pub(super) fn owned(self) -> (UsageRow, SessionFacts) {
        let key = SessionKey(self.session.key.to_owned());
        let text = |t: Option<&str>| t.map(str::to_owned);
        let facts = SessionFacts {
            key: key.clone(),
            project: text(self.session.project),
            started: self.session.started,
            ended: self.session.ended,
        };
        let row = UsageRow {
            dedupe_key: self.dedupe_key.to_owned(),
            session: key,
            at: self.at,
            model: self.model.to_owned(),
            provider: text(self.provider),
            tokens: self.tokens,
            chain: self.chain,
            tool_tokens: self
                .tool_tokens
                .into_iter()
                .map(|(tool, tokens)| ToolPromptTokens { tool: tool.to_owned(), tokens })
                .collect(),
            reported_picousd: self.reported_picousd,
            fast: self.fast,
            geo: text(self.geo),
            service_tier: text(self.service_tier),
            subagent: text(self.subagent),
            skill: text(self.skill),
            offset: self.offset,
            copied: self.copied,
            confidence: self.confidence,
        };
        (row, facts)
    }
}

/// Eight bytes that stand for a dedupe key where copies are looked for.
pub(super) fn key_hash(dedupe_key: &str) -> u64 {
    let digest = Sha256::digest(dedupe_key.as_bytes());
    digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Packs rows; returns the packed value and the rows' key hashes, eight bytes each.
pub(super) fn pack(rows: &[PackedRow<'_>]) -> (Vec<u8>, Vec<u8>) {
    let mut texts = Table::default();
    let mut sessions: Vec<SessionRef<'_>> = Vec::new();
    let mut session_ids: HashMap<SessionRef<'_>, u64> = HashMap::new();
    let mut body = Vec::with_capacity(rows.len() * 72);
    let mut keys = Vec::with_capacity(rows.len() * 8);
    let (mut at, mut offset) = (0i64, 0i64);
    for row in rows {
        keys.extend_from_slice(&key_hash(row.dedupe_key).to_le_bytes());
        let session = *session_ids.entry(row.session).or_insert_with(|| {
            sessions.push(row.session);
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
            put(out, text.map_or(0, |t| texts.id(t) + 1));
        }
        put_signed(out, row.at.millis().wrapping_sub(at));
        put_signed(out, (row.offset as i64).wrapping_sub(offset));
        (at, offset) = (row.at.millis(), row.offset as i64);
        row.tokens.counts().iter().for_each(|n| put(out, *n));
        if let Some(reported) = row.reported_picousd {
            put_signed(out, reported);
        }
        put(out, row.provider.map_or(0, |t| texts.id(t) + 1));
        put(out, row.tool_tokens.len() as u64);
        for (tool, tokens) in &row.tool_tokens {
            put(out, texts.id(tool));
            put(out, *tokens);
        }
    }
    let mut head = Vec::new();
    let mut session_part = Vec::new();
    put(&mut session_part, sessions.len() as u64);
    for s in &sessions {
        put_text(&mut session_part, s.key);
        put(&mut session_part, s.project.map_or(0, |p| texts.id(p) + 1));
        for t in [s.started, s.ended] {
            put(&mut session_part, u64::from(t.is_some()));
            put_signed(&mut session_part, t.map_or(0, Timestamp::millis));
        }
    }
    put(&mut head, FORMAT);
    put(&mut head, texts.texts.len() as u64);
    texts.texts.iter().for_each(|t| put_text(&mut head, t));
    head.extend_from_slice(&session_part);
    put(&mut head, rows.len() as u64);
    head.extend_from_slice(&body);
    (head, keys)
}

/// Reads packed rows one after the other; borrows every text.
pub(super) struct Unpacked<'a> {
    rest: &'a [u8],
    format: u64,
    tools: bool,
    texts: Vec<&'a str>,
    sessions: Vec<SessionRef<'a>>,
    left: u64,
    at: i64,
    offset: i64,
}

impl<'a> Unpacked<'a> {
    /// # Errors
    /// [`StoreError::Corrupt`] where the value is not what [`pack`] makes.
    pub(super) fn open(body: &'a [u8]) -> Result<Self, StoreError> {
        let mut rest = body;
        let r = &mut rest;
        let format = get(r)?;
        if !(FIRST..=FORMAT).contains(&format) {
            return Err(corrupt("another format"));
        }
        let count = bounded(r)?;
        let texts = (0..count).map(|_| get_text(r)).collect::<Result<Vec<_>, _>>()?;
        let count = bounded(r)?;
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            let key = get_text(r)?;
            let project = optional(&texts, get(r)?)?;
            let mut time = || -> Result<_, StoreError> {
                let known = get(r)? != 0;
                let t = get_signed(r)?;
                Ok(known.then_some(Timestamp(t)))
            };
            sessions.push(SessionRef { key, project, started: time()?, ended: time()? });
        }
        let left = get(r)?;
        Ok(Unpacked { rest, format, tools: true, texts, sessions, left, at: 0, offset: 0 })
    }

    /// Leaves out what tools added, which takes an allocation a row.
    pub(super) fn without_tools(mut self) -> Self {
        self.tools = false;
        self
    }

    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// As [`Unpacked::open`].
    pub(super) fn next(&mut self) -> Result<Option<PackedRow<'a>>, StoreError> {
        let mut row = PackedRow::default();
        Ok(self.read(&mut row)?.then_some(row))
    }

    /// Reads the next row over another one, which spares a report the copies; false after the last.
    ///
    /// # Errors
    /// As [`Unpacked::open`].
    pub(super) fn read(&mut self, row: &mut PackedRow<'a>) -> Result<bool, StoreError> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let r = &mut self.rest;
        let flags = get(r)?;
        row.fast = flags & 1 != 0;
        row.copied = flags & 2 != 0;
        row.confidence = confidence_of(flags >> 3 & 7);
        row.chain = chain_of(flags >> 6 & 3);
        row.dedupe_key = get_text(r)?;
        row.session = *self.sessions.get(get(r)? as usize).ok_or_else(|| corrupt("no such session"))?;
        row.model = self.texts.get(get(r)? as usize).ok_or_else(|| corrupt("no such text"))?;
        let mut text = || optional(&self.texts, get(r)?);
        (row.geo, row.service_tier, row.subagent, row.skill) = (text()?, text()?, text()?, text()?);
        self.at = self.at.wrapping_add(get_signed(r)?);
        self.offset = self.offset.wrapping_add(get_signed(r)?);
        (row.at, row.offset) = (Timestamp(self.at), self.offset as u64);
        row.tokens = Tokens {
            input: get(r)?,
            output: get(r)?,
            reasoning: get(r)?,
            cache_read: get(r)?,
            cache_write_5m: get(r)?,
            cache_write_1h: get(r)?,
            web_search: get(r)?,
        };
        row.reported_picousd = if flags & 4 != 0 { Some(get_signed(r)?) } else { None };
        row.provider = None;
        row.tool_tokens.clear();
        if self.format > FIRST {
            row.provider = optional(&self.texts, get(r)?)?;
            let count = bounded(r)?;
            if self.tools {
                row.tool_tokens.reserve_exact(count);
            }
            for _ in 0..count {
                let tool = *self.texts.get(get(r)? as usize).ok_or_else(|| corrupt("no such text"))?;
                let tokens = get(r)?;
                if self.tools {
                    row.tool_tokens.push((tool, tokens));
                }
            }
        }
        Ok(true)
    }
}

/// Key hashes as [`pack`] wrote them.
pub(super) fn key_hashes(keys: &[u8]) -> impl Iterator<Item = u64> + '_ {
    keys.chunks_exact(8).map(|c| c.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

#[derive(Default)]
struct Table<'a> {
    ids: HashMap<&'a str, u64>,
    texts: Vec<&'a str>,
}

impl<'a> Table<'a> {
    fn id(&mut self, text: &'a str) -> u64 {
        *self.ids.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() as u64 - 1
        })
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

fn corrupt(detail: &str) -> StoreError {
    StoreError::Corrupt { what: "usage segment", detail: detail.to_owned() }
}

fn optional<'a>(texts: &[&'a str], id: u64) -> Result<Option<&'a str>, StoreError> {
    match id.checked_sub(1) {
        None => Ok(None),
        Some(id) => texts.get(id as usize).copied().map(Some).ok_or_else(|| corrupt("no such text")),
    }
}

fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_signed(out: &mut Vec<u8>, n: i64) {
    put(out, (n << 1 ^ n >> 63) as u64);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn get(r: &mut &[u8]) -> Result<u64, StoreError> {
    // Most numbers are small.
    if let [byte @ 0..0x80, rest @ ..] = *r {
        *r = rest;
        return Ok(u64::from(*byte));
    }
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = r.split_first().ok_or_else(|| corrupt("cut short"))?;
        *r = rest;
        n |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(n);
        }
    }
    Err(corrupt("a number too long"))
}

fn get_signed(r: &mut &[u8]) -> Result<i64, StoreError> {
    let n = get(r)?;
    Ok((n >> 1) as i64 ^ -((n & 1) as i64))
}

/// A number of things that follow, each at least a byte.
fn bounded(r: &mut &[u8]) -> Result<usize, StoreError> {
    let n = get(r)?;
    usize::try_from(n).ok().filter(|n| *n <= r.len()).ok_or_else(|| corrupt("cut short"))
}

fn get_text<'a>(r: &mut &'a [u8]) -> Result<&'a str, StoreError> {
    let len = bounded(r)?;
    let (text, rest) = r.split_at(len);
    *r = rest;
    std::str::from_utf8(text).map_err(|_| corrupt("text that is no UTF-8"))
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
        fn rows_come_back_as_they_were(rows in prop::collection::vec((any::<u64>(), "[a-zé]{0,9}", any::<bool>()), 0..20)) {
            let rows: Vec<_> = rows.iter().map(|(n, k, e)| row(*n, k, *e)).collect();
            let facts = facts();
            let packed: Vec<_> = rows.iter().map(|r| PackedRow::of(r, &facts)).collect();
            let (body, keys) = pack(&packed);
            let mut unpacked = Unpacked::open(&body).unwrap();
            let mut back = Vec::new();
            while let Some(row) = unpacked.next().unwrap() {
                back.push(row);
            }
            prop_assert_eq!(&back, &packed);
            for (row, back) in rows.iter().zip(back) {
                prop_assert_eq!(&back.owned().0, row);
            }
            let hashes: Vec<_> = packed.iter().map(|r| key_hash(r.dedupe_key)).collect();
            prop_assert_eq!(key_hashes(&keys).collect::<Vec<_>>(), hashes);
        }

        #[test]
        fn segments_of_the_first_format_still_read(n in any::<u64>(), extra in any::<bool>()) {
            let (rows, facts) = ([row(n, "k", extra), row(n >> 3, "l", extra)], facts());
            let mut packed: Vec<_> = rows.iter().map(|r| PackedRow::of(r, &facts)).collect();
            for p in &mut packed {
                (p.provider, p.chain, p.tool_tokens) = (None, PromptChain::Detached, Vec::new());
            }
            // What format 2 adds to such rows are two zeros behind each; the first row's are found by its length.
            let (one, _) = pack(&packed[..1]);
            let (two, _) = pack(&packed);
            let cut = one.len() - 2;
            let mut first = two.clone();
            first.drain(two.len() - 2..);
            first.drain(cut..cut + 2);
            first[0] = FIRST as u8;
            let mut unpacked = Unpacked::open(&first).unwrap();
            for want in &packed {
                let got = unpacked.next().unwrap();
                prop_assert_eq!(got.as_ref(), Some(want));
            }
            prop_assert!(unpacked.next().unwrap().is_none());
        }

        #[test]
        fn a_damaged_value_is_an_error_and_no_panic(cut in any::<prop::sample::Index>(), flip in any::<(prop::sample::Index, u8)>()) {
            let (rows, facts) = ([row(300, "k", true), row(9, "l", false)], facts());
            let packed: Vec<_> = rows.iter().map(|r| PackedRow::of(r, &facts)).collect();
            let (mut body, _) = pack(&packed);
            let at = flip.0.index(body.len());
            body[at] ^= flip.1;
            let read = |body: &[u8]| -> Result<usize, StoreError> {
                let mut unpacked = Unpacked::open(body)?;
                let mut n = 0;
                while unpacked.next()?.is_some() {
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
