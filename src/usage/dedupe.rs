//! Chooses which record of a request counts, and which session owns the request.

use std::cmp::Reverse;

use crate::trace::Timestamp;

/// One record of a request: a row of some log that has its dedupe key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCopy<'a> {
    /// Key of the session that contains the record.
    pub session: &'a str,
    /// First instant of that session.
    pub session_started: Option<Timestamp>,
    /// Last instant of that session.
    pub session_ended: Option<Timestamp>,
    /// Output tokens of the record.
    pub output: u64,
    /// All tokens of the record; the larger one counts if records are otherwise equal.
    pub tokens: u64,
    /// The record's own time.
    pub at: Timestamp,
    /// Whether the log says that the record is copied history.
    pub copied: bool,
}

/// Chooses `(owner, figures)` among the records of one request, as indices; `None` if there are no records.
///
/// The owner's session is the one that first wrote the request: not marked as copied, else started earliest, else ended
/// earliest, else first by key. The figures and their time are those of the record with the largest output, because
/// records written during streaming contain less. Among equals the owner session's last record counts, then the
/// earliest, because copies get new times. The result does not depend on the order of the records.
pub fn resolve_duplicate(copies: &[RequestCopy<'_>]) -> Option<(usize, usize)> {
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

/// Separates the records of a key that is a position ([`UsageRow::has_position_key`](crate::trace::UsageRow)) into
/// requests, as indices of their records.
///
/// Forks of one session may each go on with a request of the same size at the same position. So the records of
/// different sessions are different requests, except those that may be copied. A copied record belongs to the request
/// that was written first.
pub fn split_by_session(copies: &[RequestCopy<'_>]) -> Vec<Vec<usize>> {
    let mut own: Vec<&RequestCopy<'_>> = copies.iter().filter(|c| !c.copied).collect();
    own.sort_by_key(|c| (c.at, c.session));
    let mut sessions: Vec<&str> = Vec::new();
    for copy in own {
        if !sessions.contains(&copy.session) {
            sessions.push(copy.session);
        }
    }
    let mut requests = vec![Vec::new(); sessions.len().max(1)];
    for (n, copy) in copies.iter().enumerate() {
        requests[sessions.iter().position(|s| *s == copy.session).unwrap_or(0)].push(n);
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copy(session: &'static str, started: i64, output: u64, at: i64, copied: bool) -> RequestCopy<'static> {
        RequestCopy {
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
    fn a_request_of_a_resumed_session_belongs_to_its_first_writer() {
        let c = [copy("claude:b", 5, 90, 50, false), copy("claude:a", 5, 90, 50, false)];
        assert_eq!(
            resolve_duplicate(&c).map(|(o, _)| c[o].session),
            Some("claude:a"),
            "same start and end: by key"
        );
        let c = [copy("claude:a", 9, 90, 50, false), copy("claude:b", 5, 90, 50, false)];
        assert_eq!(resolve_duplicate(&c).map(|(o, _)| c[o].session), Some("claude:b"), "started first");
        let c = [copy("claude:a", 1, 90, 50, true), copy("claude:b", 5, 90, 50, false)];
        assert_eq!(resolve_duplicate(&c).map(|(o, _)| c[o].session), Some("claude:b"), "not a copy");
        let mut c = [copy("claude:a", 5, 90, 50, false), copy("claude:b", 5, 90, 50, false)];
        c[0].session_ended = Some(Timestamp(900));
        assert_eq!(resolve_duplicate(&c).map(|(o, _)| c[o].session), Some("claude:b"), "ended first");
        c[0].session_started = None;
        c[0].session_ended = Some(Timestamp(0));
        assert_eq!(
            resolve_duplicate(&c).map(|(o, _)| c[o].session),
            Some("claude:b"),
            "unknown start is last"
        );
        assert_eq!(resolve_duplicate(&[]), None);
    }

    #[test]
    fn the_record_with_the_largest_output_gives_the_figures() {
        let c = [copy("s", 1, 2, 10, false), copy("s", 1, 40, 20, false), copy("s", 1, 7, 30, false)];
        assert_eq!(resolve_duplicate(&c).map(|(_, f)| f), Some(1));
        // a fork wrote the same figures with a new time
        let c = [copy("fork", 100, 40, 101, true), copy("first", 1, 40, 20, false)];
        assert_eq!(resolve_duplicate(&c), Some((1, 1)));
        // the final row of a stream, re-read from the tail
        let c = [copy("s", 1, 2, 10, false), copy("s", 1, 2, 20, false)];
        assert_eq!(resolve_duplicate(&c).map(|(_, f)| f), Some(1));
        // the owner has a truncated stream, a copy has the complete one
        let c = [copy("first", 1, 3, 20, false), copy("fork", 100, 40, 101, true)];
        assert_eq!(resolve_duplicate(&c), Some((0, 1)));
    }

    #[test]
    fn equal_requests_of_sibling_forks_are_different_requests_and_their_copies_are_not() {
        let root = copy("codex:root", 0, 9, 10, false);
        let fork = |name, at, copied| copy(name, 50, 9, at, copied);
        let copies = [fork("codex:a", 51, true), root.clone(), fork("codex:b", 51, true)];
        assert_eq!(split_by_session(&copies), [[0, 1, 2]], "copies of the parent's request");
        assert_eq!(split_by_session(&[copies[0].clone(), copies[2].clone()]), [[0, 1]], "its log is missing");
        let (a, b) = (fork("codex:a", 90, false), fork("codex:b", 80, false));
        assert_eq!(split_by_session(&[a.clone(), b.clone()]), [[1], [0]], "each made one");
        let nested = fork("codex:of-b", 95, true);
        assert_eq!(split_by_session(&[a.clone(), nested, b]), [vec![1, 2], vec![0]]);
        assert_eq!(split_by_session(&[a.clone(), a.clone(), root]), [vec![2], vec![0, 1]], "an archived log");
        assert_eq!(split_by_session(&[]), [Vec::<usize>::new()]);
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn the_order_of_the_records_does_not_matter(
            rows in prop::collection::vec((0usize..4, 0u64..4, 0i64..4, any::<bool>()), 1..12),
            by in any::<prop::sample::Index>(),
        ) {
            let names = ["claude:a", "claude:b", "codex:a", "codex:b"];
            let mut copies: Vec<_> =
                rows.iter().map(|(s, o, t, c)| copy(names[*s], *s as i64 % 2, *o, *t, *c)).collect();
            for (copy, (.., copied)) in copies.iter_mut().zip(&rows) {
                copy.tokens += u64::from(*copied);
            }
            let answer = |c: &[RequestCopy<'_>]| {
                let (o, f) = resolve_duplicate(c).unwrap();
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
