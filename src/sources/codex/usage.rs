//! Usage rows of a Codex rollout.
//!
//! 0.169 writes one `token_usage_record` per response. Older versions write `token_count` events with totals that
//! are repeated without a new request and start from zero after some resumes; a request is a rise of the total.
//!
//! A fork or subagent file may begin with its parent's events, stamped anew and with nothing that marks their end.
//! So rows are keyed by the first thread of the chain of forks, their position and the running total: a replayed
//! row gets the key it has in the parent's file, a later one has a total that the parent never had.

use std::collections::HashSet;

use crate::sources::codex::AGENT;
use crate::sources::codex::record::{Counts, Info};
use crate::sources::common::tool_attribution::Growth;
use crate::trace::{SessionKey, Timestamp, Tokens, UsageRow};

/// Running counts in the log's own terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Total {
    input: u64,
    cached: u64,
    written: u64,
    output: u64,
    reasoning: u64,
}

impl Total {
    fn of(counts: &Counts) -> Self {
        Total {
            input: counts.input_tokens.count(),
            cached: counts.cached_input_tokens.count(),
            written: counts.cache_write_input_tokens.count(),
            output: counts.output_tokens.count(),
            reasoning: counts.reasoning_output_tokens.count(),
        }
    }

    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Total {
            input: f(self.input, other.input),
            cached: f(self.cached, other.cached),
            written: f(self.written, other.written),
            output: f(self.output, other.output),
            reasoning: f(self.reasoning, other.reasoning),
        }
    }

    fn all(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    fn tokens(self) -> Tokens {
        let cache_read = self.cached.min(self.input);
        Tokens {
            input: self.input - cache_read,
            output: self.output,
            reasoning: self.reasoning,
            cache_read,
            cache_write_5m: self.written,
            cache_write_1h: 0,
            web_search: 0,
        }
    }
}

/// What the header of a rollout says of all its requests.
pub(super) struct Origin<'a> {
    pub subagent: Option<&'a str>,
    pub provider: Option<&'a str>,
}

/// Where and under which model a request was logged.
pub(super) struct At<'a> {
    pub at: Timestamp,
    pub model: &'a str,
    pub offset: u64,
}

/// Collects the requests of one rollout.
#[derive(Default)]
pub(super) struct Requests {
    /// Key without its agent and thread, and the row.
    rows: Vec<(Option<String>, UsageRow)>,
    seen: HashSet<String>,
    records: bool,
    total: Total,
    stretch: u32,
    position: u32,
    growth: Growth,
    /// Tools called since the last request.
    called: Vec<String>,
}

impl Requests {
    /// Notes that the present answer calls a tool.
    pub(super) fn called(&mut self, tool: &str) {
        self.called.push(tool.to_owned());
    }

    fn push(&mut self, key: Option<String>, mut row: UsageRow) {
        self.growth.step(&mut row, std::mem::take(&mut self.called));
        self.rows.push((key, row));
    }

    /// Counts a `token_usage_record`.
    pub(super) fn record(&mut self, response: Option<&str>, counts: &Counts, at: &At<'_>) {
        self.records = true;
        let Some(id) = response else { return };
        if self.seen.insert(id.to_owned()) {
            let key = format!("{AGENT}:{id}");
            self.push(None, row(key, Total::of(counts), at));
        }
    }

    /// Counts a `token_count` event, unless records tell it better.
    pub(super) fn count(&mut self, info: &Info, at: &At<'_>) {
        let last = info.last_token_usage.0.as_ref().map(Total::of);
        let total = match (info.total_token_usage.0.as_ref().map(Total::of), last) {
            (Some(total), _) => total,
            // No total at all: the last request is all there is to go by.
            (None, Some(last)) => self.total.zip(last, u64::saturating_add),
            (None, None) => return,
        };
        if self.records || total == self.total {
            return;
        }
        let expected = last.map(|last| self.total.zip(last, u64::saturating_add));
        let restarted = total.all() < self.total.all() || (expected != Some(total) && last == Some(total));
        if restarted {
            self.stretch += 1;
            self.total = Total::default();
        }
        let delta = total.zip(self.total, u64::saturating_sub);
        self.total = total;
        self.position += 1;
        let Total { input, cached, output, reasoning, .. } = total;
        let key = format!("#{}.{}:{input}.{cached}.{output}.{reasoning}", self.stretch, self.position);
        self.push(Some(key), row(String::new(), delta, at));
    }

    /// The rows, attributed to `session`; `root` is the first thread of its chain of forks.
    pub(super) fn finish(self, session: &SessionKey, root: &str, of: &Origin<'_>) -> Vec<UsageRow> {
        // In a fork nothing tells a replayed row from a new one, so all yield to another file's row of that key.
        let copied = session.native() != root;
        self.rows
            .into_iter()
            .map(|(key, mut row)| {
                if let Some(key) = key {
                    row.dedupe_key = format!("{AGENT}:{root}{key}");
                }
                row.copied = copied;
                row.session = session.clone();
                row.subagent = of.subagent.map(str::to_owned);
                row.provider = of.provider.map(str::to_owned);
                row
            })
            .collect()
    }
}

fn row(dedupe_key: String, total: Total, at: &At<'_>) -> UsageRow {
    UsageRow {
        dedupe_key,
        session: SessionKey::new(AGENT, ""),
        at: at.at,
        model: at.model.to_owned(),
        tokens: total.tokens(),
        offset: at.offset,
        ..UsageRow::default()
    }
}
