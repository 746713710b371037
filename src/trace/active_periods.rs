//! Splits a long session into periods without a long pause. Every message is in exactly one period.

use super::Timestamp;

/// Default length of a pause that ends a period: 30 minutes, in milliseconds.
pub const IDLE_GAP_MILLIS: i64 = 30 * 60_000;

/// Consecutive messages without a long pause between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivePeriod {
    /// Index of the first message.
    pub from: usize,
    /// Index after the last message; greater than `from`.
    pub to: usize,
    /// Time of the earliest message; `None` if no message has a time.
    pub started: Option<Timestamp>,
    /// Time of the latest message.
    pub ended: Option<Timestamp>,
}

impl ActivePeriod {
    /// Returns the length of the period in milliseconds.
    pub fn millis(&self) -> i64 {
        match (self.started, self.ended) {
            (Some(a), Some(b)) => b.millis().saturating_sub(a.millis()).max(0),
            _ => 0,
        }
    }
}

/// Splits messages, given by their times in the order of the log. A message begins a new period if it is more than `gap`
/// milliseconds later than every message of the previous period. A message without a time belongs to the period of the
/// message before it.
pub fn active_periods(times: impl IntoIterator<Item = Option<Timestamp>>, gap: i64) -> Vec<ActivePeriod> {
    let mut out: Vec<ActivePeriod> = Vec::new();
    for (i, at) in times.into_iter().enumerate() {
        let is_after_pause = |s: &ActivePeriod| match (s.ended, at) {
            (Some(last), Some(at)) => at.millis().saturating_sub(last.millis()) > gap,
            _ => false,
        };
        match out.last_mut() {
            Some(s) if !is_after_pause(s) => {
                s.to = i + 1;
                s.started = s.started.into_iter().chain(at).min();
                s.ended = s.ended.into_iter().chain(at).max();
            }
            _ => out.push(ActivePeriod { from: i, to: i + 1, started: at, ended: at }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pause_begins_a_period_and_a_message_without_a_time_does_not() {
        let minute = |m: i64| Some(Timestamp(m * 60_000));
        let found =
            active_periods([minute(0), None, minute(10), minute(41), minute(40), None], IDLE_GAP_MILLIS);
        let places: Vec<_> = found.iter().map(|s| (s.from, s.to)).collect();
        assert_eq!(places, [(0, 3), (3, 6)]);
        assert_eq!((found[1].started, found[1].ended), (minute(40), minute(41)));
        assert_eq!((found[0].millis(), found[1].millis()), (600_000, 60_000));
        assert_eq!(
            active_periods([minute(0), minute(30)], IDLE_GAP_MILLIS).len(),
            1,
            "a pause as long as the limit"
        );
        assert!(active_periods([], 1).is_empty());
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn every_message_is_in_exactly_one_period(
            times in prop::collection::vec(prop::option::of(any::<i64>()), 0..60),
            gap in any::<i64>(),
        ) {
            let found = active_periods(times.iter().map(|t| t.map(Timestamp)), gap);
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
        fn a_period_begins_exactly_after_each_pause_in_ordered_times(
            steps in prop::collection::vec(0i64..100, 1..40),
            gap in 0i64..100,
        ) {
            let times: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let found = active_periods(times.iter().map(|t| Some(Timestamp(*t))), gap);
            let starts: Vec<usize> = found.iter().map(|s| s.from).collect();
            let expected: Vec<usize> = (0..times.len())
                .filter(|i| *i == 0 || times[*i] - times[i - 1] > gap)
                .collect();
            prop_assert_eq!(starts, expected);
        }
    }
}
