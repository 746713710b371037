//! One pass over the ledger that feeds several reports.

use jiff::tz::TimeZone;

use crate::app::{App, Failure};
use crate::store::UsageFilter;
use crate::usage::{Aggregator, CountedRow, Dimension, Pricer, Report};

use super::anomalies::SpendingWatch;
use super::current::CurrentSpendFold;
use super::filter::RowFilter;
use super::price_sources::Prices;

/// Everything that one pass over the ledger can add up. Each row is priced once.
pub(super) struct LedgerPass<'p> {
    pricer: Pricer<'p>,
    /// The range of the reports; watch and current spend take every row.
    range: UsageFilter,
    /// The requests of the reports; watch and current spend take every row.
    pub(super) filter: Option<RowFilter>,
    reports: Vec<Aggregator<'p>>,
    pub(super) watch: Option<SpendingWatch<'p>>,
    pub(super) current: Option<CurrentSpendFold<'p>>,
}

impl<'p> LedgerPass<'p> {
    pub(super) fn new(prices: &'p Prices) -> Self {
        LedgerPass {
            pricer: prices.pricer(),
            range: UsageFilter::default(),
            filter: None,
            reports: Vec::new(),
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
        app.archive.for_each_request(filter, &mut |row| self.add(row))?;
        Ok(self)
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
