//! One provider request as a log records it: its tokens by kind, and what identifies the request.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use super::{SessionKey, Timestamp, normal_directory};

/// Tokens of one or several requests, by kind. Sums saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Output tokens, including reasoning.
    pub output: u64,
    /// The part of `output` that is reasoning.
    pub reasoning: u64,
    /// Input tokens read from the provider's cache.
    pub cache_read: u64,
    /// Input tokens written to the five-minute cache.
    pub cache_write_5m: u64,
    /// Input tokens written to the one-hour cache.
    pub cache_write_1h: u64,
    /// Web searches that the provider ran.
    pub web_search: u64,
}

impl Tokens {
    /// Returns all tokens without web searches.
    pub fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }

    /// Returns the tokens of the prompt: uncached input, cache reads and cache writes.
    pub fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write())
    }

    /// Returns the tokens written to a cache of either lifetime.
    pub fn cache_write(&self) -> u64 {
        self.cache_write_5m.saturating_add(self.cache_write_1h)
    }

    /// Returns whether no token and no web search was counted.
    pub fn is_zero(&self) -> bool {
        *self == Tokens::default()
    }

    /// Returns the seven counts in the order of the fields.
    pub fn counts(&self) -> [u64; 7] {
        let t = self;
        [t.input, t.output, t.reasoning, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.web_search]
    }
}

/// Tokens and cost of the requests that a session owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionUsage {
    pub tokens: Tokens,
    /// Cost of the requests that have a price.
    pub cost_picousd: i64,
    /// Tokens of the requests without a price.
    pub unpriced_tokens: u64,
    pub confidence: Confidence,
}

impl From<[u64; 7]> for Tokens {
    fn from(counts: [u64; 7]) -> Self {
        let [input, output, reasoning, cache_read, cache_write_5m, cache_write_1h, web_search] = counts;
        Tokens { input, output, reasoning, cache_read, cache_write_5m, cache_write_1h, web_search }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Tokens) {
        *self = *self + other;
    }
}

impl Add for Tokens {
    type Output = Tokens;

    fn add(self, other: Tokens) -> Tokens {
        Tokens {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            web_search: self.web_search.saturating_add(other.web_search),
        }
    }
}

impl Sum for Tokens {
    fn sum<I: Iterator<Item = Tokens>>(parts: I) -> Tokens {
        parts.fold(Tokens::default(), Tokens::add)
    }
}

/// How reliable a figure is. A sum has the lowest confidence of its parts, which is the greatest value here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The usage that the provider returned for the request.
    #[default]
    Exact,
    /// A figure that the agent reported, for example its own cost.
    Reported,
    /// A figure computed from something else.
    Estimated,
    /// The true figure is at least this large.
    LowerBound,
    /// The tokens are counted and their price is unknown.
    Unpriced,
}

/// Prompt tokens that the results of a tool added since the previous request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(S, u64)", into = "(S, u64)", bound(serialize = "S: Clone + Serialize"))]
pub struct ToolPromptTokens<S = String> {
    pub tool: S,
    pub tokens: u64,
}

impl<S> From<(S, u64)> for ToolPromptTokens<S> {
    fn from((tool, tokens): (S, u64)) -> Self {
        ToolPromptTokens { tool, tokens }
    }
}

impl<S> From<ToolPromptTokens<S>> for (S, u64) {
    fn from(t: ToolPromptTokens<S>) -> Self {
        (t.tool, t.tokens)
    }
}

/// How the prompt of a request relates to the previous request of the same session and file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum PromptChain {
    /// The prompt is independent: it takes no tool results over from other requests and passes none on.
    #[default]
    Detached,
    /// The first prompt, or the first one after a compaction or a cleared conversation.
    Start,
    /// The prompt contains the previous prompt and adds to it.
    Continuation,
}

impl From<u8> for PromptChain {
    fn from(code: u8) -> Self {
        match code {
            1 => PromptChain::Start,
            2 => PromptChain::Continuation,
            _ => PromptChain::Detached,
        }
    }
}

impl From<PromptChain> for u8 {
    fn from(chain: PromptChain) -> Self {
        chain as u8
    }
}

/// One provider request as one log file records it.
///
/// The readers produce rows with owned text (`UsageRow<String>`); the ledger decodes its segments into rows that
/// borrow their text (`UsageRow<&str>`). The names and the order of the fields in JSON are those of exported ledgers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Clone + Serialize"))]
pub struct UsageRow<S = String> {
    /// Identifies the request across files: the provider's message id, or else session and position. Copied history
    /// repeats it.
    #[serde(rename = "key")]
    pub dedupe_key: S,
    /// The session that the request is attributed to.
    pub session: SessionKey<S>,
    /// When the last record of the request was written.
    pub at: Timestamp,
    /// The model id as the log has it.
    pub model: S,
    /// The provider id, if the log names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<S>,
    pub tokens: Tokens,
    /// The cost that the agent itself reported, in pico-USD; only if it is greater than zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_picousd: Option<i64>,
    /// Whether the provider's fast mode was used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fast: bool,
    /// `inference_geo`, if the provider reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo: Option<S>,
    /// The service tier, unless it is the standard one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<S>,
    /// The kind of subagent that made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subagent: Option<S>,
    /// The skill that the request is attributed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill: Option<S>,
    /// Byte offset of the record in its file; the position of the row in a database.
    #[serde(default)]
    pub offset: u64,
    /// Whether the log says that another session wrote this record first, or may have written it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copied: bool,
    #[serde(default)]
    pub confidence: Confidence,
    #[serde(default)]
    pub chain: PromptChain,
    /// Prompt tokens that tool results added since the previous request, derived from the prompt's growth.
    #[serde(default = "Vec::new", rename = "added", skip_serializing_if = "Vec::is_empty")]
    pub tool_tokens: Vec<ToolPromptTokens<S>>,
}

impl<S: AsRef<str>> UsageRow<S> {
    /// Returns whether the key is a position in a chain of forked sessions, and not an id from the provider. Each fork
    /// may have a request of its own at the same position. Only Codex's running totals have such keys.
    pub fn has_position_key(&self) -> bool {
        let key = self.dedupe_key.as_ref();
        key.starts_with("codex:") && key.contains('#')
    }
}

impl<S> UsageRow<S> {
    /// Converts every text of the row, for example from owned to borrowed text.
    pub fn map_text<'a, T>(&'a self, convert: impl Fn(&'a S) -> T) -> UsageRow<T> {
        UsageRow {
            dedupe_key: convert(&self.dedupe_key),
            session: SessionKey(convert(&self.session.0)),
            at: self.at,
            model: convert(&self.model),
            provider: self.provider.as_ref().map(&convert),
            tokens: self.tokens,
            chain: self.chain,
            tool_tokens: self
                .tool_tokens
                .iter()
                .map(|t| ToolPromptTokens { tool: convert(&t.tool), tokens: t.tokens })
                .collect(),
            reported_picousd: self.reported_picousd,
            fast: self.fast,
            geo: self.geo.as_ref().map(&convert),
            service_tier: self.service_tier.as_ref().map(&convert),
            subagent: self.subagent.as_ref().map(&convert),
            skill: self.skill.as_ref().map(&convert),
            offset: self.offset,
            copied: self.copied,
            confidence: self.confidence,
        }
    }
}

/// What counting needs to know about a session in addition to its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SessionFacts<S = String> {
    pub key: SessionKey<S>,
    /// The working directory that the records name, in its normal spelling.
    pub project: Option<S>,
    /// The first instant in the records.
    pub started: Option<Timestamp>,
    /// The last instant in the records.
    pub ended: Option<Timestamp>,
}

impl SessionFacts {
    /// Returns the facts of a session in normal form.
    pub fn of(session: &super::Session) -> Self {
        SessionFacts {
            key: session.key.clone(),
            project: session.project.as_deref().map(normal_directory),
            started: session.started,
            ended: session.ended,
        }
    }

    /// Finds the facts of a row's session. A subagent's requests may belong to its parent, whose facts are in another
    /// file: then the file's first facts are the nearest ones.
    pub fn find<'f>(facts: &'f [SessionFacts], session: &SessionKey) -> Option<&'f SessionFacts> {
        facts.iter().find(|f| f.key == *session).or(facts.first())
    }
}

impl<S> SessionFacts<S> {
    /// Converts every text of the facts, for example from owned to borrowed text.
    pub fn map_text<'a, T>(&'a self, convert: impl Fn(&'a S) -> T) -> SessionFacts<T> {
        SessionFacts {
            key: SessionKey(convert(&self.key.0)),
            project: self.project.as_ref().map(&convert),
            started: self.started,
            ended: self.ended,
        }
    }
}
