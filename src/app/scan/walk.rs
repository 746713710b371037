//! Finding what is new or changed: one look at each file's outside, none inside.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::sources::Source;
use crate::store::FileState;

use super::super::App;
use super::{ScanParams, Skipped};

/// Raised when a reader learns to read more, so that files are read again.
const READER: u32 = 3;

/// A file to read.
pub(crate) struct Job {
    pub path: PathBuf,
    pub source: &'static dyn Source,
    pub state: FileState,
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

/// Looks at every log of `wanted`; `unchanged` says whether a file in this state was read already.
pub(crate) fn walk(
    app: &App,
    wanted: &[&'static dyn Source],
    params: &ScanParams,
    unchanged: &dyn Fn(&str, &FileState) -> bool,
) -> Seen {
    let mut seen = Seen::default();
    for source in wanted {
        for root in source.roots(&app.ctx.env) {
            let mut found = Vec::new();
            source.discover(&root, &mut |c| found.push(c.path), &mut |s| {
                seen.skipped.push(Skipped { path: s.path.display().to_string(), reason: s.reason });
            });
            for path in found {
                if params.path.as_deref().is_some_and(|only| !path.starts_with(only)) {
                    continue;
                }
                let name = path.to_string_lossy().into_owned();
                let state = match std::fs::metadata(&path) {
                    Ok(meta) => with_companions(*source, &path, file_state(&meta, READER)),
                    Err(e) => {
                        seen.skipped.push(Skipped { path: name, reason: format!("cannot be read: {e}") });
                        continue;
                    }
                };
                let old = params.since.is_some_and(|s| state.mtime_ns / 1_000_000 < s.millis());
                if !old && !unchanged(&name, &state) {
                    seen.jobs.push(Job { path, source: *source, state });
                }
                seen.paths.insert(name);
            }
        }
    }
    seen.jobs.sort_by(|a, b| (b.state.size, &a.path).cmp(&(a.state.size, &b.path)));
    seen
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
