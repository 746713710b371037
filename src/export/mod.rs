//! Layer 3: output formats of redacted sessions, the shards that contain the rows, the dataset card and `metadata.json`.
//!
//! There is one file per format. Everything here is pure and deterministic: the same input gives the same bytes.
//! Nothing here redacts; the input is already redacted.

mod card;
mod facts;
mod metadata;
mod row_text;
mod rows;
mod shards;

use crate::trace::{Session, Tokens, Version};

pub use card::card;
pub use facts::{ReleaseSummary, RowEntry, RowFacts, SessionCounts, SummaryHead};
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
    /// No format has this id.
    #[error("there is no export format {id:?}; known formats: {known}")]
    UnknownFormat {
        id: String,
        /// Ids of all formats, separated by commas.
        known: String,
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

/// One output format, which turns a redacted session into one JSON row.
pub trait Format: Sync {
    /// Id of the format in the configuration.
    fn id(&self) -> &'static str;

    /// One sentence for lists, help and the card.
    fn describe(&self) -> &'static str;

    /// The row of one session: a JSON object whose fields have the same type in every row.
    ///
    /// # Errors
    /// [`ExportError::Json`] if the session cannot be written as JSON.
    fn row(&self, session: &Session, meta: &RowMeta) -> Result<RowText, ExportError>;

    /// The `features:` list of the card's `dataset_info`, as YAML indented by two. Loaders read the column types from
    /// it. Without it they guess the types from the first rows.
    fn features(&self) -> Option<&'static str> {
        None
    }

    /// Sentences for the card that explain the columns.
    fn columns(&self) -> &'static str;
}

/// All formats. The first is the default.
pub static REGISTRY: &[&dyn Format] = &[&Rows];

/// Returns the format with this id.
///
/// # Errors
/// [`ExportError::UnknownFormat`], which lists the known ids.
pub fn format(id: &str) -> Result<&'static dyn Format, ExportError> {
    REGISTRY.iter().copied().find(|f| f.id() == id).ok_or_else(|| ExportError::UnknownFormat {
        id: id.to_owned(),
        known: REGISTRY.iter().map(|f| f.id()).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_unique_id() {
        for f in REGISTRY {
            assert_eq!(format(f.id()).unwrap().describe(), f.describe());
            assert_eq!(REGISTRY.iter().filter(|g| g.id() == f.id()).count(), 1);
        }
        let err = format("nope").err().unwrap();
        assert!(err.to_string().contains("rows"), "{err}");
    }
}
