//! Floor 3: all SQL. The archive, its search index, the usage ledger, releases, review evidence, the audit chain.
//!
//! One SQLite file in WAL mode. One writer at a time; every change is one transaction that reads what it
//! decides on inside itself, so two processes can scan at once.

mod alerts;
mod archive;
mod audit;
mod body;
mod decisions;
mod evidence;
mod files;
mod forget;
mod held;
mod inbox;
mod lately;
mod ledger;
mod migrate;
mod notices;
mod projects;
mod releases;
mod repack;
mod search;
mod segment;
mod sessions;

pub use archive::{Archive, private_dir};
pub use decisions::Decision;
pub use evidence::{Answer, Planted, Served};
pub use files::{FileRow, FileState, UsageResult};
pub use forget::{Choice, Forgotten};
pub use inbox::{Inbox, Sort};
pub use lately::{Lately, Recent};
pub use ledger::{Wanted, device_of, device_path};
pub use projects::ProjectRow;
pub use releases::ReleaseRow;
pub use search::{DocKind, DocKinds, Hit, SearchQuery, doc_text, json_text, quoted};
pub use sessions::{FileResult, Mark, Prepared, SessionRow, Stored};

/// What can go wrong in the archive.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused; the text is SQLite's own and holds no session text.
    #[error("archive: {0}")]
    Sqlite(rusqlite::Error),
    /// The disk is full.
    #[error("archive: the disk is full; free some space and run the same command again, nothing was lost")]
    Full,
    /// The archive may not be written.
    #[error("archive: it may not be written; check who owns our directory and its files (0700, 0600)")]
    ReadOnly,
    /// A file operation failed.
    #[error("archive {path}: {source}; check who owns our directory and its files (0700, 0600)")]
    Io {
        /// What was being opened.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The archive was written by a newer clawgate.
    #[error("archive has schema {found}, this clawgate knows up to {known}; use the newer clawgate")]
    Newer {
        /// Schema version in the file.
        found: i64,
        /// Newest schema version this build knows.
        known: i64,
    },
    /// A stored value does not read back.
    #[error("archive: {what} cannot be read back ({detail})")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// A search expression that FTS5 cannot parse.
    #[error("search expression: {0}; quote a phrase with \"…\", end a prefix with *")]
    Query(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        match &e {
            rusqlite::Error::SqliteFailure(f, _) if f.code == rusqlite::ErrorCode::DiskFull => {
                StoreError::Full
            }
            _ => StoreError::Sqlite(e),
        }
    }
}

impl StoreError {
    /// Whether another process holds the archive: it passes by itself.
    pub fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        matches!(self, StoreError::Sqlite(e) if matches!(e.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)))
    }

    fn json(what: &'static str) -> impl Fn(serde_json::Error) -> Self {
        move |e| StoreError::Corrupt { what, detail: format!("{:?} at column {}", e.classify(), e.column()) }
    }
}
