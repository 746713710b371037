//! Where a release goes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The place that receives the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// A dataset repository on the Hub, `owner/name`.
    Hub {
        /// `owner/name`.
        repo: String,
        /// Branch that receives the commit.
        revision: String,
    },
    /// A folder on this machine.
    Folder {
        /// Absolute path.
        path: String,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Hub { repo, revision } => write!(f, "hf:{repo}@{revision}"),
            Target::Folder { path } => write!(f, "folder:{path}"),
        }
    }
}

/// Who may see the published dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The owner only.
    #[default]
    Private,
    /// Everybody.
    Public,
}

/// A target with the terms under which it receives a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Destination {
    /// The place.
    pub target: Target,
    /// Who may see it.
    pub visibility: Visibility,
    /// Licence id the person chose (a Hub licence id such as `cc-by-4.0`); none until chosen.
    pub licence: Option<String>,
}
