//! Alerts: what passed a threshold now, each raised once a window.

use crate::store::UsageFilter;
use crate::usage::{Alert, AlertWatch};

use crate::app::{App, Failure};

impl App {
    /// The alerts that are newly due, remembered in the archive so that each comes once a window. Whoever calls this
    /// delivers them.
    ///
    /// # Errors
    /// [`Failure`] where the configuration's zone or prices do not read or the archive refuses.
    pub fn alerts(&mut self) -> Result<Vec<Alert>, Failure> {
        let (now, zone) = (self.now(), self.zone(None)?.1);
        self.refresh_usage()?;
        let watch = self.watch(&zone)?;
        Ok(self.archive.raise_alerts(now, |past| watch.finish(past))?)
    }

    /// Everything that is above its threshold now, raised before or not; nothing is remembered.
    ///
    /// # Errors
    /// As [`App::alerts`].
    pub fn alerts_standing(&mut self) -> Result<Vec<Alert>, Failure> {
        let zone = self.zone(None)?.1;
        self.refresh_usage()?;
        Ok(self.watch(&zone)?.finish(&[]))
    }

    /// Marks every alert as seen; returns how many were not.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
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
