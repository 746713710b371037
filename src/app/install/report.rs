//! What `update-skill` did or would do.

use std::path::PathBuf;

use serde::Serialize;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Created,
    Updated,
    /// The file is already as it should be.
    Unchanged,
    Removed,
    /// There is nothing to remove.
    Absent,
    /// The file was written or changed by somebody else and was left as it is.
    Kept,
}

/// The state of the MCP server in an agent's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum McpState {
    Registered,
    /// It was registered before.
    Present,
    Removed,
    /// It is not registered.
    Absent,
}

/// One file of an agent.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    pub path: PathBuf,
    pub action: Action,
    /// A copy of the file before the change.
    pub backup: Option<PathBuf>,
    /// The values that are added (`+`), changed (`~`) and removed (`-`).
    pub changes: Vec<String>,
}

/// Why an agent could not be set up.
#[derive(Debug, Clone, Serialize)]
pub struct AgentError {
    pub code: String,
    pub message: String,
    pub hints: Vec<String>,
}

/// What was done, or would be done, for one agent.
#[derive(Debug, Clone, Serialize)]
pub struct AgentReport {
    pub agent: &'static str,
    #[serde(skip)]
    pub name: &'static str,
    pub files: Vec<FileReport>,
    pub mcp: Option<McpState>,
    /// The copy of the first configuration file that was changed.
    pub backup: Option<PathBuf>,
    /// What the person has to know or do.
    pub notes: Vec<String>,
    pub error: Option<AgentError>,
}

/// The result of `update-skill`.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateSkillReport {
    /// Whether nothing was written.
    pub dry_run: bool,
    pub agents: Vec<AgentReport>,
    /// Agents that are not on this machine and were left out of `all`.
    pub not_found: Vec<&'static str>,
}
