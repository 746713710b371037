//! Cost: every number comes from the one ledger.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::store::Wanted;
use crate::trace::{Timestamp, Tokens};
use crate::usage::{Aggregator, Dimension, Report};

use super::cost_anomalies::{Standing, Watch};
use super::{App, Failure};

/// Anomalies beside a report are those of the last days.
const WATCHED_DAYS: u16 = 7;

/// What to add up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostParams {
    /// Dimension; `total` unless said otherwise.
    pub by: Option<String>,
    /// IANA time zone; UTC unless said otherwise.
    pub timezone: Option<String>,
    /// Only requests at or after this instant.
    pub since: Option<Timestamp>,
    /// Only requests before this instant.
    pub until: Option<Timestamp>,
    /// At most so many rows; all unless said otherwise.
    pub limit: Option<u64>,
    /// With the alerts and anomalies that stand.
    #[serde(skip)]
    pub watch: bool,
}

/// Rows and their total.
#[derive(Debug, Clone, Serialize)]
pub struct CostReport {
    /// Dimension.
    pub by: String,
    /// Time zone of the days.
    pub timezone: String,
    /// Rows and total; money in pico-USD.
    #[serde(flatten)]
    pub report: Report,
    /// Rows left out by `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_left_out: Option<u64>,
    /// Alerts and anomalies that stand now, where they were asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

impl App {
    /// Adds the ledger up along a dimension.
    ///
    /// # Errors
    /// [`Failure`] where the dimension or time zone is unknown or the archive refuses.
    pub fn cost(&mut self, p: &CostParams) -> Result<CostReport, Failure> {
        let by = p.by.as_deref().unwrap_or("total");
        let dimension: Dimension = by.parse().map_err(|e: String| Failure::usage("bad_dimension", e))?;
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let prices = self.prices()?;
        let (mut report, standing) = self.with_fresh_usage(|app| {
            let mut fold = Aggregator::new(dimension, &zone, prices.pricer()).at(app.now());
            let wanted = Wanted { since: p.since, until: p.until, tools: dimension == Dimension::Tool };
            if !p.watch {
                app.archive.counted_with(wanted, &mut |row| fold.add(row))?;
                return Ok((fold.finish(), None));
            }
            let (mut pricer, mut watch) = (prices.pricer(), Watch::new(app, &zone));
            app.archive.counted_with(Wanted { since: None, until: None, ..wanted }, &mut |row| {
                let costed = pricer.cost(row);
                watch.add(row, &costed);
                if wanted.holds(row.at) {
                    fold.add_costed(row, &costed);
                }
            })?;
            Ok((fold.finish(), Some(watch.finish(app, timezone.clone(), WATCHED_DAYS))))
        })?;
        let limit = p.limit.map_or(usize::MAX, |n| n as usize);
        let rows_left_out = report.rows.len().checked_sub(limit).filter(|n| *n > 0).map(|n| n as u64);
        report.rows.truncate(limit);
        Ok(CostReport { by: by.to_owned(), timezone, report, rows_left_out, standing })
    }

    /// A time zone by name: the one asked for, else the configuration's, else UTC.
    ///
    /// # Errors
    /// [`Failure`] for what is no IANA name.
    pub fn zone(&self, asked: Option<&str>) -> Result<(String, TimeZone), Failure> {
        let name = asked.or(self.config.cost.timezone.as_deref()).unwrap_or("UTC");
        // Looking a zone up reads the system's list of zones.
        let zone = match name {
            "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| {
                Failure::usage("bad_timezone", "The time zone is not an IANA name such as Europe/Berlin.")
            })?,
        };
        Ok((name.to_owned(), zone))
    }

    /// Tokens and cost of the requests that sessions own, by key; sessions without any are left out.
    pub(crate) fn usage_of(&self, keys: &[&str]) -> Result<HashMap<String, (Tokens, i64)>, Failure> {
        let (prices, zone) = (self.prices()?, TimeZone::UTC);
        let mut fold = Aggregator::new(Dimension::Session, &zone, prices.pricer());
        self.archive.usage_of_sessions(&keys.iter().copied().collect(), &mut |row| fold.add(row))?;
        let rows = fold.finish().rows.into_iter().map(|r| {
            let tokens = Tokens {
                input: r.input,
                output: r.output,
                reasoning: r.reasoning,
                cache_read: r.cache_read,
                cache_write_5m: r.cache_write_5m,
                cache_write_1h: r.cache_write_1h,
                web_search: r.web_search,
            };
            (r.key, (tokens, r.cost_picousd))
        });
        Ok(rows.collect())
    }
}
