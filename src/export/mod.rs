//! Layer 3: output formats of redacted sessions, the shards that contain the rows, the dataset card and `metadata.json`.
//!
//! There is one file per format. Everything here is pure and deterministic: the same input gives the same bytes.
//! Nothing here redacts; the input is already redacted.

mod card;
mod facts;
mod layout;
mod metadata;
mod row_text;
mod rows;
mod shards;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::trace::{Session, Tokens, Version, words};

pub use card::card;
pub use facts::{ReleaseSummary, RowEntry, RowFacts, SessionCounts, SummaryHead};
pub use layout::{ADDITIONS, CARD, Layout, added_by, is_of_release};
pub use metadata::metadata;
pub use row_text::RowText;
pub use rows::Rows;
pub use shards::{FILE_LIMIT, Packer, RowPlace, SHARD_TARGET, ShardFile};

/// Why a row could not be made or packed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The row could not be written as JSON.
    #[error("session {id} cannot be written as JSON: {source}")]
    Json {
        /// Key of the session.
        id: String,
        source: serde_json::Error,
    },
    /// The row of one session is larger than a file may be.
    #[error(
        "the row of session {id} has {bytes} bytes and a file must have fewer than {limit}: leave the session out of \
         the release, or prepare without thinking"
    )]
    RowTooLarge {
        /// Key of the session.
        id: String,
        /// Size of the row in bytes, including the line feed.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Facts about a session that a row needs in addition to the redacted session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowMeta {
    /// Display name of the project, redacted like the session and never a path of this machine. The card shows it too.
    /// `None` if the session has no project.
    pub project: Option<String>,
    /// Version of the session before redaction.
    pub version: Version,
    /// Tokens of the session's own requests, without duplicates.
    pub tokens: Tokens,
    /// Whether the row contains the model's reasoning.
    pub thinking: bool,
}

impl RowMeta {
    /// Facts without project and tokens, with thinking included.
    pub fn new(version: Version) -> Self {
        RowMeta { project: None, version, tokens: Tokens::default(), thinking: true }
    }
}

/// Id of an output format, as the configuration and the dataset name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatId {
    #[default]
    Rows,
}

words!(FormatId, "rows", { Rows => "rows" });

/// One output format, which turns a redacted session into one JSON row.
pub trait Format: Sync {
    fn id(&self) -> FormatId;

    /// One sentence for lists, help and the card.
    fn describe(&self) -> &'static str;

    /// The row of one session: a JSON object whose fields have the same type in every row.
    ///
    /// # Errors
    /// [`ExportError::Json`] if the session cannot be written as JSON.
    fn row(&self, session: &Session, meta: &RowMeta) -> Result<RowText, ExportError>;

    /// Reads the facts of a session back from its row. `None` if it is not a row of this format.
    fn facts(&self, row: &Value) -> Option<RowFacts>;

    /// The `features:` list of the card's `dataset_info`, as YAML indented by two. Loaders read the column types from
    /// it. Without it they guess the types from the first rows.
    fn features(&self) -> Option<&'static str> {
        None
    }

    /// Sentences for the card that explain the columns.
    fn columns(&self) -> &'static str;
}

/// Returns the format with this id.
pub fn format(id: FormatId) -> &'static dyn Format {
    match id {
        FormatId::Rows => &Rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_unique_id() {
        let id: FormatId = "rows".parse().unwrap();
        assert_eq!(format(id).id(), id);
        assert_eq!(serde_json::to_value(id).unwrap(), id.as_str());
        let err = "nope".parse::<FormatId>().unwrap_err();
        assert!(err.to_string().contains("rows"), "{err}");
    }
}
