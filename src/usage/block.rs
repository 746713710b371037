//! Five-hour blocks: the periods in which subscriptions meter usage, with rate and projection.
//!
//! A block starts with the hour (UTC) of its first request and lasts five hours. The next block starts with the first
//! request after it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::trace::Timestamp;

use super::sum::{UsageSum, clamp_picousd};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Length of a block, milliseconds.
pub const BLOCK_MS: i64 = 5 * HOUR_MS;

/// The rate is that of this much time before now.
const RATE_WINDOW_MS: i64 = HOUR_MS;

/// A block that is younger counts as this old, so that a burst of two requests does not give an absurd rate.
const MIN_RATE_SPAN_MS: i64 = 10 * MINUTE_MS;

/// The rate and the projection of the active block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burn {
    /// Tokens per minute, over the last hour of the block.
    pub tokens_per_minute: u64,
    /// Pico-USD per hour, over the last hour of the block.
    pub cost_picousd_per_hour: i64,
    /// Minutes until the block ends.
    pub remaining_minutes: u64,
    /// Tokens of the whole block at this rate.
    pub projected_tokens: u64,
    /// Pico-USD of the whole block at this rate.
    pub projected_picousd: i64,
}

/// A five-hour window with at least one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// A full hour UTC.
    pub start: Timestamp,
    pub end: Timestamp,
    /// Time of the first request.
    pub first: Timestamp,
    /// Time of the last request.
    pub last: Timestamp,
    pub active: bool,
    /// Only for the active block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn: Option<Burn>,
}

#[derive(Debug)]
struct Minute {
    sum: UsageSum,
    first: i64,
    last: i64,
}

/// Adds requests up by minutes. Blocks start and end with full hours, so every minute belongs to one block.
#[derive(Debug, Default)]
pub struct BlockSums {
    all: HashMap<i64, Minute>,
}

impl BlockSums {
    /// Adds the sum of one or several requests at an instant.
    pub fn add(&mut self, at: Timestamp, sum: &UsageSum) {
        let ms = at.millis();
        let new = || Minute { sum: UsageSum::default(), first: ms, last: ms };
        let minute = self.all.entry(ms.div_euclid(MINUTE_MS)).or_insert_with(new);
        (minute.first, minute.last) = (minute.first.min(ms), minute.last.max(ms));
        minute.sum.add(sum);
    }

    /// Returns whether there were five hours of rest between `since` and `now`. Then requests before `since` cannot change
    /// the block that is active now.
    pub fn rested_since(&self, since: Timestamp, now: Timestamp) -> bool {
        let hour = |at: i64| at.div_euclid(HOUR_MS);
        let mut hours: Vec<i64> = self.all.values().map(|m| hour(m.first)).collect();
        hours.push(hour(now.millis()));
        hours.sort_unstable();
        let mut previous = hour(since.millis());
        hours.into_iter().filter(|h| *h >= hour(since.millis())).any(|h| {
            let rest = h - std::mem::replace(&mut previous, h);
            rest >= BLOCK_MS / HOUR_MS
        })
    }

    /// Returns the blocks in the order of time, with their sums; `now` decides which block is active.
    pub fn finish(self, now: Option<Timestamp>) -> Vec<(Block, UsageSum)> {
        let mut minutes: Vec<Minute> = self.all.into_values().collect();
        minutes.sort_unstable_by_key(|m| m.first);
        let mut out: Vec<(Block, UsageSum)> = Vec::new();
        let mut recent = UsageSum::default();
        for m in minutes {
            if out.last().is_none_or(|(b, _)| m.first >= b.end.millis()) {
                let start = m.first.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
                let (start, end) = (Timestamp(start), Timestamp(start.saturating_add(BLOCK_MS)));
                let (first, last) = (Timestamp(m.first), Timestamp(m.last));
                let active = now.is_some_and(|now| first <= now && now < end);
                out.push((Block { start, end, first, last, active, burn: None }, UsageSum::default()));
            }
            let Some((block, sum)) = out.last_mut() else { continue };
            block.last = Timestamp(block.last.millis().max(m.last));
            sum.add(&m.sum);
            let age = |now: Timestamp| now.millis().saturating_sub(m.first);
            if block.active && now.is_some_and(|now| (0..RATE_WINDOW_MS).contains(&age(now))) {
                recent.add(&m.sum);
            }
        }
        for (block, sum) in &mut out {
            if let Some(now) = now.filter(|_| block.active) {
                block.burn = Some(burn(block, sum, &recent, now));
            }
        }
        out
    }
}

fn burn(block: &Block, sum: &UsageSum, recent: &UsageSum, now: Timestamp) -> Burn {
    let since = now.millis().saturating_sub(block.first.millis());
    let over = i128::from(since.clamp(MIN_RATE_SPAN_MS, RATE_WINDOW_MS));
    let left = i128::from(block.end.millis().saturating_sub(now.millis()).max(0));
    let tokens = i128::from(recent.tokens.total());
    let count = |n: i128| u64::try_from(n).unwrap_or(if n < 0 { 0 } else { u64::MAX });
    let picousd = recent.picousd.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    let scale = |n: i128, by: i128| n.saturating_mul(by) / over;
    Burn {
        tokens_per_minute: count(scale(tokens, MINUTE_MS.into())),
        cost_picousd_per_hour: clamp_picousd(scale(picousd, HOUR_MS.into())),
        remaining_minutes: count(left / i128::from(MINUTE_MS)),
        projected_tokens: count(i128::from(sum.tokens.total()).saturating_add(scale(tokens, left))),
        projected_picousd: clamp_picousd(sum.picousd.saturating_add(scale(picousd, left))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Confidence, Tokens};

    fn blocks(requests: &[(&str, i64)], now: &str) -> Vec<(Block, UsageSum)> {
        let mut m = BlockSums::default();
        for (at, cost) in requests {
            let t = Tokens { input: 600, ..Tokens::default() };
            m.add(Timestamp::parse(at).unwrap(), &UsageSum::of_part(1, t, Some(*cost), Confidence::Exact));
        }
        m.finish(Timestamp::parse(now))
    }

    #[test]
    fn a_block_starts_with_the_hour_and_lasts_five_hours() {
        let found = blocks(
            &[
                ("2026-11-20T09:59:59.999Z", 1),
                ("2026-11-20T13:59:59.999Z", 2),
                ("2026-11-20T14:00:00Z", 4),
                ("2026-11-20T23:30:00Z", 8),
            ],
            "2026-11-20T23:40:00Z",
        );
        let spans: Vec<_> = found.iter().map(|(b, s)| (b.start.to_string(), b.active, s.picousd)).collect();
        let want = [
            ("2026-11-20T09:00:00.000Z".to_owned(), false, 3),
            ("2026-11-20T14:00:00.000Z".to_owned(), false, 4),
            ("2026-11-20T23:00:00.000Z".to_owned(), true, 8),
        ];
        assert_eq!(spans, want);
        assert_eq!(found[0].0.end.to_string(), "2026-11-20T14:00:00.000Z");
        assert_eq!(found[0].0.last.to_string(), "2026-11-20T13:59:59.999Z");
    }

    #[test]
    fn the_rate_is_that_of_the_last_hour_and_a_burst_gives_no_absurd_rate() {
        // two requests within a second, a moment ago: counted as ten minutes
        let found =
            blocks(&[("2026-11-20T10:00:00Z", 50), ("2026-11-20T10:00:01Z", 50)], "2026-11-20T10:00:02Z");
        let b = found[0].0.burn.unwrap();
        assert_eq!((b.tokens_per_minute, b.cost_picousd_per_hour, b.remaining_minutes), (120, 600, 299));
        // an old request of the block is in the sum and not in the rate
        let found =
            blocks(&[("2026-11-20T10:10:00Z", 500), ("2026-11-20T12:30:00Z", 60)], "2026-11-20T13:00:00Z");
        let b = found[0].0.burn.unwrap();
        assert_eq!((b.tokens_per_minute, b.cost_picousd_per_hour), (10, 60));
        assert_eq!((b.projected_tokens, b.projected_picousd), (1200 + 1200, 560 + 120));
        assert!(
            blocks(&[("2026-11-20T10:10:00Z", 5)], "2026-11-20T15:00:00Z")[0].0.burn.is_none(),
            "it is over"
        );
        let future = blocks(&[("2026-11-20T10:10:00Z", 5)], "2026-11-20T10:00:00Z");
        assert!(!future[0].0.active && future[0].0.burn.is_none(), "its first request is in the future");
    }

    #[test]
    fn absurd_times_do_not_panic() {
        let mut m = BlockSums::default();
        for ms in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            let t = Tokens { input: u64::MAX, ..Tokens::default() };
            m.add(Timestamp(ms), &UsageSum::of_part(1, t, Some(i64::MAX), Confidence::Exact));
        }
        assert_eq!(m.finish(Some(Timestamp(i64::MAX))).iter().map(|(_, s)| s.requests).sum::<u64>(), 6);
    }
}
