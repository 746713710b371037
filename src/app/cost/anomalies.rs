//! Days with unusual cost, by the mean rule and by the robust rule.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::pricing::format_cents;
use crate::store::UsageFilter;
use crate::trace::Timestamp;
use crate::usage::{
    Alert, AlertWatch, Anomaly, CountedRow, DayCache, DaySeries, PricedRow, RobustAnomaly, mean_anomalies,
    robust,
};

use crate::app::{App, Failure};

/// Days to look back, by default.
const DEFAULT_DAYS: u16 = 30;

/// Parameters of the search for anomalies.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnomalyParams {
    /// IANA time zone of the days.
    pub timezone: Option<String>,
    /// Days to look back, including today; 30 by default.
    pub days: Option<u16>,
}

/// An anomaly by the robust rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RobustAnomalyDay {
    pub date: Date,
    /// The project; none for all projects together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Today is compared up to this hour with the same hours of other days; 24 for a complete day.
    pub before_hour: i8,
    #[serde(flatten)]
    pub found: RobustAnomaly,
}

impl RobustAnomalyDay {
    /// Returns a sentence that says what happened and why.
    pub fn message(&self) -> String {
        let of = self.project.as_deref().map(|p| format!(" in {p}")).unwrap_or_default();
        let so_far = if self.before_hour < 24 { " so far" } else { "" };
        format!(
            "{}{of} cost {}{so_far}, while {} is usual: {}.",
            self.date,
            format_cents(self.found.actual_picousd),
            format_cents(self.found.median_picousd),
            self.found.cause.words(),
        )
    }
}

/// An anomaly by the mean rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeanAnomaly {
    /// The project; none for all projects together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(flatten)]
    pub found: Anomaly,
}

/// Days with unusual cost, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Anomalies {
    /// By the mean rule.
    pub anomalies: Vec<MeanAnomaly>,
    /// By the robust rule.
    pub robust: Vec<RobustAnomalyDay>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SpendingWarnings {
    /// Figures that exceed a threshold now.
    pub alerts: Vec<Alert>,
    #[serde(flatten)]
    pub days: Anomalies,
}

/// Alerts and anomalies, and the zone in which the days begin and end.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AnomalyReport {
    pub timezone: String,
    #[serde(flatten)]
    pub warnings: SpendingWarnings,
}

/// Collects what alerts and anomalies need, in one pass over the ledger.
pub(super) struct SpendingWatch<'z> {
    zone: &'z TimeZone,
    now: Timestamp,
    alerts: AlertWatch<'z>,
    days: DayCache<'z>,
    /// The days of each project.
    projects: Vec<(Option<String>, DaySeries)>,
    index: HashMap<Option<String>, usize>,
    /// The project of the previous row: consecutive rows mostly share it.
    last: usize,
}

impl<'z> SpendingWatch<'z> {
    pub(super) fn new(app: &App, zone: &'z TimeZone) -> Self {
        let now = app.now();
        SpendingWatch {
            zone,
            now,
            alerts: AlertWatch::new(now, zone, app.config.alerts.thresholds()),
            days: DayCache::new(zone),
            projects: Vec::new(),
            index: HashMap::new(),
            last: 0,
        }
    }

    pub(super) fn add(&mut self, row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        self.alerts.add(row, priced);
        if self.projects.get(self.last).is_none_or(|(p, _)| p.as_deref() != row.project) {
            let project = row.project.map(str::to_owned);
            self.last = *self.index.entry(project.clone()).or_insert_with(|| {
                self.projects.push((project, DaySeries::default()));
                self.projects.len() - 1
            });
        }
        if let Some((_, series)) = self.projects.get_mut(self.last) {
            series.add(self.days.day_hour(row.request.at), row, priced);
        }
    }

    /// Returns the alerts and the anomalies of the last days.
    pub(super) fn finish(mut self, app: &App, days: u16) -> SpendingWarnings {
        let mut out = Anomalies::default();
        let mut all = DaySeries::default();
        for (_, series) in &mut self.projects {
            series.close();
            all.merge(series);
        }
        self.find_anomalies(app, None, &all, days, &mut out);
        // The days of a single project are the days of all projects.
        if self.projects.len() > 1 {
            for (project, series) in &self.projects {
                if project.is_some() {
                    self.find_anomalies(app, project.as_ref(), series, days, &mut out);
                }
            }
        }
        out.anomalies.sort_by(|a, b| b.found.date.cmp(&a.found.date).then_with(|| a.project.cmp(&b.project)));
        out.robust.sort_by(|a, b| b.date.cmp(&a.date).then_with(|| a.project.cmp(&b.project)));
        SpendingWarnings { alerts: self.alerts.finish(&[]), days: out }
    }

    fn find_anomalies(
        &self,
        app: &App,
        project: Option<&String>,
        series: &DaySeries,
        days: u16,
        out: &mut Anomalies,
    ) {
        let c = &app.config.anomalies;
        let local = self.zone.to_datetime(self.now.to_jiff());
        let (today, hour) = (local.date(), local.hour());
        let first = today.saturating_sub(jiff::Span::new().days(i64::from(days.max(1)) - 1));
        let totals = series.totals();
        let plain = mean_anomalies(&totals, today, &c.mean_rule());
        let project = project.cloned();
        out.anomalies.extend(
            plain
                .into_iter()
                .filter(|a| a.date >= first)
                .map(|found| MeanAnomaly { project: project.clone(), found }),
        );
        for (date, _) in totals.iter().filter(|(d, _)| *d >= first && *d <= today) {
            let before_hour = if *date == today { hour } else { 24 };
            let history = series.before(*date, c.history_days, before_hour);
            if let Some(found) = robust(&history, &series.day(*date, before_hour), &c.robust()) {
                out.robust.push(RobustAnomalyDay {
                    date: *date,
                    project: project.clone(),
                    before_hour,
                    found,
                });
            }
        }
    }
}

impl App {
    /// Returns days with unusual cost by both rules, over all projects and in each project, and the alerts that are
    /// due. Alerts are not recorded as raised.
    ///
    /// # Errors
    /// [`Failure`] if the zone is unknown or the archive refuses.
    pub fn anomalies(&mut self, p: &AnomalyParams) -> Result<AnomalyReport, Failure> {
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let prices = self.prices()?;
        self.refresh_usage()?;
        let mut watch = SpendingWatch::new(self, &zone);
        let mut pricer = prices.pricer();
        self.archive
            .for_each_request(UsageFilter::default(), &mut |row| watch.add(row, &pricer.price(row)))?;
        Ok(AnomalyReport { timezone, warnings: watch.finish(self, p.days.unwrap_or(DEFAULT_DAYS)) })
    }
}
