//! One provider request as the logs record it: tokens by kind, and what identifies the request.

use serde::{Deserialize, Serialize};

use super::{SessionKey, Timestamp};

/// Tokens of one request, by kind. `input` is uncached input; `output` contains `reasoning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Input tokens that came from no cache.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
    /// Input tokens read from the provider's cache.
    pub cache_read: u64,
    /// Input tokens written to the five-minute cache.
    pub cache_write_5m: u64,
    /// Input tokens written to the one-hour cache.
    pub cache_write_1h: u64,
    /// Web searches the provider ran.
    pub web_search: u64,
}

impl Tokens {
    /// All tokens moved, without web searches; saturating.
    pub fn total(&self) -> u64 {
        [self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h]
            .iter()
            .fold(self.input, |a, b| a.saturating_add(*b))
    }

    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        *self == Tokens::default()
    }
}

/// How far a number can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The provider's own usage of the request.
    #[default]
    Exact,
    /// A figure the agent reported (for instance its cost), not the provider's usage.
    Reported,
    /// Computed from something else.
    Estimated,
    /// At least this much.
    LowerBound,
    /// Tokens counted, price unknown.
    Unpriced,
}

/// What the results of a tool added to a request's prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolAdd {
    /// Tool name.
    pub tool: String,
    /// Prompt tokens.
    pub tokens: u64,
}

/// How a request's prompt goes on from the row before it in the same session and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chain {
    /// A prompt of its own: nothing is carried into it, nothing out of it.
    #[default]
    Apart,
    /// The first request, or the first after the prompt was cut (compaction, a cleared conversation).
    Starts,
    /// The prompt holds what the one before held, and more.
    Continues,
}

/// One provider request in one log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Identifies the request across files (provider message id; else session and position). Copied history
    /// repeats it.
    pub dedupe_key: String,
    /// The session the request is attributed to.
    pub session: SessionKey,
    /// When the request's final record was written.
    pub at: Timestamp,
    /// Model id as the log has it.
    pub model: String,
    /// Provider id, where the log names one.
    pub provider: Option<String>,
    /// Tokens by kind.
    pub tokens: Tokens,
    /// How the prompt goes on from the row before.
    pub chain: Chain,
    /// What tools' results added to the prompt since the row before, by its growth.
    pub added: Vec<ToolAdd>,
    /// Cost the agent itself reported, in pico-USD; only where it is more than zero.
    pub reported_picousd: Option<i64>,
    /// Whether the provider's fast mode was used.
    pub fast: bool,
    /// `inference_geo`, where the provider says so.
    pub geo: Option<String>,
    /// Service tier, where it is not the standard one.
    pub service_tier: Option<String>,
    /// Kind of subagent that made the request.
    pub subagent: Option<String>,
    /// Skill the request is attributed to.
    pub skill: Option<String>,
    /// Byte offset of the record in its file; in a database the row's place.
    pub offset: u64,
    /// Whether this copy is known to be copied history (the log says another session wrote it first).
    pub copied: bool,
    /// How far the figures can be trusted.
    pub confidence: Confidence,
}

/// What counting needs to know of a session besides its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session.
    pub key: SessionKey,
    /// Working directory, from the records.
    pub project: Option<String>,
    /// First instant in the records.
    pub started: Option<Timestamp>,
    /// Last instant in the records.
    pub ended: Option<Timestamp>,
}

impl SessionFacts {
    /// The facts of a session in normal form.
    pub fn of(session: &super::Session) -> Self {
        SessionFacts {
            key: session.key.clone(),
            project: session.project.clone(),
            started: session.started,
            ended: session.ended,
        }
    }
}
