//! Calendar days in any time zone, fast.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::trace::Timestamp;

const QUARTER_MS: i64 = 15 * 60 * 1000;
/// 2012-01-01. Earlier, more zones had odd offsets, or changed their clocks at 00:01.
const QUARTERS_SINCE_MS: i64 = 1_325_376_000_000;

/// 2038-01-01: the changes of a zone are checked up to here.
const CHECKED_UNTIL_MS: i64 = 2_145_916_800_000;

/// Returns the number of the quarter of an hour that contains an instant, since the epoch; `None` before 2012. In the zones of
/// [`keeps_quarters`], all instants of a quarter have the same day and hour.
pub fn quarter_of(at: Timestamp) -> Option<i64> {
    (at.millis() >= QUARTERS_SINCE_MS).then_some(at.millis() / QUARTER_MS)
}

/// Returns whether a quarter of an hour begins at an instant.
pub fn is_quarter_start(at: Timestamp) -> bool {
    quarter_of(at).is_some() && at.millis() % QUARTER_MS == 0
}

/// Returns whether every offset of a zone since 2012 is a multiple of a quarter of an hour, and every change of it is at the
/// beginning of a quarter. It is so in all zones of the time zone database but one, and not if `TZ` states an odd offset.
pub fn keeps_quarters(zone: &TimeZone) -> bool {
    let start = Timestamp(QUARTERS_SINCE_MS).to_jiff();
    let end = Timestamp(CHECKED_UNTIL_MS).to_jiff();
    let seconds = (QUARTER_MS / 1000) as i32;
    zone.to_offset(start).seconds() % seconds == 0
        && zone.following(start).take_while(|change| change.timestamp() < end).all(|change| {
            change.offset().seconds() % seconds == 0
                && change.timestamp().as_second() % i64::from(seconds) == 0
        })
}

/// The number of quarters of an hour that are remembered: a little more than five weeks.
const MAX_REMEMBERED: usize = 4096;

/// Remembers the calendar day and hour of the quarters of an hour that were asked for.
#[derive(Debug)]
pub struct DayCache<'z> {
    zone: &'z TimeZone,
    by_quarter: bool,
    /// Quarters of an hour since the epoch, with their day and hour. The place of a quarter is its number modulo
    /// [`MAX_REMEMBERED`], so a later quarter may replace it.
    seen: Vec<(i64, (Date, i8))>,
}

impl<'z> DayCache<'z> {
    /// A cache for one zone.
    pub fn new(zone: &'z TimeZone) -> Self {
        DayCache { zone, by_quarter: keeps_quarters(zone), seen: Vec::new() }
    }

    /// The local calendar day of an instant.
    pub fn day(&mut self, at: Timestamp) -> Date {
        self.day_hour(at).0
    }

    /// The local calendar day and hour (0 to 23) of an instant.
    pub fn day_hour(&mut self, at: Timestamp) -> (Date, i8) {
        let Some(quarter) = quarter_of(at).filter(|_| self.by_quarter) else { return self.ask(at) };
        let place = quarter as usize % MAX_REMEMBERED;
        match self.seen.get(place) {
            Some((known, found)) if *known == quarter => *found,
            _ => {
                let found = self.ask(at);
                if self.seen.is_empty() {
                    self.seen = vec![(-1, found); MAX_REMEMBERED];
                }
                self.seen[place] = (quarter, found);
                found
            }
        }
    }

    fn ask(&self, at: Timestamp) -> (Date, i8) {
        let local = self.zone.to_datetime(at.to_jiff());
        (local.date(), local.hour())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(zone: &str, at: &str) -> String {
        let tz = TimeZone::get(zone).unwrap();
        DayCache::new(&tz).day(Timestamp::parse(at).unwrap()).to_string()
    }

    #[test]
    fn days_turn_at_local_midnight_on_both_sides_of_a_clock_change() {
        // Berlin goes from +2 to +1 on 2026-10-25 at 01:00 UTC: that day has 25 hours.
        for (at, want) in [
            ("2026-10-24T21:59:59.999Z", "2026-10-24"),
            ("2026-10-24T22:00:00Z", "2026-10-25"),
            ("2026-10-25T22:59:59.999Z", "2026-10-25"),
            ("2026-10-25T23:00:00Z", "2026-10-26"),
        ] {
            assert_eq!(day("Europe/Berlin", at), want, "{at}");
        }
        // New York from -4 to -5 on 2026-11-01; from -5 to -4 on 2026-03-08.
        for (at, want) in [
            ("2026-11-01T03:59:59Z", "2026-10-31"),
            ("2026-11-01T04:00:00Z", "2026-11-01"),
            ("2026-11-02T04:59:59Z", "2026-11-01"),
            ("2026-11-02T05:00:00Z", "2026-11-02"),
            ("2026-03-09T03:59:59Z", "2026-03-08"),
            ("2026-03-09T04:00:00Z", "2026-03-09"),
        ] {
            assert_eq!(day("America/New_York", at), want, "{at}");
        }
        assert_eq!(day("Asia/Kolkata", "2026-10-04T18:29:59Z"), "2026-10-04");
        assert_eq!(day("Asia/Kolkata", "2026-10-04T18:30:00Z"), "2026-10-05");
        assert_eq!(day("Asia/Kathmandu", "2026-10-04T18:15:00Z"), "2026-10-05");
        assert_eq!(day("UTC", "2028-02-29T23:59:59Z"), "2028-02-29");
    }

    #[test]
    fn one_zone_of_the_database_changes_its_clocks_within_a_quarter() {
        let all: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        assert!(all.len() > 300, "{}", all.len());
        let odd: Vec<&String> =
            all.iter().filter(|name| !keeps_quarters(&TimeZone::get(name).unwrap())).collect();
        assert!(odd.iter().all(|name| name.ends_with("Antarctica/Casey")), "{odd:?}");
    }

    #[test]
    fn a_zone_with_an_odd_offset_is_asked_for_each_instant() {
        let zone = TimeZone::posix("XYZ-0:07").unwrap();
        assert!(!keeps_quarters(&zone));
        let mut cache = DayCache::new(&zone);
        let days = ["2026-10-24T23:52:59Z", "2026-10-24T23:53:00Z"]
            .map(|at| cache.day(Timestamp::parse(at).unwrap()));
        assert_eq!(days.map(|day| day.to_string()), ["2026-10-24", "2026-10-25"]);
    }

    #[test]
    fn the_cache_agrees_with_the_zone_at_every_quarter_and_beyond_all_bounds() {
        for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Gaza"]
        {
            let tz = TimeZone::get(zone).unwrap();
            let mut cache = DayCache::new(&tz);
            let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap().millis();
            for step in 0..4 * 24 * 366 {
                for add in [1, QUARTER_MS - 1] {
                    let at = Timestamp(start + step * QUARTER_MS + add);
                    let z = at.to_jiff().to_zoned(tz.clone());
                    assert_eq!(cache.day_hour(at), (z.date(), z.hour()), "{zone} {at}");
                }
            }
            for ms in [i64::MIN, -1, 0, 1, i64::MAX] {
                cache.day(Timestamp(ms));
            }
        }
    }
}
