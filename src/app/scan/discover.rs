//! Finding what is new or changed: one look at each file's outside, none inside.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::sources::Source;
use crate::store::FileState;
use crate::trace::Env;

use super::{ScanParams, Skipped};

/// Raised when a reader learns to read more, so that files are read again.
const READER: u32 = 6;

/// A file to read.
pub(crate) struct Job {
    pub path: PathBuf,
    pub source: &'static dyn Source,
    pub state: FileState,
}

/// Every log that stands there now.
#[derive(Default)]
pub(crate) struct Found {
    files: Vec<Job>,
    skipped: Vec<Skipped>,
}

/// What a walk saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// New and changed files: large ones first, so that no thread is left alone with one at the end; then by path,
    /// for the same order on every run.
    pub jobs: Vec<Job>,
    /// Every file that was found.
    pub paths: HashSet<String>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// Looks at every log of `wanted`.
pub(crate) fn find(env: &Env, wanted: &[&'static dyn Source], params: &ScanParams) -> Found {
    let mut out = Found::default();
    for source in wanted {
        for root in source.roots(env) {
            let mut found = Vec::new();
            source.discover(&root, &mut |c| found.push(c.path), &mut |s| {
                out.skipped.push(Skipped { path: s.path.display().to_string(), reason: s.reason });
            });
            for path in found {
                if params.path.as_deref().is_some_and(|only| !path.starts_with(only)) {
                    continue;
                }
                match job(*source, &path) {
                    Ok(job) => out.files.push(job),
                    Err(e) => {
                        let path = path.to_string_lossy().into_owned();
                        out.skipped.push(Skipped { path, reason: format!("cannot be read: {e}") });
                    }
                }
            }
        }
    }
    out
}

/// A log as it stands now.
pub(crate) fn job(source: &'static dyn Source, path: &Path) -> std::io::Result<Job> {
    let meta = std::fs::metadata(path)?;
    let state = with_companions(source, path, file_state(&meta, READER));
    Ok(Job { path: path.to_owned(), source, state })
}

impl Found {
    /// Tells what is to be read; `unchanged` says whether a file in this state was read already.
    pub(crate) fn sort(self, params: &ScanParams, unchanged: &dyn Fn(&str, &FileState) -> bool) -> Seen {
        let mut seen = Seen { skipped: self.skipped, ..Seen::default() };
        for job in self.files {
            let name = job.path.to_string_lossy().into_owned();
            let old = params.since.is_some_and(|s| job.state.mtime_ns / 1_000_000 < s.millis());
            if !old && !unchanged(&name, &job.state) {
                seen.jobs.push(job);
            }
            seen.paths.insert(name);
        }
        seen.jobs.sort_by(|a, b| (b.state.size, &a.path).cmp(&(a.state.size, &b.path)));
        seen
    }
}

/// The state of a file and of what is read together with it: grows with any of them.
fn with_companions(source: &dyn Source, path: &Path, mut state: FileState) -> FileState {
    for companion in source.companions(path) {
        if let Ok(meta) = std::fs::metadata(&companion) {
            state.size += meta.len();
            state.mtime_ns = state.mtime_ns.max(mtime_ns(&meta));
        }
    }
    state
}

fn file_state(meta: &std::fs::Metadata, reader: u32) -> FileState {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(meta);
    #[cfg(not(unix))]
    let inode = 0;
    FileState { inode, size: meta.len(), mtime_ns: mtime_ns(meta), reader }
}

fn mtime_ns(meta: &std::fs::Metadata) -> i64 {
    let since = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}
