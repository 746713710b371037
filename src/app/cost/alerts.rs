//! Alerts about figures that exceed a threshold. Each alert is raised once per window.

use crate::store::UsageFilter;
use crate::usage::{Alert, AlertWatch};

use crate::app::{App, Failure};

impl App {
    /// Returns the alerts that are newly due and records them in the archive, so that each is raised once per window.
    /// The caller must deliver them.
    ///
    /// # Errors
    /// [`Failure`] if the configured zone or a price is invalid or the archive refuses.
    pub fn alerts(&mut self) -> Result<Vec<Alert>, Failure> {
        let (now, zone) = (self.now(), self.zone(None)?.1);
        self.refresh_usage()?;
        let watch = self.watch(&zone)?;
        Ok(self.archive.raise_alerts(now, |past| watch.finish(past))?)
    }

    /// Returns an alert for each figure that exceeds its threshold now, even if it was raised before. Records nothing.
    ///
    /// # Errors
    /// As [`App::alerts`].
    pub fn current_alerts(&mut self) -> Result<Vec<Alert>, Failure> {
        let zone = self.zone(None)?.1;
        self.refresh_usage()?;
        Ok(self.watch(&zone)?.finish(&[]))
    }

    /// Marks every alert as seen. Returns the number of alerts that were not.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses.
    pub fn acknowledge_alerts(&mut self) -> Result<u64, Failure> {
        Ok(self.archive.acknowledge_alerts()?)
    }

    fn watch<'z>(&self, zone: &'z jiff::tz::TimeZone) -> Result<AlertWatch<'z>, Failure> {
        let prices = self.prices()?;
        let mut pricer = prices.pricer();
        let mut watch = AlertWatch::new(self.now(), zone, self.config.alerts.thresholds());
        self.archive
            .for_each_request(UsageFilter::default(), &mut |row| watch.add(row, &pricer.price(row)))?;
        Ok(watch)
    }
}
