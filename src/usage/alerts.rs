//! Alerts on spending and volume.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::pricing::{PICO_PER_USD, format_cents, pluralize};
use crate::trace::{SessionKey, Timestamp};

use super::day::DayCache;
use super::pricer::PricedRow;
use super::row::CountedRow;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// No local day is longer, also where a clock change adds hours.
const MAX_DAY_MS: i64 = 48 * HOUR_MS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Critical,
}

/// The figure that an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Cost of the present local day.
    DailyBudget,
    /// Cost of one session.
    SessionSpike,
    /// Cost of the last hour.
    HourlyBurnRate,
    /// Requests in the last hour.
    HourlyRequestVolume,
    /// Tokens in the last hour.
    HourlyTokenVolume,
    /// Minutes from a session's first to its last request.
    SessionDuration,
}

/// Thresholds. An alert needs a figure above its threshold; `None` turns the alert off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Pico-USD per local day.
    pub daily_budget_picousd: Option<i64>,
    /// Pico-USD of one session.
    pub session_spike_picousd: Option<i64>,
    /// Pico-USD in one hour.
    pub hourly_burn_picousd: Option<i64>,
    /// Provider requests in one hour.
    pub hourly_requests: Option<i64>,
    /// Tokens in one hour.
    pub hourly_tokens: Option<i64>,
    /// Active minutes of one session.
    pub session_minutes: Option<i64>,
    /// An unacknowledged alert of the same kind and session suppresses new ones for this time.
    pub dedup_window_minutes: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            daily_budget_picousd: Some(10 * PICO_PER_USD),
            session_spike_picousd: Some(5 * PICO_PER_USD),
            hourly_burn_picousd: Some(3 * PICO_PER_USD),
            hourly_requests: Some(200),
            hourly_tokens: Some(2_000_000),
            session_minutes: Some(180),
            dedup_window_minutes: 60,
        }
    }
}

/// An alert that was raised before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAlert {
    pub kind: AlertKind,
    /// The session, if the alert was about one.
    pub session: Option<String>,
    pub at: Timestamp,
    /// Whether the user has acknowledged it.
    pub acknowledged: bool,
}

/// An alert to raise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub kind: AlertKind,
    /// The key of the session, if the alert is about one.
    #[serde(rename = "key", alias = "session")]
    pub session: Option<String>,
    pub severity: Severity,
    /// The figure, in the unit of the threshold.
    pub value: i64,
    /// The threshold that it exceeds.
    pub threshold: i64,
    /// The value divided by its threshold.
    pub ratio: f64,
}

impl Alert {
    /// Returns a sentence that says what happened.
    pub fn message(&self) -> String {
        let (v, t) = (self.value, self.threshold);
        let session = self.session.as_deref().unwrap_or_default();
        let count = |n: i64, noun| pluralize(n.unsigned_abs(), noun);
        match self.kind {
            AlertKind::DailyBudget => {
                format!("Today cost {}; the budget is {}.", format_cents(v), format_cents(t))
            }
            AlertKind::SessionSpike => {
                format!("Session {session} cost {}; the threshold is {}.", format_cents(v), format_cents(t))
            }
            AlertKind::HourlyBurnRate => {
                format!("The last hour cost {}; the threshold is {}.", format_cents(v), format_cents(t))
            }
            AlertKind::HourlyRequestVolume => {
                format!("{} in the last hour; the threshold is {t}.", count(v, "request"))
            }
            AlertKind::HourlyTokenVolume => {
                format!("{} in the last hour; the threshold is {t}.", count(v, "token"))
            }
            AlertKind::SessionDuration => {
                format!("Session {session} has lasted {}; the threshold is {t}.", count(v, "minute"))
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct SessionTotals {
    picousd: i64,
    first: i64,
    last: i64,
}

impl SessionTotals {
    fn of(picousd: i64, at: i64) -> Self {
        SessionTotals { picousd, first: at, last: at }
    }

    fn merge(&mut self, other: &SessionTotals) {
        self.picousd = self.picousd.saturating_add(other.picousd);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Adds rows up to a present instant and finds what exceeds a threshold.
///
/// The last hour is exactly the 60 minutes before `now`; later rows are ignored. A session that was active in the last
/// hour counts with all its requests, other sessions do not count.
#[derive(Debug)]
pub struct AlertWatch<'z> {
    now: Timestamp,
    today: Date,
    days: DayCache<'z>,
    thresholds: Thresholds,
    day: i64,
    hour: i64,
    requests: i64,
    tokens: u64,
    sessions: HashMap<String, SessionTotals>,
    /// The sum of the last rows, not yet in `sessions`: consecutive rows mostly share their session.
    pending: Option<(String, SessionTotals)>,
}

impl<'z> AlertWatch<'z> {
    /// Makes a watch at an instant. The zone decides when the day began.
    pub fn new(now: Timestamp, zone: &'z TimeZone, thresholds: Thresholds) -> Self {
        AlertWatch {
            today: zone.to_datetime(now.to_jiff()).date(),
            now,
            days: DayCache::new(zone),
            thresholds,
            day: 0,
            hour: 0,
            requests: 0,
            tokens: 0,
            sessions: HashMap::new(),
            pending: None,
        }
    }

    /// Adds a priced row. All rows of the sessions of the last hour must be added, also old ones.
    pub fn add(&mut self, row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        if !priced.billable || row.request.at > self.now {
            return;
        }
        let cost = priced.picousd.unwrap_or_default();
        let at = row.request.at.millis();
        let age = self.now.millis().saturating_sub(at);
        if age < HOUR_MS {
            self.hour = self.hour.saturating_add(cost);
            self.requests += 1;
            self.tokens = self.tokens.saturating_add(row.request.tokens.total());
        }
        // Most rows are much older than today, and looking a day up takes longer than this comparison.
        if age < MAX_DAY_MS && self.days.day(row.request.at) == self.today {
            self.day = self.day.saturating_add(cost);
        }
        let key = SessionKey::without_compaction_suffix(row.session());
        match &mut self.pending {
            Some((session, s)) if session == key => s.merge(&SessionTotals::of(cost, at)),
            _ => {
                self.close();
                self.pending = Some((key.to_owned(), SessionTotals::of(cost, at)));
            }
        }
    }

    fn close(&mut self) {
        let Some((session, sum)) = self.pending.take() else { return };
        match self.sessions.get_mut(&session) {
            Some(s) => s.merge(&sum),
            None => {
                self.sessions.insert(session, sum);
            }
        }
    }

    /// Returns the alerts that are due now, without those that an unacknowledged alert of the same kind and session
    /// suppresses. Sessions are in the order of their keys.
    pub fn finish(mut self, past: &[PastAlert]) -> Vec<Alert> {
        self.close();
        let t = self.thresholds;
        let mut out = Vec::new();
        let mut check = |kind: AlertKind, session: Option<&str>, value: i64, threshold: Option<i64>| {
            let Some(threshold) = threshold.filter(|t| value > *t) else { return };
            let suppressed = past.iter().any(|p| {
                let age = self.now.millis().saturating_sub(p.at.millis());
                p.kind == kind
                    && !p.acknowledged
                    && p.session.as_deref() == session
                    && age < t.dedup_window_minutes.saturating_mul(MINUTE_MS)
            });
            if suppressed {
                return;
            }
            // In tenths, to stay with integers: 1.5 times the daily budget, 2 times any other threshold.
            let critical = if kind == AlertKind::DailyBudget { 15 } else { 20 };
            let is_critical = i128::from(value) * 10 >= i128::from(threshold) * critical;
            out.push(Alert {
                kind,
                session: session.map(str::to_owned),
                severity: if is_critical { Severity::Critical } else { Severity::Warning },
                value,
                threshold,
                ratio: if threshold == 0 { f64::MAX } else { value as f64 / threshold as f64 },
            });
        };
        check(AlertKind::DailyBudget, None, self.day, t.daily_budget_picousd);
        check(AlertKind::HourlyBurnRate, None, self.hour, t.hourly_burn_picousd);
        check(AlertKind::HourlyRequestVolume, None, self.requests, t.hourly_requests);
        let tokens = i64::try_from(self.tokens).unwrap_or(i64::MAX);
        check(AlertKind::HourlyTokenVolume, None, tokens, t.hourly_tokens);
        let mut active: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, s)| self.now.millis().saturating_sub(s.last) < HOUR_MS)
            .collect();
        active.sort_by_key(|(k, _)| k.as_str());
        for (key, s) in active {
            check(AlertKind::SessionSpike, Some(key), s.picousd, t.session_spike_picousd);
            let minutes = s.last.saturating_sub(s.first) / MINUTE_MS;
            check(AlertKind::SessionDuration, Some(key), minutes, t.session_minutes);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Overrides, PriceTable};
    use crate::trace::{Tokens, UsageRow};
    use crate::usage::Pricer;

    const NOW: &str = "2026-11-20T15:43:00Z";

    /// Rows of (session, instant, dollars).
    fn alerts(rows: &[(&str, &str, i64)], past: &[PastAlert], zone: &str) -> Vec<Alert> {
        let tz = TimeZone::get(zone).unwrap();
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let mut w = AlertWatch::new(Timestamp::parse(NOW).unwrap(), &tz, Thresholds::default());
        for (session, at, usd) in rows {
            let t = Tokens { input: 1, ..Tokens::default() };
            let request = UsageRow {
                session: SessionKey(*session),
                at: Timestamp::parse(at).unwrap(),
                model: "claude-opus-5",
                tokens: t,
                reported_picousd: Some(usd * PICO_PER_USD),
                ..UsageRow::default()
            };
            let row = CountedRow::of(&request);
            w.add(&row, &pricer.price(&row));
        }
        w.finish(past)
    }

    fn kinds(found: &[Alert]) -> Vec<(AlertKind, Severity)> {
        found.iter().map(|a| (a.kind, a.severity)).collect()
    }

    #[test]
    fn the_last_hour_is_an_hour() {
        let early = alerts(&[("a", "2026-11-20T00:01:00Z", 4)], &[], "UTC");
        assert_eq!(early, [], "the seed's text comparison fired here");
        let now = alerts(&[("a", "2026-11-20T14:43:00.001Z", 4)], &[], "UTC");
        assert_eq!(kinds(&now), [(AlertKind::HourlyBurnRate, Severity::Warning)]);
        assert_eq!(alerts(&[("a", "2026-11-20T14:43:00Z", 4)], &[], "UTC"), []);
        assert_eq!(alerts(&[("a", "2026-11-20T15:43:00.001Z", 400)], &[], "UTC"), [], "the future");
    }

    #[test]
    fn day_session_and_duration() {
        let rows = [
            ("old", "2026-11-20T05:00:00Z", 11),
            ("long", "2026-11-20T11:00:00Z", 1),
            ("long", "2026-11-20T15:40:00Z", 1),
            ("long", "2026-11-20T02:00:00Z", 2),
        ];
        let found = alerts(&rows, &[], "UTC");
        let want =
            [(AlertKind::DailyBudget, Severity::Critical), (AlertKind::SessionDuration, Severity::Critical)];
        assert_eq!(kinds(&found), want);
        assert_eq!((found[1].value, found[1].session.as_deref()), (820, Some("long")));
        // in Tokyo it is the 21st since 15:00 UTC
        assert_eq!(kinds(&alerts(&rows, &[], "Asia/Tokyo")), [want[1]]);
    }

    #[test]
    fn thresholds_are_strict_and_severity_goes_by_ratio() {
        let hour = |usd| kinds(&alerts(&[("a", "2026-11-20T15:00:00Z", usd)], &[], "UTC"));
        assert_eq!(hour(3), []);
        assert_eq!(hour(5), [(AlertKind::HourlyBurnRate, Severity::Warning)]);
        let six =
            [(AlertKind::HourlyBurnRate, Severity::Critical), (AlertKind::SessionSpike, Severity::Warning)];
        assert_eq!(hour(6), six);
    }

    #[test]
    fn once_a_window_unless_acknowledged() {
        let rows = [("a", "2026-11-20T15:00:00Z", 6)];
        let past = |minutes: i64, acknowledged, session: &str| PastAlert {
            kind: AlertKind::SessionSpike,
            session: Some(session.to_owned()),
            at: Timestamp(Timestamp::parse(NOW).unwrap().millis() - minutes * MINUTE_MS),
            acknowledged,
        };
        let spikes =
            |p| alerts(&rows, &[p], "UTC").iter().filter(|a| a.kind == AlertKind::SessionSpike).count();
        assert_eq!(spikes(past(59, false, "a")), 0);
        assert_eq!(spikes(past(60, false, "a")), 1);
        assert_eq!(spikes(past(5, true, "a")), 1);
        assert_eq!(spikes(past(5, false, "b")), 1);
    }
}
