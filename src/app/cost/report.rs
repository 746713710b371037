//! Cost: every number comes from the one ledger.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::Wanted;
use crate::trace::{SessionKey, Timestamp, Tokens};
use crate::usage::{Aggregator, CountedRow, DayCache, Dimension, Folded, Pricer, Report};

use crate::app::cost::anomalies::{OlderDays, Standing, Watch};
use crate::app::cost::price_sources::Prices;
use crate::app::cost::rollup::{Active, Parts};
use crate::app::{App, Failure};

/// Anomalies beside a report are those of the last days.
const WATCHED_DAYS: u16 = 7;

/// What to add up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CostParams {
    /// Dimension (default total).
    #[schemars(with = "Option<Dimension>")]
    pub by: Option<String>,
    /// IANA zone (default UTC).
    pub timezone: Option<String>,
    /// Requests at or after this time.
    pub since: Option<Timestamp>,
    /// Requests before this time.
    #[schemars(skip)]
    pub until: Option<Timestamp>,
    /// Maximum number of rows; the latest ones if the dimension is a time.
    pub limit: Option<u64>,
    /// Adds the current alerts and anomalies.
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

/// Today at a glance, with the names ClawTrace's engine gave them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Today {
    /// The day, in the configuration's zone.
    pub date: String,
    /// Its cost.
    pub total_cost_picousd: i64,
    /// All its tokens.
    pub total_tokens: u64,
    /// Sessions with requests in it.
    pub session_count: u64,
    /// Requests in it.
    pub message_count: u64,
    /// Logs that stand.
    pub file_count: u64,
    /// Requests of all time.
    pub total_messages: u64,
}

/// A sum of more lines is not kept: reading them back would take what is saved.
const KEPT_LINES: usize = 2_000;

/// A report in two parts, and what stands beside it.
struct ReportFold<'p> {
    pricer: Pricer<'p>,
    recent: Aggregator<'p>,
    older: Aggregator<'p>,
    kept: Option<Folded>,
    watch: Option<(Watch<'p>, Active)>,
}

impl<'p> ReportFold<'p> {
    fn new(app: &App, by: Dimension, zone: &'p TimeZone, prices: &'p Prices, watch: bool) -> Self {
        let part = || Aggregator::new(by, zone, prices.pricer());
        ReportFold {
            pricer: prices.pricer(),
            recent: part(),
            older: part(),
            kept: None,
            watch: watch.then(|| (Watch::new(app, zone), Active::of(app.now()))),
        }
    }

    fn finish(mut self, app: &App, timezone: &str) -> (Report, Option<Standing>) {
        let whole = match &self.kept {
            Some(older) => {
                self.recent.absorb(older);
                self.recent
            }
            // Of a million lines most are older ones: they are not copied.
            None => {
                self.older.absorb(&self.recent.into_folded());
                self.older
            }
        };
        let standing = self.watch.map(|(watch, _)| watch.finish(app, timezone.to_owned(), WATCHED_DAYS));
        (whole.finish(), standing)
    }
}

impl Parts for ReportFold<'_> {
    type Older = (Folded, Option<OlderDays>);

    fn add(&mut self, row: &CountedRow<'_>, recent: bool) {
        let costed = self.pricer.cost(row);
        let part = if recent { &mut self.recent } else { &mut self.older };
        part.add_costed(row, &costed);
        if let Some((watch, active)) = &mut self.watch {
            watch.add(row, &costed, recent);
            active.add(row);
        }
    }

    fn older(&mut self) -> Option<(Folded, Option<OlderDays>)> {
        let watched = match &mut self.watch {
            Some((watch, _)) => Some(watch.older()?.clone()),
            None => None,
        };
        Some((self.older.folded(KEPT_LINES)?, watched))
    }

    fn set_older(&mut self, (report, watched): (Folded, Option<OlderDays>)) {
        self.kept = Some(report);
        if let (Some((watch, _)), Some(watched)) = (&mut self.watch, watched) {
            watch.set_older(watched);
        }
    }

    fn is_whole(&self, whole: &HashSet<String>) -> bool {
        self.watch.as_ref().is_none_or(|(_, active)| active.all_in(whole))
    }
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
            let tools = dimension == Dimension::Tool;
            if (p.since, p.until) == (None, None) && dimension != Dimension::Block {
                let new = || ReportFold::new(app, dimension, &zone, &prices, p.watch);
                let hour = p.watch.then(|| Watch::hour(app.now(), &zone));
                let what = format!("cost {by} {timezone} {hour:?}");
                let fold = app.in_parts(&what, &prices, &app.lately(None, tools), new)?;
                return Ok(fold.finish(app, &timezone));
            }
            let mut fold = Aggregator::new(dimension, &zone, prices.pricer()).at(app.now());
            let wanted = Wanted { since: p.since, until: p.until, tools };
            if !p.watch {
                app.archive.counted_with(wanted, &mut |row| fold.add(row))?;
                return Ok((fold.finish(), None));
            }
            let (mut pricer, mut watch) = (prices.pricer(), Watch::new(app, &zone));
            app.archive.counted_with(Wanted { since: None, until: None, ..wanted }, &mut |row| {
                let costed = pricer.cost(row);
                watch.add(row, &costed, true);
                if wanted.holds(row.at) {
                    fold.add_costed(row, &costed);
                }
            })?;
            Ok((fold.finish(), Some(watch.finish(app, timezone.clone(), WATCHED_DAYS))))
        })?;
        let limit = p.limit.map_or(usize::MAX, |n| n as usize);
        let rows_left_out = report.rows.len().checked_sub(limit).filter(|n| *n > 0).map(|n| n as u64);
        if dimension.is_time() {
            // The latest are wanted.
            report.rows.drain(..report.rows.len().saturating_sub(limit));
        }
        report.rows.truncate(limit);
        Ok(CostReport { by: by.to_owned(), timezone, report, rows_left_out, standing })
    }

    /// What today and everything came to, from the ledger as it stands: no log is looked at.
    ///
    /// # Errors
    /// As [`App::cost`].
    pub fn today(&self) -> Result<Today, Failure> {
        let zone = self.zone(None)?.1;
        let date = zone.to_datetime(self.now().to_jiff()).date();
        let prices = self.prices()?;
        let (mut pricer, mut days) = (prices.pricer(), DayCache::new(&zone));
        let mut sessions = HashSet::new();
        let mut out = Today {
            date: date.to_string(),
            total_cost_picousd: 0,
            total_tokens: 0,
            session_count: 0,
            message_count: 0,
            file_count: self.archive.files()?.values().filter(|f| !f.gone).count() as u64,
            total_messages: 0,
        };
        self.archive.counted(None, None, &mut |row| {
            let costed = pricer.cost(row);
            if !costed.billable {
                return;
            }
            out.total_messages += 1;
            if days.day(row.at) == date {
                out.message_count += 1;
                out.total_tokens = out.total_tokens.saturating_add(row.tokens.total());
                let cost = costed.picousd.unwrap_or_default();
                out.total_cost_picousd = out.total_cost_picousd.saturating_add(cost);
                let session = SessionKey::without_compaction_suffix(row.session);
                if !sessions.contains(session) {
                    sessions.insert(session.to_owned());
                }
            }
        })?;
        out.session_count = sessions.len() as u64;
        Ok(out)
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
