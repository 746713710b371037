//! The requests that write a compaction's summary. The log has no record of them: only the agent's running total
//! (`cost-state`, appended when a process ends, cumulative over resumes) holds them.
//!
//! Between two totals lies a stretch of the log. What the total grew in it, less the requests that the stretch and the
//! session's subagents recorded meanwhile, is what its compactions took. Where that cannot be told (copied history, a
//! total that began anew, a subagent without a log) nothing is said; `cost verify` names what is left over.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::claude::record::{CostState, ModelUsage};
use crate::sources::claude::{AGENT, Place, usage_reader};
use crate::sources::common::lenient_serde::{Flag, Int, Obj, Text};
use crate::sources::common::line_reader::{Lines, parse};
use crate::sources::common::walk;
use crate::sources::{ReadOptions, SourceError, open_log};
use crate::trace::{Confidence, PromptChain, SessionKey, Timestamp, Tokens, UsageRow};

/// Both names stand near the beginning of their lines.
const HEAD: usize = 1024;

/// No conversation is larger; sizes are only weights.
const LARGEST: u64 = 1_000_000_000;

/// Kind under which compactions stand in reports by subagent.
const KIND: &str = "compaction";

static TOTAL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("cost-state\""));
static BOUNDARY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("compact_boundary\""));

/// A line that says when it was written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Boundary<'a> {
    #[serde(borrow)]
    subtype: Text<'a>,
    #[serde(borrow)]
    uuid: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    is_sidechain: Flag,
    compact_metadata: Obj<Metadata>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    pre_tokens: Int,
}

/// One compaction.
struct Compaction {
    key: String,
    at: Option<Timestamp>,
    offset: u64,
    /// Tokens of the conversation before it; 0 where the log does not say.
    size: u64,
}

/// A part of the log that ends with a total.
#[derive(Default)]
struct Stretch {
    from: u64,
    /// Offset of the total's record.
    to: u64,
    began: Option<Timestamp>,
    compactions: Vec<Compaction>,
    total: CostState,
}

/// Whether a total holds exactly these requests, so that nothing is missing from the log.
pub(super) fn holds_all(total: &CostState, requests: &[UsageRow]) -> bool {
    let mut rest = by_model(total);
    for row in requests {
        let Some(rest) = rest.get_mut(bare(&row.model)) else { return false };
        for (n, logged) in rest.iter_mut().zip(kinds(&row.tokens)) {
            *n -= logged;
        }
    }
    rest.values().all(|kinds| kinds[..6].iter().all(|n| *n == 0))
}

/// The compactions of a session's log as rows of their own. `spawned` are the offsets of requests that started
/// subagents.
///
/// # Errors
/// Only when the log cannot be read.
pub(super) fn rows(
    file: &Path,
    opts: &ReadOptions,
    place: &Place,
    requests: &[UsageRow],
    spawned: &[u64],
) -> Result<Vec<UsageRow>, SourceError> {
    let mut out = Vec::new();
    let stretches = stretches(file, opts, place)?;
    let mut sorted: Vec<&UsageRow> = requests.iter().collect();
    sorted.sort_by_key(|r| r.offset);
    let mut aside: Option<Vec<UsageRow>> = None;
    let none = CostState::default();
    for (i, stretch) in stretches.iter().enumerate() {
        let Some(first) = stretch.compactions.first() else { continue };
        let before = i.checked_sub(1).and_then(|i| stretches.get(i)).map_or(&none, |s| &s.total);
        let at = |offset: u64| sorted.partition_point(|r| r.offset < offset);
        let own = &sorted[at(stretch.from)..at(stretch.to)];
        // Copied history brings the other session's total along, and may have been cut before it was copied.
        if at(first.offset) == 0 || own.iter().any(|r| r.copied) {
            continue;
        }
        let aside = aside.get_or_insert_with(|| subagents(file, opts, requests));
        let from = stretch.began.map_or(0, |b| aside.partition_point(|r| r.at < b));
        let until = stretches.get(i + 1).and_then(|s| s.began);
        let until = until.map_or(aside.len(), |u| aside.partition_point(|r| r.at < u));
        let meanwhile = aside.get(from..until).unwrap_or_default();
        if meanwhile.is_empty() && spawned.iter().any(|o| *o >= stretch.from && *o < stretch.to) {
            continue;
        }
        let since = Timestamp(stretch.total.start_time.0.unwrap_or_default());
        let logged: Vec<&UsageRow> = own.iter().copied().chain(meanwhile).filter(|r| r.at >= since).collect();
        stretch.split(before, &logged, &sorted, place, &mut out);
    }
    Ok(out)
}

impl Stretch {
    /// Divides what the total grew beyond the recorded requests among the compactions, by model.
    fn split(
        &self,
        before: &CostState,
        logged: &[&UsageRow],
        sorted: &[&UsageRow],
        place: &Place,
        out: &mut Vec<UsageRow>,
    ) {
        let (now, before) = (by_model(&self.total), by_model(before));
        let mut models: BTreeMap<&str, (&UsageRow, Vec<&Compaction>)> = BTreeMap::new();
        for compaction in &self.compactions {
            // A conversation is compacted by the model that it was held with.
            let earlier = &sorted[..sorted.partition_point(|r| r.offset < compaction.offset)];
            let Some(last) = earlier.iter().rev().find(|r| r.chain != PromptChain::Detached) else { return };
            models.entry(bare(&last.model)).or_insert((last, Vec::new())).1.push(compaction);
        }
        for (model, (last, compactions)) in models {
            let Some(mut rest) = now.get(model).copied() else { continue };
            let earlier = before.get(model).copied().unwrap_or_default();
            rest.iter_mut().zip(earlier).for_each(|(n, e)| *n -= e);
            for row in logged.iter().filter(|r| bare(&r.model) == model) {
                rest.iter_mut().zip(kinds(&row.tokens)).for_each(|(n, k)| *n -= k);
            }
            let [input, output, cache_read, short, long, _, _] = rest;
            let prompt = input + cache_read + short + long;
            if rest[..6].iter().any(|n| *n < 0) || output == 0 || prompt == 0 {
                continue;
            }
            let even = compactions.iter().any(|c| c.size == 0);
            let weight = |c: &Compaction| if even { 1 } else { i128::from(c.size) };
            let whole: i128 = compactions.iter().map(|c| weight(c)).sum();
            let mut done = 0;
            for c in &compactions {
                let next = done + weight(c);
                // Cumulative rounding: the parts sum to the whole.
                let tokens = tokens(rest.map(|n| n.max(0) * next / whole - n.max(0) * done / whole));
                done = next;
                out.push(UsageRow {
                    dedupe_key: c.key.clone(),
                    session: SessionKey::new(AGENT, &place.native).compaction_key(),
                    at: c.at.unwrap_or(last.at),
                    model: last.model.clone(),
                    provider: last.provider.clone(),
                    tokens,
                    subagent: Some(KIND.to_owned()),
                    offset: self.to,
                    confidence: if compactions.len() == 1 {
                        Confidence::Reported
                    } else {
                        Confidence::Estimated
                    },
                    ..UsageRow::default()
                });
            }
        }
    }
}

/// Cuts the log at its totals. What follows the last of them is left out: its process has not ended.
fn stretches(file: &Path, opts: &ReadOptions, place: &Place) -> Result<Vec<Stretch>, SourceError> {
    let fail = |source: io::Error| SourceError::Io { path: file.to_owned(), source };
    let mut lines = Lines::new(open_log(file)?, opts.line_limit);
    let (mut out, mut open) = (Vec::new(), Stretch::default());
    let (mut scratch, mut seen) = (String::new(), HashSet::new());
    while let Some(line) = lines.next().map_err(fail)? {
        let head = &line.bytes[..line.bytes.len().min(HEAD)];
        if TOTAL.find(head).is_some()
            && let Ok((total, _)) = parse::<CostState>(line.bytes, &mut scratch)
            && total.kind == "cost-state"
        {
            let after = line.offset + line.bytes.len() as u64;
            out.push(Stretch { to: line.offset, total, ..open });
            open = Stretch { from: after, ..Stretch::default() };
            continue;
        }
        let boundary = BOUNDARY.find(head).is_some();
        if !boundary && open.began.is_some() {
            continue;
        }
        let Ok((record, _)) = parse::<Boundary<'_>>(line.bytes, &mut scratch) else { continue };
        let at = Timestamp::parse(record.timestamp.str());
        open.began = open.began.or(at);
        if boundary && record.subtype.str() == "compact_boundary" && !record.is_sidechain.0 {
            let key = match record.uuid.some() {
                Some(uuid) => format!("{AGENT}:{KIND}:{uuid}"),
                None => format!("{AGENT}:{KIND}:{}#{}", place.native, line.offset),
            };
            // A resumed session can repeat records with their ids.
            if seen.insert(key.clone()) {
                let size = record.compact_metadata.0.map_or(0, |m| m.pre_tokens.count()).min(LARGEST);
                open.compactions.push(Compaction { key, at, offset: line.offset, size });
            }
        }
    }
    Ok(out)
}

/// The requests in the session's subagents' logs that do not stand in its own.
fn subagents(file: &Path, opts: &ReadOptions, requests: &[UsageRow]) -> Vec<UsageRow> {
    let mut seen: HashSet<String> = requests.iter().map(|r| r.dedupe_key.clone()).collect();
    let mut files: Vec<PathBuf> = Vec::new();
    let is_log = |p: &Path| p.extension().is_some_and(|e| e == "jsonl");
    walk::files(
        AGENT,
        &file.with_extension("").join("subagents"),
        &is_log,
        &mut |c| files.push(c.path),
        &mut |_| (),
    );
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
    for path in files {
        let Ok(read) = usage_reader::read(&path, opts, &mut buffer) else { continue };
        out.extend(read.rows.into_iter().filter(|r| seen.insert(r.dedupe_key.clone())));
    }
    out.sort_by_key(|r| r.at);
    out
}

type Kinds = [i128; 7];

fn by_model(total: &CostState) -> BTreeMap<&str, Kinds> {
    let mut out: BTreeMap<&str, Kinds> = BTreeMap::new();
    for (model, usage) in &total.model_usage {
        let sums = out.entry(bare(model)).or_default();
        sums.iter_mut().zip(kinds(&ModelUsage::tokens(usage))).for_each(|(s, n)| *s += n);
    }
    out
}

/// What a total says of each model.
pub(super) fn totals(total: &CostState) -> Vec<(String, Tokens)> {
    by_model(total).into_iter().map(|(model, sums)| (model.to_owned(), tokens(sums))).collect()
}

/// A model's id without what says how much it may read (`[1m]`), which only one of the two records has.
fn bare(model: &str) -> &str {
    model.split_once('[').map_or(model, |(id, _)| id)
}

/// Tokens by kind; reasoning, a part of the output, comes last.
fn kinds(t: &Tokens) -> Kinds {
    [t.input, t.output, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.web_search, t.reasoning]
        .map(i128::from)
}

fn tokens(kinds: Kinds) -> Tokens {
    let [input, output, cache_read, cache_write_5m, cache_write_1h, web_search, reasoning] =
        kinds.map(|n| u64::try_from(n).unwrap_or_default());
    let reasoning = reasoning.min(output);
    Tokens { input, output, reasoning, cache_read, cache_write_5m, cache_write_1h, web_search }
}
