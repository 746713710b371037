//! Usage rows of a Claude Code log: one per `message.id`, however many records repeat it.

use std::collections::HashMap;

use crate::sources::claude::record::{CacheCreation, Iteration, Usage};
use crate::sources::common::lenient_serde::Obj;
use crate::sources::common::tool_attribution::Growth;
use crate::trace::{Confidence, PromptChain, SessionKey, Timestamp, Tokens, UsageRow};

/// What dedupe keys begin with.
const KEY: &str = "claude:";

/// What counting needs of an assistant record.
pub(super) struct Answer<'a, 'u> {
    /// The message's id, else the record's.
    pub id: Option<&'a str>,
    pub model: Option<&'a str>,
    pub usage: Option<&'a Usage<'u>>,
    /// Whether it says why it ended.
    pub stopped: bool,
    pub provider: Option<&'a str>,
    pub agent: Option<&'a str>,
    pub skill: Option<&'a str>,
    /// Whether another session asked.
    pub copied: bool,
}

/// Collects the requests of one file.
#[derive(Default)]
pub(super) struct Requests {
    by_id: HashMap<String, usize>,
    rows: Vec<UsageRow>,
    /// Of each row, what goes with it.
    more: Vec<More>,
    /// The row counted last: neighbours mostly repeat its id.
    last: usize,
}

#[derive(Default)]
struct More {
    advisors: Vec<(String, Tokens)>,
    calls: Vec<String>,
}

impl Requests {
    /// Counts the answer of an assistant record. Early records of a streamed response carry smaller counts, so the record with
    /// the largest output wins (the later one on a tie), and the request is as late as its last record.
    pub(super) fn add(
        &mut self,
        answer: &Answer<'_, '_>,
        at: Option<Timestamp>,
        offset: u64,
        session: &SessionKey,
        kind: Option<&str>,
        calls: Vec<String>,
    ) {
        let (Some(usage), Some(model)) = (answer.usage, answer.model) else { return };
        let Some(id) = answer.id else { return };
        if model == "<synthetic>" {
            return;
        }
        let tokens = tokens(usage);
        let again = self.rows.get(self.last).and_then(|r| r.dedupe_key.strip_prefix(KEY)) == Some(id);
        let known = if again { Some(self.last) } else { self.by_id.get(id).copied() };
        if let Some(i) = known
            && let (Some(row), Some(more)) = (self.rows.get_mut(i), self.more.get_mut(i))
        {
            self.last = i;
            row.at = at.unwrap_or(row.at);
            more.calls.extend(calls);
            if tokens.output < row.tokens.output {
                return;
            }
            row.confidence = confidence(answer, &tokens);
            row.tokens = tokens;
            row.offset = offset;
            if row.model != model {
                row.model = model.to_owned();
            }
            describe(row, usage);
            more.advisors = advisors(usage);
            return;
        }
        let mut row = UsageRow {
            dedupe_key: [KEY, id].concat(),
            session: session.clone(),
            at: at.unwrap_or_default(),
            model: model.to_owned(),
            provider: answer.provider.map(str::to_owned),
            tokens,
            subagent: answer.agent.or(kind).map(str::to_owned),
            skill: answer.skill.map(str::to_owned),
            offset,
            copied: answer.copied,
            confidence: confidence(answer, &tokens),
            ..UsageRow::default()
        };
        describe(&mut row, usage);
        self.last = self.rows.len();
        self.by_id.insert(id.to_owned(), self.last);
        self.rows.push(row);
        self.more.push(More { advisors: advisors(usage), calls });
    }

    /// Books all requests on a session.
    pub(super) fn book(&mut self, session: &SessionKey) {
        self.rows.iter_mut().filter(|r| r.session != *session).for_each(|r| r.session = session.clone());
    }

    /// Offsets of the requests that started subagents.
    pub(super) fn spawned(&self) -> Vec<u64> {
        let spawns = |m: &More| m.calls.iter().any(|c| matches!(c.as_str(), "Agent" | "Task"));
        let with = self.rows.iter().zip(&self.more);
        with.filter(|(_, more)| spawns(more)).map(|(row, _)| row.offset).collect()
    }

    /// The rows, each followed by those of the advisor models it asked.
    pub(super) fn finish(mut self) -> Vec<UsageRow> {
        let mut growth = Growth::default();
        for (row, more) in self.rows.iter_mut().zip(&mut self.more) {
            growth.step(row, std::mem::take(&mut more.calls));
        }
        if self.more.iter().all(|m| m.advisors.is_empty()) {
            return self.rows;
        }
        let mut out = Vec::with_capacity(self.rows.len());
        for (row, more) in self.rows.into_iter().zip(self.more) {
            let extra = more.advisors.into_iter().enumerate().map(|(n, (model, tokens))| UsageRow {
                dedupe_key: format!("{}#advisor{n}", row.dedupe_key),
                model,
                tokens,
                // Speed and place are said of the response's own model alone.
                fast: false,
                geo: None,
                service_tier: None,
                chain: PromptChain::Detached,
                tool_tokens: Vec::new(),
                ..row.clone()
            });
            let extra: Vec<UsageRow> = extra.collect();
            out.push(row);
            out.extend(extra);
        }
        out
    }
}

/// Some versions write an answer's record before it has streamed, with one output token, and for some answers no
/// other: what they put out is lost.
fn confidence(answer: &Answer<'_, '_>, tokens: &Tokens) -> Confidence {
    let begun = tokens.output <= 1 && !answer.stopped;
    if begun { Confidence::LowerBound } else { Confidence::Exact }
}

fn describe(row: &mut UsageRow, usage: &Usage<'_>) {
    row.fast = usage.speed.str() == "fast";
    if row.geo.as_deref() != usage.inference_geo.some() {
        row.geo = usage.inference_geo.owned();
    }
    row.service_tier = usage.service_tier.some().filter(|t| *t != "standard").map(str::to_owned);
}

fn tokens(usage: &Usage<'_>) -> Tokens {
    let (cache_write_5m, cache_write_1h) =
        cache_writes(&usage.cache_creation, usage.cache_creation_input_tokens.count());
    let output = usage.output_tokens.count();
    let thinking = usage.output_tokens_details.0.as_ref().map_or(0, |d| d.thinking_tokens.count());
    Tokens {
        input: usage.input_tokens.count(),
        output,
        reasoning: thinking,
        cache_read: usage.cache_read_input_tokens.count(),
        cache_write_5m,
        cache_write_1h,
        web_search: usage.server_tool_use.0.as_ref().map_or(0, |s| s.web_search_requests.count()),
    }
}

/// Splits cache writes by lifetime; what the split does not name was written for five minutes.
fn cache_writes(split: &Obj<CacheCreation>, total: u64) -> (u64, u64) {
    let Some(split) = &split.0 else { return (total, 0) };
    let (short, long) = (split.ephemeral_5m_input_tokens.count(), split.ephemeral_1h_input_tokens.count());
    (short.saturating_add(total.saturating_sub(short.saturating_add(long))), long)
}

/// Requests to other models inside a response; the totals leave them out.
fn advisors(usage: &Usage<'_>) -> Vec<(String, Tokens)> {
    let one = |i: &Iteration<'_>| {
        let (cache_write_5m, cache_write_1h) =
            cache_writes(&i.cache_creation, i.cache_creation_input_tokens.count());
        let tokens = Tokens {
            input: i.input_tokens.count(),
            output: i.output_tokens.count(),
            cache_read: i.cache_read_input_tokens.count(),
            cache_write_5m,
            cache_write_1h,
            ..Tokens::default()
        };
        (i.model.str().to_owned(), tokens)
    };
    usage.iterations.0.iter().filter(|i| i.kind.str() == "advisor_message").map(one).collect()
}
