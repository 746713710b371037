//! Usage rows of a Claude Code log: one per `message.id`, which several records may have.

use std::collections::HashMap;

use crate::sources::claude::record::{CacheCreation, Iteration, Record, Usage};
use crate::sources::common::lenient_serde::Obj;
use crate::sources::common::tool_attribution::ToolAttribution;
use crate::trace::{Confidence, PromptChain, SessionKey, Timestamp, Tokens, UsageRow};

/// Prefix of dedupe keys.
const KEY_PREFIX: &str = "claude:";

/// The fields of an assistant record that describe its request.
pub(super) struct LoggedRequest<'a, 'u> {
    /// The id of the message, or of the record if the message has none.
    pub id: Option<&'a str>,
    pub model: Option<&'a str>,
    pub usage: Option<&'a Usage<'u>>,
    /// Whether the record has a stop reason.
    pub stopped: bool,
    pub provider: Option<&'a str>,
    pub agent: Option<&'a str>,
    pub skill: Option<&'a str>,
    /// Whether another session made the request, so that the record is copied history.
    pub copied: bool,
}

impl<'a, 'u, C> From<&'a Record<'u, C>> for LoggedRequest<'a, 'u> {
    fn from(record: &'a Record<'u, C>) -> Self {
        let message = record.message.0.as_ref();
        LoggedRequest {
            id: message.and_then(|m| m.id.some()).or(record.uuid.some()),
            model: message.and_then(|m| m.model.some()),
            usage: message.and_then(|m| m.usage.0.as_ref()),
            stopped: message.is_some_and(|m| m.stop_reason.some().is_some()),
            provider: record.provider.some(),
            agent: record.attribution_agent.some(),
            skill: record.attribution_skill.some(),
            copied: record.request_session_id.some().is_some_and(|o| o != record.session_id.str()),
        }
    }
}

/// Where a request's record is in the log.
pub(super) struct LogPosition {
    pub at: Option<Timestamp>,
    pub offset: u64,
}

/// Collects the requests of one log.
pub(super) struct RequestCollector {
    /// The session that the requests are attributed to.
    session: SessionKey,
    by_id: HashMap<String, usize>,
    rows: Vec<UsageRow>,
    /// For each row, the advisor models and tools that it used.
    details: Vec<RequestDetails>,
    /// Index of the row added last. The next record mostly has the same id.
    last: usize,
}

#[derive(Default)]
struct RequestDetails {
    /// Model and tokens of each request to an advisor model.
    advisors: Vec<(String, Tokens)>,
    /// Names of the called tools.
    calls: Vec<String>,
}

impl RequestCollector {
    pub(super) fn new(session: SessionKey) -> Self {
        RequestCollector { session, by_id: HashMap::new(), rows: Vec::new(), details: Vec::new(), last: 0 }
    }

    /// Adds the request of an assistant record. `kind` is the kind of subagent, `calls` are the called tools.
    ///
    /// A streamed response has several records. The early ones have smaller counts, so the record with the largest output
    /// is used; of records with equal output, the last one. The time is that of the last record.
    pub(super) fn add(
        &mut self,
        request: &LoggedRequest<'_, '_>,
        position: &LogPosition,
        kind: Option<&str>,
        calls: Vec<String>,
    ) {
        let (Some(usage), Some(model)) = (request.usage, request.model) else { return };
        let Some(id) = request.id else { return };
        // A local error message of Claude Code, for which no request was made.
        if model == "<synthetic>" {
            return;
        }
        let tokens = tokens(usage);
        let again = self.rows.get(self.last).and_then(|r| r.dedupe_key.strip_prefix(KEY_PREFIX)) == Some(id);
        let known = if again { Some(self.last) } else { self.by_id.get(id).copied() };
        if let Some(i) = known
            && let (Some(row), Some(details)) = (self.rows.get_mut(i), self.details.get_mut(i))
        {
            self.last = i;
            row.at = position.at.unwrap_or(row.at);
            details.calls.extend(calls);
            if tokens.output < row.tokens.output {
                return;
            }
            row.confidence = confidence(request, &tokens);
            row.tokens = tokens;
            row.offset = position.offset;
            if row.model != model {
                row.model = model.to_owned();
            }
            set_service(row, usage);
            details.advisors = advisors(usage);
            return;
        }
        let mut row = UsageRow {
            dedupe_key: [KEY_PREFIX, id].concat(),
            session: self.session.clone(),
            at: position.at.unwrap_or_default(),
            model: model.to_owned(),
            provider: request.provider.map(str::to_owned),
            tokens,
            subagent: request.agent.or(kind).map(str::to_owned),
            skill: request.skill.map(str::to_owned),
            offset: position.offset,
            copied: request.copied,
            confidence: confidence(request, &tokens),
            ..UsageRow::default()
        };
        set_service(&mut row, usage);
        self.last = self.rows.len();
        self.by_id.insert(id.to_owned(), self.last);
        self.rows.push(row);
        self.details.push(RequestDetails { advisors: advisors(usage), calls });
    }

    /// Attributes all requests to another session.
    pub(super) fn attribute_to(&mut self, session: &SessionKey) {
        self.rows.iter_mut().filter(|r| r.session != *session).for_each(|r| r.session = session.clone());
    }

    /// Returns the offsets of the requests that started subagents.
    pub(super) fn subagent_starts(&self) -> Vec<u64> {
        let starts = |m: &RequestDetails| m.calls.iter().any(|c| matches!(c.as_str(), "Agent" | "Task"));
        let rows = self.rows.iter().zip(&self.details);
        rows.filter(|(_, details)| starts(details)).map(|(row, _)| row.offset).collect()
    }

    /// Returns the rows. A row is followed by the rows of the advisor models that it used.
    pub(super) fn finish(mut self) -> Vec<UsageRow> {
        let mut attribution = ToolAttribution::default();
        for (row, details) in self.rows.iter_mut().zip(&mut self.details) {
            attribution.attribute(row, std::mem::take(&mut details.calls));
        }
        if self.details.iter().all(|m| m.advisors.is_empty()) {
            return self.rows;
        }
        let mut out = Vec::with_capacity(self.rows.len());
        for (row, details) in self.rows.into_iter().zip(self.details) {
            let advisors = details.advisors.into_iter().enumerate().map(|(n, (model, tokens))| UsageRow {
                dedupe_key: format!("{}#advisor{n}", row.dedupe_key),
                model,
                tokens,
                // The log records speed and place only for the response's own model.
                fast: false,
                geo: None,
                service_tier: None,
                chain: PromptChain::Detached,
                tool_tokens: Vec::new(),
                ..row.clone()
            });
            let advisors: Vec<UsageRow> = advisors.collect();
            out.push(row);
            out.extend(advisors);
        }
        out
    }
}

/// Returns how far the counts can be trusted. Some versions write a record with one output token before the response is
/// streamed, and for some responses no later record. Then the real output is unknown.
fn confidence(request: &LoggedRequest<'_, '_>, tokens: &Tokens) -> Confidence {
    let incomplete = tokens.output <= 1 && !request.stopped;
    if incomplete { Confidence::LowerBound } else { Confidence::Exact }
}

/// Sets the speed, the place and the service tier of a row.
fn set_service(row: &mut UsageRow, usage: &Usage<'_>) {
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

/// Returns the cache writes for five minutes and for one hour. Tokens that are in the total but not in the split have the
/// default lifetime of five minutes.
fn cache_writes(split: &Obj<CacheCreation>, total: u64) -> (u64, u64) {
    let Some(split) = &split.0 else { return (total, 0) };
    let (short, long) = (split.ephemeral_5m_input_tokens.count(), split.ephemeral_1h_input_tokens.count());
    (short.saturating_add(total.saturating_sub(short.saturating_add(long))), long)
}

/// Returns the requests to other models inside a response, which the totals exclude.
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
