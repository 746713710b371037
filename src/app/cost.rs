//! Cost: every number comes from the one ledger.

use serde::{Deserialize, Serialize};

use crate::pricing::PriceTable;
use crate::trace::{Timestamp, Tokens};
use crate::usage::{Dimension, Report, aggregate};

use super::{App, Failure};

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
}

impl App {
    /// Adds the ledger up along a dimension.
    ///
    /// # Errors
    /// [`Failure`] where the dimension or time zone is unknown or the archive refuses.
    pub fn cost(&mut self, p: &CostParams) -> Result<CostReport, Failure> {
        let by = p.by.as_deref().unwrap_or("total");
        let dimension = Dimension::parse(by).ok_or_else(|| {
            let known: Vec<&str> = Dimension::ALL.iter().map(|d| d.as_str()).collect();
            Failure::usage("bad_dimension", format!("`by` is one of {}.", known.join(", ")))
        })?;
        let timezone = p.timezone.clone().unwrap_or_else(|| "UTC".to_owned());
        let zone = jiff::tz::TimeZone::get(&timezone).map_err(|_| {
            Failure::usage("bad_timezone", "The time zone is not an IANA name such as Europe/Berlin.")
        })?;
        if self.archive.meta("last_scan")?.is_none() {
            self.scan(&super::ScanParams::default())?;
        }
        let mut rows = Vec::new();
        self.archive.counted(p.since, p.until, &mut |row| rows.push(row))?;
        let mut report = aggregate(&rows, dimension, &zone, PriceTable::builtin()?);
        let limit = p.limit.map_or(usize::MAX, |n| n as usize);
        let rows_left_out = report.rows.len().checked_sub(limit).filter(|n| *n > 0).map(|n| n as u64);
        report.rows.truncate(limit);
        Ok(CostReport { by: by.to_owned(), timezone, report, rows_left_out })
    }

    /// Tokens and cost of the requests a session owns.
    pub(crate) fn usage_of(&self, key: &str, prices: &PriceTable) -> Result<(Tokens, i64), Failure> {
        let rows = self.archive.session_usage(key)?;
        let total = aggregate(&rows, Dimension::Total, &jiff::tz::TimeZone::UTC, prices).total;
        let tokens = Tokens {
            input: total.input,
            output: total.output,
            reasoning: total.reasoning,
            cache_read: total.cache_read,
            cache_write_5m: total.cache_write_5m,
            cache_write_1h: total.cache_write_1h,
            web_search: total.web_search,
        };
        Ok((tokens, total.cost_picousd))
    }
}
