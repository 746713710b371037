//! The usage ledger: the requests of every log, and which record of a request counts.
//!
//! The requests of one session in one file are packed into one value, a segment ([`codec`]). Writing a segment needs
//! no look at others: records of the same request are found when the ledger is read ([`read`], [`duplicates`]). A report on an
//! unchanged ledger reads sums of requests instead ([`rollup`]).

mod codec;
mod duplicates;
mod generation;
pub(super) mod migrate;
mod read;
mod rollup;
mod write;

pub(super) use generation::remove_rollup;
pub use read::{UsageFilter, device_of, device_path};
pub(super) use write::put;

use crate::trace::Timestamp;

/// Returns the earliest and the latest of some instants, in milliseconds.
fn time_span(times: impl Iterator<Item = Timestamp>) -> (i64, i64) {
    times.fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at.millis()), last.max(at.millis())))
}
