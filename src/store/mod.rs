//! Layer 3: all SQL of the archive: sessions, search index, usage ledger, releases, review evidence and audit log.
//!
//! The archive is one SQLite file in WAL mode. There is one writer at a time. Each change is one transaction that also
//! reads the rows it depends on, so that two processes can scan at the same time.

mod alerts;
mod archive;
mod audit;
mod checkouts;
mod decisions;
mod evidence;
mod files;
mod forget;
mod inbox;
mod ledger;
mod migrate;
mod notices;
mod plan_windows;
mod prepared;
mod project_paths;
mod projects;
mod read_messages;
mod releases;
mod scores;
mod search;
mod session_directories;
mod session_parts;
mod sessions;
mod sql;

pub use archive::Archive;
pub use decisions::Decision;
pub use evidence::{AnswerStatus, Decoy, ServedChunk};
pub use files::{FileRow, FileState, UsageResult};
pub use forget::{Choice, Forgotten};
pub use inbox::{Inbox, Sort};
pub use ledger::{UsageFilter, device_of, device_path};
pub use prepared::{Description, Prepared};
pub use project_paths::ProjectPaths;
pub use projects::{LinkedDirectory, ProjectRow};
pub use releases::{ReleaseHead, ReleaseRow, StepRecords};
pub use scores::Score;
pub use search::{DocKind, DocKinds, Hit, SearchQuery, doc_text, json_text, quoted};
pub use sessions::{FileResult, Mark, SessionRow, Stored};

/// An error of the archive.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed. The message is SQLite's own and contains no session text.
    #[error("archive: {0}")]
    Sqlite(rusqlite::Error),
    /// The disk is full.
    #[error("The disk is full. Free some space and run the same command again; nothing was lost.")]
    Full,
    /// A file operation failed.
    #[error(
        "archive {path}: {source}. Check the owner of clawgate's directory (mode 0700) and its files (mode 0600)."
    )]
    Io {
        /// The file or directory.
        path: String,
        source: std::io::Error,
    },
    /// The archive was written by a newer clawgate.
    #[error(
        "The archive has schema version {found}, but this clawgate supports versions up to {known}. Use the newer clawgate."
    )]
    Newer {
        /// Schema version in the file.
        found: i64,
        /// Newest schema version this build knows.
        known: i64,
    },
    /// A stored value cannot be read.
    #[error("archive: a stored {what} cannot be read ({detail})")]
    Corrupt { what: &'static str, detail: String },
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
    /// Returns true if another process has locked the archive, which is temporary.
    pub fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        matches!(self, StoreError::Sqlite(e) if matches!(e.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)))
    }

    fn json(what: &'static str) -> impl Fn(serde_json::Error) -> Self {
        move |e| StoreError::Corrupt { what, detail: format!("{:?} at column {}", e.classify(), e.column()) }
    }
}
