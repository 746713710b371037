//! Finding what is new or changed: one look at each file's outside, none inside.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::sources::Source;
use crate::store::{FileRow, FileState};

use super::super::App;
use super::reading::Job;
use super::{FileCounts, ScanParams, Skipped};

/// Raised when a reader learns to read more, so that files are read again.
const READER: u32 = 2;

pub(super) type Walked = (Vec<Job>, HashMap<String, bool>, Vec<(PathBuf, &'static str)>);

pub(super) fn walk(
    app: &App,
    wanted: &[&'static dyn Source],
    params: &ScanParams,
    known: &HashMap<String, FileRow>,
    skipped: &mut Vec<Skipped>,
    counts: &mut FileCounts,
) -> Walked {
    let (mut jobs, mut seen, mut roots) = (Vec::new(), HashMap::new(), Vec::new());
    for source in wanted {
        for root in source.roots(&app.ctx.env) {
            let mut found = Vec::new();
            source.discover(&root, &mut |c| found.push(c.path), &mut |s| {
                skipped.push(Skipped { path: s.path.display().to_string(), reason: s.reason });
            });
            for path in found {
                if params.path.as_deref().is_some_and(|only| !path.starts_with(only)) {
                    continue;
                }
                let name = path.to_string_lossy().into_owned();
                let state = match std::fs::metadata(&path) {
                    Ok(meta) => with_companions(*source, &path, file_state(&meta, READER)),
                    Err(e) => {
                        skipped.push(Skipped { path: name, reason: format!("cannot be read: {e}") });
                        continue;
                    }
                };
                counts.found += 1;
                let unchanged = known.get(&name).is_some_and(|row| row.state == state);
                let old = params.since.is_some_and(|s| state.mtime_ns / 1_000_000 < s.millis());
                seen.insert(name, unchanged);
                if !unchanged && !old {
                    jobs.push(Job { path, source: *source, state });
                }
            }
            roots.push((root, source.agent()));
        }
    }
    // Large files first, so that no thread is left alone with one at the end; then by path, for the same order
    // on every run.
    jobs.sort_by(|a, b| (b.state.size, &a.path).cmp(&(a.state.size, &b.path)));
    (jobs, seen, roots)
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
