//! Which copy of a request counts, and whose it is.

use std::cmp::Reverse;

use crate::trace::Timestamp;

/// One copy of a request: a row of some log that carries its dedupe key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy<'a> {
    /// Key of the session the copy stands in.
    pub session: &'a str,
    /// First instant of that session.
    pub session_started: Option<Timestamp>,
    /// Last instant of that session.
    pub session_ended: Option<Timestamp>,
    /// Output tokens of the copy.
    pub output: u64,
    /// All tokens of the copy: of copies alike in all else the larger one counts.
    pub tokens: u64,
    /// The copy's own time.
    pub at: Timestamp,
    /// Whether the log says that it is copied history.
    pub copied: bool,
}

/// Chooses `(owner, figures)` among the copies of one request, as indices; `None` for no copies.
///
/// The owner's session is the one that first wrote the request: not marked as copied, else started earliest,
/// ended earliest, first by key. The figures and their time are those of the copy with the largest output,
/// since rows written while an answer streams hold less; among equals the owner session's last, then the
/// earliest, since copies are stamped anew. The outcome does not depend on the order of the copies.
pub fn choose(copies: &[Copy<'_>]) -> Option<(usize, usize)> {
    let age = |t: Option<Timestamp>| t.map_or(i64::MAX, Timestamp::millis);
    let (owner, first) = copies
        .iter()
        .enumerate()
        .min_by_key(|(_, c)| (c.copied, age(c.session_started), age(c.session_ended), c.session))?;
    let (figures, _) = copies.iter().enumerate().min_by_key(|(_, c)| {
        let own = c.session == first.session;
        let time = if own { -i128::from(c.at.millis()) } else { i128::from(c.at.millis()) };
        (Reverse(c.output), !own, time, c.session, Reverse(c.tokens))
    })?;
    Some((owner, figures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copy(session: &'static str, started: i64, output: u64, at: i64, copied: bool) -> Copy<'static> {
        Copy {
            session,
            session_started: Some(Timestamp(started)),
            session_ended: Some(Timestamp(started + 100)),
            output,
            tokens: output,
            at: Timestamp(at),
            copied,
        }
    }

    #[test]
    fn a_resumed_session_leaves_the_request_with_the_first_writer() {
        let c = [copy("claude:b", 5, 90, 50, false), copy("claude:a", 5, 90, 50, false)];
        assert_eq!(choose(&c).map(|(o, _)| c[o].session), Some("claude:a"), "same start and end: by key");
        let c = [copy("claude:a", 9, 90, 50, false), copy("claude:b", 5, 90, 50, false)];
        assert_eq!(choose(&c).map(|(o, _)| c[o].session), Some("claude:b"), "started first");
        let c = [copy("claude:a", 1, 90, 50, true), copy("claude:b", 5, 90, 50, false)];
        assert_eq!(choose(&c).map(|(o, _)| c[o].session), Some("claude:b"), "not a copy");
        let mut c = [copy("claude:a", 5, 90, 50, false), copy("claude:b", 5, 90, 50, false)];
        c[0].session_ended = Some(Timestamp(900));
        assert_eq!(choose(&c).map(|(o, _)| c[o].session), Some("claude:b"), "ended first");
        c[0].session_started = None;
        c[0].session_ended = Some(Timestamp(0));
        assert_eq!(choose(&c).map(|(o, _)| c[o].session), Some("claude:b"), "unknown start is last");
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn the_largest_output_gives_the_figures_and_the_first_time_wins_among_copies() {
        let c = [copy("s", 1, 2, 10, false), copy("s", 1, 40, 20, false), copy("s", 1, 7, 30, false)];
        assert_eq!(choose(&c).map(|(_, f)| f), Some(1));
        // a fork stamped the same figures anew
        let c = [copy("fork", 100, 40, 101, true), copy("first", 1, 40, 20, false)];
        assert_eq!(choose(&c), Some((1, 1)));
        // the final row of a stream, re-read from the tail
        let c = [copy("s", 1, 2, 10, false), copy("s", 1, 2, 20, false)];
        assert_eq!(choose(&c).map(|(_, f)| f), Some(1));
        // the owner holds a truncated stream, a copy has the whole
        let c = [copy("first", 1, 3, 20, false), copy("fork", 100, 40, 101, true)];
        assert_eq!(choose(&c), Some((0, 1)));
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn order_of_the_copies_does_not_matter(
            rows in prop::collection::vec((0usize..4, 0u64..4, 0i64..4, any::<bool>()), 1..12),
            by in any::<prop::sample::Index>(),
        ) {
            let names = ["claude:a", "claude:b", "codex:a", "codex:b"];
            let mut copies: Vec<_> =
                rows.iter().map(|(s, o, t, c)| copy(names[*s], *s as i64 % 2, *o, *t, *c)).collect();
            for (copy, (.., copied)) in copies.iter_mut().zip(&rows) {
                copy.tokens += u64::from(*copied);
            }
            let answer = |c: &[Copy<'_>]| {
                let (o, f) = choose(c).unwrap();
                (c[o].session.to_owned(), c[f].output, c[f].at, c[f].tokens)
            };
            let one = answer(&copies);
            let n = by.index(copies.len());
            copies.rotate_left(n);
            prop_assert_eq!(&answer(&copies), &one);
            copies.reverse();
            prop_assert_eq!(&answer(&copies), &one);
        }
    }
}
