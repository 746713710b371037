//! Reading one file and making what is in it ready for the archive, in bounded memory.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::rules::Engine;
use crate::sources::{Read, ReadOptions};
use crate::store::{FileState, Prepared};
use crate::trace::UsageRow;

use super::badges::badges;
use super::discover::Job;
use super::{Skipped, redact_line};
use crate::app::Failure;

/// One piece of a file, ready to be stored; the last one brings the file's state.
pub(super) struct Done {
    pub path: String,
    pub agent: &'static str,
    pub state: FileState,
    /// Whether the file is read to its end.
    pub last: bool,
    pub sessions: Vec<Prepared>,
    pub usage: Vec<UsageRow>,
    /// Bytes read.
    pub bytes: u64,
    /// Room it holds in the [`Budget`].
    pub held: u64,
    pub skipped: Vec<Skipped>,
}

/// A state that no file has: the next scan reads it again.
fn unread(state: &FileState) -> FileState {
    FileState { size: u64::MAX >> 1, ..*state }
}

/// Reads a file and hands out what is in it, piece by piece; `out` says whether anybody still listens.
pub(super) fn read_file(
    job: &Job,
    engine: &Engine,
    opts: &ReadOptions,
    budget: &Budget,
    out: &mut dyn FnMut(Result<Done, Failure>) -> bool,
) -> bool {
    let path = job.path.to_string_lossy().into_owned();
    let empty = |last: bool| Done {
        path: path.clone(),
        agent: job.source.agent(),
        state: if last { job.state } else { unread(&job.state) },
        last,
        sessions: Vec::new(),
        usage: Vec::new(),
        bytes: 0,
        held: 0,
        skipped: Vec::new(),
    };
    let mut listening = true;
    let mut took = job.state.size.min(HELD_BYTES);
    budget.take(took);
    let outcome = job.source.read_each(&job.path, opts, &mut |read| {
        if !listening {
            return;
        }
        let done = prepare(read, empty(false), engine).map(|mut done| {
            // The first piece takes over the room that was taken for the file; later ones take their own.
            done.held = std::mem::take(&mut took);
            if done.held == 0 {
                done.held = done.bytes.min(HELD_BYTES);
                budget.take(done.held);
            }
            done
        });
        listening = out(done);
    });
    let mut end = empty(true);
    end.held = took;
    if let Err(e) = outcome {
        end.state = unread(&job.state);
        end.skipped.push(Skipped { path: path.clone(), reason: e.to_string() });
    }
    listening && out(Ok(end))
}

fn prepare(read: Read, mut done: Done, engine: &Engine) -> Result<Done, Failure> {
    done.bytes = read.bytes_read;
    for (line, reason) in &read.skipped_lines.first {
        let path = format!("{}:{line}", done.path);
        done.skipped.push(Skipped { path, reason: reason.clone() });
    }
    let more = read.skipped_lines.total.saturating_sub(read.skipped_lines.first.len() as u64);
    if more > 0 {
        done.skipped.push(Skipped { path: done.path.clone(), reason: format!("{more} more lines skipped") });
    }
    done.usage = read.usage;
    for session in read.sessions {
        let badges = badges(&session, engine);
        let title = session.display_title().map(|t| redact_line(engine, &t));
        done.sessions.push(Prepared::of(session, title, badges)?);
    }
    Ok(done)
}

/// Readers hold at most so many bytes of logs that are not written yet.
const HELD_BYTES: u64 = 32 << 20;

/// Bounds the bytes of logs that are held at once, so that memory does not grow with the history.
pub(super) struct Budget {
    held: Mutex<Held>,
    changed: Condvar,
}

struct Held {
    bytes: u64,
    closed: bool,
}

impl Budget {
    pub fn new() -> Self {
        Budget { held: Mutex::new(Held { bytes: 0, closed: false }), changed: Condvar::new() }
    }

    /// Waits until `bytes` more may be held; a file larger than the whole budget is held alone.
    pub fn take(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.bytes > 0 && held.bytes + bytes > HELD_BYTES && !held.closed {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.bytes += bytes;
    }

    pub fn give(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes = held.bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    pub fn close(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}
