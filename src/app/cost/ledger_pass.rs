//! One pass over the ledger that feeds several reports.

use jiff::tz::TimeZone;

use crate::app::{App, Failure};
use crate::store::UsageFilter;
use crate::usage::{Aggregator, CountedRow, Dimension, Pricer, Report, is_quarter_start, keeps_quarters};

use super::anomalies::SpendingWatch;
use super::current::CurrentSpendFold;
use super::filter::RowFilter;
use super::price_sources::Prices;

/// Returns whether a report by this dimension needs each request, and not only sums of a quarter of an hour.
pub(super) fn needs_requests(by: Dimension) -> bool {
    matches!(by, Dimension::Tool | Dimension::Block)
}

/// Everything that one pass over the ledger can add up. Each row is priced once.
pub(super) struct LedgerPass<'p> {
    pricer: Pricer<'p>,
    /// The prompt sizes at which prices change.
    thresholds: Vec<u64>,
    /// Whether the ledger is the same as at an earlier report, so that it pays to make the rollup.
    pub(super) ledger_unchanged: bool,
    /// The range of the reports; watch and current spend take every row.
    range: UsageFilter,
    /// The requests of the reports; watch and current spend take every row.
    pub(super) filter: Option<RowFilter>,
    reports: Vec<Aggregator<'p>>,
    /// The zone of the reports and of the watch.
    zone: Option<&'p TimeZone>,
    pub(super) watch: Option<SpendingWatch<'p>>,
    pub(super) current: Option<CurrentSpendFold<'p>>,
}

impl<'p> LedgerPass<'p> {
    pub(super) fn new(prices: &'p Prices) -> Self {
        LedgerPass {
            pricer: prices.pricer(),
            thresholds: prices.table().context_thresholds(),
            ledger_unchanged: false,
            range: UsageFilter::default(),
            filter: None,
            reports: Vec::new(),
            zone: None,
            watch: None,
            current: None,
        }
    }

    /// Adds reports by some dimensions over the requests of a range.
    pub(super) fn with_reports(
        mut self,
        app: &App,
        dimensions: &[Dimension],
        range: UsageFilter,
        zone: &'p TimeZone,
    ) -> Self {
        let report = |by: &Dimension| Aggregator::new(*by, zone, self.pricer.clone()).at(app.now());
        self.reports = dimensions.iter().map(report).collect();
        self.zone = Some(zone);
        self.range = UsageFilter { tools: dimensions.contains(&Dimension::Tool), ..range };
        self
    }

    /// Reads the ledger.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses.
    pub(super) fn run(mut self, app: &App) -> Result<Self, Failure> {
        let filter = match self.watch.is_some() || self.current.is_some() {
            true => UsageFilter { since: None, until: None, ..self.range },
            false => self.range,
        };
        if self.can_use_rollup() {
            let (now, thresholds) = (app.now(), self.thresholds.clone());
            if self.ledger_unchanged {
                app.archive.update_rollup(now, &thresholds)?;
            }
            if app.archive.for_each_sum(filter, now, &thresholds, &mut |row| self.add(row))? {
                return Ok(self);
            }
        }
        app.archive.for_each_request(filter, &mut |row| self.add(row))?;
        Ok(self)
    }

    /// Returns whether the sums of the rollup give the same result as the requests. Current spend contains a block, which begins
    /// and ends at any minute, and the last hour.
    fn can_use_rollup(&self) -> bool {
        let zone_fits = self.zone.is_none_or(keeps_quarters);
        let range_fits = [self.range.since, self.range.until].into_iter().flatten().all(is_quarter_start);
        let needs_requests = self.reports.iter().any(|report| needs_requests(report.dimension()));
        zone_fits && range_fits && !needs_requests && self.current.is_none()
    }

    fn add(&mut self, row: &CountedRow<'_>) {
        let priced = self.pricer.price(row);
        if self.range.contains(row.request.at) && self.filter.as_ref().is_none_or(|f| f.contains(row)) {
            for report in &mut self.reports {
                report.add_priced(row, &priced);
            }
        }
        if let Some(watch) = &mut self.watch {
            watch.add(row, &priced);
        }
        if let Some(current) = &mut self.current {
            current.add(row, &priced);
        }
    }

    /// Takes the reports, in the order of their dimensions.
    pub(super) fn finish_reports(&mut self) -> Vec<Report> {
        self.reports.drain(..).map(Aggregator::finish).collect()
    }
}
