//! The normal form that every agent's log is read into.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Timestamp;

/// `<agent>:<native id>`; opaque to everyone but its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SessionKey<S = String>(pub S);

/// Suffix of the key under which the compactions of a session are counted.
const COMPACTION_SUFFIX: &str = "#compaction";

impl SessionKey {
    /// Builds the key of an agent's session.
    pub fn new(agent: &str, native: &str) -> Self {
        SessionKey(format!("{agent}:{native}"))
    }

    /// Removes the suffix that marks the compactions of a session.
    pub fn without_compaction_suffix(key: &str) -> &str {
        key.strip_suffix(COMPACTION_SUFFIX).unwrap_or(key)
    }
}

impl<S: AsRef<str>> SessionKey<S> {
    /// Returns the id of the agent.
    pub fn agent(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(agent, _)| agent)
    }

    /// Returns the agent's own id of the session.
    pub fn native(&self) -> &str {
        self.as_str().split_once(':').map_or(self.as_str(), |(_, native)| native)
    }

    /// Returns the key under which the session's compactions are counted, for agents that log no record of them.
    pub fn compaction_key(&self) -> SessionKey {
        SessionKey(format!("{}{COMPACTION_SUFFIX}", self.as_str()))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }
}

impl<S: AsRef<str>> fmt::Display for SessionKey<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of a session's canonical normal form, in lower-case hex.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person, or text the agent put in the person's place.
    User,
    /// The model.
    Assistant,
    /// Instructions and notices.
    System,
}

/// What wrote a message: decides what counts as a human prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person typed it.
    Human,
    /// A model produced it.
    #[default]
    Model,
    /// The agent put it in: reminders, command output, environment context, a subagent's task.
    Injected,
    /// A compaction summary.
    Compaction,
}

/// One conversation of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// `<agent>:<native id>`.
    pub key: SessionKey,
    /// Agent id, for instance `claude`.
    pub agent: String,
    /// Version of the agent that wrote the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// The session that started this one as a subagent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionKey>,
    /// The session whose history this one was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<SessionKey>,
    /// Working directory, from the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Git branch, where recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_branch: Option<String>,
    /// Title, where the agent gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// First instant in the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Last instant in the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Messages in the order of the log.
    pub messages: Vec<Message>,
}

/// One message: a human prompt, one model response, or a notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The agent's or provider's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who it is from.
    pub role: Role,
    /// What wrote it.
    #[serde(default)]
    pub origin: Origin,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The model that produced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its content.
    pub parts: Vec<Part>,
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text as written.
    Text {
        /// The text.
        text: String,
    },
    /// The model's reasoning.
    Thinking {
        /// The text.
        text: String,
    },
    /// A tool call with its result.
    Tool(ToolCall),
    /// An image or other binary the log holds or points at: referenced and counted, not kept.
    Media {
        /// Media type, for instance `image/png`.
        media_type: String,
        /// Size of the encoded data in bytes.
        bytes: u64,
    },
    /// A file the person or agent attached.
    Attachment {
        /// File name or path, as recorded.
        name: String,
        /// Its text, where the log holds it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// It ran and succeeded.
    Success,
    /// It ran and failed (an error flag, or an exit code other than 0).
    Error,
    /// It was refused before it ran.
    Denied,
    /// The log has no result.
    #[default]
    Pending,
}

/// A tool call paired with its result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ToolCall {
    /// The call's id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Tool name as the agent has it.
    pub name: String,
    /// Input, as JSON.
    pub input: serde_json::Value,
    /// Output text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How it ended.
    pub status: ToolStatus,
    /// Exit code, where the log has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Images and large outputs kept elsewhere, in encoded bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub media_bytes: u64,
    /// The subagent session the call started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subagent: Option<SessionKey>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The canonical bytes of a session: compact JSON with struct fields in declared order.
///
/// # Errors
/// Only if a tool input cannot be written as JSON, which `serde_json::Value` rules out.
pub fn canonical_json(session: &Session) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(session)
}

impl Version {
    /// The version of canonical bytes (see [`canonical_json`]).
    pub fn of(canonical: &[u8]) -> Self {
        Version(data_encoding::HEXLOWER.encode(&Sha256::digest(canonical)))
    }
}

impl Session {
    /// A session with nothing in it yet.
    pub fn empty(agent: &str, native: &str) -> Self {
        Session {
            key: SessionKey::new(agent, native),
            agent: agent.to_owned(),
            agent_version: None,
            parent: None,
            forked_from: None,
            project: None,
            git_branch: None,
            title: None,
            started: None,
            ended: None,
            messages: Vec::new(),
        }
    }

    /// Number of prompts a person typed.
    pub fn user_messages(&self) -> u64 {
        self.messages.iter().filter(|m| m.role == Role::User && m.origin == Origin::Human).count() as u64
    }

    /// Number of model responses with visible text.
    pub fn assistant_messages(&self) -> u64 {
        let visible = |m: &&Message| {
            m.role == Role::Assistant
                && m.origin == Origin::Model
                && m.parts.iter().any(|p| matches!(p, Part::Text { text } if !text.trim().is_empty()))
        };
        self.messages.iter().filter(visible).count() as u64
    }

    /// All tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.messages.iter().flat_map(|m| &m.parts).filter_map(|p| match p {
            Part::Tool(call) => Some(call),
            _ => None,
        })
    }

    /// Number of tool calls that failed or were refused.
    pub fn failed_tool_calls(&self) -> u64 {
        self.tool_calls().filter(|c| matches!(c.status, ToolStatus::Error | ToolStatus::Denied)).count()
            as u64
    }

    /// The models that answered, in order of first use.
    pub fn models(&self) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        for model in self.messages.iter().filter_map(|m| m.model.as_ref()) {
            if !seen.iter().any(|s| s == model) {
                seen.push(model.clone());
            }
        }
        seen
    }

    /// The title the agent gave, else the first line of the first human prompt.
    pub fn display_title(&self) -> Option<String> {
        self.title.clone().or_else(|| {
            let human = self.messages.iter().find(|m| m.role == Role::User && m.origin == Origin::Human)?;
            let text = human.parts.iter().find_map(|p| match p {
                Part::Text { text } => Some(text.trim()),
                _ => None,
            })?;
            let line = text.lines().next().unwrap_or_default();
            Some(line.chars().take(120).collect())
        })
    }
}
