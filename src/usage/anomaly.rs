//! Days that cost more than they should: the plain rule over active days, and a robust one that says why.
//!
//! Amounts compared with thresholds are integers; only the explanation is floating point.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::alerts::Severity;
use super::day::DayCache;
use super::pricer::Costed;
use super::row::CountedRow;

/// Settings of the plain rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedRule {
    /// Previous active days that are averaged, at most.
    pub window: usize,
    /// First active days that are never flagged.
    pub skip: usize,
    /// Per cent above the mean that is a warning.
    pub warning_pct: u32,
    /// Per cent above the mean that is critical.
    pub critical_pct: u32,
}

impl Default for SeedRule {
    fn default() -> Self {
        SeedRule { window: 7, skip: 3, warning_pct: 25, critical_pct: 75 }
    }
}

/// A day that cost much more than the days before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The day.
    pub date: Date,
    /// Mean of the days before, pico-USD, rounded down.
    pub expected_picousd: i64,
    /// What the day cost, pico-USD.
    pub actual_picousd: i64,
    /// Warning or critical.
    pub severity: Severity,
    /// Per cent above the expected amount; 100 where that is zero.
    pub pct_over: f64,
}

/// The plain rule: each active day against the mean of the previous active days.
///
/// `days` are in the order of time. A day without cost is not active. `today` is not over and is not compared.
pub fn seed_anomalies(days: &[(Date, i64)], today: Date, rule: &SeedRule) -> Vec<Anomaly> {
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
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Kinds {
    tokens: [f64; 4],
    cost: [f64; 4],
}

impl Kinds {
    fn add(&mut self, other: &Kinds, by: f64) {
        for k in 0..4 {
            self.tokens[k] += other.tokens[k] * by;
            self.cost[k] += other.cost[k] * by;
        }
    }

    fn total(&self) -> f64 {
        self.tokens.iter().sum()
    }
}

/// What a day (or the part of it up to an hour) was made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DayFacts {
    /// Cost, pico-USD.
    pub picousd: i64,
    models: BTreeMap<String, Kinds>,
}

impl DayFacts {
    fn merge(&mut self, other: &DayFacts) {
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

/// The last hour of a day.
const LAST_HOUR: i8 = 23;

/// Days cut at an hour (whether the part is the later one), in the order of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Halves(Vec<((Date, bool), DayFacts)>);

impl Halves {
    /// How many parts of days there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Collects the facts of each local day and hour.
#[derive(Debug)]
pub struct DaySeries<'z> {
    days: DayCache<'z>,
    facts: BTreeMap<(Date, i8), DayFacts>,
    /// The hour and model of the row before, not yet in `facts`: neighbours mostly share both.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    hour: (Date, i8),
    model: String,
    picousd: i64,
    kinds: Kinds,
}

impl<'z> DaySeries<'z> {
    /// An empty series in a zone.
    pub fn new(zone: &'z TimeZone) -> Self {
        DaySeries { days: DayCache::new(zone), facts: BTreeMap::new(), open: None }
    }

    /// Adds a priced row; [`DaySeries::close`] makes it count.
    pub fn add(&mut self, row: &CountedRow<'_>, costed: &Costed<'_>) {
        if !costed.billable {
            return;
        }
        let hour = self.days.day_hour(row.at);
        let cost = costed.picousd.unwrap_or_default();
        let t = &row.tokens;
        let tokens = [t.input, t.output, t.cache_read, t.cache_write()].map(|n| n as f64);
        let by_kind = match &costed.charge {
            Some(c) => [c.input, c.output, c.cache_read, c.cache_write_5m.saturating_add(c.cache_write_1h)]
                .map(|n| n as f64),
            // A reported cost is not divided by kind: by tokens.
            None => tokens.map(|n| n * cost as f64 / tokens.iter().sum::<f64>().max(1.0)),
        };
        let kinds = Kinds { tokens, cost: by_kind };
        match &mut self.open {
            Some(open) if open.hour == hour && open.model == row.model => {
                open.picousd = open.picousd.saturating_add(cost);
                open.kinds.add(&kinds, 1.0);
            }
            _ => {
                self.close();
                self.open = Some(Open { hour, model: row.model.to_owned(), picousd: cost, kinds });
            }
        }
    }

    /// Makes the last rows count.
    pub fn close(&mut self) {
        let Some(Open { hour, model, picousd, kinds }) = self.open.take() else { return };
        let facts = self.facts.entry(hour).or_default();
        facts.picousd = facts.picousd.saturating_add(picousd);
        match facts.models.get_mut(&model) {
            Some(k) => k.add(&kinds, 1.0),
            None => {
                facts.models.insert(model, kinds);
            }
        }
    }

    /// Adds everything that another series holds.
    pub fn merge(&mut self, other: &DaySeries<'_>) {
        for (hour, facts) in &other.facts {
            self.facts.entry(*hour).or_default().merge(facts);
        }
    }

    /// Each day in two parts, before an hour and from it on: as much as tells a day and what it was made of up to that
    /// hour. With [`DaySeries::absorb`] it goes on from there.
    pub fn halves(&self, hour: i8) -> Halves {
        let mut out = Halves::default();
        for ((date, h), facts) in &self.facts {
            let half = (*date, *h >= hour);
            match out.0.last_mut().filter(|(of, _)| *of == half) {
                Some((_, sum)) => sum.merge(facts),
                None => out.0.push((half, facts.clone())),
            }
        }
        out
    }

    /// Adds days of a series that was cut at an hour; it then tells days whole or up to that hour.
    pub fn absorb(&mut self, halves: &Halves) {
        for ((date, late), facts) in &halves.0 {
            let hour = if *late { LAST_HOUR } else { 0 };
            self.facts.entry((*date, hour)).or_default().merge(facts);
        }
    }

    /// What each day with requests cost, in the order of time.
    pub fn totals(&self) -> Vec<(Date, i64)> {
        let mut out: Vec<(Date, i64)> = Vec::new();
        for ((date, _), facts) in &self.facts {
            match out.last_mut() {
                Some((d, sum)) if d == date => *sum = sum.saturating_add(facts.picousd),
                _ => out.push((*date, facts.picousd)),
            }
        }
        out
    }

    /// The facts of a day, of its hours before `before_hour` (24 = all).
    pub fn day(&self, date: Date, before_hour: i8) -> DayFacts {
        let mut out = DayFacts::default();
        for facts in self.facts.range((date, 0)..(date, before_hour)).map(|(_, f)| f) {
            out.merge(facts);
        }
        out
    }

    /// The `n` calendar days before `date`, oldest first, idle days included, each cut at the same hour; none
    /// from before the first recorded day.
    pub fn before(&self, date: Date, n: u16, before_hour: i8) -> Vec<DayFacts> {
        let Some(first) = self.facts.keys().next().map(|(d, _)| *d) else { return Vec::new() };
        let days = date.series(jiff::Span::new().days(-1)).skip(1).take(n.into()).take_while(|d| *d >= first);
        let mut out: Vec<_> = days.map(|d| self.day(d, before_hour)).collect();
        out.reverse();
        out
    }
}

/// Settings of the robust rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RobustRule {
    /// Days of history that are needed before anything is flagged.
    pub min_days: usize,
    /// Deviations from the median, in scaled MADs, that are an anomaly.
    pub deviations: f64,
    /// Least amount above the median, pico-USD.
    pub min_over_picousd: i64,
}

impl Default for RobustRule {
    fn default() -> Self {
        RobustRule { min_days: 7, deviations: 4.0, min_over_picousd: crate::pricing::PICO_PER_USD }
    }
}

/// What can make a day dearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// More tokens.
    Volume,
    /// Dearer models did more of the work.
    ModelMix,
    /// Less of the prompt came from cache, or more of the tokens were output.
    CacheHits,
    /// The same tokens of the same model cost more.
    Price,
}

impl Effect {
    /// The effect in words.
    pub fn words(self) -> &'static str {
        match self {
            Effect::Volume => "more tokens",
            Effect::ModelMix => "dearer models",
            Effect::CacheHits => "less of the prompt from cache, or more output",
            Effect::Price => "higher prices",
        }
    }
}

/// How much of a difference each effect makes, pico-USD; they sum to the difference from the mean day.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Effects {
    /// More tokens.
    pub volume: f64,
    /// Another mix of models.
    pub model_mix: f64,
    /// Another mix of input, output, cache reads and writes within models.
    pub cache_hits: f64,
    /// Other prices; web searches too.
    pub price: f64,
}

impl Effects {
    /// The effect that adds most.
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

/// A day far from the median, with its cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustAnomaly {
    /// Median of the history, pico-USD.
    pub median_picousd: i64,
    /// Median absolute deviation of the history, pico-USD, unscaled.
    pub mad_picousd: i64,
    /// What the day cost, pico-USD.
    pub actual_picousd: i64,
    /// What made it dearer.
    pub effects: Effects,
    /// The largest of these.
    pub cause: Effect,
}

/// Where most days are idle, so many days of use are needed.
const LEAST_ACTIVE: usize = 3;

/// Compares a day with the calendar days before it by median and MAD.
///
/// For today pass facts cut at the present hour, and a history cut at the same hour.
pub fn robust(history: &[DayFacts], day: &DayFacts, rule: &RobustRule) -> Option<RobustAnomaly> {
    if history.len() < rule.min_days.max(1) {
        return None;
    }
    let active: Vec<DayFacts>;
    let mut history = history;
    if self::median(history.iter().map(|d| d.picousd).collect()) == 0 {
        // Idle most days: an ordinary day of use is not out of the ordinary, so days of use are compared.
        active = history.iter().filter(|d| d.picousd > 0).cloned().collect();
        if active.len() < LEAST_ACTIVE {
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

/// Splits the difference from the mean day by replacing one factor after the other.
fn explain(history: &[DayFacts], day: &DayFacts) -> Effects {
    let mut base: BTreeMap<&str, Kinds> = BTreeMap::new();
    let per_day = 1.0 / history.len() as f64;
    for (m, k) in history.iter().flat_map(|d| &d.models) {
        base.entry(m).or_default().add(k, per_day);
    }
    let mean: f64 = history.iter().map(|d| d.picousd as f64).sum::<f64>() * per_day;
    let (t0, t1) =
        (base.values().map(Kinds::total).sum::<f64>(), day.models.values().map(Kinds::total).sum::<f64>());
    let volume = if t0 > 0.0 { (t1 / t0 - 1.0) * mean } else { day.picousd as f64 - mean };
    let (mut mixed, mut shifted) = (0.0, 0.0);
    for (m, now) in &day.models {
        let was = base.get(m.as_str()).filter(|k| k.total() > 0.0).unwrap_or(now);
        let was_cost: f64 = was.cost.iter().sum();
        mixed += now.total() * if was.total() > 0.0 { was_cost / was.total() } else { 0.0 };
        for k in 0..4 {
            // A kind without history is priced as it is now.
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
    use crate::trace::{Timestamp, Tokens};
    use crate::usage::Pricer;
    use jiff::civil::date;

    #[test]
    fn the_plain_rule_flags_by_the_mean_and_leaves_today_alone() {
        let d = |n: i8| date(2026, 11, n);
        let days: Vec<_> = [100, 100, 100, 125, 126, 300, 0, 900]
            .iter()
            .enumerate()
            .map(|(i, c)| (d(i as i8 + 1), *c))
            .collect();
        let found = seed_anomalies(&days, d(8), &SeedRule::default());
        // the 4th is exactly 25 % over; the 5th 126 against 106; the 6th 300 against 110
        assert_eq!(
            found.iter().map(|a| (a.date, a.severity)).collect::<Vec<_>>(),
            [(d(6), Severity::Critical)]
        );
        assert_eq!((found[0].expected_picousd, found[0].pct_over.round()), (110, 172.0));
        let found = seed_anomalies(&days, d(9), &SeedRule::default());
        assert_eq!(found.last().map(|a| a.date), Some(d(8)), "once the day is over it is compared");
        let warn = [(d(1), 100), (d(2), 100), (d(3), 100), (d(4), 126)];
        assert_eq!(seed_anomalies(&warn, d(9), &SeedRule::default())[0].severity, Severity::Warning);
        assert!(seed_anomalies(&[(d(1), i64::MAX); 9], d(9), &SeedRule::default()).is_empty());
        assert!(seed_anomalies(&[], d(9), &SeedRule::default()).is_empty());
    }

    fn series(zone: &TimeZone, last: &[(&'static str, Tokens)]) -> (DayFacts, Vec<DayFacts>) {
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let mut s = DaySeries::new(zone);
        let start = Timestamp::parse("2026-11-01T10:00:00Z").unwrap().millis();
        for i in 0..10 {
            let t = Tokens { input: 1000 + i, output: 100_000, cache_read: 1_000_000, ..Tokens::default() };
            let row = CountedRow::new(
                "claude",
                "s",
                Timestamp(start + i as i64 * 86_400_000),
                "claude-sonnet-5",
                t,
            );
            s.add(&row, &pricer.cost(&row));
        }
        for (model, t) in last {
            let row = CountedRow::new("claude", "s", Timestamp(start + 10 * 86_400_000), model, *t);
            s.add(&row, &pricer.cost(&row));
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
        let facts = |usd: i64| DayFacts { picousd: usd * PICO_PER_USD, ..DayFacts::default() };
        let rule = RobustRule::default();
        let calm = vec![facts(1); 7];
        assert!(robust(&calm, &facts(2), &rule).is_some(), "one dollar over a flat history");
        assert!(robust(&calm[..6], &facts(50), &rule).is_none(), "too short");
        let idle: Vec<_> = (0..14).map(|i| facts(if i % 2 == 0 { 0 } else { 10 })).collect();
        assert!(robust(&idle, &facts(12), &rule).is_none(), "used every other day");
        assert!(robust(&idle, &facts(60), &rule).is_some());
        let rare = |n: usize| (0..20).map(|i| facts(if i < n { 10 } else { 0 })).collect::<Vec<_>>();
        assert!(
            robust(&rare(5), &facts(11), &rule).is_some() && robust(&rare(5), &facts(10), &rule).is_none()
        );
        assert!(robust(&rare(2), &facts(99), &rule).is_none(), "two days of use tell nothing");
        assert_eq!(median(vec![]), 0);
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
    }

    #[test]
    fn a_day_can_be_cut_at_an_hour() {
        let (_, history) = series(&TimeZone::UTC, &[]);
        assert!(history.iter().all(|d| d.picousd > 0));
        let tz = TimeZone::UTC;
        let mut s = DaySeries::new(&tz);
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let t = Tokens { input: 7, ..Tokens::default() };
        let row =
            CountedRow::new("c", "s", Timestamp::parse("2026-11-01T10:59:59Z").unwrap(), "claude-opus-5", t);
        s.add(&row, &pricer.cost(&row));
        s.close();
        let mut twice = DaySeries::new(&tz);
        twice.merge(&s);
        twice.merge(&s);
        assert_eq!(twice.totals(), [(date(2026, 11, 1), 70_000_000)]);
        assert_eq!(s.day(date(2026, 11, 1), 10).picousd, 0);
        assert_eq!(s.day(date(2026, 11, 1), 11).picousd, 35_000_000);
        assert_eq!(s.before(date(2026, 11, 4), 28, 24).len(), 3);
        for hour in 0..24 {
            let halves: Halves =
                serde_json::from_str(&serde_json::to_string(&s.halves(hour)).unwrap()).unwrap();
            let mut back = DaySeries::new(&tz);
            back.absorb(&halves);
            for before in [hour, 24] {
                assert_eq!(back.day(date(2026, 11, 1), before), s.day(date(2026, 11, 1), before), "{hour}");
            }
        }
    }
}
