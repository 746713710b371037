//! Usage rows of a Claude Code log: one per request, which several records may describe.
//!
//! The records of one response have the same `message.id`, and so do copies of them in the log of a resumed session. But
//! some gateways give every response the same id, or none. Such an id says nothing. Then the records of one response are
//! recognized by their request id, by their parent or by the chain from record to record, and copies by their time.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;

use crate::sources::claude::record::{CacheCreation, Iteration, Record, Usage};
use crate::sources::common::lenient_serde::Obj;
use crate::sources::common::tool_attribution::ToolAttribution;
use crate::trace::{Confidence, PromptChain, SessionKey, Timestamp, Tokens, UsageRow};

/// Prefix of dedupe keys.
const KEY_PREFIX: &str = "claude:";

/// The fields of an assistant record that describe its request.
pub(super) struct LoggedRequest<'a, 'u> {
    /// The id of the message; empty if it has none.
    pub id: &'a str,
    /// The provider's id of the request; empty if there is none.
    pub request_id: &'a str,
    /// The id of the record; empty if it has none.
    pub uuid: &'a str,
    /// The id of the record that this one follows; empty if it has none.
    pub parent: &'a str,
    pub at: Option<Timestamp>,
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

impl<'a, 'u> LoggedRequest<'a, 'u> {
    /// Describes the request of a record, whose time is `at`.
    pub(super) fn of<C>(record: &'a Record<'u, C>, at: Option<Timestamp>) -> Self {
        let message = record.message.0.as_ref();
        LoggedRequest {
            id: message.map_or("", |m| m.id.str()),
            request_id: record.request_id.str(),
            uuid: record.uuid.str(),
            parent: record.parent_uuid.str(),
            at,
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
    /// The last request of each message id.
    by_id: HashMap<String, usize>,
    /// Requests by their dedupe key, if the key is made of more than the message id.
    by_key: HashMap<String, usize>,
    /// Ids that look unique but belong to several requests.
    shared_ids: HashSet<String>,
    rows: Vec<UsageRow>,
    /// For each row, the advisor models and tools that it used, and how its records are recognized.
    details: Vec<RequestDetails>,
    hasher: RandomState,
    /// Index of the row added last. The next record mostly has the same id.
    last: usize,
}

#[derive(Default)]
struct RequestDetails {
    /// Model and tokens of each request to an advisor model.
    advisors: Vec<(String, Tokens)>,
    /// Names of the called tools.
    calls: Vec<String>,
    identity: RequestIdentity,
}

/// What the records of one request have in common. Ids are hashed, because there are many; `None` is an absent id.
#[derive(Default)]
struct RequestIdentity {
    /// Time of the first record.
    at: Option<Timestamp>,
    /// Tokens of the prompt, according to the first record.
    prompt: u64,
    request_id: Option<u64>,
    parent: Option<u64>,
    /// The id of the last record.
    last_uuid: Option<u64>,
}

/// Minimum length of an id that can be unique.
const MIN_UNIQUE_ID_BYTES: usize = 16;

/// Minimum number of different characters in a unique id.
const MIN_UNIQUE_ID_CHARS: u32 = 8;

/// Whether an id looks like one that a provider made for a single response.
pub(super) fn looks_unique(id: &str) -> bool {
    id.len() >= MIN_UNIQUE_ID_BYTES
        && id.bytes().fold(0u128, |seen, b| seen | 1 << (b & 127)).count_ones() >= MIN_UNIQUE_ID_CHARS
}

impl RequestCollector {
    pub(super) fn new(session: SessionKey) -> Self {
        RequestCollector {
            session,
            by_id: HashMap::new(),
            by_key: HashMap::new(),
            shared_ids: HashSet::new(),
            rows: Vec::new(),
            details: Vec::new(),
            hasher: RandomState::new(),
            last: 0,
        }
    }

    /// Adds the request of an assistant record. `kind` is the kind of subagent, `calls` are the called tools.
    ///
    /// A streamed response has several records. The early ones have smaller counts, so the record with the largest output
    /// is used; of records with equal output, the last one. The time is that of the last record.
    ///
    /// Returns the number of the request in this log; `None` if the record describes no request.
    pub(super) fn add(
        &mut self,
        request: &LoggedRequest<'_, '_>,
        position: &LogPosition,
        kind: Option<&str>,
        calls: Vec<String>,
    ) -> Option<usize> {
        let (usage, model) = (request.usage?, request.model?);
        // A local error message of Claude Code, for which no request was made.
        if model == "<synthetic>" {
            return None;
        }
        let tokens = tokens(usage);
        let known = self.find(request, &tokens);
        if let Some(i) = known
            && let (Some(row), Some(details)) = (self.rows.get_mut(i), self.details.get_mut(i))
        {
            self.last = i;
            if request.request_id.is_empty() {
                details.identity.last_uuid = hash_id(&self.hasher, request.uuid);
            }
            row.at = position.at.unwrap_or(row.at);
            details.calls.extend(calls);
            if tokens.output < row.tokens.output {
                return known;
            }
            row.confidence = confidence(request, &tokens);
            row.tokens = tokens;
            row.offset = position.offset;
            if row.model != model {
                row.model = model.to_owned();
            }
            set_service(row, usage);
            details.advisors = advisors(usage);
            return known;
        }
        let hash = |id| hash_id(&self.hasher, id);
        let identity = RequestIdentity {
            at: request.at,
            prompt: tokens.prompt(),
            request_id: hash(request.request_id),
            parent: hash(request.parent),
            last_uuid: hash(request.uuid),
        };
        let by_id = self.is_unique(request.id);
        let mut row = UsageRow {
            dedupe_key: match by_id {
                true => [KEY_PREFIX, request.id].concat(),
                false => self.shared_key(request.id, &identity, position.offset),
            },
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
        self.by_id.insert(request.id.to_owned(), self.last);
        if !by_id {
            self.by_key.insert(row.dedupe_key.clone(), self.last);
        }
        self.rows.push(row);
        self.details.push(RequestDetails { advisors: advisors(usage), calls, identity });
        Some(self.last)
    }

    /// Whether an id belongs to a single request.
    fn is_unique(&self, id: &str) -> bool {
        looks_unique(id) && !self.shared_ids.contains(id)
    }

    /// Returns the key of a request whose id does not identify it. A copy has the same time and the same prompt.
    fn shared_key(&self, id: &str, identity: &RequestIdentity, offset: u64) -> String {
        match identity.at {
            Some(at) => format!("{KEY_PREFIX}{id}@{}/{}", at.millis(), identity.prompt),
            None => format!("{KEY_PREFIX}{}#{offset}", self.session.native()),
        }
    }

    /// Finds the request that a record describes, if an earlier record described it.
    fn find(&mut self, request: &LoggedRequest<'_, '_>, tokens: &Tokens) -> Option<usize> {
        let id = request.id;
        let is_last = |row: &UsageRow| row.dedupe_key.strip_prefix(KEY_PREFIX) == Some(id);
        let latest = match self.rows.get(self.last).is_some_and(is_last) {
            true => Some(self.last),
            false => self.by_id.get(id).copied(),
        };
        let prompt = tokens.prompt();
        if self.is_unique(id) {
            let latest = latest?;
            if !self.is_other_request(latest, request, prompt) {
                return Some(latest);
            }
            // The id turns out to be that of several requests. The one so far gets a key of its own as well.
            self.shared_ids.insert(id.to_owned());
            let identity = &self.details.get(latest)?.identity;
            let key = self.shared_key(id, identity, self.rows.get(latest)?.offset);
            self.rows.get_mut(latest)?.dedupe_key.clone_from(&key);
            self.by_key.insert(key, latest);
            return None;
        }
        let of_time = request.at.and_then(|at| {
            let key = format!("{KEY_PREFIX}{id}@{}/{prompt}", at.millis());
            self.by_key.get(&key).copied()
        });
        of_time.or_else(|| latest.filter(|i| self.is_next_record(*i, request, prompt)))
    }

    /// Whether a record with the id of a request contradicts it in everything that the records of one response share.
    fn is_other_request(&self, row: usize, request: &LoggedRequest<'_, '_>, prompt: u64) -> bool {
        let Some(identity) = self.details.get(row).map(|d| &d.identity) else { return false };
        identity.prompt != prompt
            && identity.at != request.at
            && (request.request_id.is_empty()
                || hash_id(&self.hasher, request.request_id) != identity.request_id)
            && self.has_other_parent(identity, request)
    }

    /// Whether a record with an id that says nothing belongs to the request before it.
    fn is_next_record(&self, row: usize, request: &LoggedRequest<'_, '_>, prompt: u64) -> bool {
        let Some(identity) = self.details.get(row).map(|d| &d.identity) else { return false };
        if !request.parent.is_empty() && !self.has_other_parent(identity, request) {
            let parent = hash_id(&self.hasher, request.parent);
            if identity.parent == parent || identity.last_uuid == parent {
                return true;
            }
        }
        let request_id = hash_id(&self.hasher, request.request_id);
        if request_id.is_some() && request_id == identity.request_id {
            return identity.prompt == prompt || !self.has_other_parent(identity, request);
        }
        // Without any other id, records with the same prompt are taken for the stages of one response.
        let has_no_other_id = request_id.is_none() && identity.request_id.is_none();
        let has_no_parent = request.parent.is_empty() && identity.parent.is_none();
        has_no_other_id && has_no_parent && !request.id.is_empty() && identity.prompt == prompt
    }

    /// Whether a record follows neither the same record as a request nor the last record of the request.
    fn has_other_parent(&self, identity: &RequestIdentity, request: &LoggedRequest<'_, '_>) -> bool {
        let parent = hash_id(&self.hasher, request.parent);
        parent.is_some()
            && identity.parent.is_some()
            && parent != identity.parent
            && parent != identity.last_uuid
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

/// Returns the hash of an id; `None` for an empty one.
fn hash_id(hasher: &RandomState, id: &str) -> Option<u64> {
    (!id.is_empty()).then(|| hasher.hash_one(id))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One record: message id, request id, record id, parent, second of its time, input and output tokens.
    type Fields = (&'static str, &'static str, &'static str, &'static str, i64, i64, i64);

    /// Returns the keys of the requests in a log, with their input and output tokens.
    fn requests(records: &[Fields]) -> Vec<(String, u64, u64)> {
        let mut collector = RequestCollector::new(SessionKey::new("claude", "s"));
        for (n, (id, request_id, uuid, parent, second, input, output)) in records.iter().enumerate() {
            let usage = format!(r#"{{"input_tokens":{input},"output_tokens":{output}}}"#);
            let usage: Usage<'_> = serde_json::from_str(&usage).unwrap();
            let at = (*second >= 0).then_some(Timestamp(second * 1000));
            let request = LoggedRequest {
                id,
                request_id,
                uuid,
                parent,
                at,
                model: Some("m"),
                usage: Some(&usage),
                stopped: true,
                provider: None,
                agent: None,
                skill: None,
                copied: false,
            };
            let position = LogPosition { at, offset: n as u64 };
            collector.add(&request, &position, None, Vec::new());
        }
        collector.finish().into_iter().map(|r| (r.dedupe_key, r.tokens.input, r.tokens.output)).collect()
    }

    fn figures(records: &[Fields]) -> Vec<(u64, u64)> {
        requests(records).into_iter().map(|(_, input, output)| (input, output)).collect()
    }

    const LONG: &str = "msg_01PNkvrVDKg2PmvstHlBqnOl";

    #[test]
    fn answers_with_a_constant_or_empty_id_are_different_requests() {
        for id in ["gw", "", LONG, "00000000-0000-0000-0000-000000000000"] {
            let log =
                [(id, "", "b", "a", 1, 10, 1), (id, "", "d", "c", 2, 20, 2), (id, "", "f", "e", 3, 30, 3)];
            assert_eq!(figures(&log), [(10, 1), (20, 2), (30, 3)], "{id}");
            let named = log.map(|(id, _, u, p, t, i, o)| (id, u, u, p, t, i, o));
            assert_eq!(figures(&named), [(10, 1), (20, 2), (30, 3)], "{id}, request ids");
        }
        let same_usage = [("gw", "", "b", "a", 1, 10, 1), ("gw", "", "d", "c", 2, 10, 1)];
        assert_eq!(figures(&same_usage).len(), 2);
        let no_parents = [("gw", "", "b", "", 1, 10, 1), ("gw", "", "d", "", 2, 20, 1)];
        assert_eq!(figures(&no_parents).len(), 2);
        let nothing = [("", "", "", "", 1, 10, 1), ("", "", "", "", 2, 10, 1), ("", "", "", "", 2, 30, 1)];
        assert_eq!(figures(&nothing).len(), 3);
        let no_times = [("", "", "", "", -1, 10, 1), ("", "", "", "", -1, 10, 1)];
        assert_eq!(figures(&no_times).len(), 2);
    }

    #[test]
    fn the_records_of_one_streamed_answer_are_one_request() {
        for id in ["gw", "", LONG] {
            let chain =
                [(id, "", "b", "a", 1, 10, 1), (id, "", "c", "b", 2, 10, 5), (id, "", "d", "c", 3, 10, 9)];
            assert_eq!(figures(&chain), [(10, 9)], "{id}, a chain");
            let siblings = [(id, "", "b", "a", 1, 10, 1), (id, "", "c", "a", 2, 12, 9)];
            assert_eq!(figures(&siblings), [(12, 9)], "{id}, the same parent");
            let named = [(id, "r", "b", "a", 1, 10, 1), (id, "r", "c", "x", 2, 10, 9)];
            assert_eq!(figures(&named), [(10, 9)], "{id}, the same request id");
        }
        let no_parents = [("short", "", "b", "", 1, 10, 1), ("short", "", "d", "", 2, 10, 9)];
        assert_eq!(figures(&no_parents), [(10, 9)]);
        let tool_between = [(LONG, "", "b", "a", 1, 10, 1), (LONG, "", "d", "tool", 2, 10, 9)];
        assert_eq!(figures(&tool_between), [(10, 9)]);
    }

    #[test]
    fn a_copy_in_another_log_has_the_key_of_the_original() {
        let first = [("gw", "", "b", "a", 1, 10, 1), ("gw", "", "d", "c", 2, 20, 2)];
        let copied =
            [("gw", "", "w", "v", 1, 10, 1), ("gw", "", "y", "x", 2, 20, 2), ("gw", "", "2", "1", 9, 5, 5)];
        let keys =
            |records: &[Fields]| requests(records).into_iter().map(|(key, ..)| key).collect::<Vec<_>>();
        assert_eq!(keys(&first), keys(&copied)[..2]);
        let repeated = [first, first].concat();
        assert_eq!(keys(&repeated), keys(&first), "the log repeats its own history");
        assert_eq!(keys(&[(LONG, "", "b", "a", 1, 10, 1)]), [format!("claude:{LONG}")]);
    }
}
