//! Who made an entry of the configuration, which decides who may undo it.

use serde::{Deserialize, Serialize};

/// Who made an entry, in ascending order: an entry is undone only by a caller that is not lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetBy {
    /// An agent: over MCP, or in a shell with an agent's variables.
    Agent,
    /// A command without a terminal, or the text in the file. A script or an agent without its variables can do that too.
    Command,
    /// A person on a terminal.
    Person,
}

impl SetBy {
    pub const fn as_str(self) -> &'static str {
        match self {
            SetBy::Agent => "agent",
            SetBy::Command => "command",
            SetBy::Person => "person",
        }
    }

    /// Returns the value with this name. No name means a command.
    pub fn of(name: Option<&str>) -> Option<Self> {
        match name {
            Some("agent") => Some(SetBy::Agent),
            None | Some("command") => Some(SetBy::Command),
            Some("person") => Some(SetBy::Person),
            Some(_) => None,
        }
    }
}
