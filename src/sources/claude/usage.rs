//! Usage rows of a Claude Code log: one per `message.id`, however many records repeat it.

use std::collections::HashMap;

use crate::sources::claude::AGENT;
use crate::sources::claude::record::{CacheCreation, Iteration, Message, Record, Usage};
use crate::sources::growth::Growth;
use crate::sources::lenient::Obj;
use crate::trace::{Chain, Confidence, SessionKey, Timestamp, Tokens, UsageRow};

/// Collects the requests of one file.
#[derive(Default)]
pub(super) struct Requests {
    by_id: HashMap<String, usize>,
    rows: Vec<Request>,
}

struct Request {
    row: UsageRow,
    advisors: Vec<(String, Tokens)>,
    calls: Vec<String>,
}

impl Requests {
    /// Counts an assistant record. Early records of a streamed response carry smaller counts, so the record with
    /// the largest output wins (the later one on a tie), and the request is as late as its last record.
    pub(super) fn add(
        &mut self,
        record: &Record<'_>,
        at: Option<Timestamp>,
        offset: u64,
        session: &SessionKey,
        kind: Option<&str>,
        calls: Vec<String>,
    ) {
        let Some(message) = &record.message.0 else { return };
        let (Some(usage), Some(model)) = (&message.usage.0, message.model.some()) else { return };
        let Some(id) = message.id.some().or(record.uuid.some()) else { return };
        if model == "<synthetic>" {
            return;
        }
        let tokens = tokens(usage);
        let known = self.by_id.get(id).copied();
        if let Some(request) = known.and_then(|i| self.rows.get_mut(i)) {
            request.row.at = at.unwrap_or(request.row.at);
            request.calls.extend(calls);
            if tokens.output < request.row.tokens.output {
                return;
            }
            request.row.confidence = confidence(message, &tokens);
            request.row.tokens = tokens;
            request.row.offset = offset;
            request.row.model = model.to_owned();
            describe(&mut request.row, usage);
            request.advisors = advisors(usage);
            return;
        }
        let origin = record.request_session_id.some();
        let mut row = UsageRow {
            dedupe_key: format!("{AGENT}:{id}"),
            session: session.clone(),
            at: at.unwrap_or_default(),
            model: model.to_owned(),
            provider: record.provider.owned(),
            tokens,
            chain: Chain::Apart,
            added: Vec::new(),
            reported_picousd: None,
            fast: false,
            geo: None,
            service_tier: None,
            subagent: record.attribution_agent.some().or(kind).map(str::to_owned),
            skill: record.attribution_skill.owned(),
            offset,
            copied: origin.is_some_and(|o| o != record.session_id.str()),
            confidence: confidence(message, &tokens),
        };
        describe(&mut row, usage);
        self.by_id.insert(id.to_owned(), self.rows.len());
        self.rows.push(Request { row, advisors: advisors(usage), calls });
    }

    /// The rows, each followed by those of the advisor models it asked.
    pub(super) fn finish(self) -> Vec<UsageRow> {
        let mut out = Vec::with_capacity(self.rows.len());
        let mut growth = Growth::default();
        for Request { mut row, advisors, calls } in self.rows {
            let extra: Vec<UsageRow> = advisors
                .into_iter()
                .enumerate()
                .map(|(n, (model, tokens))| UsageRow {
                    dedupe_key: format!("{}#advisor{n}", row.dedupe_key),
                    model,
                    tokens,
                    // Speed and place are said of the response's own model alone.
                    fast: false,
                    geo: None,
                    service_tier: None,
                    ..row.clone()
                })
                .collect();
            growth.step(&mut row, calls);
            out.push(row);
            out.extend(extra);
        }
        out
    }
}

/// Some versions write an answer's record before it has streamed, with one output token, and for some answers no
/// other: what they put out is lost.
fn confidence(message: &Message<'_>, tokens: &Tokens) -> Confidence {
    let begun = tokens.output <= 1 && message.stop_reason.some().is_none();
    if begun { Confidence::LowerBound } else { Confidence::Exact }
}

fn describe(row: &mut UsageRow, usage: &Usage<'_>) {
    row.fast = usage.speed.str() == "fast";
    row.geo = usage.inference_geo.owned();
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
