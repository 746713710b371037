//! The cost report. Every number comes from the one ledger.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::scan::Skipped;
use crate::app::{App, Failure};
use crate::store::UsageFilter;
use crate::trace::{Confidence, PlanWindow, SessionUsage, Timestamp};
use crate::usage::{Aggregator, Dimension, NO_PROJECT, Report, ReportRow};

use super::anomalies::{SpendingWarnings, SpendingWatch};
use super::clawtrace::short_names;
use super::current::{CurrentSpend, CurrentSpendFold, CurrentSpendParams};
use super::filter::RequestedNames;
use super::ledger_pass::{LedgerPass, needs_requests};
use super::price_sources::Prices;

/// A report shows the anomalies of this many last days.
const ANOMALY_DAYS: u16 = 7;

/// Which requests to add up, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostParams {
    /// Dimension to group by. By default only the total.
    pub by: Option<Dimension>,
    /// IANA name of the zone; the local one by default.
    pub timezone: Option<String>,
    /// Requests at or after this time.
    pub since: Option<Timestamp>,
    /// Requests before this time.
    pub until: Option<Timestamp>,
    /// Maximum number of rows.
    pub limit: Option<u64>,
    /// Ids of the agents to count. Empty for all.
    pub agent: Vec<String>,
    /// Names, paths or globs of projects.
    pub project: Vec<String>,
    /// Ids of models, or their beginnings.
    pub model: Vec<String>,
    /// Order of the rows.
    pub sort: Option<CostSort>,
    /// Adds the current alerts and anomalies.
    #[serde(skip)]
    pub watch: bool,
    /// Computes the current spend in the same pass.
    #[serde(skip)]
    pub with_current: bool,
}

/// What the rows of a report are sorted by. Numbers are sorted highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CostSort {
    Cost,
    Tokens,
    Requests,
    /// The key, in the order of the alphabet or of time.
    Key,
}

impl CostSort {
    fn apply(self, rows: &mut [ReportRow]) {
        match self {
            CostSort::Cost => rows.sort_by_key(|r| Reverse(r.cost_picousd)),
            CostSort::Tokens => rows.sort_by_key(|r| Reverse(r.tokens.total())),
            CostSort::Requests => rows.sort_by_key(|r| Reverse(r.requests)),
            CostSort::Key => rows.sort_by(|a, b| a.key.cmp(&b.key)),
        }
    }
}

/// Rows and their total.
#[derive(Debug, Clone, Serialize)]
pub struct CostReport {
    pub by: Dimension,
    /// Time zone of the days.
    pub timezone: String,
    /// Rows and total, with money in pico-USD.
    #[serde(flatten)]
    pub report: Report,
    /// Number of rows left out because of `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_left_out: Option<u64>,
    /// The windows of the user's plans that have not ended, as the agents last reported them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan_windows: Vec<PlanWindow>,
    /// Logs and parts of logs that could not be read, so that the total is a lower bound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Alerts and anomalies, if they were asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<SpendingWarnings>,
    /// The current spend, if it was asked for.
    #[serde(skip)]
    pub current: Option<CurrentSpend>,
}

impl CostParams {
    fn range(&self) -> UsageFilter {
        UsageFilter { since: self.since, until: self.until, ..UsageFilter::default() }
    }
}

impl App {
    /// Adds the ledger up by a dimension.
    ///
    /// # Errors
    /// [`Failure`] if the time zone is unknown or the archive refuses.
    pub fn cost(&mut self, p: &CostParams) -> Result<CostReport, Failure> {
        let (files_read, skipped) = self.refresh_and_name_skipped()?;
        let by = p.by.unwrap_or(Dimension::Total);
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let prices = self.prices()?;
        let nobody = HashSet::new();
        let (current_timezone, current_zone) = self.zone(None)?;
        let current_params = CurrentSpendParams::default();
        let names = RequestedNames { agent: &p.agent, project: &p.project, model: &p.model };
        let filter = self.row_filter(&names, &prices)?;
        let mut pass = LedgerPass::new(&prices).with_reports(self, &[by], p.range(), &zone);
        pass.filter = filter;
        pass.ledger_unchanged = files_read == 0;
        pass.watch = p.watch.then(|| SpendingWatch::new(self, &zone));
        pass.current =
            p.with_current.then(|| CurrentSpendFold::new(self, &current_zone, &current_params, &nobody));
        let mut pass = pass.run(self)?;
        let mut report = pass.finish_reports().pop().unwrap_or_default();
        if by == Dimension::Project {
            self.name_projects(&mut report)?;
        }
        let warnings = pass.watch.map(|watch| watch.finish(self, ANOMALY_DAYS));
        let current =
            pass.current.map(|fold| fold.finish(&current_timezone, &current_params, &self.config.budgets));
        let limit = p.limit.map_or(usize::MAX, |n| n as usize);
        let rows_left_out = report.rows.len().checked_sub(limit).filter(|n| *n > 0).map(|n| n as u64);
        if let Some(sort) = p.sort {
            sort.apply(&mut report.rows);
        } else if by.is_time() {
            // The latest rows are wanted.
            report.rows.drain(..report.rows.len().saturating_sub(limit));
        }
        report.rows.truncate(limit);
        if !skipped.is_empty() {
            report.total.confidence = report.total.confidence.max(Confidence::LowerBound);
        }
        let plan_windows = self.plan_windows()?;
        Ok(CostReport { by, timezone, report, rows_left_out, plan_windows, skipped, warnings, current })
    }

    /// Replaces the paths in a report by projects with the names that lists show.
    pub(super) fn name_projects(&self, report: &mut Report) -> Result<(), Failure> {
        let names = short_names(report.rows.iter().map(|row| &row.key), &self.project_names()?);
        for row in report.rows.iter_mut().filter(|row| row.key != NO_PROJECT) {
            if let Some(name) = names.get(&row.key) {
                row.path = Some(std::mem::replace(&mut row.key, name.clone()));
            }
        }
        Ok(())
    }

    /// Returns the name of each project by its path.
    pub(super) fn project_names(&self) -> Result<HashMap<String, String>, Failure> {
        Ok(self.archive.projects()?.into_iter().map(|p| (p.path, p.name)).collect())
    }

    /// Makes the reports by several dimensions from the ledger as it is, in one pass over the requests and one over the rollup.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses.
    pub(super) fn reports(
        &self,
        dimensions: &[Dimension],
        range: UsageFilter,
        zone: &TimeZone,
        prices: &Prices,
    ) -> Result<Vec<Report>, Failure> {
        let (of_requests, of_sums): (Vec<_>, Vec<_>) = dimensions.iter().partition(|by| needs_requests(**by));
        let mut done = HashMap::new();
        for part in [of_requests, of_sums].into_iter().filter(|part| !part.is_empty()) {
            let mut pass = LedgerPass::new(prices).with_reports(self, &part, range, zone).run(self)?;
            done.extend(part.into_iter().zip(pass.finish_reports()));
        }
        Ok(dimensions.iter().filter_map(|by| done.remove(by)).collect())
    }

    /// Returns the usage of sessions by their keys. Sessions without requests are left out.
    pub(crate) fn usage_of(&self, keys: &[&str]) -> Result<HashMap<String, SessionUsage>, Failure> {
        let (prices, zone) = (self.prices()?, TimeZone::UTC);
        let mut report = Aggregator::new(Dimension::Session, &zone, prices.pricer());
        self.archive.for_each_request_of(&keys.iter().copied().collect(), &mut |row| report.add(row))?;
        let rows = report.finish().rows.into_iter();
        let usage = |r: ReportRow| SessionUsage {
            tokens: r.tokens,
            cost_picousd: r.cost_picousd,
            unpriced_tokens: r.unpriced_tokens,
            confidence: r.confidence,
        };
        Ok(rows.map(|mut r| (std::mem::take(&mut r.key), usage(r))).collect())
    }
}
