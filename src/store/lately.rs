//! The last days of the ledger, and what was spent before them.
//!
//! A glance at a month would open every segment of it. So the sum of what is older than some days is kept beside the
//! ledger, and only the last days are read. A request belongs to the older part if no copy of it stands in a segment
//! that reaches into the last days; triggers remove the sum when an older segment changes, and
//! [`Recent::straddling`] tells when a copy of an older request came into the last days.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, params};

use crate::trace::{SessionKey, Timestamp};
use crate::usage::CountedRow;

use super::ledger::{Mapped, Part, Wanted};
use super::{Archive, StoreError};

/// A kept sum is of use for so long after its instant.
const KEPT_MS: i64 = 7 * 86_400_000;

/// Which requests are wanted: those of the last days, and what else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lately<'a> {
    /// When the last days begin.
    pub since: Timestamp,
    /// All of the sessions with a request at or after this instant.
    pub active: Option<Timestamp>,
    /// All of these sessions.
    pub named: Option<&'a HashSet<String>>,
    /// With what tools' results take up of their prompts.
    pub tools: bool,
}

/// What is known of the requests that were handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The sessions that are whole, their compactions with them.
    pub whole: HashSet<String>,
    /// Stands for the requests of the last days that have copies in older segments. As long as it is the same and no
    /// older segment changed, so are the requests of the older part.
    pub straddling: u64,
}

impl Archive {
    /// Hands the counted requests that are wanted to `each`, and whether a copy of them stands in a segment that reaches
    /// into the last days. Others' older requests may be among what is handed out. `None`, and nothing is handed out,
    /// where those segments are too many for it to pay.
    ///
    /// # Errors
    /// As [`Archive::counted`].
    pub fn counted_lately(
        &self,
        p: &Lately<'_>,
        each: &mut dyn FnMut(&CountedRow<'_>, bool),
    ) -> Result<Option<Recent>, StoreError> {
        let _mapped = Mapped::of(&self.conn);
        let range = Wanted { since: Some(p.since), ..Wanted::default() };
        let Some(recent) = self.within(range)? else { return Ok(None) };
        let mut whole: HashSet<String> = HashSet::new();
        if let Some(active) = p.active {
            let mut q = self.conn.prepare_cached("SELECT DISTINCT session FROM segments WHERE last >= ?1")?;
            let mut active = q.query([active.millis()])?;
            while let Some(r) = active.next()? {
                whole.insert(
                    SessionKey::without_compaction_suffix(r.get_ref(0)?.as_str().unwrap_or_default())
                        .to_owned(),
                );
            }
        }
        whole.extend(p.named.into_iter().flatten().cloned());
        let mut also = Vec::new();
        // A session's compactions stand beside it.
        let mut q =
            self.conn.prepare_cached("SELECT id FROM segments WHERE session IN (?1, ?2) AND last < ?3")?;
        for session in &whole {
            let beside = SessionKey(session.clone()).compaction_key();
            for id in q.query_map(params![session, beside.as_str(), p.since.millis()], |r| r.get(0))? {
                also.push(id?);
            }
        }
        let part = Part { recent, also, tools: p.tools };
        let straddling = self.in_part(part, &self.devices()?, each)?;
        Ok(Some(Recent { whole, straddling }))
    }

    /// What was kept under a key, and the [`Recent::straddling`] it was kept with.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn spent_before(&self, key: &str) -> Result<Option<(String, u64)>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT body, straddling FROM spent_before WHERE key = ?1")?;
        let found = q.query_row([key], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?))).optional()?;
        Ok(found.map(|(body, straddling)| (body, straddling.cast_unsigned())))
    }

    /// Keeps what was spent before an instant, as long as it is true. `key` says the instant and all that the sum depends
    /// on beside the ledger.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn keep_spent_before(
        &self,
        key: &str,
        boundary: Timestamp,
        straddling: u64,
        body: &str,
    ) -> Result<(), StoreError> {
        self.conn.execute(
            "INSERT INTO spent_before(key, boundary, straddling, body) VALUES(?1, ?2, ?3, ?4)
             ON CONFLICT(key) DO UPDATE SET straddling = excluded.straddling, body = excluded.body",
            params![key, boundary.millis(), straddling.cast_signed(), body],
        )?;
        self.conn.execute(
            "DELETE FROM spent_before WHERE boundary < ?1",
            [boundary.millis().saturating_sub(KEPT_MS)],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ledger::tests::{Asked, DAY, write_file};
    use super::*;

    /// Tokens of what a month holds, and how many requests.
    type Sum = (u64, u64);

    fn add(sum: &mut Sum, row: &CountedRow<'_>, from: Timestamp) {
        if row.at >= from {
            sum.0 += row.tokens.total();
            sum.1 += 1;
        }
    }

    /// The month by what is kept and the last days, as a glance has it, and whether what was kept served.
    fn glance(archive: &Archive, since: Timestamp, from: Timestamp) -> (Sum, bool) {
        let wanted = Lately { since, ..Lately::default() };
        let sums = |row: &CountedRow<'_>, recent: bool, [late, before]: &mut [Sum; 2]| {
            add(if recent { late } else { before }, row, from);
        };
        let both = |[late, before]: [Sum; 2]| (late.0 + before.0, late.1 + before.1);
        if let Some((body, straddling)) = archive.spent_before("k").unwrap() {
            let mut found = [Sum::default(); 2];
            let recent = archive.counted_lately(&wanted, &mut |row, r| sums(row, r, &mut found)).unwrap();
            if recent.is_some_and(|r| r.straddling == straddling) {
                found[1] = serde_json::from_str(&body).unwrap();
                return (both(found), true);
            }
        }
        let mut found = [Sum::default(); 2];
        let straddling = archive.counted_all(&wanted, &mut |row, r| sums(row, r, &mut found)).unwrap();
        let body = serde_json::to_string(&found[1]).unwrap();
        archive.keep_spent_before("k", since, straddling, &body).unwrap();
        (both(found), false)
    }

    fn asked() -> impl Strategy<Value = Asked> {
        (1i64..5, 0u8..4, 0u8..20, 0i64..40, 0u64..4, any::<bool>())
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn what_is_kept_and_the_last_days_are_the_whole_month(
            mut asked in prop::collection::vec(asked(), 1..40),
            changes in prop::collection::vec((prop::collection::vec(asked(), 0..4), any::<Option<prop::sample::Index>>()), 1..6),
            since in 30i64..40, from in 0i64..30,
        ) {
            let archive = Archive::in_memory().unwrap();
            // Enough old segments for the last days to be the smaller part.
            asked.extend((10i64..30).map(|file| (file, 9, 100 + file as u8, file, 1, false)));
            for file in 1..30 {
                write_file(&archive, file, &asked);
            }
            let (since, from) = (Timestamp(since * DAY), Timestamp(from * DAY));
            for (more, gone) in changes {
                let mut whole = Sum::default();
                archive.counted(None, None, &mut |row| add(&mut whole, row, from)).unwrap();
                prop_assert_eq!(glance(&archive, since, from).0, whole);
                prop_assert_eq!(glance(&archive, since, from).0, whole, "again");
                for file in more.iter().map(|a| a.0).collect::<HashSet<_>>() {
                    write_file(&archive, file, &more);
                }
                if let Some(gone) = gone {
                    let id = gone.index(5) as i64 + 1;
                    archive.conn.execute("DELETE FROM segments WHERE file_id = ?1", [id]).unwrap();
                }
            }
        }
    }

    #[test]
    fn new_requests_leave_what_is_kept_and_older_ones_do_not() {
        let archive = Archive::in_memory().unwrap();
        let mut rows: Vec<Asked> = (1i64..10).map(|n| (n, n as u8, n as u8, n, 1, false)).collect();
        rows.push((10, 10, 10, 35, 1, false));
        for file in 1..=10 {
            write_file(&archive, file, &rows);
        }
        let (since, from) = (Timestamp(30 * DAY), Timestamp(3 * DAY));
        let step = |file: i64, row: Asked| {
            write_file(&archive, file, &[row]);
            glance(&archive, since, from)
        };
        assert!(!step(10, (10, 10, 10, 35, 1, false)).1, "nothing was kept yet");
        assert!(step(10, (10, 10, 11, 36, 1, false)).1);
        assert!(step(11, (11, 11, 12, 37, 1, false)).1, "a new session");
        // A copy of a request of day 5 comes into the last days: read again once, then kept again.
        assert!(!step(11, (11, 11, 5, 37, 1, true)).1);
        assert!(step(11, (11, 11, 13, 37, 1, false)).1);
        assert!(!step(5, (5, 5, 50, 6, 1, false)).1, "an older log changed");
        assert!(step(11, (11, 11, 14, 37, 1, false)).1);
        archive.conn.execute("DELETE FROM segments WHERE file_id = 4", []).unwrap();
        assert!(!glance(&archive, since, from).1, "an older log was forgotten");
    }
}
