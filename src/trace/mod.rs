//! Floor 0: the normal form of a coding-agent session, and what every floor shares.
//!
//! Owns `Session`, `Message`, `Part`, `ToolCall`, `UsageRow`, ids, `Timestamp`, the `Clock` trait and `Env`.
//! Imports nothing of the crate; serde only, no I/O.

mod env;
mod segments;
mod session;
mod time;
mod usage;

pub use env::Env;
pub use segments::{IDLE_GAP_MILLIS, Stretch, stretches};
pub use session::{
    Message, Origin, Part, Role, Session, SessionKey, ToolCall, ToolStatus, Version, canonical_json,
};
pub use time::{Clock, FixedClock, Timestamp};
pub use usage::{Confidence, PromptChain, SessionFacts, Tokens, ToolPromptTokens, UsageRow};
