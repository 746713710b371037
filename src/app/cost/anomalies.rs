//! Days out of the ordinary: the plain rule over active days, and the robust one that says why.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::trace::Timestamp;
use crate::usage::{
    Alert, AlertWatch, Anomaly, Costed, CountedRow, DaySeries, Halves, Pricer, RobustAnomaly, robust,
    seed_anomalies,
};

use crate::app::cost::rollup::{Active, Parts};
use crate::app::{App, Failure};

/// Days looked back on unless said otherwise.
const DAYS: u16 = 30;

/// What to look at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnomalyParams {
    /// IANA time zone of the days.
    pub timezone: Option<String>,
    /// Days looked back on, today among them; 30 unless said otherwise.
    pub days: Option<u16>,
}

/// A day that the robust rule finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RobustDay {
    /// The day.
    pub date: Date,
    /// The project, where it is about one; else all of them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The hour before which today is compared with the same hours of other days; 24 for a day that is over.
    pub before_hour: i8,
    /// What was found, and why.
    #[serde(flatten)]
    pub found: RobustAnomaly,
}

impl RobustDay {
    /// What happened and why, in a sentence.
    pub fn message(&self) -> String {
        let usd = |n: i64| format!("${}", crate::pricing::format_usd(n, 2));
        let of = self.project.as_deref().map(|p| format!(" in {p}")).unwrap_or_default();
        let so_far = if self.before_hour < 24 { " so far" } else { "" };
        format!(
            "{}{of} cost {}{so_far}, where {} is usual: {}.",
            self.date,
            usd(self.found.actual_picousd),
            usd(self.found.median_picousd),
            self.found.cause.words(),
        )
    }
}

/// A day that the plain rule finds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlainDay {
    /// The project, where it is about one; else all of them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What was found.
    #[serde(flatten)]
    pub found: Anomaly,
}

/// Days out of the ordinary, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AnomalyReport {
    /// Time zone of the days.
    pub timezone: String,
    /// By the plain rule.
    pub anomalies: Vec<PlainDay>,
    /// By the robust rule.
    pub robust: Vec<RobustDay>,
}

/// Alerts and anomalies beside a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Standing {
    /// Everything above its threshold now.
    pub alerts: Vec<Alert>,
    /// Days out of the ordinary.
    #[serde(flatten)]
    pub anomalies: AnomalyReport,
}

/// The days of each project.
#[derive(Default)]
struct ByProject<'z> {
    all: Vec<(Option<String>, DaySeries<'z>)>,
    index: HashMap<Option<String>, usize>,
    /// The project of the row before: neighbours mostly share it.
    last: usize,
}

impl<'z> ByProject<'z> {
    fn of(&mut self, project: Option<&str>, zone: &'z TimeZone) -> Option<&mut DaySeries<'z>> {
        if self.all.get(self.last).is_none_or(|(p, _)| p.as_deref() != project) {
            let project = project.map(str::to_owned);
            self.last = *self.index.entry(project.clone()).or_insert_with(|| {
                self.all.push((project, DaySeries::new(zone)));
                self.all.len() - 1
            });
        }
        self.all.get_mut(self.last).map(|(_, series)| series)
    }
}

/// What is kept of older days, by project.
pub(in crate::app) type OlderDays = Vec<(Option<String>, Halves)>;

/// Older days of more parts than this are not kept: reading them back would take what is saved.
const KEPT_HALVES: usize = 5_000;

/// Collects, in one pass over the ledger, what alerts and anomalies need.
pub(in crate::app) struct Watch<'z> {
    zone: &'z TimeZone,
    now: Timestamp,
    alerts: AlertWatch<'z>,
    recent: ByProject<'z>,
    older: ByProject<'z>,
    kept: Option<OlderDays>,
}

impl<'z> Watch<'z> {
    pub(in crate::app) fn new(app: &App, zone: &'z TimeZone) -> Self {
        let now = app.now();
        Watch {
            zone,
            now,
            alerts: AlertWatch::new(now, zone, app.config.alerts.thresholds()),
            recent: ByProject::default(),
            older: ByProject::default(),
            kept: None,
        }
    }

    /// What the older part depends on: the hour at which days are cut.
    pub(in crate::app) fn hour(now: Timestamp, zone: &TimeZone) -> i8 {
        zone.to_datetime(now.to_jiff()).hour()
    }

    pub(in crate::app) fn add(&mut self, row: &CountedRow<'_>, costed: &Costed<'_>, recent: bool) {
        self.alerts.add(row, costed);
        let part = if recent { &mut self.recent } else { &mut self.older };
        if let Some(series) = part.of(row.project, self.zone) {
            series.add(row, costed);
        }
    }

    /// What the older days come to, to be kept; `None` where it is too much.
    pub(in crate::app) fn older(&mut self) -> Option<&OlderDays> {
        if self.kept.is_none() {
            let hour = Self::hour(self.now, self.zone);
            let all = std::mem::take(&mut self.older).all.into_iter().map(|(project, mut series)| {
                series.close();
                (project, series.halves(hour))
            });
            self.kept = Some(all.collect());
        }
        let parts = |kept: &&OlderDays| kept.iter().map(|(_, h)| h.len()).sum::<usize>() <= KEPT_HALVES;
        self.kept.as_ref().filter(parts)
    }

    /// Takes older days instead of those that were added.
    pub(in crate::app) fn set_older(&mut self, older: OlderDays) {
        self.kept = Some(older);
    }

    pub(in crate::app) fn finish(mut self, app: &App, timezone: String, days: u16) -> Standing {
        let mut out = AnomalyReport { timezone, ..AnomalyReport::default() };
        self.older();
        for (project, halves) in self.kept.take().unwrap_or_default() {
            if let Some(series) = self.recent.of(project.as_deref(), self.zone) {
                series.absorb(&halves);
            }
        }
        let mut all = DaySeries::new(self.zone);
        for (_, series) in &mut self.recent.all {
            series.close();
            all.merge(series);
        }
        self.series(app, None, &all, days, &mut out);
        // With one project its days are all days.
        if self.recent.all.len() > 1 {
            for (project, series) in &self.recent.all {
                if project.is_some() {
                    self.series(app, project.as_ref(), series, days, &mut out);
                }
            }
        }
        out.anomalies.sort_by(|a, b| b.found.date.cmp(&a.found.date).then_with(|| a.project.cmp(&b.project)));
        out.robust.sort_by(|a, b| b.date.cmp(&a.date).then_with(|| a.project.cmp(&b.project)));
        Standing { alerts: self.alerts.finish(&[]), anomalies: out }
    }

    fn series(
        &self,
        app: &App,
        project: Option<&String>,
        series: &DaySeries<'_>,
        days: u16,
        out: &mut AnomalyReport,
    ) {
        let c = &app.config.anomalies;
        let local = self.zone.to_datetime(self.now.to_jiff());
        let (today, hour) = (local.date(), local.hour());
        let first = today.saturating_sub(jiff::Span::new().days(i64::from(days.max(1)) - 1));
        let totals = series.totals();
        let plain = seed_anomalies(&totals, today, &c.seed());
        let project = project.cloned();
        out.anomalies.extend(
            plain
                .into_iter()
                .filter(|a| a.date >= first)
                .map(|found| PlainDay { project: project.clone(), found }),
        );
        for (date, _) in totals.iter().filter(|(d, _)| *d >= first && *d <= today) {
            let before_hour = if *date == today { hour } else { 24 };
            let history = series.before(*date, c.history_days, before_hour);
            if let Some(found) = robust(&history, &series.day(*date, before_hour), &c.robust()) {
                out.robust.push(RobustDay { date: *date, project: project.clone(), before_hour, found });
            }
        }
    }
}

impl App {
    /// Days out of the ordinary by both rules, over all projects and in each.
    ///
    /// # Errors
    /// [`Failure`] where the zone is unknown or the archive refuses.
    pub fn anomalies(&mut self, p: &AnomalyParams) -> Result<AnomalyReport, Failure> {
        Ok(self.standing(p)?.anomalies)
    }

    /// The same, with every alert above its threshold; nothing is remembered.
    ///
    /// # Errors
    /// As [`App::anomalies`].
    pub fn standing(&mut self, p: &AnomalyParams) -> Result<Standing, Failure> {
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let days = p.days.unwrap_or(DAYS);
        self.with_fresh_usage(|app| {
            let prices = app.prices()?;
            let new = || StandingFold {
                pricer: prices.pricer(),
                watch: Watch::new(app, &zone),
                active: Active::of(app.now()),
            };
            let what = format!("standing {timezone} {}", Watch::hour(app.now(), &zone));
            let fold = app.in_parts(&what, &prices, &app.lately(None, false), new)?;
            Ok(fold.watch.finish(app, timezone.clone(), days))
        })
    }
}

/// Alerts and anomalies in the making.
struct StandingFold<'p> {
    pricer: Pricer<'p>,
    watch: Watch<'p>,
    active: Active,
}

impl Parts for StandingFold<'_> {
    type Older = OlderDays;

    fn add(&mut self, row: &CountedRow<'_>, recent: bool) {
        let costed = self.pricer.cost(row);
        self.watch.add(row, &costed, recent);
        self.active.add(row);
    }

    fn older(&mut self) -> Option<OlderDays> {
        self.watch.older().cloned()
    }

    fn set_older(&mut self, older: OlderDays) {
        self.watch.set_older(older);
    }

    fn is_whole(&self, whole: &HashSet<String>) -> bool {
        self.active.all_in(whole)
    }
}
