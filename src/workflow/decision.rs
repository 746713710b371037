//! Who acts, and what is decided about a value of the inventory.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who makes a request. The actor decides what may be kept in clear and is recorded in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person at a terminal.
    Person,
    /// An agent over MCP or in a shell.
    Agent,
}

impl Actor {
    /// The name used in JSON, in the archive and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Actor::Person => "person",
            Actor::Agent => "agent",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Actor {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "person" => Ok(Actor::Person),
            "agent" => Ok(Actor::Agent),
            _ => Err(UnknownName { known: "person or agent" }),
        }
    }
}

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

impl EntityDecision {
    /// The name used in JSON and in the archive.
    pub fn as_str(self) -> &'static str {
        match self {
            EntityDecision::Redact => "redact",
            EntityDecision::Keep => "keep",
        }
    }
}

impl fmt::Display for EntityDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EntityDecision {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "redact" => Ok(EntityDecision::Redact),
            "keep" => Ok(EntityDecision::Keep),
            _ => Err(UnknownName { known: "redact or keep" }),
        }
    }
}

/// A text that names none of the known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {known}")]
pub struct UnknownName {
    /// The values that exist, for a message.
    pub known: &'static str,
}
