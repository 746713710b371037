//! Sums over the ledger in two parts: the last days are read, what was before them is kept from the time before.
//!
//! So what a report or a glance takes grows with the last days and not with the years before. What is kept is thrown away
//! when an older log, the prices or the program change, and is then made anew from the whole ledger.

use std::collections::HashSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::Lately;
use crate::trace::{SessionKey, Timestamp};
use crate::usage::CountedRow;

use crate::app::cost::price_sources::Prices;
use crate::app::{App, Failure};

const DAY_MS: i64 = 86_400_000;

/// The last days: at least so many, so that a glance mostly finds five hours of rest among them.
const LAST_DAYS: i64 = 3;

/// A session is looked at whole that was active in so long before now.
const ACTIVE_MS: i64 = 3_600_000;

/// Something that adds rows up in two parts.
pub(in crate::app) trait Parts {
    /// What is kept of the older part.
    type Older: Serialize + DeserializeOwned;

    /// Adds a request; `recent` where it belongs to the last days.
    fn add(&mut self, row: &CountedRow<'_>, recent: bool);

    /// The older part; `None` where it is not to be kept.
    fn older(&mut self) -> Option<Self::Older>;

    /// Takes an older part instead of what was added to it.
    fn set_older(&mut self, older: Self::Older);

    /// Whether the last days tell everything, where of these sessions every request was added.
    fn is_whole(&self, whole: &HashSet<String>) -> bool;
}

/// The sessions with a request in the last hour, which alerts look at whole.
pub(in crate::app) struct Active {
    since: Timestamp,
    seen: HashSet<String>,
}

impl Active {
    /// Those of the hour before an instant.
    pub(in crate::app) fn of(now: Timestamp) -> Self {
        Active { since: Timestamp(now.millis().saturating_sub(ACTIVE_MS)), seen: HashSet::new() }
    }

    pub(in crate::app) fn add(&mut self, row: &CountedRow<'_>) {
        let session = SessionKey::without_compaction_suffix(row.session);
        if row.at >= self.since && !self.seen.contains(session) {
            self.seen.insert(session.to_owned());
        }
    }

    /// Whether all of them are among these. A request may be counted for a session whose own segments are all older.
    pub(in crate::app) fn all_in(&self, whole: &HashSet<String>) -> bool {
        self.seen.is_subset(whole)
    }
}

impl App {
    /// When the last days begin: with a day of UTC, so that what is kept serves for a day.
    pub(in crate::app) fn last_days(&self) -> Timestamp {
        Timestamp((self.now().millis().div_euclid(DAY_MS) - LAST_DAYS) * DAY_MS)
    }

    /// The requests of the last days, and all of the sessions that are active or named.
    pub(in crate::app) fn lately<'a>(&self, named: Option<&'a HashSet<String>>, tools: bool) -> Lately<'a> {
        Lately { since: self.last_days(), active: Some(Active::of(self.now()).since), named, tools }
    }

    /// Adds the ledger up. `what` names the sum and all it depends on beside the ledger and the prices.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub(in crate::app) fn in_parts<P: Parts>(
        &self,
        what: &str,
        prices: &Prices,
        p: &Lately<'_>,
        new: impl Fn() -> P,
    ) -> Result<P, Failure> {
        let key = format!("{what} {} {}", p.since, prices.fingerprint());
        // What is kept must be of the same state of the ledger as what it is added to.
        let snapshot = self.archive.snapshot()?;
        let kept = self.archive.spent_before(&key)?;
        if let Some((older, straddling)) = &kept
            && let Ok(older) = serde_json::from_str(older)
        {
            let mut sum = new();
            let recent = self.archive.counted_lately(p, &mut |row, recent| sum.add(row, recent))?;
            if recent.is_some_and(|r| r.straddling == *straddling && sum.is_whole(&r.whole)) {
                sum.set_older(older);
                return Ok(sum);
            }
        }
        let (mut sum, mut is_older) = (new(), false);
        let straddling = self.archive.counted_all(p, &mut |row, recent| {
            is_older |= !recent;
            sum.add(row, recent);
        })?;
        if is_older
            && kept.is_none_or(|(_, s)| s != straddling)
            && let Some(older) = sum.older().and_then(|o| serde_json::to_string(&o).ok())
            && self.archive.keep_spent_before(&key, p.since, straddling, &older).is_ok()
        {
            // Where another process writes, the next one keeps it.
            let _ = snapshot.commit();
        }
        Ok(sum)
    }
}
