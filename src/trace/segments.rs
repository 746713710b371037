//! Long sessions split where nobody did anything for a while.
//!
//! Pure over the messages' instants: every message is in exactly one stretch, in the order of the log.

use super::Timestamp;

/// An idle gap unless the caller says otherwise: thirty minutes, in milliseconds.
pub const IDLE_GAP_MILLIS: i64 = 30 * 60_000;

/// A stretch of messages without an idle gap in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Index of its first message.
    pub from: usize,
    /// Index after its last message; more than `from`.
    pub to: usize,
    /// Earliest instant in it; `None` where none of its messages has one.
    pub started: Option<Timestamp>,
    /// Latest instant in it.
    pub ended: Option<Timestamp>,
}

impl Stretch {
    /// Milliseconds from its first instant to its last.
    pub fn millis(&self) -> i64 {
        match (self.started, self.ended) {
            (Some(a), Some(b)) => b.millis().saturating_sub(a.millis()).max(0),
            _ => 0,
        }
    }
}

/// Splits messages, given by their instants in the order of the log, where more than `gap` milliseconds lie between
/// a message and the latest instant before it. A message without an instant stays with the one before it.
pub fn stretches(times: impl IntoIterator<Item = Option<Timestamp>>, gap: i64) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for (i, at) in times.into_iter().enumerate() {
        let idle = |s: &Stretch| match (s.ended, at) {
            (Some(last), Some(at)) => at.millis().saturating_sub(last.millis()) > gap,
            _ => false,
        };
        match out.last_mut() {
            Some(s) if !idle(s) => {
                s.to = i + 1;
                s.started = s.started.into_iter().chain(at).min();
                s.ended = s.ended.into_iter().chain(at).max();
            }
            _ => out.push(Stretch { from: i, to: i + 1, started: at, ended: at }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_splits_and_a_message_without_a_time_does_not() {
        let minute = |m: i64| Some(Timestamp(m * 60_000));
        let found = stretches([minute(0), None, minute(10), minute(41), minute(40), None], IDLE_GAP_MILLIS);
        let places: Vec<_> = found.iter().map(|s| (s.from, s.to)).collect();
        assert_eq!(places, [(0, 3), (3, 6)]);
        assert_eq!((found[1].started, found[1].ended), (minute(40), minute(41)));
        assert_eq!((found[0].millis(), found[1].millis()), (600_000, 60_000));
        assert_eq!(
            stretches([minute(0), minute(30)], IDLE_GAP_MILLIS).len(),
            1,
            "the gap itself is not over it"
        );
        assert!(stretches([], 1).is_empty());
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn stretches_partition_the_messages(
            times in prop::collection::vec(prop::option::of(any::<i64>()), 0..60),
            gap in any::<i64>(),
        ) {
            let found = stretches(times.iter().map(|t| t.map(Timestamp)), gap);
            let mut next = 0;
            for s in &found {
                prop_assert!(s.from == next && s.to > s.from);
                next = s.to;
                let own: Vec<i64> = times[s.from..s.to].iter().flatten().copied().collect();
                prop_assert_eq!(s.started.map(Timestamp::millis), own.iter().min().copied());
                prop_assert_eq!(s.ended.map(Timestamp::millis), own.iter().max().copied());
            }
            prop_assert_eq!(next, times.len());
        }

        #[test]
        fn in_order_a_split_is_where_a_gap_is_and_nowhere_else(
            steps in prop::collection::vec(0i64..100, 1..40),
            gap in 0i64..100,
        ) {
            let times: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let found = stretches(times.iter().map(|t| Some(Timestamp(*t))), gap);
            let starts: Vec<usize> = found.iter().map(|s| s.from).collect();
            let expected: Vec<usize> = (0..times.len())
                .filter(|i| *i == 0 || times[*i] - times[i - 1] > gap)
                .collect();
            prop_assert_eq!(starts, expected);
        }
    }
}
