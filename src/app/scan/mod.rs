//! Reads new and changed logs of the agents into the archive.
//!
//! One thread finds the logs and compares their metadata with the archive, so that an unchanged file is not opened. As
//! many threads as there are cores read and compress the files. The first thread writes the results in batches, because
//! SQLite has one writer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{Classes, Engine};
use crate::sources::{self, KnownWorktree, ReadOptions, Source};
use crate::store::{FileResult, FileRow, Stored};
use crate::trace::{SessionKey, Timestamp, is_zero};

use crate::app::agents::known_agent;
use crate::app::{App, Failure};

mod badges;
mod discover;
mod read_file;
mod repositories;
mod skipped;
mod stale;
mod tool_outcome;

pub(crate) use badges::BADGE_NAMES;
pub(crate) use discover::{FoundLogs, LogFile, find_logs, stat_log};
use read_file::{MemoryLimit, ParsedBatch, describe, read_file};
use skipped::SkippedByFile;

/// Which logs to scan. By default all logs of all agents.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanParams {
    /// Id of the only agent whose logs are scanned.
    #[schemars(description = "Agent id.")]
    pub agent: Option<String>,
    /// Only files below this path.
    #[schemars(skip)]
    pub path: Option<PathBuf>,
    /// Only files changed at or after this time.
    #[schemars(skip)]
    pub since: Option<Timestamp>,
    /// Includes forgotten sessions and reads every log again.
    #[serde(skip)]
    pub again: bool,
}

/// Number of sessions by what the scan did with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SessionCounts {
    /// Sessions that were not in the archive.
    pub new: u64,
    /// Sessions with a new version.
    pub updated: u64,
    /// Sessions without a change.
    pub unchanged: u64,
    /// Sessions that were left out because a person had forgotten them.
    #[serde(skip_serializing_if = "is_zero")]
    pub forgotten: u64,
    /// Sessions in the archive now.
    pub total: u64,
}

/// A file or a line that was not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Path, with the number of the line if only a line was skipped.
    pub path: String,
    pub reason: String,
}

/// Result of a scan.
#[derive(Debug, Clone, Serialize)]
pub struct ScanReport {
    pub sessions: SessionCounts,
    /// Number of sessions in the archive by agent.
    pub by_agent: BTreeMap<String, u64>,
    pub files: FileCounts,
    /// Number of bytes read.
    pub bytes: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    pub skipped: Vec<Skipped>,
    /// New and updated sessions. Left out of the JSON, because a first scan has thousands of them.
    #[serde(skip)]
    pub changed: Vec<Changed>,
}

/// Number of files by what the scan did with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// Number of files that exist.
    pub found: u64,
    /// Files that were read because they are new or changed.
    pub read: u64,
    /// Files that were deleted since an earlier scan. Their sessions stay in the archive.
    pub gone: u64,
}

/// Size at which the collected batches are written in one transaction, in bytes of log.
const BATCH_BYTES: u64 = 12 << 20;

/// Size of the new logs above which the search index is prepared for bulk loading.
const MIN_BULK_BYTES: u64 = 8 << 20;

/// Age after which a scratch file cannot belong to a running scan.
const SCRATCH_MAX_AGE: Duration = Duration::from_secs(6 * 3600);

/// Time without a new batch after which the collected ones are written.
const IDLE_TIMEOUT: Duration = Duration::from_millis(100);

/// What a scan has done so far.
#[derive(Default)]
struct ScanTotals {
    sessions: SessionCounts,
    files: u64,
    bytes: u64,
    by_agent: Vec<AgentProgress>,
    changed: Vec<Changed>,
    skipped: Vec<Skipped>,
    /// What was skipped in each file that was read.
    skipped_by_file: SkippedByFile,
    /// Worktrees that agents know.
    worktrees: Vec<KnownWorktree>,
}

/// Progress of reading the logs of one agent.
struct AgentProgress {
    agent: &'static str,
    name: &'static str,
    bytes_read: u64,
    bytes_total: u64,
}

/// A session that a scan added or updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub key: SessionKey,
    /// Whether the session was not in the archive before.
    pub new: bool,
}

impl App {
    /// Reads new and changed logs into the archive.
    ///
    /// # Errors
    /// [`Failure`] if the agent is unknown, the archive cannot be written or the caller cancels. Batches that were written
    /// before stay in the archive.
    pub fn scan(&mut self, params: &ScanParams) -> Result<ScanReport, Failure> {
        let started = self.now();
        let agent = params.agent.as_deref().map(known_agent).transpose()?.flatten();
        let sources: Vec<&'static dyn Source> =
            sources::REGISTRY.iter().copied().filter(|s| agent.is_none_or(|a| a == s.agent())).collect();
        if params.again {
            self.archive.clear_forgotten()?;
        }
        let known = self.archive.files()?;
        // A log that was deleted since the last scan is a path of which the scan can report something.
        if let Some(path) = params.path.as_deref().filter(|path| !path.exists())
            && !known.keys().any(|file| Path::new(file).starts_with(path))
        {
            let message = format!("There is no file or directory {}.", path.display());
            return Err(Failure::usage("no_such_path", message));
        }
        let mut found = find_logs(&self.ctx.env, &sources, params);
        let (paths, skipped) = (found.paths(), std::mem::take(&mut found.skipped));
        let to_read =
            found.into_changed(params, &|name, state| known.get(name).is_some_and(|row| row.state == *state));
        let mut counts = FileCounts { found: paths.len() as u64, ..FileCounts::default() };

        let mut totals = ScanTotals { skipped, ..ScanTotals::default() };
        let dirs = self.archive.known_directories()?.len();
        if !to_read.is_empty() {
            counts.read = self.read_files(to_read, &mut totals)?;
        }
        if counts.read > 0 && self.archive.known_directories()?.len() > dirs {
            // Some agents log only a hash of the working directory. The directory may now be known from the log of another
            // agent, so the files whose directory is unknown are read again.
            let unknown = self.archive.files_without_project()?;
            let again = find_logs(&self.ctx.env, &sources, params)
                .into_changed(params, &|name, _| !unknown.contains(name));
            if !again.is_empty() {
                // Their sessions and bytes are already counted.
                self.read_files(again, &mut ScanTotals::default())?;
            }
        }
        self.assign_repositories(counts.read > 0, &totals.worktrees)?;
        counts.gone = self.update_gone(params, agent, &known, &paths)?;

        let by_agent: BTreeMap<String, u64> = self.archive.agents()?.into_iter().collect();
        let ScanTotals { mut sessions, mut skipped, bytes, changed, skipped_by_file, .. } = totals;
        skipped.extend(self.remember_skipped(&skipped_by_file, &paths)?);
        sessions.total = by_agent.values().sum();
        sessions.unchanged = sessions.total.saturating_sub(sessions.new + sessions.updated);
        let ended = self.now();
        if counts.read > 0 || counts.gone > 0 || self.archive.meta("last_scan")?.is_none() {
            self.archive.set_meta("last_scan", &ended.to_string())?;
        }
        self.note_whole_scan(params)?;
        // A chosen session may have a new version now. Answers only read the stored state, so it is updated here.
        self.sync_current_release()?;
        skipped.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
        Ok(ScanReport {
            sessions,
            by_agent,
            files: counts,
            bytes,
            seconds: (ended.millis() - started.millis()) as f64 / 1000.0,
            skipped,
            changed,
        })
    }

    /// Reads files into the archive, with bulk indexing if they are large. Returns the number of files.
    fn read_files(&mut self, files: Vec<LogFile>, totals: &mut ScanTotals) -> Result<u64, Failure> {
        let bulk = files.iter().map(|f| f.state.size).sum::<u64>() > MIN_BULK_BYTES;
        if bulk {
            self.archive.bulk_indexing(true)?;
        }
        let outcome = self.read_in_parallel(&files, totals);
        if bulk {
            self.archive.bulk_indexing(false)?;
        }
        outcome
    }

    /// Reads files on all cores and writes them in batches. Returns the number of files.
    fn read_in_parallel(&mut self, files: &[LogFile], totals: &mut ScanTotals) -> Result<u64, Failure> {
        let engine = Engine::builtin()?;
        for file in files {
            let (agent, bytes) = (file.source.agent(), file.state.size);
            match totals.by_agent.iter_mut().find(|p| p.agent == agent) {
                Some(progress) => progress.bytes_total += bytes,
                None => totals.by_agent.push(AgentProgress {
                    agent,
                    name: file.source.name(),
                    bytes_read: 0,
                    bytes_total: bytes,
                }),
            }
        }
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(files.len());
        let next = AtomicUsize::new(0);
        let memory = MemoryLimit::new();
        let (tx, rx) = mpsc::sync_channel::<Result<ParsedBatch, Failure>>(16);
        let ctx = self.ctx.clone();
        let scratch = self.dir().join("tmp");
        self.remove_old_scratch(&scratch);
        let opts = ReadOptions {
            scratch: Some(scratch.clone()),
            known_dirs: self.archive.known_directories()?,
            zone: self.zone(None)?.1,
            data_projects: sources::data_projects(&self.ctx.env),
            ..ReadOptions::default()
        };
        std::thread::scope(|scope| -> Result<(), Failure> {
            for _ in 0..threads {
                let (tx, next, ctx, memory, opts) = (tx.clone(), &next, &ctx, &memory, &opts);
                scope.spawn(move || {
                    let mut send = |batch| ctx.check().is_ok() && tx.send(batch).is_ok();
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if ctx.check().is_err() || !read_file(file, engine, opts, memory, &mut send) {
                            return;
                        }
                    }
                });
            }
            drop(tx);
            let outcome = self.write_batches(&rx, &memory, totals);
            // After a failure nobody releases memory any more, so the readers must not wait for it.
            drop(rx);
            memory.close();
            outcome
        })?;
        self.ctx.check()?;
        Ok(totals.files)
    }

    /// Removes copies of databases that a killed scan left behind. Files younger than [`SCRATCH_MAX_AGE`] may belong to a scan
    /// that is still running.
    fn remove_old_scratch(&self, scratch: &Path) {
        let Ok(entries) = std::fs::read_dir(scratch) else { return };
        let old =
            u128::try_from(self.now().millis()).unwrap_or(0).saturating_sub(SCRATCH_MAX_AGE.as_millis());
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|m| m.modified()).ok();
            let modified = modified.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            if modified.is_some_and(|d| d.as_millis() < old) {
                // Errors are ignored, because the next scan tries again.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Receives batches from the readers, collects them and writes several in one transaction.
    fn write_batches(
        &mut self,
        rx: &mpsc::Receiver<Result<ParsedBatch, Failure>>,
        memory: &MemoryLimit,
        totals: &mut ScanTotals,
    ) -> Result<(), Failure> {
        let mut collected: Vec<ParsedBatch> = Vec::new();
        let mut reserved = 0;
        loop {
            let batch = match rx.recv_timeout(IDLE_TIMEOUT) {
                Ok(batch) => batch?,
                // The readers may be waiting for the memory of the collected batches. Without this write, both sides would
                // wait for each other.
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.write(&mut collected, totals)?;
                    memory.release(std::mem::take(&mut reserved));
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.write(&mut collected, totals),
            };
            totals.files += u64::from(batch.last && !batch.is_unreadable);
            totals.bytes += batch.bytes;
            if let Some(progress) = totals.by_agent.iter_mut().find(|p| p.agent == batch.agent) {
                progress.bytes_read += batch.bytes;
            }
            reserved += batch.reserved;
            totals.worktrees.extend(batch.worktrees.iter().cloned());
            totals.skipped.extend(batch.skipped.iter().cloned());
            totals
                .skipped_by_file
                .entry(batch.path.clone())
                .or_default()
                .extend(batch.skipped.iter().cloned());
            collected.push(batch);
            if reserved >= BATCH_BYTES {
                self.write(&mut collected, totals)?;
                memory.release(std::mem::take(&mut reserved));
            }
            let part = |p: &AgentProgress| (p.name, p.bytes_read.min(p.bytes_total), p.bytes_total);
            let parts: Vec<_> = totals.by_agent.iter().map(part).collect();
            self.ctx.progress.report_parts("reading logs", &parts);
        }
    }

    /// Writes the collected batches in one transaction and empties the list.
    fn write(&mut self, collected: &mut Vec<ParsedBatch>, totals: &mut ScanTotals) -> Result<(), Failure> {
        if collected.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let engine = Engine::builtin()?;
        let files: Vec<FileResult<'_>> = collected
            .iter()
            .map(|d| FileResult {
                path: &d.path,
                agent: d.agent,
                state: &d.state,
                sessions: &d.sessions,
                facts: &d.facts,
                usage: &d.usage,
                plan_windows: &d.plan_windows,
                lost_records: d.lost_records,
                now,
            })
            .collect();
        let keys = collected.iter().flat_map(|d| &d.sessions).map(|p| p.key());
        for (stored, key) in
            self.archive.put(&files, &|session| describe(session, engine))?.into_iter().zip(keys)
        {
            if matches!(stored, Stored::New | Stored::Updated) {
                totals.changed.push(Changed { key: key.clone(), new: stored == Stored::New });
            }
            match stored {
                Stored::New => totals.sessions.new += 1,
                Stored::Updated => totals.sessions.updated += 1,
                Stored::Unchanged => {}
                Stored::Forgotten => totals.sessions.forgotten += 1,
            }
        }
        collected.clear();
        Ok(())
    }

    /// Marks files that were deleted, or that exist again. Returns the number of files that are newly deleted.
    fn update_gone(
        &mut self,
        params: &ScanParams,
        agent: Option<&str>,
        known: &HashMap<String, FileRow>,
        seen: &HashSet<String>,
    ) -> Result<u64, Failure> {
        let mut gone = Vec::new();
        let mut back = Vec::new();
        for (path, row) in known {
            let p = Path::new(path);
            let covered = params.since.is_none()
                && params.path.as_deref().is_none_or(|only| p.starts_with(only))
                && agent.is_none_or(|a| a == row.agent);
            match seen.contains(path) {
                true if row.gone => back.push(row.id),
                // The file may be missing because the whole root was deleted, so the roots are not checked.
                false if covered && !row.gone && is_missing(p) => gone.push(row.id),
                _ => {}
            }
        }
        self.archive.set_gone(&gone, true)?;
        self.archive.set_gone(&back, false)?;
        Ok(gone.len() as u64)
    }
}

/// Whether a file does not exist. A file in a directory that must not be read may exist.
fn is_missing(path: &Path) -> bool {
    let error = std::fs::metadata(path).err();
    error.is_some_and(|e| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// Replaces every finding in a title or snippet by the name of its kind.
pub(crate) fn redact_line(engine: &Engine, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for f in engine.scan_short(text, Classes::SENSITIVE) {
        if f.start < at {
            continue;
        }
        out.push_str(&text[at..f.start]);
        out.push('[');
        out.push_str(&f.kind);
        out.push(']');
        at = f.end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_shows_the_kind_of_each_finding_and_the_other_words() {
        let engine = Engine::builtin().unwrap();
        let text = "ask anna.berg@nordwind-logistik.de about it";
        assert_eq!(redact_line(engine, text), "ask [EMAIL] about it");
        assert_eq!(redact_line(engine, "nothing to hide"), "nothing to hide");
    }
}
