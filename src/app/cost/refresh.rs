//! Usage alone: brings the ledger up to date without reading conversations.
//!
//! A file whose usage was read counts as unread for a scan. An unchanged file is not opened.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::sources::{self, ReadOptions, UsageRead};
use crate::store::{FileRow, FileState, UsageResult};

use crate::app::scan::{FoundLogs, LogFile, ScanParams, ScanPlan, find_logs, stat_log};
use crate::app::{App, Failure};

/// Requests are written in batches of about so many.
const BATCH_ROWS: usize = 5_000;

/// A reader hands on what it read in pieces of about so many: waking the writer costs more than a small file.
const SENT_ROWS: usize = 500;

/// What was done while the logs were looked at, the files that are known, and those that were found.
type WalkResult<T> =
    (Result<T, Failure>, Result<HashMap<String, FileRow>, Failure>, std::thread::Result<FoundLogs>);

/// One piece of a file's usage.
struct FileUsage {
    path: String,
    agent: &'static str,
    state: FileState,
    read: UsageRead,
}

impl App {
    /// Reads the usage of new and changed logs into the ledger; returns how many files were read.
    ///
    /// A log that cannot be read is left for the scan, which names it.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses or the caller interrupts; what was committed stays.
    pub fn refresh_usage(&mut self) -> Result<u64, Failure> {
        let found = find_logs(&self.ctx.env, sources::REGISTRY, &ScanParams::default());
        let known = self.archive.files()?;
        self.refresh_from(found, PrefetchedLog::default(), &known, u64::MAX).map(|done| done.0)
    }

    /// Does something with the archive while another thread looks at the logs. Also returns the files that are known,
    /// and those that were found unless the walk broke off.
    fn while_walking<T>(&self, work: impl FnOnce(&Self) -> Result<T, Failure>) -> WalkResult<T> {
        let env = Arc::clone(&self.ctx.env);
        std::thread::scope(|scope| {
            let walk = scope.spawn(move || find_logs(&env, sources::REGISTRY, &ScanParams::default()));
            let early = work(self);
            let known = self.archive.files().map_err(Failure::from);
            (early, known, walk.join())
        })
    }

    /// The same for a face that has to answer at once: where more than `most` bytes of log are new, or another
    /// process is writing, it answers from what is known. Also returns the bytes that were left unread. The log that
    /// has mostly grown is looked at first: where it did, nothing is done in vain.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn with_recent_usage<T>(
        &mut self,
        most: u64,
        log: Option<&Path>,
        work: impl Fn(&Self) -> Result<T, Failure>,
    ) -> Result<(T, u64), Failure> {
        let grown = log.filter(|log| self.has_grown(log));
        let mut ahead = PrefetchedLog::default();
        let (early, known, found) = self.while_walking(|app| match grown {
            Some(log) => {
                ahead = app.read_ahead(log, most)?;
                Ok(None)
            }
            None => work(app).map(Some),
        });
        let read = match (known, found) {
            (Ok(known), Ok(found)) => self.refresh_from(found, ahead, &known, most),
            _ => Ok((0, 0)),
        };
        let (mut new, left) = read.unwrap_or_default();
        // An agent writes the request that it asks about at about this moment.
        if let Some(log) = log.filter(|log| self.has_grown(log)) {
            new += self.read_ahead(log, most).and_then(|ahead| self.put_ahead(ahead)).unwrap_or_default();
        }
        match early {
            Ok(Some(early)) if new == 0 => Ok((early, left)),
            Err(failure) if new == 0 => Err(failure),
            _ => Ok((work(self)?, left)),
        }
    }

    /// Whether a log is of another size than when its usage was read last.
    fn has_grown(&self, log: &Path) -> bool {
        let read = self.archive.usage_size(&log.to_string_lossy()).ok().flatten();
        let size = match read.as_ref().and_then(|(agent, _)| sources::by_agent(agent)) {
            Some(source) => stat_log(source, log).map(|job| job.state.size).ok(),
            None => std::fs::metadata(log).map(|m| m.len()).ok(),
        };
        size.is_some() && size != read.map(|(_, size)| size)
    }

    /// Reads a known log while the walk goes on; writes nothing yet. Nothing where it is larger than `most` bytes.
    fn read_ahead(&self, log: &Path, most: u64) -> Result<PrefetchedLog, Failure> {
        let agent = self.archive.usage_size(&log.to_string_lossy())?.map(|(agent, _)| agent);
        let job = agent.and_then(|a| sources::by_agent(&a)).and_then(|source| stat_log(source, log).ok());
        let Some(job) = job.filter(|j| j.state.size <= most) else { return Ok(PrefetchedLog::default()) };
        let mut read = Vec::new();
        let keep = |done: Vec<FileUsage>| {
            read.extend(done);
            true
        };
        let mut out = BatchSender { send: keep, held: Vec::new(), rows: 0 };
        read_usage(&job, &self.read_options()?, &mut Vec::new(), &mut out);
        out.flush();
        Ok(PrefetchedLog { job: Some(job), read })
    }

    /// Writes what was read ahead; returns how many logs that were.
    fn put_ahead(&mut self, mut ahead: PrefetchedLog) -> Result<u64, Failure> {
        if ahead.read.is_empty() {
            return Ok(0);
        }
        self.put_usage(&mut ahead.read)?;
        Ok(1)
    }

    fn read_options(&self) -> Result<ReadOptions, Failure> {
        Ok(ReadOptions {
            scratch: Some(self.dir().join("tmp")),
            known_dirs: self.archive.project_paths()?,
            ..ReadOptions::default()
        })
    }

    /// Reads what is new, unless it is more than `most` bytes; returns the files read and the bytes left unread.
    fn refresh_from(
        &mut self,
        found: FoundLogs,
        ahead: PrefetchedLog,
        known: &HashMap<String, FileRow>,
        most: u64,
    ) -> Result<(u64, u64), Failure> {
        let seen = found.plan(&ScanParams::default(), &|name, state| {
            known.get(name).is_some_and(|row| row.usage == *state)
        });
        let ScanPlan { to_read: mut jobs, .. } = seen;
        // What grew since it was read ahead is read again.
        let is_ahead =
            |j: &LogFile| ahead.job.as_ref().is_some_and(|a| (&a.path, a.state) == (&j.path, j.state));
        let all = jobs.len();
        jobs.retain(|j| !is_ahead(j));
        let done = if jobs.len() < all { self.put_ahead(ahead)? } else { 0 };
        let bytes = jobs.iter().fold(0u64, |sum, job| sum.saturating_add(job.state.size));
        if jobs.is_empty() || bytes > most {
            return Ok((done, bytes));
        }
        let opts = self.read_options()?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(jobs.len());
        let next = AtomicUsize::new(0);
        let (tx, rx) = mpsc::sync_channel::<Vec<FileUsage>>(8);
        let ctx = self.ctx.clone();
        std::thread::scope(|scope| -> Result<(), Failure> {
            for _ in 0..threads {
                let (tx, jobs, next, ctx, opts) = (tx.clone(), &jobs, &next, &ctx, &opts);
                scope.spawn(move || {
                    let mut buffer = Vec::new();
                    let mut out =
                        BatchSender { send: |done| tx.send(done).is_ok(), held: Vec::new(), rows: 0 };
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if ctx.check().is_err() || !read_usage(job, opts, &mut buffer, &mut out) {
                            return;
                        }
                    }
                    out.flush();
                });
            }
            drop(tx);
            let (mut batch, mut rows) = (Vec::new(), 0);
            for sent in rx {
                rows += sent.iter().map(|d| d.read.rows.len() + 1).sum::<usize>();
                batch.extend(sent);
                if rows >= BATCH_ROWS {
                    rows = 0;
                    self.put_usage(&mut batch)?;
                }
            }
            self.put_usage(&mut batch)
        })?;
        self.ctx.check()?;
        Ok((done + jobs.len() as u64, 0))
    }

    fn put_usage(&mut self, batch: &mut Vec<FileUsage>) -> Result<(), Failure> {
        let files: Vec<UsageResult<'_>> = batch
            .iter()
            .map(|d| UsageResult {
                path: &d.path,
                agent: d.agent,
                state: &d.state,
                facts: &d.read.facts,
                rows: &d.read.rows,
            })
            .collect();
        self.archive.put_usage(&files)?;
        batch.clear();
        Ok(())
    }
}

/// A log that was read before the walk was over, and what it held.
#[derive(Default)]
struct PrefetchedLog {
    job: Option<LogFile>,
    read: Vec<FileUsage>,
}

/// What a reader has to hand on; `send` tells whether anybody still listens.
struct BatchSender<F> {
    send: F,
    held: Vec<FileUsage>,
    rows: usize,
}

impl<F: FnMut(Vec<FileUsage>) -> bool> BatchSender<F> {
    /// Takes one piece; whether anybody still listens.
    fn put(&mut self, done: FileUsage) -> bool {
        self.rows += done.read.rows.len() + 1;
        self.held.push(done);
        self.rows < SENT_ROWS || self.flush()
    }

    fn flush(&mut self) -> bool {
        self.rows = 0;
        (self.send)(std::mem::take(&mut self.held))
    }
}

/// Reads one file's usage and hands it on, its state with the last piece; whether anybody still listens.
fn read_usage<F: FnMut(Vec<FileUsage>) -> bool>(
    job: &LogFile,
    opts: &ReadOptions,
    buffer: &mut Vec<u8>,
    out: &mut BatchSender<F>,
) -> bool {
    let path = job.path.to_string_lossy().into_owned();
    let unread = FileState { size: u64::MAX >> 1, ..job.state };
    let done = |read, state| FileUsage { path: path.clone(), agent: job.source.agent(), state, read };
    let mut held: Option<UsageRead> = None;
    let mut listening = true;
    let outcome = job.source.read_usage(&job.path, opts, buffer, &mut |read| {
        if let Some(earlier) = held.replace(read) {
            listening = listening && out.put(done(earlier, unread));
        }
    });
    let state = if outcome.is_ok() { job.state } else { unread };
    listening && out.put(done(held.unwrap_or_default(), state))
}
