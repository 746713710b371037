//! Who acts, and what is decided about a value of the inventory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trace::words;

/// Who makes a request. The actor decides what may be kept in clear and is recorded in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person at a terminal.
    Person,
    /// An agent over MCP or in a shell.
    Agent,
}

words!(Actor, "person or agent", { Person => "person", Agent => "agent" });

/// What happens to a value of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityDecision {
    /// It is replaced by a placeholder.
    #[default]
    Redact,
    /// It stays in clear, which only a person may decide.
    Keep,
}

words!(EntityDecision, "redact or keep", { Redact => "redact", Keep => "keep" });
