//! The reports of ClawTrace's cost engine, whose JSON menu-bar apps and scripts read. Amounts are dollars rounded to
//! four decimals. Days are in the local zone unless another one is given or configured.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::pricing::rounded_usd;
use crate::store::UsageFilter;
use crate::trace::SessionKey;
use crate::usage::{CountedRow, DayCache, NO_PROJECT, PricedRow, Severity, mean_anomalies};

use crate::app::{App, Failure};

use super::current::{CurrentSpend, CurrentSpendFold, CurrentSpendParams};

/// Maximum number of days that a report covers.
const MAX_DAYS: u32 = 3660;

/// Default number of days in which anomalies are reported.
const DEFAULT_ANOMALY_DAYS: u32 = 30;

/// Totals of the current day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaySummary {
    /// Day as `YYYY-MM-DD`.
    pub date: String,
    pub total_cost_usd: f64,
    /// Input, output, cache reads and cache writes.
    pub total_tokens: u64,
    /// Sessions with a request on that day.
    pub session_count: u64,
    /// Number of provider requests.
    pub message_count: u64,
}

/// Cost of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayCost {
    pub date: String,
    pub cost_usd: f64,
    /// Tokens without a known price. Their cost is not in `cost_usd`. ClawTrace's JSON has no such field.
    #[serde(skip)]
    pub unpriced_tokens: u64,
}

/// Cost and size of a model, a project or a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostSums {
    pub cost_usd: f64,
    pub total_tokens: u64,
    /// Sessions with a request in a project. ClawTrace counts them for projects only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_count: Option<u64>,
    /// Number of provider requests.
    pub message_count: u64,
    /// Tokens without a known price. Their cost is not in `cost_usd`. ClawTrace's JSON has no such field.
    #[serde(skip)]
    pub unpriced_tokens: u64,
}

/// Cost of a model over all time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelCost {
    /// Model id as it is in the logs.
    pub model: String,
    #[serde(flatten)]
    pub sums: CostSums,
}

/// Cost of a project over all time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectCost {
    /// Short name of the project.
    pub project: String,
    #[serde(flatten)]
    pub sums: CostSums,
}

/// Cost of a session, or of its compactions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionCost {
    /// Key of the session, `<agent>:<native id>`.
    pub session_id: String,
    /// Short name of the project.
    pub project: String,
    #[serde(flatten)]
    pub sums: CostSums,
}

/// A day that cost more than the days before it. Today is not compared, because it is not over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayAnomaly {
    pub date: String,
    /// Mean cost of the active days before it, in USD.
    pub expected_cost: f64,
    /// Cost of the day, in USD.
    pub actual_cost: f64,
    pub severity: Severity,
    /// Percentage above the mean.
    pub pct_over: f64,
}

/// Every ClawTrace report, computed in one pass over the ledger.
#[derive(Debug, Clone, Serialize)]
pub struct ClawTraceReport {
    /// Totals of the current day.
    pub summary: DaySummary,
    /// The last days including today, oldest first. Days without cost are included.
    pub timeseries: Vec<DayCost>,
    /// Models, most expensive first.
    pub models: Vec<ModelCost>,
    /// Projects, most expensive first.
    pub projects: Vec<ProjectCost>,
    /// Sessions, most expensive first.
    pub sessions: Vec<SessionCost>,
    /// Days with unusual cost, oldest first.
    pub anomalies: Vec<DayAnomaly>,
    /// Number of log files in the archive that still exist.
    pub file_count: u64,
    /// Number of requests over all time.
    pub total_messages: u64,
    /// The current spend, if it was asked for.
    #[serde(skip)]
    pub current: Option<CurrentSpend>,
}

/// Parameters of the ClawTrace reports.
#[derive(Debug, Clone, Default)]
pub struct ClawTraceParams {
    /// Number of days in the series; 7 by default.
    pub days: Option<u32>,
    /// Maximum number of sessions; 5 by default.
    pub sessions: Option<u32>,
    /// IANA time zone; by default the configured one, or else the local one.
    pub timezone: Option<String>,
    /// Number of days in which anomalies are reported, including today; 30 by default.
    pub anomaly_days: Option<u32>,
    /// Computes the current spend in the same pass.
    pub with_current: bool,
}

/// Totals of a day, model, project or session.
#[derive(Debug, Default)]
struct Totals {
    picousd: i128,
    tokens: u64,
    unpriced: u64,
    requests: u64,
    sessions: HashSet<u32>,
    project: Option<String>,
}

impl Totals {
    fn add(&mut self, row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        self.picousd += i128::from(priced.picousd.unwrap_or_default());
        self.tokens = self.tokens.saturating_add(row.request.tokens.total());
        self.unpriced = self.unpriced.saturating_add(unpriced(row, priced));
        self.requests += 1;
    }
}

impl From<Totals> for CostSums {
    fn from(t: Totals) -> Self {
        CostSums {
            cost_usd: rounded_usd(t.picousd),
            total_tokens: t.tokens,
            session_count: (!t.sessions.is_empty()).then_some(t.sessions.len() as u64),
            message_count: t.requests,
            unpriced_tokens: t.unpriced,
        }
    }
}

/// Returns the tokens of a request without a price.
fn unpriced(row: &CountedRow<'_>, priced: &PricedRow<'_>) -> u64 {
    if priced.picousd.is_none() { row.request.tokens.total() } else { 0 }
}

/// Adds up the requests of the ledger for every report.
struct ClawTraceFold<'z> {
    days: DayCache<'z>,
    today: Date,
    /// Pico-USD and tokens without a price of each day.
    by_day: BTreeMap<Date, (i128, u64)>,
    /// Totals of the current day.
    day: Totals,
    models: HashMap<String, Totals>,
    projects: HashMap<String, Totals>,
    sessions: HashMap<String, (u32, Totals)>,
    /// Session without its compactions → number of the session.
    session_ids: HashMap<String, u32>,
    requests: u64,
}

impl ClawTraceFold<'_> {
    fn add(&mut self, row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        if !priced.billable {
            return;
        }
        self.requests += 1;
        // The compactions of a session are a row of their own, as in `cost --by session`, but not another session in
        // the counts of sessions.
        let key = row.session();
        if !self.sessions.contains_key(key) {
            let next = self.session_ids.len() as u32;
            let session = SessionKey::without_compaction_suffix(key).to_owned();
            let id = *self.session_ids.entry(session).or_insert(next);
            self.sessions.insert(key.to_owned(), (id, Totals::default()));
        }
        let Some((id, session)) = self.sessions.get_mut(key) else { return };
        session.add(row, priced);
        if session.project.is_none() {
            session.project = row.project.map(str::to_owned);
        }
        let id = *id;
        let day = self.days.day(row.request.at);
        let sum = self.by_day.entry(day).or_default();
        sum.0 += i128::from(priced.picousd.unwrap_or_default());
        sum.1 = sum.1.saturating_add(unpriced(row, priced));
        if day == self.today {
            self.day.add(row, priced);
            self.day.sessions.insert(id);
        }
        totals_of(&mut self.models, row.request.model).add(row, priced);
        let project = totals_of(&mut self.projects, row.project.unwrap_or(NO_PROJECT));
        project.add(row, priced);
        project.sessions.insert(id);
    }
}

/// Returns the totals of a key. Allocates the key only if it is new.
fn totals_of<'m>(map: &'m mut HashMap<String, Totals>, key: &str) -> &'m mut Totals {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), Totals::default());
    }
    map.entry(key.to_owned()).or_default()
}

/// Sorts by falling cost, then by key.
fn by_falling_cost(map: HashMap<String, Totals>) -> Vec<(String, Totals)> {
    let mut all: Vec<_> = map.into_iter().collect();
    all.sort_by(|a, b| b.1.picousd.cmp(&a.1.picousd).then_with(|| a.0.cmp(&b.0)));
    all
}

impl App {
    /// Computes every ClawTrace report.
    ///
    /// # Errors
    /// [`Failure`] if the zone is unknown or the archive refuses.
    pub fn clawtrace_report(&mut self, p: &ClawTraceParams) -> Result<ClawTraceReport, Failure> {
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let prices = self.prices()?;
        let today = DayCache::new(&zone).day(self.now());
        let no_sessions = HashSet::new();
        let current_params = CurrentSpendParams { timezone: p.timezone.clone(), ..Default::default() };
        self.refresh_usage()?;
        let mut current =
            p.with_current.then(|| CurrentSpendFold::new(self, &zone, &current_params, &no_sessions));
        let mut fold = empty(&zone, today);
        let mut pricer = prices.pricer();
        self.archive.for_each_request(UsageFilter::default(), &mut |row| {
            let priced = pricer.price(row);
            fold.add(row, &priced);
            if let Some(current) = &mut current {
                current.add(row, &priced);
            }
        })?;
        let current = current.map(|c| c.finish(&timezone, &current_params, &self.config.budgets));
        let names = self.project_names()?;
        let file_count = self.archive.files()?.values().filter(|f| !f.gone).count() as u64;
        let report = finish(fold, p, &names, file_count, &self.config.anomalies.mean_rule());
        Ok(ClawTraceReport { current, ..report })
    }
}

fn empty(zone: &TimeZone, today: Date) -> ClawTraceFold<'_> {
    ClawTraceFold {
        days: DayCache::new(zone),
        today,
        by_day: BTreeMap::new(),
        day: Totals::default(),
        models: HashMap::new(),
        projects: HashMap::new(),
        sessions: HashMap::new(),
        session_ids: HashMap::new(),
        requests: 0,
    }
}

fn finish(
    fold: ClawTraceFold<'_>,
    p: &ClawTraceParams,
    names: &HashMap<String, String>,
    file_count: u64,
    rule: &crate::usage::MeanRule,
) -> ClawTraceReport {
    let today = fold.today;
    let short_names = short_names(fold.projects.keys(), names);
    let name = |path: &str| short_names.get(path).cloned().unwrap_or_else(|| path.to_owned());
    let days = i64::from(p.days.unwrap_or(7).clamp(1, MAX_DAYS));
    let timeseries = (0..days).rev().filter_map(|back| today.checked_sub(jiff::Span::new().days(back)).ok());
    let cost_of = |day: &Date| fold.by_day.get(day).copied().unwrap_or_default();
    let to_i64 = |n: i128| i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX });
    let series: Vec<(Date, i64)> = fold.by_day.iter().map(|(d, c)| (*d, to_i64(c.0))).collect();
    let anomaly_days = i64::from(p.anomaly_days.unwrap_or(DEFAULT_ANOMALY_DAYS).clamp(1, MAX_DAYS));
    let since = today.saturating_sub(jiff::Span::new().days(anomaly_days - 1));
    let unusual = mean_anomalies(&series, today, rule).into_iter().filter(|a| a.date >= since);
    let anomalies = unusual.map(|a| DayAnomaly {
        date: a.date.to_string(),
        expected_cost: rounded_usd(a.expected_picousd.into()),
        actual_cost: rounded_usd(a.actual_picousd.into()),
        severity: a.severity,
        pct_over: (a.pct_over * 10.0).round() / 10.0,
    });
    let max_sessions = p.sessions.unwrap_or(5) as usize;
    let sessions = fold.sessions.into_iter().map(|(key, (_, sum))| (key, sum)).collect();
    ClawTraceReport {
        summary: DaySummary {
            date: today.to_string(),
            total_cost_usd: rounded_usd(fold.day.picousd),
            total_tokens: fold.day.tokens,
            session_count: fold.day.sessions.len() as u64,
            message_count: fold.day.requests,
        },
        timeseries: timeseries
            .map(|d| {
                let (cost, unpriced_tokens) = cost_of(&d);
                DayCost { date: d.to_string(), cost_usd: rounded_usd(cost), unpriced_tokens }
            })
            .collect(),
        models: by_falling_cost(fold.models)
            .into_iter()
            .map(|(model, sums)| ModelCost { model, sums: sums.into() })
            .collect(),
        projects: by_falling_cost(fold.projects)
            .into_iter()
            .map(|(path, sums)| ProjectCost { project: name(&path), sums: sums.into() })
            .collect(),
        sessions: by_falling_cost(sessions)
            .into_iter()
            .take(max_sessions)
            .map(|(session_id, sums)| SessionCost {
                session_id,
                project: name(sums.project.as_deref().unwrap_or(NO_PROJECT)),
                sums: sums.into(),
            })
            .collect(),
        anomalies: anomalies.collect(),
        file_count,
        total_messages: fold.requests,
        current: None,
    }
}

/// Returns the short name of each project: the archive's name, or the last path component of a directory that no scan
/// has seen yet. Projects that would share a name keep their whole path.
pub(super) fn short_names<'a>(
    paths: impl Iterator<Item = &'a String>,
    names: &HashMap<String, String>,
) -> HashMap<String, String> {
    let mut out: HashMap<String, String> = HashMap::new();
    let mut taken: HashMap<String, Vec<String>> = HashMap::new();
    for path in paths {
        let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path);
        let name = names.get(path).map_or(last, String::as_str);
        taken.entry(name.to_owned()).or_default().push(path.clone());
    }
    for (name, paths) in taken {
        match &paths[..] {
            [only] => drop(out.insert(only.clone(), name)),
            several => out.extend(several.iter().map(|p| (p.clone(), p.clone()))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Overrides, PICO_PER_USD, PriceTable};
    use crate::trace::{Timestamp, Tokens, UsageRow};
    use crate::usage::{MeanRule, Pricer};

    #[test]
    fn two_projects_never_share_a_name() {
        let paths = ["/a/app".to_owned(), "/b/app".to_owned(), "/c/x/".to_owned(), "/d/y".to_owned()];
        let known = HashMap::from([("/d/y".to_owned(), "d/y".to_owned())]);
        let named = short_names(paths.iter(), &known);
        let of = |p: &str| named[p].as_str();
        assert_eq!([of("/a/app"), of("/b/app"), of("/c/x/"), of("/d/y")], ["/a/app", "/b/app", "x", "d/y"]);
    }

    #[test]
    fn every_report_counts_the_same_rows() {
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let zone = TimeZone::UTC;
        let mut fold = empty(&zone, "2026-11-20".parse().unwrap());
        for (n, (session, model, day, usd)) in [
            ("claude:a", "claude-opus-5", 14, 1),
            ("claude:a", "claude-opus-5", 15, 1),
            ("claude:b", "claude-sonnet-5", 16, 1),
            ("claude:b", "claude-sonnet-5", 17, 9),
            ("claude:a", "claude-opus-5", 20, 50),
            ("claude:c", "nobody-knows-9", 20, 0),
        ]
        .into_iter()
        .enumerate()
        {
            let at = Timestamp::parse(&format!("2026-11-{day}T10:00:00Z")).unwrap();
            let request = UsageRow {
                session: SessionKey(session),
                at,
                model,
                tokens: Tokens { input: 10, ..Tokens::default() },
                reported_picousd: Some(usd * PICO_PER_USD),
                ..UsageRow::default()
            };
            let project = (n < 4).then_some("/home/u/app");
            let row = CountedRow { project, ..CountedRow::of(&request) };
            fold.add(&row, &pricer.price(&row));
        }
        let p = ClawTraceParams { days: Some(4), sessions: Some(2), ..ClawTraceParams::default() };
        let c = finish(fold, &p, &HashMap::new(), 3, &MeanRule::default());
        assert_eq!(
            (c.summary.total_cost_usd, c.summary.session_count, c.summary.message_count),
            (50.0, 2, 2)
        );
        let series: Vec<_> = c.timeseries.iter().map(|d| (d.date.as_str(), d.cost_usd)).collect();
        assert_eq!(
            series,
            [("2026-11-17", 9.0), ("2026-11-18", 0.0), ("2026-11-19", 0.0), ("2026-11-20", 50.0)]
        );
        assert_eq!(c.models.iter().map(|m| m.sums.cost_usd).sum::<f64>(), 62.0);
        assert_eq!(c.projects.iter().map(|m| m.sums.cost_usd).sum::<f64>(), 62.0);
        assert_eq!((c.projects[1].project.as_str(), c.projects[1].sums.session_count), ("app", Some(2)));
        assert_eq!((c.sessions.len(), c.sessions[0].session_id.as_str()), (2, "claude:a"));
        let days: Vec<_> = c.anomalies.iter().map(|a| (a.date.as_str(), a.pct_over)).collect();
        assert_eq!(days, [("2026-11-17", 800.0)], "today is not over");
        assert_eq!((c.file_count, c.total_messages), (3, 6));
    }
}
