//! The row that all counting works on: one provider request, counted once.

use crate::trace::{Confidence, Timestamp, Tokens};

/// How much of a request's prompt came from a tool's results, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToolShare<'a> {
    /// Tool name.
    pub tool: &'a str,
    /// Prompt tokens that its results added since the request before.
    pub fresh: u64,
    /// Prompt tokens of its earlier results, which the prompt still carries.
    pub carried: u64,
}

/// Where a copy of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place<'a> {
    /// The archive's id of the file.
    pub file: i64,
    /// Byte offset of the record in the file; in a database the row's place.
    pub offset: u64,
    /// Key of the session that the copy stands in.
    pub session: &'a str,
}

/// One provider request as the ledger hands it out: borrowed, so that a scan of the ledger allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct CountedRow<'a> {
    /// Agent id.
    pub agent: &'a str,
    /// Key of the session that owns the request.
    pub session: &'a str,
    /// Working directory or project name; `None` where the log has none.
    pub project: Option<&'a str>,
    /// When the request's final record was written.
    pub at: Timestamp,
    /// Model id as the log has it.
    pub model: &'a str,
    /// Provider id, where the log has one; only overrides look at it.
    pub provider: Option<&'a str>,
    /// Tokens by kind.
    pub tokens: Tokens,
    /// Cost the agent itself reported, pico-USD.
    pub reported_picousd: Option<i64>,
    /// Whether fast mode was used.
    pub fast: bool,
    /// `inference_geo`.
    pub geo: Option<&'a str>,
    /// Service tier, where not the standard one.
    pub service_tier: Option<&'a str>,
    /// Machine it was imported from; `None` = this one.
    pub device: Option<&'a str>,
    /// Kind of subagent that made the request.
    pub subagent: Option<&'a str>,
    /// Skill the request is attributed to.
    pub skill: Option<&'a str>,
    /// What tools' results take up of the prompt; empty where not known.
    pub tools: &'a [ToolShare<'a>],
    /// How far the figures can be trusted.
    pub confidence: Confidence,
    /// The key by which copies of the request are known.
    pub key: &'a str,
    /// Where the copy stands whose figures count.
    pub place: Place<'a>,
    /// Where all copies stand, this one among them; empty for a request that stands in one place.
    pub copies: &'a [Place<'a>],
}

impl<'a> CountedRow<'a> {
    /// A row with nothing but what every row has.
    pub fn new(agent: &'a str, session: &'a str, at: Timestamp, model: &'a str, tokens: Tokens) -> Self {
        CountedRow {
            agent,
            session,
            project: None,
            at,
            model,
            provider: None,
            tokens,
            reported_picousd: None,
            fast: false,
            geo: None,
            service_tier: None,
            device: None,
            subagent: None,
            skill: None,
            tools: &[],
            confidence: Confidence::Exact,
            key: "",
            place: Place::default(),
            copies: &[],
        }
    }
}
