//! Scan: reads what is new in the agents' logs into the archive.
//!
//! Walking and comparing on this thread, reading and compressing on as many threads as there are cores, writing
//! on this thread again in batches. An unchanged file is not opened.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::rules::{Classes, Engine};
use crate::sources::{self, ReadOptions, Source};
use crate::store::{FileResult, FileRow, FileState, Prepared, Stored};
use crate::trace::{Part, Session, Timestamp, UsageRow};

use super::{App, Failure};

/// What to scan. Nothing set: everything that is found.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanParams {
    /// Only this agent's logs.
    pub agent: Option<String>,
    /// Only files below this path.
    pub path: Option<PathBuf>,
    /// Only files changed at or after this instant.
    pub since: Option<Timestamp>,
}

/// Sessions by what the scan did to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Not in the archive before.
    pub new: u64,
    /// In another version before.
    pub updated: u64,
    /// As they were.
    pub unchanged: u64,
    /// In the archive now.
    pub total: u64,
}

/// Something that was not read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Path.
    pub path: String,
    /// Reason.
    pub reason: String,
}

/// What a scan found.
#[derive(Debug, Clone, Serialize)]
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
}

/// Files by what the scan did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// Found.
    pub found: u64,
    /// Read, because new or changed.
    pub read: u64,
    /// Gone since an earlier scan; what was read from them stays.
    pub gone: u64,
}

struct Job {
    path: PathBuf,
    source: &'static dyn Source,
    state: FileState,
}

struct Done {
    path: String,
    agent: &'static str,
    state: FileState,
    sessions: Vec<Prepared>,
    usage: Vec<UsageRow>,
    bytes: u64,
    size: u64,
    skipped: Vec<Skipped>,
}

/// Raised when a reader learns to read more, so that files are read again.
const READER: u32 = 1;

/// A batch is written when it holds so many bytes of normal form; one transaction each.
const BATCH_BYTES: u64 = 12 << 20;

/// Readers hold at most so many bytes of logs that are not written yet.
const HELD_BYTES: u64 = 32 << 20;

/// With nothing to receive for so long, what is held is written.
const IDLE: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Sums {
    files: u64,
    bytes: u64,
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
        let known = self.archive.files()?;
        let mut skipped = Vec::new();
        let mut counts = FileCounts::default();
        let (jobs, seen, roots) = walk(self, &wanted, params, &known, &mut skipped, &mut counts);

        let mut tally = Counts::default();
        let mut bytes = 0;
        if !jobs.is_empty() {
            let many = jobs.iter().map(|j| j.state.size).sum::<u64>() > (8 << 20);
            if many {
                self.archive.bulk_indexing(true)?;
            }
            let outcome = self.read_all(jobs, &mut tally, &mut bytes, &mut skipped);
            if many {
                self.archive.bulk_indexing(false)?;
            }
            counts.read = outcome?;
        }
        counts.gone = self.note_gone(params, &known, &seen, &roots)?;

        let by_agent: BTreeMap<String, u64> = self.archive.agents()?.into_iter().collect();
        tally.total = by_agent.values().sum();
        tally.unchanged = tally.total.saturating_sub(tally.new + tally.updated);
        let ended = self.now();
        self.archive.set_meta("last_scan", &ended.to_string())?;
        skipped.sort_by(|a, b| (&a.path, &a.reason).cmp(&(&b.path, &b.reason)));
        Ok(ScanReport {
            sessions: tally,
            by_agent,
            files: counts,
            bytes,
            seconds: (ended.millis() - started.millis()) as f64 / 1000.0,
            skipped,
        })
    }

    /// Reads on all cores, writes in batches; returns the number of files read.
    fn read_all(
        &mut self,
        jobs: Vec<Job>,
        tally: &mut Counts,
        bytes: &mut u64,
        skipped: &mut Vec<Skipped>,
    ) -> Result<u64, Failure> {
        let engine = Engine::builtin()?;
        let total: u64 = jobs.iter().map(|j| j.state.size).sum();
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(jobs.len());
        let next = AtomicUsize::new(0);
        let in_flight = Budget::new();
        let (tx, rx) = mpsc::sync_channel::<Result<Done, Failure>>(64);
        let ctx = self.ctx.clone();
        let mut sums = Sums::default();
        std::thread::scope(|scope| -> Result<(), Failure> {
            for _ in 0..threads {
                let (tx, jobs, next, ctx, in_flight) = (tx.clone(), &jobs, &next, &ctx, &in_flight);
                scope.spawn(move || {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        in_flight.take(job.state.size);
                        if ctx.check().is_err() || tx.send(read_one(job, engine)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(tx);
            let outcome = self.write_all(&rx, &in_flight, total, tally, &mut sums, skipped);
            // Whatever ended the writing, no reader may wait for room that nobody will make.
            drop(rx);
            in_flight.close();
            outcome
        })?;
        *bytes = sums.bytes;
        let files = sums.files;
        self.ctx.check()?;
        Ok(files)
    }

    /// Receives what the readers read and writes it in batches; gives the readers room as it goes.
    fn write_all(
        &mut self,
        rx: &mpsc::Receiver<Result<Done, Failure>>,
        in_flight: &Budget,
        total: u64,
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
                    self.write(&mut batch, tally)?;
                    in_flight.give(std::mem::take(&mut held));
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.write(&mut batch, tally),
            };
            sums.files += 1;
            sums.bytes += done.bytes;
            held += done.size;
            skipped.extend(done.skipped.iter().cloned());
            batch.push(done);
            if held >= BATCH_BYTES {
                self.write(&mut batch, tally)?;
                in_flight.give(std::mem::take(&mut held));
            }
            self.ctx.progress.report("reading logs", sums.bytes, total);
        }
    }

    fn write(&mut self, batch: &mut Vec<Done>, tally: &mut Counts) -> Result<(), Failure> {
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
        for stored in self.archive.put(&files)? {
            match stored {
                Stored::New => tally.new += 1,
                Stored::Updated => tally.updated += 1,
                Stored::Unchanged => {}
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
        seen: &HashMap<String, bool>,
        roots: &[(PathBuf, &'static str)],
    ) -> Result<u64, Failure> {
        let mut gone = Vec::new();
        let mut back = Vec::new();
        for (path, row) in known {
            let p = Path::new(path);
            let covered = params.since.is_none()
                && params.path.as_deref().is_none_or(|only| p.starts_with(only))
                && params.agent.as_deref().is_none_or(|a| a == row.agent);
            match seen.get(path) {
                Some(_) if row.gone => back.push(row.id),
                // A root that vanished whole takes its files with it, so the roots need not be there.
                None if covered && !row.gone && !p.exists() => gone.push(row.id),
                _ => {}
            }
        }
        let _ = roots;
        self.archive.mark_gone(&gone)?;
        self.archive.mark_back(&back)?;
        Ok(gone.len() as u64)
    }
}

type Walked = (Vec<Job>, HashMap<String, bool>, Vec<(PathBuf, &'static str)>);

fn walk(
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
                    Ok(meta) => file_state(&meta, READER),
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

fn file_state(meta: &std::fs::Metadata, reader: u32) -> FileState {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(meta);
    #[cfg(not(unix))]
    let inode = 0;
    let mtime_ns = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX));
    FileState { inode, size: meta.len(), mtime_ns, reader }
}

fn read_one(job: &Job, engine: &Engine) -> Result<Done, Failure> {
    let path = job.path.to_string_lossy().into_owned();
    let mut done = Done {
        path: path.clone(),
        agent: job.source.agent(),
        state: job.state,
        sessions: Vec::new(),
        usage: Vec::new(),
        bytes: 0,
        size: job.state.size,
        skipped: Vec::new(),
    };
    let read = match job.source.read(&job.path, &ReadOptions::default()) {
        Ok(read) => read,
        Err(e) => {
            // Not noted as read: size 0 never equals a real state, so that the next scan tries again.
            done.state.size = u64::MAX >> 1;
            done.skipped.push(Skipped { path, reason: e.to_string() });
            return Ok(done);
        }
    };
    done.bytes = read.bytes_read;
    for (line, reason) in &read.skipped_lines.first {
        done.skipped.push(Skipped { path: format!("{path}:{line}"), reason: reason.clone() });
    }
    let more = read.skipped_lines.total.saturating_sub(read.skipped_lines.first.len() as u64);
    if more > 0 {
        done.skipped.push(Skipped { path, reason: format!("{more} more lines skipped") });
    }
    done.usage = read.usage;
    for session in read.sessions {
        let badges = badges(&session, engine);
        let title = session.display_title().map(|t| redact_line(engine, &t));
        done.sessions.push(Prepared::of(session, title, badges)?);
    }
    Ok(done)
}

/// What can be said of a session without a model.
fn badges(session: &Session, engine: &Engine) -> Vec<String> {
    let mut secrets = 0usize;
    let mut count = |text: &str| secrets += engine.scan(text, Classes::SECRET).len();
    for message in &session.messages {
        for part in &message.parts {
            match part {
                Part::Text { text } | Part::Thinking { text } => count(text),
                Part::Attachment { text, .. } => count(text),
                Part::Tool(call) => {
                    let mut input = String::new();
                    string_leaves(&call.input, &mut input);
                    count(&input);
                    if let Some(output) = &call.output {
                        count(output);
                    }
                }
                Part::Media { .. } => {}
            }
        }
    }
    let mut badges = Vec::new();
    if secrets > 0 {
        badges.push(format!("secrets:{secrets}"));
    }
    badges
}

/// The string leaves of a JSON value, a line each, with their keys so that `"password": "…"` is seen as one.
fn string_leaves(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::String(s) => {
            out.push_str(s);
            out.push('\n');
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| string_leaves(v, out)),
        serde_json::Value::Object(map) => {
            for (key, v) in map {
                if v.is_string() {
                    out.push_str(key);
                    out.push_str(": ");
                }
                string_leaves(v, out);
            }
        }
        _ => {}
    }
}

/// A line with everything the rules find replaced by its kind: for titles and snippets.
pub(crate) fn redact_line(engine: &Engine, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for f in engine.scan(text, Classes::SENSITIVE) {
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

/// Bounds the bytes of logs that are held at once, so that memory does not grow with the history.
struct Budget {
    held: Mutex<Held>,
    changed: Condvar,
}

struct Held {
    bytes: u64,
    closed: bool,
}

impl Budget {
    fn new() -> Self {
        Budget { held: Mutex::new(Held { bytes: 0, closed: false }), changed: Condvar::new() }
    }

    /// Waits until `bytes` more may be held; a file larger than the whole budget is held alone.
    fn take(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.bytes > 0 && held.bytes + bytes > HELD_BYTES && !held.closed {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.bytes += bytes;
    }

    fn give(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes = held.bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    fn close(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}
