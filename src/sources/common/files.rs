//! Opens the files of an agent, and the errors of doing so.

use std::fs::File;
use std::path::{Path, PathBuf};

/// Maximum size of a metadata file that is read next to a log, in bytes.
const MAX_METADATA_BYTES: u64 = 1 << 20;

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Opening or reading failed.
    #[error("{path} {}", self.reason())]
    Io { path: PathBuf, source: std::io::Error },
    /// The file is not a database that can be read.
    #[error("{path} {}", self.reason())]
    Database {
        path: PathBuf,
        /// SQLite's message, without session text.
        detail: String,
    },
    /// Another process writes to a database faster than it can be copied.
    #[error("{path} {}", self.reason())]
    Busy { path: PathBuf },
    /// A directory, pipe or device has the name of a log.
    #[error("{path} {}", self.reason())]
    NotAFile { path: PathBuf },
}

impl SourceError {
    /// Returns what is wrong with the file, as the end of a sentence that begins with its path.
    pub fn reason(&self) -> String {
        match self {
            SourceError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                format!("cannot be read ({source}); check its permissions and scan again")
            }
            SourceError::Io { source, .. } => format!("cannot be read ({source})"),
            SourceError::Database { detail, .. } => format!(
                "cannot be read as a database ({detail}); sessions read from it earlier stay in the archive"
            ),
            SourceError::Busy { .. } => "was being written to; the next scan reads it".to_owned(),
            SourceError::NotAFile { .. } => "is not a regular file; it was left out".to_owned(),
        }
    }
}

/// Opens a log for reading. Refuses anything but a regular file, because a pipe would block the scan.
pub(crate) fn open_log(path: &Path) -> Result<File, SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(SourceError::NotAFile { path: path.to_owned() });
    }
    File::open(path).map_err(io)
}

/// Reads a JSON metadata file. Returns `null` if it is missing, too large or not JSON.
pub(crate) fn small_json(path: &Path) -> serde_json::Value {
    small_file(path).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Reads a metadata file. Returns `None` if it is not a regular file or larger than 1 MiB.
pub(crate) fn small_file(path: &Path) -> Option<Vec<u8>> {
    let meta = std::fs::metadata(path).ok()?;
    (meta.is_file() && meta.len() <= MAX_METADATA_BYTES).then(|| std::fs::read(path).ok())?
}
