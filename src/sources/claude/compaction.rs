//! Finds the requests that wrote the summaries of compactions.
//!
//! The log has no record of these requests. Only the agent's running totals (`cost-state` records) include them. Claude
//! Code appends a total when a process ends; a resumed session continues the earlier total.
//!
//! The interval between two totals is a part of the log. The tokens of its compactions are the growth of the total minus
//! the requests that the session and its subagents recorded in the interval. In some cases the difference contains other
//! requests too: the history was copied from another session, the total started from zero again, or the log of a
//! subagent is missing. Then no row is made, and `cost verify` reports the difference.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::claude::log_path::{AGENT, LogPath};
use crate::sources::claude::record::{CostState, ModelUsage};
use crate::sources::common::files::{SourceError, open_log};
use crate::sources::common::lenient_serde::{Flag, Int, Obj, Text};
use crate::sources::common::line_reader::{LineReader, parse};
use crate::sources::common::read::ReadOptions;
use crate::trace::{Confidence, PromptChain, SessionKey, Timestamp, Tokens, UsageRow};

/// Number of bytes at the beginning of a line that contain the type of a total or of a compaction.
const TYPE_BYTES: usize = 1024;

/// Maximum size of a conversation, in tokens. A larger size in a log is wrong and is replaced by this one.
const MAX_CONVERSATION_TOKENS: u64 = 1_000_000_000;

/// Kind of subagent under which reports show compactions.
const KIND: &str = "compaction";

static TOTAL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("cost-state\""));
static BOUNDARY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("compact_boundary\""));

/// A record with a time; of type `compact_boundary` for a compaction.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Boundary<'a> {
    #[serde(borrow)]
    subtype: Text<'a>,
    uuid: Text<'a>,
    timestamp: Text<'a>,
    is_sidechain: Flag,
    compact_metadata: Obj<CompactMetadata>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CompactMetadata {
    pre_tokens: Int,
}

/// A compaction, with the size of the conversation before it.
struct Compaction {
    dedupe_key: String,
    at: Option<Timestamp>,
    offset: u64,
    /// Tokens of the conversation before the compaction; 0 if the log does not record them.
    size: u64,
}

/// A part of the log that ends with a total.
#[derive(Default)]
pub(super) struct TotalInterval {
    /// Offset of its first byte.
    from: u64,
    /// Offset of the total's record.
    to: u64,
    started: Option<Timestamp>,
    compactions: Vec<Compaction>,
    total: CostState,
}

/// The requests that a session's log records.
pub(super) struct Requests<'a> {
    pub rows: &'a [UsageRow],
    /// Offsets of the requests that started subagents.
    pub subagent_starts: &'a [u64],
}

/// Whether a total equals the sum of these requests, so that no request is missing from the log.
pub(super) fn equals_total(total: &CostState, requests: &[UsageRow]) -> bool {
    let mut rest = by_model(total);
    for row in requests {
        let Some(rest) = rest.get_mut(without_variant(&row.model)) else { return false };
        subtract(rest, &counts(&row.tokens));
    }
    // Reasoning is not compared: it is a part of the output.
    rest.values().all(|counts| counts[..6].iter().all(|n| *n == 0))
}

/// Returns the tokens by model in a total.
pub(super) fn totals(total: &CostState) -> Vec<(String, Tokens)> {
    by_model(total).into_iter().map(|(model, sums)| (model.to_owned(), tokens(sums))).collect()
}

/// Returns a usage row for every compaction whose request can be derived. `subagent_rows` returns the requests of the
/// session's subagents by time; it is called only if there is a compaction, because it reads their logs.
pub(super) fn rows(
    intervals: &[TotalInterval],
    requests: &Requests<'_>,
    log: &LogPath,
    subagent_rows: impl FnOnce() -> Vec<UsageRow>,
) -> Vec<UsageRow> {
    let mut out = Vec::new();
    let mut sorted: Vec<&UsageRow> = requests.rows.iter().collect();
    sorted.sort_by_key(|r| r.offset);
    let subagent_rows = std::cell::LazyCell::new(subagent_rows);
    let no_total = CostState::default();
    for (i, interval) in intervals.iter().enumerate() {
        let Some(first) = interval.compactions.first() else { continue };
        let at = |offset: u64| sorted.partition_point(|r| r.offset < offset);
        let own = &sorted[at(interval.from)..at(interval.to)];
        // Copied history comes with the total of the other session, and may have lost its first requests.
        if at(first.offset) == 0 || own.iter().any(|r| r.copied) {
            continue;
        }
        let next_start = intervals.get(i + 1).and_then(|next| next.started);
        let by_subagents = rows_between(&subagent_rows, interval.started, next_start);
        let contains = |offset: &u64| *offset >= interval.from && *offset < interval.to;
        if by_subagents.is_empty() && requests.subagent_starts.iter().any(contains) {
            // The logs of the subagents are missing, so their requests cannot be subtracted.
            continue;
        }
        let counted_since = Timestamp(interval.total.start_time.0.unwrap_or_default());
        let recorded: Vec<&UsageRow> =
            own.iter().copied().chain(by_subagents).filter(|r| r.at >= counted_since).collect();
        let before = i.checked_sub(1).and_then(|i| intervals.get(i)).map_or(&no_total, |s| &s.total);
        let Some(models) = interval.compactions_by_model(&sorted) else { continue };
        for (model, compactions) in models {
            if let Some(missing) = interval.unrecorded(model, before, &recorded) {
                interval.divide(missing, &compactions, log, &mut out);
            }
        }
    }
    out
}

/// Returns the rows from `start` to `end`; `rows` is sorted by time.
fn rows_between(rows: &[UsageRow], start: Option<Timestamp>, end: Option<Timestamp>) -> &[UsageRow] {
    let from = start.map_or(0, |start| rows.partition_point(|r| r.at < start));
    let to = end.map_or(rows.len(), |end| rows.partition_point(|r| r.at < end));
    rows.get(from..to).unwrap_or_default()
}

/// The compactions of one model in an interval.
struct ModelCompactions<'a> {
    /// The last request before a compaction, for the names of model and provider.
    last: &'a UsageRow,
    compactions: Vec<&'a Compaction>,
}

impl TotalInterval {
    /// Groups the compactions by model. Returns `None` if the model of one is unknown. The model that compacts a
    /// conversation is the one that the conversation was held with.
    fn compactions_by_model<'a>(
        &'a self,
        sorted: &[&'a UsageRow],
    ) -> Option<BTreeMap<&'a str, ModelCompactions<'a>>> {
        let mut models: BTreeMap<&str, ModelCompactions<'a>> = BTreeMap::new();
        for compaction in &self.compactions {
            let earlier = &sorted[..sorted.partition_point(|r| r.offset < compaction.offset)];
            let last = *earlier.iter().rev().find(|r| r.chain != PromptChain::Detached)?;
            let model = models.entry(without_variant(&last.model));
            let model = model.or_insert(ModelCompactions { last, compactions: Vec::new() });
            model.compactions.push(compaction);
        }
        Some(models)
    }

    /// Returns the growth of a model's total in this interval minus its recorded requests. Returns `None` if the
    /// difference cannot be a request, for example because the total started from zero again.
    fn unrecorded(&self, model: &str, before: &CostState, recorded: &[&UsageRow]) -> Option<Counts> {
        let mut rest = by_model(&self.total).get(model).copied()?;
        subtract(&mut rest, &by_model(before).get(model).copied().unwrap_or_default());
        for row in recorded.iter().filter(|r| without_variant(&r.model) == model) {
            subtract(&mut rest, &counts(&row.tokens));
        }
        let [input, output, cache_read, cache_write_5m, cache_write_1h, ..] = rest;
        let prompt = input + cache_read + cache_write_5m + cache_write_1h;
        (rest[..6].iter().all(|n| *n >= 0) && output > 0 && prompt > 0).then_some(rest)
    }

    /// Divides tokens among compactions by the size of their conversations, and makes a row for each.
    fn divide(&self, missing: Counts, of: &ModelCompactions<'_>, log: &LogPath, out: &mut Vec<UsageRow>) {
        let unknown_size = of.compactions.iter().any(|c| c.size == 0);
        let weight = |c: &Compaction| if unknown_size { 1 } else { i128::from(c.size) };
        let total_weight: i128 = of.compactions.iter().map(|c| weight(c)).sum();
        let exact = of.compactions.len() == 1;
        let mut done = 0;
        for c in &of.compactions {
            let next = done + weight(c);
            // Rounding cumulative shares makes the rows add up to the whole.
            let share = |n: i128| n.max(0) * next / total_weight - n.max(0) * done / total_weight;
            let tokens = tokens(missing.map(share));
            done = next;
            out.push(UsageRow {
                dedupe_key: c.dedupe_key.clone(),
                session: SessionKey::new(AGENT, &log.native).compaction_key(),
                at: c.at.unwrap_or(of.last.at),
                model: of.last.model.clone(),
                provider: of.last.provider.clone(),
                tokens,
                subagent: Some(KIND.to_owned()),
                offset: self.to,
                confidence: if exact { Confidence::Reported } else { Confidence::Estimated },
                ..UsageRow::default()
            });
        }
    }
}

/// Splits a log at its totals. The lines after the last total are left out, because their process has not ended.
///
/// # Errors
/// [`SourceError`] if the log cannot be read.
pub(super) fn read_intervals(
    file: &Path,
    opts: &ReadOptions,
    log: &LogPath,
) -> Result<Vec<TotalInterval>, SourceError> {
    let fail = |source: io::Error| SourceError::Io { path: file.to_owned(), source };
    let mut lines = LineReader::new(open_log(file)?, opts.line_limit);
    let (mut out, mut open) = (Vec::new(), TotalInterval::default());
    let (mut scratch, mut seen) = (String::new(), HashSet::new());
    while let Some(line) = lines.next().map_err(fail)? {
        let head = &line.bytes[..line.bytes.len().min(TYPE_BYTES)];
        if TOTAL.find(head).is_some()
            && let Ok((total, _)) = parse::<CostState>(line.bytes, &mut scratch)
            && total.kind == "cost-state"
        {
            let after = line.offset + line.bytes.len() as u64;
            out.push(TotalInterval { to: line.offset, total, ..open });
            open = TotalInterval { from: after, ..TotalInterval::default() };
            continue;
        }
        let is_boundary = BOUNDARY.find(head).is_some();
        if !is_boundary && open.started.is_some() {
            continue;
        }
        let Ok((record, _)) = parse::<Boundary<'_>>(line.bytes, &mut scratch) else { continue };
        let at = Timestamp::parse(record.timestamp.str());
        open.started = open.started.or(at);
        if is_boundary && record.subtype.str() == "compact_boundary" && !record.is_sidechain.0 {
            let dedupe_key = match record.uuid.some() {
                Some(uuid) => format!("{AGENT}:{KIND}:{uuid}"),
                None => format!("{AGENT}:{KIND}:{}#{}", log.native, line.offset),
            };
            // The log of a resumed session can repeat records with their ids.
            if seen.insert(dedupe_key.clone()) {
                let size = record.compact_metadata.0.map_or(0, |m| m.pre_tokens.count());
                let size = size.min(MAX_CONVERSATION_TOKENS);
                open.compactions.push(Compaction { dedupe_key, at, offset: line.offset, size });
            }
        }
    }
    Ok(out)
}

/// Signed token counts by kind, which can be subtracted. Reasoning, a part of the output, is the last one.
type Counts = [i128; 7];

fn subtract(from: &mut Counts, counts: &Counts) {
    from.iter_mut().zip(counts).for_each(|(n, c)| *n -= c);
}

fn by_model(total: &CostState) -> BTreeMap<&str, Counts> {
    let mut out: BTreeMap<&str, Counts> = BTreeMap::new();
    for (model, usage) in &total.model_usage {
        let sums = out.entry(without_variant(model)).or_default();
        sums.iter_mut().zip(counts(&ModelUsage::tokens(usage))).for_each(|(s, n)| *s += n);
    }
    out
}

/// Returns a model's id without the size of its context window (`[1m]`), which only one of the two records has.
fn without_variant(model: &str) -> &str {
    model.split_once('[').map_or(model, |(id, _)| id)
}

fn counts(t: &Tokens) -> Counts {
    [t.input, t.output, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.web_search, t.reasoning]
        .map(i128::from)
}

fn tokens(counts: Counts) -> Tokens {
    let [input, output, cache_read, cache_write_5m, cache_write_1h, web_search, reasoning] =
        counts.map(|n| u64::try_from(n).unwrap_or_default());
    let reasoning = reasoning.min(output);
    Tokens { input, output, reasoning, cache_read, cache_write_5m, cache_write_1h, web_search }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str =
        r#"{"type":"user","uuid":"u","timestamp":"2026-11-20T10:00:00.000Z","message":{"content":"hi"}}"#;

    fn boundary(uuid: &str, size: u64) -> String {
        format!(
            r#"{{"type":"system","subtype":"compact_boundary","uuid":"{uuid}","timestamp":"2026-11-20T10:00:09.000Z","compactMetadata":{{"preTokens":{size}}}}}"#
        )
    }

    fn total(input: u64, output: u64) -> String {
        format!(
            r#"{{"type":"cost-state","modelUsage":{{"m[1m]":{{"inputTokens":{input},"outputTokens":{output}}}}}}}"#
        )
    }

    fn request(offset: u64, input: u64, output: u64) -> UsageRow {
        UsageRow {
            model: "m".to_owned(),
            tokens: Tokens { input, output, ..Tokens::default() },
            chain: PromptChain::Start,
            offset,
            ..UsageRow::default()
        }
    }

    /// Returns the input and output tokens of the compactions in a log whose first line is a request.
    fn compactions(lines: &[String], requests: &[UsageRow], starts: &[u64]) -> Vec<(u64, u64)> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.jsonl");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let log = LogPath::of(&file);
        let intervals = read_intervals(&file, &ReadOptions::default(), &log).unwrap();
        let requests = Requests { rows: requests, subagent_starts: starts };
        rows(&intervals, &requests, &log, Vec::new)
            .iter()
            .map(|r| (r.tokens.input, r.tokens.output))
            .collect()
    }

    #[test]
    fn unrecorded_tokens_are_divided_by_the_size_of_the_conversations() {
        let lines = [START.to_owned(), boundary("a", 100), boundary("b", 300), total(140, 49)];
        assert_eq!(compactions(&lines, &[request(0, 100, 9)], &[]), [(10, 10), (30, 30)]);
    }

    #[test]
    fn no_row_is_made_if_the_difference_is_not_that_of_a_compaction() {
        let log = |total: String| [START.to_owned(), boundary("a", 100), total];
        let requests = [request(0, 100, 9)];
        assert_eq!(compactions(&log(total(140, 49)), &requests, &[]), [(40, 40)]);
        assert_eq!(compactions(&log(total(90, 49)), &requests, &[]), [], "the total started again");
        assert_eq!(compactions(&log(total(140, 9)), &requests, &[]), [], "a request has output");
        assert_eq!(compactions(&log(total(140, 49)), &requests, &[0]), [], "a subagent's log is missing");
        let copied = [UsageRow { copied: true, ..request(0, 100, 9) }];
        assert_eq!(compactions(&log(total(140, 49)), &copied, &[]), [], "copied history");
    }

    #[test]
    fn a_total_equals_the_requests_of_all_its_models() {
        let total: CostState = serde_json::from_str(&total(100, 9)).unwrap();
        assert!(equals_total(&total, &[request(0, 60, 4), request(1, 40, 5)]));
        assert!(!equals_total(&total, &[request(0, 60, 4)]));
        let other = UsageRow { model: "n".to_owned(), ..request(0, 0, 0) };
        assert!(!equals_total(&total, &[request(0, 100, 9), other]));
    }
}
