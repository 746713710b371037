//! Tells the requests that a forked thread made from those that its log copied from other threads.
//!
//! The log of a fork or of a subagent may begin with the records of its parent, and no record marks their end. The copies
//! have their old times, or all of them get the time of copying. Their turns have the parent's ids, which newer versions
//! make from the time.

use crate::trace::Timestamp;

/// A pause after which a log is not being copied any more, in milliseconds. A copy of thousands of records took two seconds
/// in all; the pause is measured between two of its requests.
const MIN_PAUSE_MILLIS: i64 = 2_000;

/// Which thread made a request, as far as the log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestAuthor {
    ThisThread,
    /// An earlier thread, or this one.
    Unknown,
    EarlierThread,
}

/// Follows the records with usage of a log.
#[derive(Debug, Default)]
pub(super) struct ForkBoundary {
    /// When the thread was forked; `None` if the log is not that of a fork or subagent.
    forked_at: Option<Timestamp>,
    /// Time of the last record, but not before the log's first.
    last: Option<Timestamp>,
    /// Whether a pause was found.
    paused: bool,
    /// Whether the current turn began after the fork; `None` if its id does not tell.
    is_own_turn: Option<bool>,
}

impl ForkBoundary {
    /// Creates the boundary of a fork, from the time of the fork and the time of the log's first record.
    pub(super) fn of_fork(forked_at: Option<Timestamp>, written: Option<Timestamp>) -> Self {
        ForkBoundary { forked_at: forked_at.or(written), last: written.or(forked_at), ..Self::default() }
    }

    /// Goes on to a record with usage or with settings of a turn.
    pub(super) fn advance(&mut self, now: Option<Timestamp>) {
        let (Some(now), Some(last)) = (now, self.last) else { return };
        self.paused |= now.millis().saturating_sub(last.millis()) >= MIN_PAUSE_MILLIS;
        self.last = Some(last.max(now));
    }

    /// Goes on to a turn.
    pub(super) fn begin_turn(&mut self, turn_id: Option<&str>) {
        let begun = turn_id.and_then(time_of_uuid);
        self.is_own_turn = begun.zip(self.forked_at).map(|(begun, forked_at)| begun >= forked_at);
    }

    /// Returns the author of a request with a time.
    pub(super) fn author_of(&self, at: Timestamp) -> RequestAuthor {
        let Some(forked_at) = self.forked_at else { return RequestAuthor::ThisThread };
        match self.is_own_turn {
            _ if at < forked_at => RequestAuthor::EarlierThread,
            _ if self.paused => RequestAuthor::ThisThread,
            Some(true) => RequestAuthor::ThisThread,
            Some(false) => RequestAuthor::EarlierThread,
            None => RequestAuthor::Unknown,
        }
    }

    /// Returns when the thread was forked; `None` if the log is not that of a fork or subagent.
    pub(super) fn forked_at(&self) -> Option<Timestamp> {
        self.forked_at
    }
}

/// Returns the time in a UUID of version 7.
fn time_of_uuid(id: &str) -> Option<Timestamp> {
    let (high, rest) = id.split_once('-')?;
    let (low, rest) = rest.split_once('-')?;
    if high.len() != 8 || low.len() != 4 || !rest.starts_with('7') {
        return None;
    }
    let high = i64::from_str_radix(high, 16).ok()?;
    let low = i64::from_str_radix(low, 16).ok()?;
    Some(Timestamp(high << 16 | low))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORKED_AT: i64 = 1_795_190_000_000;

    fn fork() -> ForkBoundary {
        ForkBoundary::of_fork(Some(Timestamp(FORKED_AT)), Some(Timestamp(FORKED_AT)))
    }

    fn author(boundary: &mut ForkBoundary, after_millis: i64) -> RequestAuthor {
        let at = Timestamp(FORKED_AT + after_millis);
        boundary.advance(Some(at));
        boundary.author_of(at)
    }

    #[test]
    fn a_pause_ends_the_copied_history() {
        let mut b = fork();
        assert_eq!(author(&mut b, -500_000), RequestAuthor::EarlierThread, "copied with its time");
        for after in [0, 1_500, 1_900, 3_000] {
            assert_eq!(author(&mut b, after), RequestAuthor::Unknown, "a slow copy, {after}");
        }
        for after in [5_000, 5_001] {
            assert_eq!(author(&mut b, after), RequestAuthor::ThisThread, "{after}");
        }
        assert_eq!(author(&mut ForkBoundary::default(), -5), RequestAuthor::ThisThread, "not a fork");
    }

    #[test]
    fn the_id_of_a_turn_tells_when_it_began() {
        let id = |millis: i64| {
            let hex = format!("{millis:012x}");
            format!("{}-{}-7550-98cb-16d8973579c5", &hex[..8], &hex[8..])
        };
        let mut b = fork();
        b.begin_turn(Some(&id(FORKED_AT - 1)));
        assert_eq!(author(&mut b, 10), RequestAuthor::EarlierThread);
        b.begin_turn(Some(&id(FORKED_AT + 5)));
        assert_eq!(author(&mut b, 20), RequestAuthor::ThisThread, "a quick answer");
        for other in [Some("3"), Some("c0ffee00-0000-4000-8000-000000000000"), Some("é-ü-7"), None] {
            b.begin_turn(other);
            assert_eq!(author(&mut b, 30), RequestAuthor::Unknown, "{other:?}");
        }
    }
}
