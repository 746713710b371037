//! Floor 2: where agents keep their logs and how each log becomes the normal form.
//!
//! One agent = one file (or folder) here plus one line in [`REGISTRY`]. Everything is read-only, symlinks that
//! leave a log directory are not followed, and whatever is left out is counted and named.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::trace::{Env, Session, SessionFacts, SessionKey, Tokens, UsageRow};

mod claude;
mod cline;
mod codex;
mod common;
mod copilot;
mod custom;
mod gemini;
mod kimi;
mod kimi_code;
mod openclaw;
mod opencode;
mod pi;
mod qwen;

pub use common::line_reader::DEFAULT_LINE_LIMIT;

/// Every agent that can be read. Adding one = one file and one line here.
pub static REGISTRY: &[&dyn Source] = &[
    &claude::Claude,
    &codex::Codex,
    &gemini::Gemini,
    &opencode::OpenCode,
    &openclaw::OpenClaw,
    &kimi::Kimi,
    &kimi_code::KimiCode,
    &cline::Cline,
    &pi::Pi,
    &qwen::Qwen,
    &copilot::Copilot,
    &custom::Custom,
];

/// The source of an agent id, if there is one.
pub fn by_agent(agent: &str) -> Option<&'static dyn Source> {
    REGISTRY.iter().copied().find(|s| s.agent() == agent)
}

/// Where one agent keeps its logs and how they are read.
pub trait Source: Sync {
    /// Agent id, the part of a session key before the colon.
    fn agent(&self) -> &'static str;

    /// Name for people.
    fn name(&self) -> &'static str;

    /// Directories that hold this agent's logs; only those that exist.
    fn roots(&self, env: &Env) -> Vec<PathBuf>;

    /// Names every file below `root` that can hold sessions, and what was left out and why. Reads no content.
    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip));

    /// Files that `file` is read together with (a database's `-wal`, metadata beside a transcript): when one of
    /// them changes, `file` is read again. They need not exist.
    fn companions(&self, _file: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Reads one file whole.
    ///
    /// # Errors
    /// Only when the file cannot be opened or read; broken content is counted in the answer instead.
    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError>;

    /// Reads one file a piece at a time, so that a store of many sessions is never held whole. The pieces together
    /// hold what [`Source::read`] gives; a session and its usage are in one piece.
    ///
    /// # Errors
    /// As [`Source::read`]; what was handed out before stays good.
    fn read_each(
        &self,
        file: &Path,
        opts: &ReadOptions,
        piece: &mut dyn FnMut(Read),
    ) -> Result<(), SourceError> {
        piece(self.read(file, opts)?);
        Ok(())
    }

    /// Reads only the usage of one file, a piece at a time; `buffer` is kept between files to save its making.
    /// The pieces together hold the same requests as [`Source::read`].
    ///
    /// # Errors
    /// As [`Source::read`].
    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        _buffer: &mut Vec<u8>,
        piece: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        self.read_each(file, opts, &mut |read| piece(UsageRead::of(read)))
    }

    /// What the agent itself says that the session of a file came to, with its subagents, where it keeps such totals
    /// beside the requests.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn own_totals(&self, _file: &Path, _opts: &ReadOptions) -> Result<Vec<OwnTotal>, SourceError> {
        Ok(Vec::new())
    }
}

/// An agent's own total of a session and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTotal {
    /// The session.
    pub session: SessionKey,
    /// Model id.
    pub model: String,
    /// Tokens by kind.
    pub tokens: Tokens,
}

/// The usage in one file, or in a piece of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageRead {
    /// One row per provider request, in the order of the log.
    pub rows: Vec<UsageRow>,
    /// What is known of the sessions in it.
    pub facts: Vec<SessionFacts>,
}

impl UsageRead {
    pub(crate) fn of(read: Read) -> Self {
        UsageRead { facts: read.sessions.iter().map(SessionFacts::of).collect(), rows: read.usage }
    }
}

/// A file that can hold sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The file.
    pub path: PathBuf,
    /// Agent id.
    pub agent: &'static str,
    /// The root it was found below.
    pub root: PathBuf,
}

/// Something that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// What was left out.
    pub path: PathBuf,
    /// Why, in words for a person; never holds session text.
    pub reason: String,
}

/// Limits of a read, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Longest line that is read, in bytes; longer ones are skipped and counted.
    pub line_limit: usize,
    /// Private directory for short-lived copies of databases; the system's temporary directory where not set.
    pub scratch: Option<PathBuf>,
    /// Working directories known from other logs, for agents that store only a hash of theirs.
    pub known_dirs: Vec<String>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions { line_limit: DEFAULT_LINE_LIMIT, scratch: None, known_dirs: Vec::new() }
    }
}

/// What one file held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// The sessions in it; none for an empty file or a file without any message.
    pub sessions: Vec<Session>,
    /// One row per provider request, in the order of the log.
    pub usage: Vec<UsageRow>,
    /// Lines that could not be used.
    pub skipped_lines: SkippedLines,
    /// Lines that held invalid UTF-8 or half a surrogate pair, replaced by U+FFFD.
    pub repaired_lines: u64,
    /// Bytes read, after decompression.
    pub bytes_read: u64,
    /// Whether the last line has no end yet: it is no error and will be read when the file grows.
    pub truncated_tail: bool,
}

/// Lines that could not be used: the first few by number, and how many in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedLines {
    /// Line number (from 1) and reason of the first [`SkippedLines::KEPT`].
    pub first: Vec<(u64, String)>,
    /// All of them.
    pub total: u64,
}

impl Read {
    /// Adds a later piece of the same file.
    pub(crate) fn append(&mut self, piece: Read) {
        self.sessions.extend(piece.sessions);
        self.usage.extend(piece.usage);
        self.skipped_lines.first.extend(piece.skipped_lines.first);
        self.skipped_lines.first.truncate(SkippedLines::KEPT);
        self.skipped_lines.total += piece.skipped_lines.total;
        self.repaired_lines += piece.repaired_lines;
        self.bytes_read += piece.bytes_read;
        self.truncated_tail |= piece.truncated_tail;
    }
}

impl SkippedLines {
    /// How many are named.
    pub const KEPT: usize = 20;

    pub(crate) fn add(&mut self, line: u64, reason: String) {
        self.total += 1;
        if self.first.len() < Self::KEPT {
            self.first.push((line, reason));
        }
    }
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Opening or reading failed.
    #[error("{path} cannot be read ({source}); check its permissions and scan again")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A database could not be read as one.
    #[error("{path} cannot be read as a database ({detail}); what was read before stays in the archive")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said; never holds session text.
        detail: String,
    },
    /// Another process writes a database faster than it can be copied.
    #[error("{path} was being written to; the next scan reads it")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A directory, pipe or device stands where a log should be.
    #[error("{path} is not a regular file; it was left out")]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
}

/// Opens a log for reading; refuses what is no regular file, so that a pipe cannot hang the scan.
pub(crate) fn open_log(path: &Path) -> Result<File, SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(SourceError::NotAFile { path: path.to_owned() });
    }
    File::open(path).map_err(io)
}

/// Metadata beside a log, read whole; `null` where there is none of at most a mebibyte that is JSON.
pub(crate) fn small_json(path: &Path) -> serde_json::Value {
    small_file(path).and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// A small file beside a log; nothing where it is no regular file or too large.
pub(crate) fn small_file(path: &Path) -> Option<Vec<u8>> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    (meta.is_file() && meta.len() <= 1 << 20).then(|| std::fs::read(path).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_registered_once() {
        let mut ids: Vec<_> = REGISTRY.iter().map(|s| s.agent()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), REGISTRY.len());
        assert!(REGISTRY.iter().all(|s| by_agent(s.agent()).is_some()));
        assert!(by_agent("nobody").is_none());
    }

    #[test]
    fn skipped_lines_are_capped_but_counted() {
        let mut skipped = SkippedLines::default();
        (0..100).for_each(|n| skipped.add(n, "broken".to_owned()));
        assert_eq!((skipped.first.len(), skipped.total), (SkippedLines::KEPT, 100));
    }
}
