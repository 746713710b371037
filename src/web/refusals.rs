//! Which refused requests are due for the audit log.
//!
//! Every refusal counts, and each kind is written at most once a minute: a page or a program without the token could otherwise
//! fill the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::trace::Timestamp;

/// Time between two entries of one kind, in milliseconds.
const INTERVAL_MS: i64 = 60_000;

/// The refusals that were not written yet, by code.
#[derive(Default)]
pub(super) struct Refusals {
    by_code: Mutex<BTreeMap<String, Waiting>>,
}

struct Waiting {
    written: Timestamp,
    /// Number of refusals since then.
    times: u64,
}

impl Refusals {
    /// Counts a refusal. Returns the number of refusals that an entry has to report, if one is due.
    pub(super) fn due(&self, code: &str, now: Timestamp) -> Option<u64> {
        let mut by_code = self.by_code.lock().unwrap_or_else(PoisonError::into_inner);
        match by_code.get_mut(code) {
            Some(waiting) if now.millis().saturating_sub(waiting.written.millis()) < INTERVAL_MS => {
                waiting.times = waiting.times.saturating_add(1);
                None
            }
            waiting => {
                let before = waiting.map_or(0, |w| w.times);
                by_code.insert(code.to_owned(), Waiting { written: now, times: 0 });
                Some(before.saturating_add(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_due_at_once_and_then_every_minute_with_the_number_since() {
        let refusals = Refusals::default();
        let at = |ms: i64| Timestamp(1_795_219_200_000 + ms);
        assert_eq!(refusals.due("unauthorized", at(0)), Some(1));
        assert_eq!(refusals.due("wrong_host", at(1)), Some(1));
        for ms in 0..500 {
            assert_eq!(refusals.due("unauthorized", at(ms)), None);
        }
        assert_eq!(refusals.due("unauthorized", at(60_000)), Some(501));
        assert_eq!(refusals.due("unauthorized", at(60_001)), None);
    }
}
