//! Instants as integer milliseconds, and the clock that the entry point passes in.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in milliseconds since the Unix epoch. It is serialized as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Parses RFC 3339 or ISO 8601 text with an offset. Returns `None` for other text.
    pub fn parse(text: &str) -> Option<Self> {
        fast_utc(text.as_bytes())
            .or_else(|| text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_millisecond())))
    }

    /// Parses a time as people write it: RFC 3339, `YYYY-MM-DD`, `today` or `yesterday` (the first instant of the day in
    /// `zone`), or an age such as `7d`, `24h`, `30m` or `2w`. Every interface uses this parser.
    pub fn parse_human(text: &str, now: Timestamp, zone: &jiff::tz::TimeZone) -> Option<Self> {
        let text = text.trim();
        if let Some(at) = Timestamp::parse(text) {
            return Some(at);
        }
        let today = now.to_jiff().to_zoned(zone.clone()).date();
        let day = match text {
            "today" => Some(today),
            "yesterday" => Some(today.yesterday().ok()?),
            _ => text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10),
        };
        if let Some(day) = day {
            let start = day.to_zoned(zone.clone()).ok()?;
            return Some(Timestamp(start.timestamp().as_millisecond()));
        }
        let unit = text.chars().last()?;
        let number: i64 = text.get(..text.len() - unit.len_utf8())?.parse().ok()?;
        let millis: i64 = match unit {
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            'w' => 7 * 86_400_000,
            _ => return None,
        };
        let age = number.checked_mul(millis).filter(|age| *age >= 0)?;
        Some(Timestamp(now.millis().checked_sub(age)?))
    }

    /// Returns the milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Returns the instant as jiff's type, clamped to jiff's range.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

/// Parses `YYYY-MM-DDTHH:MM:SS[.mmm]Z`, which nearly every log line contains. This is much faster than jiff's general
/// parser, and reading a log parses one time per line.
fn fast_utc(b: &[u8]) -> Option<Timestamp> {
    let num = |r: std::ops::Range<usize>| -> Option<i64> {
        b.get(r)?.iter().try_fold(0i64, |a, c| c.is_ascii_digit().then(|| a * 10 + i64::from(c - b'0')))
    };
    let millis = match b.len() {
        20 => 0,
        24 if b[19] == b'.' => num(20..23)?,
        _ => return None,
    };
    let shape = b[4] == b'-' && b[7] == b'-' && b[10] == b'T' && b[13] == b':' && b[16] == b':';
    if !shape || b[b.len() - 1] != b'Z' {
        return None;
    }
    let (y, m, d) = (num(0..4)?, num(5..7)?, num(8..10)?);
    let (h, mi, s) = (num(11..13)?, num(14..16)?, num(17..19)?);
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let days_in = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&m) || d < 1 || d > days_in[m as usize - 1] || h > 23 || mi > 59 || s > 59 {
        return None;
    }
    // Days since the epoch, by Howard Hinnant's `days_from_civil` (public domain).
    let y2 = if m <= 2 { y - 1 } else { y };
    let era = y2.div_euclid(400);
    let yoe = y2 - era * 400;
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    Some(Timestamp(((days * 24 + h) * 60 + mi) * 60_000 + s * 1000 + millis))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 instant"))
    }
}

/// The source of the current time. The entry point passes the system's clock in.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// A clock that always returns the same time, for tests.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_and_the_general_parser_agree() {
        for t in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59.999Z", "2026-11-20T16:12:41.443Z"] {
            let general = t.parse::<jiff::Timestamp>().unwrap().as_millisecond();
            assert_eq!(fast_utc(t.as_bytes()), Some(Timestamp(general)), "{t}");
        }
        assert_eq!(
            Timestamp::parse("2026-11-20T17:12:41.443+01:00"),
            Timestamp::parse("2026-11-20T16:12:41.443Z")
        );
        for bad in ["", "2026-13-20T16:12:41Z", "2025-02-29T00:00:00Z", "not a time at all!!!"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_timestamp_is_written_as_rfc3339_with_milliseconds() {
        assert_eq!(Timestamp(1_795_191_161_443).to_string(), "2026-11-20T16:12:41.443Z");
    }

    #[test]
    fn a_day_written_by_a_person_starts_at_midnight_of_the_zone() {
        let now = Timestamp::parse("2026-11-20T23:30:00Z").unwrap();
        let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| Timestamp::parse_human(text, now, &berlin).map(|t| t.to_string());
        assert_eq!(at("2026-11-20").as_deref(), Some("2026-11-19T23:00:00.000Z"));
        assert_eq!(at("today").as_deref(), Some("2026-11-20T23:00:00.000Z"), "it is the 21st in Berlin");
        assert_eq!(at("2026-11-20T16:00:00Z").as_deref(), Some("2026-11-20T16:00:00.000Z"));
        assert_eq!(at("2h").as_deref(), Some("2026-11-20T21:30:00.000Z"));
        assert_eq!([at("2026-02-30"), at("soon"), at("-3d"), at("")], [None, None, None, None]);
    }
}
