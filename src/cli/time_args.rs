//! Instants as people write them.

use crate::app::Failure;
use crate::trace::Timestamp;

/// Parses RFC 3339, `YYYY-MM-DD` (its first instant in `zone`), `today`, `yesterday`, or an age such as `7d`, `24h`, `30m`, `2w`.
///
/// # Errors
/// [`Failure`] where the text is none of these.
pub(super) fn parse_instant(
    text: &str,
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> Result<Timestamp, Failure> {
    let bad = || {
        Failure::usage(
            "bad_time",
            "A time is RFC 3339 (2026-11-20T16:00:00Z), a day (2026-11-20), today, or an age such as 7d or 24h.",
        )
    };
    let text = text.trim();
    if let Some(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    let day = match text {
        "today" => Some(today),
        "yesterday" => Some(today.yesterday().map_err(|_| bad())?),
        _ => text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10),
    };
    if let Some(day) = day {
        let start = day.to_zoned(zone.clone()).map_err(|_| bad())?;
        return Ok(Timestamp(start.timestamp().as_millisecond()));
    }
    let unit = text.chars().last().ok_or_else(bad)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| bad())?;
    let millis: i64 = match unit {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 7 * 86_400_000,
        _ => return Err(bad()),
    };
    let age = number.checked_mul(millis).filter(|a| *a >= 0).ok_or_else(bad)?;
    Ok(Timestamp(now.millis().checked_sub(age).ok_or_else(bad)?))
}

/// The same for a choice that may be absent.
///
/// # Errors
/// As [`instant`].
pub(super) fn parse_optional_instant(
    text: Option<&str>,
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> Result<Option<Timestamp>, Failure> {
    text.map(|t| parse_instant(t, now, zone)).transpose()
}

/// Parses a length of time such as `30m`, `2h` or `1d`, in minutes.
///
/// # Errors
/// [`Failure`] where the text is none, or shorter than a minute.
pub(super) fn parse_gap_minutes(text: &str) -> Result<u64, Failure> {
    let bad =
        || Failure::usage("bad_gap", "A gap is a length of time such as 30m, 2h or 1d.").hint("--gap 30m");
    let text = text.trim();
    let unit = text.chars().last().ok_or_else(bad)?;
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| bad())?;
    let each = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 1440,
        _ => return Err(bad()),
    };
    number.checked_mul(each).filter(|n| *n > 0).ok_or_else(bad)
}

/// An instant for people, to the minute: `2026-11-20 16:12`.
pub(super) fn format_minute(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_times_in_many_ways() {
        let now = Timestamp::parse("2026-11-20T16:12:00Z").unwrap();
        let utc = jiff::tz::TimeZone::UTC;
        let at = |t: &str| parse_instant(t, now, &utc).map(|t| t.to_string()).map_err(|f| f.code);
        assert_eq!(at("2026-11-19T01:02:03+01:00").unwrap(), "2026-11-19T00:02:03.000Z");
        assert_eq!(at("2026-11-19").unwrap(), "2026-11-19T00:00:00.000Z");
        assert_eq!(at("today").unwrap(), "2026-11-20T00:00:00.000Z");
        assert_eq!(at("yesterday").unwrap(), "2026-11-19T00:00:00.000Z");
        assert_eq!(at("24h").unwrap(), "2026-11-19T16:12:00.000Z");
        assert_eq!(at("7d").unwrap(), "2026-11-13T16:12:00.000Z");
        for bad in ["", "d", "-3d", "7x", "soon", "2026-13-01", "99999999999999999d", "é"] {
            assert_eq!(at(bad).unwrap_err(), "bad_time", "{bad}");
        }
        assert_eq!(
            (parse_gap_minutes("30m").ok(), parse_gap_minutes("2h").ok(), parse_gap_minutes("1d").ok()),
            (Some(30), Some(120), Some(1440))
        );
        for bad in ["", "m", "0m", "30", "-1h", "1.5h", "99999999999999999999d", "3é"] {
            assert!(parse_gap_minutes(bad).is_err(), "{bad}");
        }
        let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(
            parse_instant("2026-11-19", now, &berlin).unwrap().to_string(),
            "2026-11-18T23:00:00.000Z"
        );
    }
}
