//! Floor 3: one file per output format over a redacted session, the shards the rows are packed into, the dataset
//! card and `metadata.json`.
//!
//! Everything here is pure and byte-deterministic: the same input gives the same bytes. Nothing here redacts: the
//! sessions that come in are redacted already.

mod card;
mod facts;
mod metadata;
mod rows;
mod shards;

use serde_json::Value;

use crate::trace::{Session, Tokens, Version};

pub use card::card;
pub use facts::{Counts, RowEntry, RowFacts, Summary, SummaryHead};
pub use metadata::metadata;
pub use rows::Rows;
pub use shards::{FILE_LIMIT, Packed, Packer, RowPlace, SHARD_TARGET, ShardFile, pack};

/// What can go wrong while rows are made and packed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The row could not be written as JSON.
    #[error("session {id} cannot be written as JSON: {source}")]
    Json {
        /// The session's key.
        id: String,
        /// The encoder's error.
        source: serde_json::Error,
    },
    /// One session alone is larger than a file may be.
    #[error(
        "session {id} makes a row of {bytes} bytes and a file may hold {limit}: leave it out of the release, or \
         prepare without thinking"
    )]
    RowTooLarge {
        /// The session's key.
        id: String,
        /// Size of its row in bytes, line feed included.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// No format has this id.
    #[error("there is no export format {id:?}; known formats: {known}")]
    UnknownFormat {
        /// The id asked for.
        id: String,
        /// Ids of the formats there are, separated by commas.
        known: String,
    },
}

/// What a row needs to know beside the redacted session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowMeta {
    /// Display name of the project, redacted like the session, never a path of this machine; `None` where the
    /// session has no project. It also stands in the card.
    pub project: Option<String>,
    /// Version of the session the row was made from (before redaction).
    pub version: Version,
    /// Tokens of the session's own requests, summed without copies.
    pub tokens: Tokens,
    /// Whether the model's reasoning goes into the row.
    pub thinking: bool,
}

impl RowMeta {
    /// Meta with no project, no tokens, and thinking included.
    pub fn new(version: Version) -> Self {
        RowMeta { project: None, version, tokens: Tokens::default(), thinking: true }
    }
}

/// One output format: turns a redacted session into one JSON row.
pub trait Format: Sync {
    /// Id of the format, as the person writes it.
    fn id(&self) -> &'static str;

    /// One sentence for lists and help.
    fn describe(&self) -> &'static str;

    /// The row of one session: a JSON object whose fields have the same type in every row.
    ///
    /// # Errors
    /// [`ExportError::Json`] where the session cannot be written as JSON.
    fn row(&self, session: &Session, meta: &RowMeta) -> Result<Value, ExportError>;

    /// The `features:` list of the card's `dataset_info`, as YAML indented by two; loaders take the columns' types
    /// from it instead of guessing them from the first rows. `None` leaves the guessing to the loader.
    fn features(&self) -> Option<&'static str> {
        None
    }
}

/// All formats; the first is the default.
pub static REGISTRY: &[&dyn Format] = &[&Rows];

/// The format with this id.
///
/// # Errors
/// [`ExportError::UnknownFormat`] with the ids there are.
pub fn format(id: &str) -> Result<&'static dyn Format, ExportError> {
    REGISTRY.iter().copied().find(|f| f.id() == id).ok_or_else(|| ExportError::UnknownFormat {
        id: id.to_owned(),
        known: REGISTRY.iter().map(|f| f.id()).collect::<Vec<_>>().join(", "),
    })
}

/// The bytes of one row: compact JSON, no line feed (the packer adds it).
///
/// # Errors
/// As [`Format::row`].
pub fn row_bytes(format: &dyn Format, session: &Session, meta: &RowMeta) -> Result<Vec<u8>, ExportError> {
    let row = format.row(session, meta)?;
    serde_json::to_vec(&row).map_err(|source| ExportError::Json { id: session.key.to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        for f in REGISTRY {
            assert_eq!(format(f.id()).unwrap().describe(), f.describe());
            assert_eq!(REGISTRY.iter().filter(|g| g.id() == f.id()).count(), 1);
        }
        let err = format("nope").err().unwrap();
        assert!(err.to_string().contains("rows"), "{err}");
    }
}
