//! Scan: reads what is new in the agents' logs into the archive.
//!
//! Walking and comparing on this thread, reading and compressing on as many threads as there are cores, writing
//! on this thread again in batches. An unchanged file is not opened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{Classes, Engine};
use crate::sources::{self, ReadOptions, Source};
use crate::store::{FileResult, FileRow, Stored};
use crate::trace::{SessionKey, Timestamp};

use crate::app::{App, Failure};

mod badges;
mod discover;
mod read_file;
mod tool_outcome;

pub(crate) use discover::{Found, Job, Seen, find, job};
use read_file::{Budget, Done, read_file};

/// What to scan. Nothing set: everything that is found.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanParams {
    /// Only this agent's logs.
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

/// Sessions by what the scan did to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Not in the archive before.
    pub new: u64,
    /// In another version before.
    pub updated: u64,
    /// As they were.
    pub unchanged: u64,
    /// Left out because a person had them forgotten.
    #[serde(skip_serializing_if = "is_zero")]
    pub forgotten: u64,
    /// In the archive now.
    pub total: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands out a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Something that was not read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Skipped {
    /// Path.
    pub path: String,
    /// Reason.
    pub reason: String,
}

/// What a scan found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ScanReport {
    /// Sessions by what happened.
    pub sessions: Counts,
    /// Sessions in the archive by agent.
    pub by_agent: BTreeMap<String, u64>,
    /// Files seen, read, and gone since the last scan.
    pub files: FileCounts,
    /// Bytes read.
    pub bytes: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// What was skipped.
    pub skipped: Vec<Skipped>,
    /// Sessions that are new or updated; not in the JSON, where they would be many.
    #[serde(skip)]
    pub changed: Vec<Changed>,
}

/// Files by what the scan did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileCounts {
    /// Found.
    pub found: u64,
    /// Read, because new or changed.
    pub read: u64,
    /// Gone since an earlier scan; what was read from them stays.
    pub gone: u64,
}

/// A batch is written when it holds so many bytes of normal form; one transaction each.
const BATCH_BYTES: u64 = 12 << 20;

/// With nothing to receive for so long, what is held is written.
const IDLE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Sums {
    files: u64,
    bytes: u64,
    /// By agent: name, bytes read, bytes to read.
    parts: Vec<(&'static str, &'static str, u64, u64)>,
    changed: Vec<Changed>,
}

/// A session that a scan put into the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Session.
    pub session: SessionKey,
    /// Whether it was not there before.
    pub new: bool,
}

impl App {
    /// Reads what is new or changed in the agents' logs into the archive.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses or the caller interrupts; what was committed stays.
    pub fn scan(&mut self, params: &ScanParams) -> Result<ScanReport, Failure> {
        let started = self.now();
        let wanted: Vec<&'static dyn Source> = sources::REGISTRY
            .iter()
            .copied()
            .filter(|s| params.agent.as_deref().is_none_or(|a| a == s.agent()))
            .collect();
        if wanted.is_empty() {
            let known: Vec<&str> = sources::REGISTRY.iter().map(|s| s.agent()).collect();
            return Err(Failure::usage(
                "no_such_agent",
                format!("No such agent; known are {}.", known.join(", ")),
            ));
        }
        if params.again {
            self.archive.clear_forgotten()?;
        }
        let known = self.archive.files()?;
        let found = find(&self.ctx.env, &wanted, params);
        let Seen { jobs, paths, mut skipped } =
            found.sort(params, &|name, state| known.get(name).is_some_and(|row| row.state == *state));
        let mut counts = FileCounts { found: paths.len() as u64, ..FileCounts::default() };

        let mut tally = Counts::default();
        let mut sums = Sums::default();
        let dirs = self.archive.project_paths()?.len();
        if !jobs.is_empty() {
            counts.read = self.read_jobs(jobs, &mut tally, &mut sums, &mut skipped)?;
        }
        if counts.read > 0 && self.archive.project_paths()?.len() > dirs {
            // Some agents store a hash of the working directory: another agent's log may just have told which.
            let unknown = self.archive.files_without_project()?;
            let found = find(&self.ctx.env, &wanted, params);
            let again = found.sort(params, &|name, _| !unknown.contains(name)).jobs;
            if !again.is_empty() {
                let (mut twice, mut changed) = (Counts::default(), Sums::default());
                self.read_jobs(again, &mut twice, &mut changed, &mut Vec::new())?;
            }
        }
        counts.gone = self.note_gone(params, &known, &paths)?;

        let by_agent: BTreeMap<String, u64> = self.archive.agents()?.into_iter().collect();
        tally.total = by_agent.values().sum();
        tally.unchanged = tally.total.saturating_sub(tally.new + tally.updated);
        let ended = self.now();
        if counts.read > 0 || counts.gone > 0 || self.archive.meta("last_scan")?.is_none() {
            self.archive.set_meta("last_scan", &ended.to_string())?;
        }
        // A chosen session may have a new version now. Answers only read the stored state, so it is updated here.
        self.sync_current_release()?;
        skipped.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
        Ok(ScanReport {
            sessions: tally,
            by_agent,
            files: counts,
            bytes: sums.bytes,
            seconds: (ended.millis() - started.millis()) as f64 / 1000.0,
            skipped,
            changed: sums.changed,
        })
    }

    /// Reads files, with the index set up for much at once where they are large.
    fn read_jobs(
        &mut self,
        jobs: Vec<Job>,
        tally: &mut Counts,
        sums: &mut Sums,
        skipped: &mut Vec<Skipped>,
    ) -> Result<u64, Failure> {
        let many = jobs.iter().map(|j| j.state.size).sum::<u64>() > (8 << 20);
        if many {
            self.archive.bulk_indexing(true)?;
        }
        let outcome = self.read_all(jobs, tally, sums, skipped);
        if many {
            self.archive.bulk_indexing(false)?;
        }
        outcome
    }

    /// Reads on all cores, writes in batches; returns the number of files read.
    fn read_all(
        &mut self,
        jobs: Vec<Job>,
        tally: &mut Counts,
        sums: &mut Sums,
        skipped: &mut Vec<Skipped>,
    ) -> Result<u64, Failure> {
        let engine = Engine::builtin()?;
        for job in &jobs {
            let (agent, name) = (job.source.agent(), job.source.name());
            match sums.parts.iter_mut().find(|p| p.0 == agent) {
                Some(part) => part.3 += job.state.size,
                None => sums.parts.push((agent, name, 0, job.state.size)),
            }
        }
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(jobs.len());
        let next = AtomicUsize::new(0);
        let in_flight = Budget::new();
        let (tx, rx) = mpsc::sync_channel::<Result<Done, Failure>>(16);
        let ctx = self.ctx.clone();
        let scratch = self.dir().join("tmp");
        self.sweep(&scratch);
        let opts = ReadOptions {
            scratch: Some(scratch.clone()),
            known_dirs: self.archive.project_paths()?,
            ..ReadOptions::default()
        };
        std::thread::scope(|scope| -> Result<(), Failure> {
            for _ in 0..threads {
                let (tx, jobs, next, ctx, in_flight, opts) =
                    (tx.clone(), &jobs, &next, &ctx, &in_flight, &opts);
                scope.spawn(move || {
                    let mut out = |done| ctx.check().is_ok() && tx.send(done).is_ok();
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if ctx.check().is_err() || !read_file(job, engine, opts, in_flight, &mut out) {
                            return;
                        }
                    }
                });
            }
            drop(tx);
            let outcome = self.write_all(&rx, &in_flight, tally, sums, skipped);
            // Whatever ended the writing, no reader may wait for room that nobody will make.
            drop(rx);
            in_flight.close();
            outcome
        })?;
        self.ctx.check()?;
        Ok(sums.files)
    }

    /// Removes what a killed scan left behind: copies of databases. Another scan's are younger.
    fn sweep(&self, scratch: &Path) {
        let Ok(entries) = std::fs::read_dir(scratch) else { return };
        let old = self.now().millis() - 6 * 3_600_000;
        for entry in entries.flatten() {
            let made = entry.metadata().and_then(|m| m.modified()).ok();
            let made = made.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            if made.is_some_and(|d| d.as_millis() < old.max(0) as u128) {
                // Best effort: the next scan tries again.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Receives what the readers read and writes it in batches; gives the readers room as it goes.
    fn write_all(
        &mut self,
        rx: &mpsc::Receiver<Result<Done, Failure>>,
        in_flight: &Budget,
        tally: &mut Counts,
        sums: &mut Sums,
        skipped: &mut Vec<Skipped>,
    ) -> Result<(), Failure> {
        let mut batch: Vec<Done> = Vec::new();
        let mut held = 0;
        loop {
            let done = match rx.recv_timeout(IDLE) {
                Ok(done) => done?,
                // The readers may be waiting for the room that this batch takes.
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.write(&mut batch, tally, &mut sums.changed)?;
                    in_flight.give(std::mem::take(&mut held));
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return self.write(&mut batch, tally, &mut sums.changed);
                }
            };
            sums.files += u64::from(done.last);
            sums.bytes += done.bytes;
            if let Some(part) = sums.parts.iter_mut().find(|p| p.0 == done.agent) {
                part.2 += done.bytes;
            }
            held += done.held;
            skipped.extend(done.skipped.iter().cloned());
            batch.push(done);
            if held >= BATCH_BYTES {
                self.write(&mut batch, tally, &mut sums.changed)?;
                in_flight.give(std::mem::take(&mut held));
            }
            let parts: Vec<_> = sums.parts.iter().map(|p| (p.1, p.2.min(p.3), p.3)).collect();
            self.ctx.progress.report_parts("reading logs", &parts);
        }
    }

    fn write(
        &mut self,
        batch: &mut Vec<Done>,
        tally: &mut Counts,
        changed: &mut Vec<Changed>,
    ) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let files: Vec<FileResult<'_>> = batch
            .iter()
            .map(|d| FileResult {
                path: &d.path,
                agent: d.agent,
                state: &d.state,
                sessions: &d.sessions,
                usage: &d.usage,
                now,
            })
            .collect();
        let keys = batch.iter().flat_map(|d| &d.sessions).map(|p| p.key());
        for (stored, key) in self.archive.put(&files)?.into_iter().zip(keys) {
            if matches!(stored, Stored::New | Stored::Updated) {
                changed.push(Changed { session: key.clone(), new: stored == Stored::New });
            }
            match stored {
                Stored::New => tally.new += 1,
                Stored::Updated => tally.updated += 1,
                Stored::Unchanged => {}
                Stored::Forgotten => tally.forgotten += 1,
            }
        }
        batch.clear();
        Ok(())
    }

    /// Marks what disappeared below the roots that were walked; returns how many files are newly gone.
    fn note_gone(
        &mut self,
        params: &ScanParams,
        known: &HashMap<String, FileRow>,
        seen: &HashSet<String>,
    ) -> Result<u64, Failure> {
        let mut gone = Vec::new();
        let mut back = Vec::new();
        for (path, row) in known {
            let p = Path::new(path);
            let covered = params.since.is_none()
                && params.path.as_deref().is_none_or(|only| p.starts_with(only))
                && params.agent.as_deref().is_none_or(|a| a == row.agent);
            match seen.contains(path) {
                true if row.gone => back.push(row.id),
                // A root that vanished whole takes its files with it, so the roots need not be there.
                false if covered && !row.gone && !p.exists() => gone.push(row.id),
                _ => {}
            }
        }
        self.archive.set_gone(&gone, true)?;
        self.archive.set_gone(&back, false)?;
        Ok(gone.len() as u64)
    }
}

/// A line with everything the rules find replaced by its kind: for titles and snippets.
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
