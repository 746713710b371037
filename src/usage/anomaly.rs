//! Days with unusual cost: a simple rule that compares with a mean, and a robust rule that also finds the cause.
//!
//! Amounts that are compared with thresholds are integers. Only the explanation uses floating point.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::alerts::Severity;
use super::pricer::PricedRow;
use super::row::CountedRow;

/// Settings of the mean rule, which is that of ClawTrace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanRule {
    /// Maximum number of previous active days that are averaged.
    pub window: usize,
    /// Number of first active days that are never flagged.
    pub skip: usize,
    /// Per cent above the mean for a warning.
    pub warning_pct: u32,
    /// Per cent above the mean for a critical anomaly.
    pub critical_pct: u32,
}

impl Default for MeanRule {
    fn default() -> Self {
        MeanRule { window: 7, skip: 3, warning_pct: 25, critical_pct: 75 }
    }
}

/// A day that cost much more than the days before it, by the mean rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    pub date: Date,
    /// Mean of the days before, in pico-USD, rounded down.
    pub expected_picousd: i64,
    /// Cost of the day in pico-USD.
    pub actual_picousd: i64,
    pub severity: Severity,
    /// Per cent above the expected amount.
    pub pct_over: f64,
}

/// Compares each active day with the mean of the previous active days.
///
/// `days` are in the order of time. A day without cost is not active. `today` is incomplete and is not compared.
pub fn mean_anomalies(days: &[(Date, i64)], today: Date, rule: &MeanRule) -> Vec<Anomaly> {
    let active: Vec<_> = days.iter().filter(|(d, c)| *c > 0 && *d < today).collect();
    let mut found = Vec::new();
    for (i, (date, actual)) in active.iter().enumerate().skip(rule.skip.max(1)) {
        let before = &active[i.saturating_sub(rule.window.max(1))..i];
        let n = before.len() as i128;
        let sum: i128 = before.iter().map(|(_, c)| i128::from(*c)).sum();
        let over = (i128::from(*actual) * n - sum).saturating_mul(100);
        if over <= sum.saturating_mul(rule.warning_pct.into()) {
            continue;
        }
        let critical = over > sum.saturating_mul(rule.critical_pct.into());
        found.push(Anomaly {
            date: *date,
            expected_picousd: i64::try_from(sum / n).unwrap_or(i64::MAX),
            actual_picousd: *actual,
            severity: if critical { Severity::Critical } else { Severity::Warning },
            pct_over: over as f64 / sum as f64,
        });
    }
    found
}

/// Tokens and cost by kind: input, output, cache reads, cache writes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct KindSums {
    tokens: [f64; 4],
    /// Cost of the requests that the price table priced.
    cost: [f64; 4],
    /// The part of `tokens` whose cost an agent reported.
    reported_tokens: [f64; 4],
    /// Their cost. It does not tell its kinds.
    reported_cost: f64,
}

impl KindSums {
    fn add(&mut self, other: &KindSums, by: f64) {
        for k in 0..4 {
            self.tokens[k] += other.tokens[k] * by;
            self.cost[k] += other.cost[k] * by;
            self.reported_tokens[k] += other.reported_tokens[k] * by;
        }
        self.reported_cost += other.reported_cost * by;
    }

    /// Divides the reported cost among the kinds, by their tokens. Only sums are divided, so that the result does not depend
    /// on the order or number of the rows.
    fn divided(&self) -> KindSums {
        let per_token = self.reported_cost / self.reported_tokens.iter().sum::<f64>().max(1.0);
        let mut cost = self.cost;
        for (cost, tokens) in cost.iter_mut().zip(self.reported_tokens) {
            *cost += tokens * per_token;
        }
        KindSums { tokens: self.tokens, cost, ..KindSums::default() }
    }

    fn total(&self) -> f64 {
        self.tokens.iter().sum()
    }
}

/// The cost of a day, or of its hours up to some hour, by model and kind of token.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DaySpend {
    pub picousd: i64,
    models: BTreeMap<String, KindSums>,
}

impl DaySpend {
    fn merge(&mut self, other: &DaySpend) {
        self.picousd = self.picousd.saturating_add(other.picousd);
        for (model, kinds) in &other.models {
            match self.models.get_mut(model) {
                Some(k) => k.add(kinds, 1.0),
                None => {
                    self.models.insert(model.clone(), *kinds);
                }
            }
        }
    }
}

/// Collects the spend of each local day and hour.
#[derive(Debug, Default)]
pub struct DaySeries {
    hours: BTreeMap<(Date, i8), DaySpend>,
    /// The sum of the last rows, not yet in `hours`: consecutive rows mostly share hour and model.
    pending: Option<PendingRows>,
}

#[derive(Debug)]
struct PendingRows {
    hour: (Date, i8),
    model: String,
    picousd: i64,
    kinds: KindSums,
}

impl DaySeries {
    /// Adds a priced row in its local day and hour. It counts after the next [`DaySeries::close`].
    pub fn add(&mut self, hour: (Date, i8), row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        if !priced.billable {
            return;
        }
        let cost = priced.picousd.unwrap_or_default();
        let t = &row.request.tokens;
        let tokens = [t.input, t.output, t.cache_read, t.cache_write()].map(|n| n as f64);
        let kinds = match &priced.charge {
            Some(c) => {
                let writes = c.cache_write_5m.saturating_add(c.cache_write_1h);
                let cost = [c.input, c.output, c.cache_read, writes].map(|n| n as f64);
                KindSums { tokens, cost, ..KindSums::default() }
            }
            None if cost > 0 => {
                let reported_cost = cost as f64;
                KindSums { tokens, reported_tokens: tokens, reported_cost, ..KindSums::default() }
            }
            None => KindSums { tokens, ..KindSums::default() },
        };
        match &mut self.pending {
            Some(pending) if pending.hour == hour && pending.model == row.request.model => {
                pending.picousd = pending.picousd.saturating_add(cost);
                pending.kinds.add(&kinds, 1.0);
            }
            _ => {
                self.close();
                self.pending =
                    Some(PendingRows { hour, model: row.request.model.to_owned(), picousd: cost, kinds });
            }
        }
    }

    /// Adds the last rows to the sums.
    pub fn close(&mut self) {
        let Some(PendingRows { hour, model, picousd, kinds }) = self.pending.take() else { return };
        let hours = self.hours.entry(hour).or_default();
        hours.picousd = hours.picousd.saturating_add(picousd);
        match hours.models.get_mut(&model) {
            Some(k) => k.add(&kinds, 1.0),
            None => {
                hours.models.insert(model, kinds);
            }
        }
    }

    /// Adds the days of another series to this one.
    pub fn merge(&mut self, other: &DaySeries) {
        for (hour, hours) in &other.hours {
            self.hours.entry(*hour).or_default().merge(hours);
        }
    }

    /// Returns the cost of each day with requests, in the order of time.
    pub fn totals(&self) -> Vec<(Date, i64)> {
        let mut out: Vec<(Date, i64)> = Vec::new();
        for ((date, _), hours) in &self.hours {
            match out.last_mut() {
                Some((d, sum)) if d == date => *sum = sum.saturating_add(hours.picousd),
                _ => out.push((*date, hours.picousd)),
            }
        }
        out
    }

    /// Returns the spend of a day in its hours before `before_hour`; 24 is the whole day.
    pub fn day(&self, date: Date, before_hour: i8) -> DaySpend {
        let mut out = DaySpend::default();
        for hours in self.hours.range((date, 0)..(date, before_hour)).map(|(_, f)| f) {
            out.merge(hours);
        }
        out
    }

    /// Returns the `n` calendar days before `date`, oldest first, including idle days, each up to the same hour. Days
    /// before the first recorded one are left out.
    pub fn before(&self, date: Date, n: u16, before_hour: i8) -> Vec<DaySpend> {
        let Some(first) = self.hours.keys().next().map(|(d, _)| *d) else { return Vec::new() };
        let days = date.series(jiff::Span::new().days(-1)).skip(1).take(n.into()).take_while(|d| *d >= first);
        let mut out: Vec<_> = days.map(|d| self.day(d, before_hour)).collect();
        out.reverse();
        out
    }
}

/// Settings of the robust rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RobustRule {
    /// Minimum number of days of history.
    pub min_days: usize,
    /// Deviation from the median for an anomaly, in scaled median absolute deviations (MAD).
    pub deviations: f64,
    /// Minimum amount above the median for an anomaly, in pico-USD.
    pub min_over_picousd: i64,
}

impl Default for RobustRule {
    fn default() -> Self {
        RobustRule { min_days: 7, deviations: 4.0, min_over_picousd: crate::pricing::PICO_PER_USD }
    }
}

/// A reason for a higher cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The day has more tokens than usual.
    Volume,
    /// Expensive models did more of the work.
    ModelMix,
    /// Less of the prompt came from the cache, or more of the tokens were output.
    CacheHits,
    /// The same tokens of the same model were more expensive.
    Price,
}

impl Effect {
    /// Returns the effect in words.
    pub fn words(self) -> &'static str {
        match self {
            Effect::Volume => "more tokens",
            Effect::ModelMix => "more expensive models",
            Effect::CacheHits => "less of the prompt from cache, or more output",
            Effect::Price => "higher prices",
        }
    }
}

/// The part of each effect in the difference from the mean day, in pico-USD. The parts sum to the difference.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Effects {
    /// Factor of the number of tokens.
    pub volume: f64,
    /// Another mix of models.
    pub model_mix: f64,
    /// Another mix of input, output, cache reads and writes within models.
    pub cache_hits: f64,
    /// Other prices; web searches too.
    pub price: f64,
}

impl Effects {
    /// Returns the effect that adds most.
    pub fn cause(&self) -> Effect {
        let all = [
            (self.volume, Effect::Volume),
            (self.model_mix, Effect::ModelMix),
            (self.cache_hits, Effect::CacheHits),
            (self.price, Effect::Price),
        ];
        all.iter().fold(all[0], |best, e| if e.0 > best.0 { *e } else { best }).1
    }
}

/// A day far above the median, and its cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustAnomaly {
    /// Median of the history, in pico-USD.
    pub median_picousd: i64,
    /// Median absolute deviation of the history, in pico-USD, unscaled.
    pub mad_picousd: i64,
    /// Cost of the day in pico-USD.
    pub actual_picousd: i64,
    /// What raised the cost.
    pub effects: Effects,
    /// The largest of the effects.
    pub cause: Effect,
}

/// If most days of the history are idle, at least this many active days are needed.
const MIN_ACTIVE_DAYS: usize = 3;

/// Compares a day with the calendar days before it by median and median absolute deviation (MAD).
///
/// For today, pass the spend up to the present hour, and a history up to the same hour.
pub fn robust(history: &[DaySpend], day: &DaySpend, rule: &RobustRule) -> Option<RobustAnomaly> {
    if history.len() < rule.min_days.max(1) {
        return None;
    }
    let active: Vec<DaySpend>;
    let mut history = history;
    if self::median(history.iter().map(|d| d.picousd).collect()) == 0 {
        // If most days are idle, the median is zero and every active day would be unusual. Active days are compared instead.
        active = history.iter().filter(|d| d.picousd > 0).cloned().collect();
        if active.len() < MIN_ACTIVE_DAYS {
            return None;
        }
        history = &active;
    }
    let median = median(history.iter().map(|d| d.picousd).collect());
    let mad =
        self::median(history.iter().map(|d| d.picousd.saturating_sub(median).saturating_abs()).collect());
    let over = day.picousd.saturating_sub(median);
    // 1.4826 makes a MAD comparable with a standard deviation.
    if over < rule.min_over_picousd || over as f64 <= rule.deviations * 1.4826 * mad as f64 {
        return None;
    }
    let effects = explain(history, day);
    let cause = effects.cause();
    Some(RobustAnomaly {
        median_picousd: median,
        mad_picousd: mad,
        actual_picousd: day.picousd,
        effects,
        cause,
    })
}

fn median(mut v: Vec<i64>) -> i64 {
    v.sort_unstable();
    let n = v.len();
    match (v.get(n / 2), n % 2, v.get((n / 2).saturating_sub(1))) {
        (Some(a), 0, Some(b)) => a.midpoint(*b),
        (Some(a), ..) => *a,
        _ => 0,
    }
}

/// Divides the difference from the mean day among the effects, by replacing one factor after the other.
fn explain(history: &[DaySpend], day: &DaySpend) -> Effects {
    let mut base: BTreeMap<&str, KindSums> = BTreeMap::new();
    let per_day = 1.0 / history.len() as f64;
    for (m, k) in history.iter().flat_map(|d| &d.models) {
        base.entry(m).or_default().add(&k.divided(), per_day);
    }
    let today: BTreeMap<&str, KindSums> =
        day.models.iter().map(|(model, kinds)| (model.as_str(), kinds.divided())).collect();
    let mean: f64 = history.iter().map(|d| d.picousd as f64).sum::<f64>() * per_day;
    let (t0, t1) =
        (base.values().map(KindSums::total).sum::<f64>(), today.values().map(KindSums::total).sum::<f64>());
    let volume = if t0 > 0.0 { (t1 / t0 - 1.0) * mean } else { day.picousd as f64 - mean };
    let (mut mixed, mut shifted) = (0.0, 0.0);
    for (model, now) in &today {
        let was = base.get(model).filter(|k| k.total() > 0.0).unwrap_or(now);
        let was_cost: f64 = was.cost.iter().sum();
        mixed += now.total() * if was.total() > 0.0 { was_cost / was.total() } else { 0.0 };
        for k in 0..4 {
            // A kind of token without history has the price of the day.
            let from = if was.tokens[k] > 0.0 { was } else { now };
            if from.tokens[k] > 0.0 {
                shifted += now.tokens[k] * from.cost[k] / from.tokens[k];
            }
        }
    }
    let actual = day.picousd as f64;
    if t0 <= 0.0 {
        return Effects { volume, ..Effects::default() };
    }
    Effects { volume, model_mix: mixed - mean - volume, cache_hits: shifted - mixed, price: actual - shifted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Overrides, PICO_PER_USD, PriceTable};
    use crate::trace::{SessionKey, Timestamp, Tokens, UsageRow};
    use crate::usage::{DayCache, Pricer};
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    #[test]
    fn the_mean_rule_does_not_compare_today() {
        let d = |n: i8| date(2026, 11, n);
        let days: Vec<_> = [100, 100, 100, 125, 126, 300, 0, 900]
            .iter()
            .enumerate()
            .map(|(i, c)| (d(i as i8 + 1), *c))
            .collect();
        let found = mean_anomalies(&days, d(8), &MeanRule::default());
        // the 4th is exactly 25 % over; the 5th 126 against 106; the 6th 300 against 110
        assert_eq!(
            found.iter().map(|a| (a.date, a.severity)).collect::<Vec<_>>(),
            [(d(6), Severity::Critical)]
        );
        assert_eq!((found[0].expected_picousd, found[0].pct_over.round()), (110, 172.0));
        let found = mean_anomalies(&days, d(9), &MeanRule::default());
        assert_eq!(found.last().map(|a| a.date), Some(d(8)), "once the day is over it is compared");
        let warn = [(d(1), 100), (d(2), 100), (d(3), 100), (d(4), 126)];
        assert_eq!(mean_anomalies(&warn, d(9), &MeanRule::default())[0].severity, Severity::Warning);
        assert!(mean_anomalies(&[(d(1), i64::MAX); 9], d(9), &MeanRule::default()).is_empty());
        assert!(mean_anomalies(&[], d(9), &MeanRule::default()).is_empty());
    }

    fn request(at: Timestamp, model: &str, tokens: Tokens) -> UsageRow<&str> {
        UsageRow { session: SessionKey("claude:s"), at, model, tokens, ..UsageRow::default() }
    }

    fn series(zone: &TimeZone, last: &[(&'static str, Tokens)]) -> (DaySpend, Vec<DaySpend>) {
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let (mut s, mut days) = (DaySeries::default(), DayCache::new(zone));
        let start = Timestamp::parse("2026-11-01T10:00:00Z").unwrap().millis();
        for i in 0..10 {
            let t = Tokens { input: 1000 + i, output: 100_000, cache_read: 1_000_000, ..Tokens::default() };
            let row = request(Timestamp(start + i as i64 * 86_400_000), "claude-sonnet-5", t);
            let row = CountedRow::of(&row);
            s.add(days.day_hour(row.request.at), &row, &pricer.price(&row));
        }
        for (model, t) in last {
            let row = request(Timestamp(start + 10 * 86_400_000), model, *t);
            let row = CountedRow::of(&row);
            s.add(days.day_hour(row.request.at), &row, &pricer.price(&row));
        }
        s.close();
        (s.day(date(2026, 11, 11), 24), s.before(date(2026, 11, 11), 28, 24))
    }

    #[test]
    fn the_robust_rule_names_the_cause() {
        let usual = Tokens { input: 1000, output: 100_000, cache_read: 1_000_000, ..Tokens::default() };
        let times = |n: u64| Tokens {
            output: usual.output * n,
            cache_read: usual.cache_read * n,
            input: 1000 * n,
            ..usual
        };
        let uncached = Tokens { input: 1_001_000, cache_read: 0, ..usual };
        type Case<'a> = (&'a [(&'static str, Tokens)], Option<Effect>);
        let cases: [Case<'_>; 4] = [
            (&[("claude-sonnet-5", usual)], None),
            (&[("claude-sonnet-5", times(3))], Some(Effect::Volume)),
            (&[("claude-fable-5", usual)], Some(Effect::ModelMix)),
            (&[("claude-sonnet-5", uncached)], Some(Effect::CacheHits)),
        ];
        for (last, want) in cases {
            let (day, history) = series(&TimeZone::UTC, last);
            assert_eq!(history.len(), 10);
            let found = robust(&history, &day, &RobustRule::default());
            assert_eq!(found.as_ref().map(|f| f.cause), want, "{found:?}");
            if let Some(f) = found {
                let mean = history.iter().map(|d| d.picousd as f64).sum::<f64>() / 10.0;
                let e = f.effects;
                let sum = e.volume + e.model_mix + e.cache_hits + e.price;
                assert!((sum - (day.picousd as f64 - mean)).abs() < 1000.0, "{f:?}");
            }
        }
    }

    #[test]
    fn small_amounts_short_histories_and_idle_days() {
        let spend = |usd: i64| DaySpend { picousd: usd * PICO_PER_USD, ..DaySpend::default() };
        let rule = RobustRule::default();
        let calm = vec![spend(1); 7];
        assert!(robust(&calm, &spend(2), &rule).is_some(), "one dollar over a flat history");
        assert!(robust(&calm[..6], &spend(50), &rule).is_none(), "too short");
        let idle: Vec<_> = (0..14).map(|i| spend(if i % 2 == 0 { 0 } else { 10 })).collect();
        assert!(robust(&idle, &spend(12), &rule).is_none(), "used every other day");
        assert!(robust(&idle, &spend(60), &rule).is_some());
        let rare = |n: usize| (0..20).map(|i| spend(if i < n { 10 } else { 0 })).collect::<Vec<_>>();
        assert!(
            robust(&rare(5), &spend(11), &rule).is_some() && robust(&rare(5), &spend(10), &rule).is_none()
        );
        assert!(robust(&rare(2), &spend(99), &rule).is_none(), "two days of use tell nothing");
        assert_eq!(median(vec![]), 0);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
    }

    #[test]
    fn a_day_can_be_cut_at_an_hour() {
        let (_, history) = series(&TimeZone::UTC, &[]);
        assert!(history.iter().all(|d| d.picousd > 0));
        let mut s = DaySeries::default();
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let t = Tokens { input: 7, ..Tokens::default() };
        let row = request(Timestamp::parse("2026-11-01T10:59:59Z").unwrap(), "claude-opus-5", t);
        let row = CountedRow::of(&row);
        s.add((date(2026, 11, 1), 10), &row, &pricer.price(&row));
        s.close();
        let mut twice = DaySeries::default();
        twice.merge(&s);
        twice.merge(&s);
        assert_eq!(twice.totals(), [(date(2026, 11, 1), 70_000_000)]);
        assert_eq!(s.day(date(2026, 11, 1), 10).picousd, 0);
        assert_eq!(s.day(date(2026, 11, 1), 11).picousd, 35_000_000);
        assert_eq!(s.before(date(2026, 11, 4), 28, 24).len(), 3);
    }
}
