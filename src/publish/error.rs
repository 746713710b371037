//! What can go wrong while publishing. No text here ever holds the token.

use std::path::PathBuf;

/// Why a release does not stand at its destination, or is not known to.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There are no files.
    #[error("the release has no files")]
    Nothing,
    /// The bytes in hand are not the approved ones.
    #[error("{path} is not what was approved: nothing was sent; prepare and approve again")]
    Changed {
        /// The file, or what else differs.
        path: String,
    },
    /// A path that no export writes.
    #[error("{path:?} is no path for a release: nothing was sent")]
    BadPath {
        /// The path.
        path: String,
    },
    /// A file is too large to be a regular file on the Hub.
    #[error(
        "{path} has {bytes} bytes, the limit is {limit}: prepare again with smaller shards; nothing was sent"
    )]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// Bytes a file may not reach.
        limit: u64,
    },
    /// Too many files for one atomic commit.
    #[error("{files} files do not fit one commit (at most {limit}): split the release; nothing was sent")]
    TooManyFiles {
        /// Number of files.
        files: usize,
        /// The limit.
        limit: usize,
    },
    /// The endpoint cannot be used.
    #[error("the Hub endpoint {endpoint} cannot be used: {why}")]
    Endpoint {
        /// The endpoint, without credentials.
        endpoint: String,
        /// Why.
        why: &'static str,
    },
    /// The repository id is none.
    #[error("{repo:?} is no repository id: write owner/name, with letters, digits, '-', '_' and '.'")]
    RepoId {
        /// The id.
        repo: String,
    },
    /// No token was unsealed.
    #[error("there is no Hub token: seal one with `clawgate login`, then sign again")]
    NoToken,
    /// The Hub does not take the token.
    #[error(
        "the Hub refused the token (expired or revoked): make a new one, `clawgate login`, then sign again"
    )]
    BadToken,
    /// The token cannot write.
    #[error(
        "the token of {user} cannot write to {repo}: make one with write permission for it; nothing was sent"
    )]
    ReadOnly {
        /// The Hub user.
        user: String,
        /// The repository.
        repo: String,
    },
    /// The Hub forbids the request.
    #[error("the Hub forbids writing to {repo}: {message}")]
    Forbidden {
        /// The repository.
        repo: String,
        /// What the Hub said.
        message: String,
    },
    /// The repository has another visibility than the approved one.
    #[error(
        "{repo} is {found} and the approval is for a {wanted} dataset: nothing was sent; choose another repository, \
         or change its visibility yourself in its settings"
    )]
    Visibility {
        /// The repository.
        repo: String,
        /// What was approved.
        wanted: &'static str,
        /// What the Hub says.
        found: &'static str,
    },
    /// The repository answers under another name.
    #[error("{repo} has moved: approve its new name; nothing was sent")]
    Moved {
        /// The repository.
        repo: String,
    },
    /// The branch is not there.
    #[error("{repo} has no branch {revision}: create it on the Hub or publish to main; nothing was sent")]
    NoBranch {
        /// The repository.
        repo: String,
        /// The branch.
        revision: String,
    },
    /// Somebody else committed in between.
    #[error(
        "somebody else committed to {repo} meanwhile: look at it, then publish again; our commit did not land"
    )]
    Diverged {
        /// The repository.
        repo: String,
    },
    /// The Hub asks for more patience than we have.
    #[error("the Hub limits requests: try again in {seconds} s")]
    RateLimited {
        /// Seconds to wait.
        seconds: u64,
    },
    /// The Hub answered with an error.
    #[error("the Hub answered {status} while {during}: {message}")]
    Server {
        /// HTTP status.
        status: u16,
        /// What was being done.
        during: &'static str,
        /// What the Hub said, shortened.
        message: String,
    },
    /// No usable answer.
    #[error("no answer from the Hub while {during}: {why}")]
    Unreachable {
        /// What was being done.
        during: &'static str,
        /// The transport's error.
        why: String,
    },
    /// The commit was sent, and whether it landed or who may see it could not be asked.
    #[error(
        "it is not known whether the release stands on {repo} as approved: {why}; publish again, it sends nothing \
         that stands there already"
    )]
    Uncertain {
        /// The repository.
        repo: String,
        /// Why it is not known.
        why: String,
    },
    /// What stands at the destination is not what was approved.
    #[error("{path} at {place} is NOT what was approved ({why}): take the dataset down and look into it")]
    Mismatch {
        /// Where.
        place: String,
        /// The file.
        path: String,
        /// What differs.
        why: String,
    },
    /// The folder holds something else.
    #[error("{} is there already and holds something else: choose a folder that does not exist", path.display())]
    FolderTaken {
        /// The folder.
        path: PathBuf,
    },
    /// The folder path cannot be used.
    #[error("{} cannot be used as a destination: give an absolute path", path.display())]
    FolderPath {
        /// The path.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// No runtime for the upload.
    #[error("the upload could not run: {0}")]
    Runtime(String),
}
