//! Explains a figure of the cost report: its requests, their records in the logs, and the prices used.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::pricing::Charge;
use crate::store::{UsageFilter, device_of};
use crate::trace::{Confidence, SessionKey, Timestamp, Tokens};
use crate::usage::{
    CountedRow, Dimension, LineMatcher, NONE_KEY, PricedRow, RecordLocation, ReportRow, tool_part,
};

use crate::app::text::echo;
use crate::app::{App, Failure};

use super::price_sources::Prices;

/// Default number of requests in an explanation.
const DEFAULT_LIMIT: usize = 20;

/// Every dimension, in the order in which a key is searched. Ids come before names.
const DIMENSIONS_BY_PRECEDENCE: [Dimension; 14] = [
    Dimension::Total,
    Dimension::Session,
    Dimension::Day,
    Dimension::Month,
    Dimension::Week,
    Dimension::Block,
    Dimension::Model,
    Dimension::Agent,
    Dimension::Project,
    Dimension::Provider,
    Dimension::Subagent,
    Dimension::Skill,
    Dimension::Tool,
    Dimension::Device,
];

/// Selects the figure to explain.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainParams {
    /// The key of the row: a day, a model, a session and so on. The total by default.
    pub key: Option<String>,
    /// The dimension of the key. By default the key decides.
    pub by: Option<Dimension>,
    /// IANA time zone of days, weeks and months.
    pub timezone: Option<String>,
    /// Only requests at or after this instant.
    pub since: Option<Timestamp>,
    /// Only requests before this instant.
    pub until: Option<Timestamp>,
    /// Maximum number of requests.
    pub limit: Option<u64>,
}

/// The location of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordPlace {
    /// Path of the log.
    pub file: String,
    /// Byte offset of the record; the position of the row in a database.
    pub offset: u64,
    /// Whether the log no longer exists.
    pub gone: bool,
    /// The session that the record names.
    pub key: String,
}

/// A request that counts in the figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRequest {
    /// When the last record of the request was written.
    pub at: Timestamp,
    /// The session that the request is attributed to.
    pub key: String,
    /// Model id as it is in the log.
    pub model: String,
    /// The provider, if the log names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Tokens that count in the figure. For a tool this is the tool's part of the request.
    pub usage: Tokens,
    /// Pico-USD that count in the figure; absent if the price is unknown.
    pub cost_picousd: Option<i64>,
    /// The id of the price row, or the source of a reported cost.
    pub priced_by: String,
    /// The rule that found the price row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_by: Option<&'static str>,
    /// Cost of the entire request by kind, if the price table was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Charge>,
    /// Other terms of the price: fast mode, geography, service tier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<String>,
    pub confidence: Confidence,
    /// The id by which copies of the request are recognized.
    pub request: String,
    /// The location of the record whose figures count.
    pub place: RecordPlace,
    /// The locations of all records of the request; empty if there is only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<RecordPlace>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub by: Dimension,
    /// Time zone of the days.
    pub timezone: String,
    /// The row of the cost report.
    pub figure: ReportRow,
    /// Its requests, most expensive first.
    pub requests: Vec<ExplainedRequest>,
    /// Number of requests beyond the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_left_out: Option<u64>,
}

/// A request whose locations still have file ids instead of paths.
struct FoundRequest {
    request: ExplainedRequest,
    place: (i64, u64),
    copies: Vec<(i64, u64, String)>,
}

impl App {
    /// Explains a figure of the cost report.
    ///
    /// # Errors
    /// [`Failure`] if no report has a row with this key, and the errors of [`App::cost`].
    pub fn explain(&mut self, p: &ExplainParams) -> Result<Explanation, Failure> {
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let prices = self.prices()?;
        self.refresh_usage()?;
        let (by, figure) = self.figure(p, &zone, &prices)?;
        let (mut since, mut until) = (p.since, p.until);
        if let Some(b) = &figure.block {
            since = Some(since.map_or(b.start, |s| s.max(b.start)));
            until = Some(until.map_or(b.end, |u| u.min(b.end)));
        }
        let limit = p.limit.map_or(DEFAULT_LIMIT, |n| n as usize);
        let mut pricer = prices.pricer();
        let mut lines = LineMatcher::new(by, &zone);
        let (mut requests, mut count): (Vec<FoundRequest>, u64) = (Vec::new(), 0);
        let filter = UsageFilter { since, until, tools: by == Dimension::Tool, keys: true };
        // The ledger has the paths of projects.
        let key = figure.path.as_deref().unwrap_or(&figure.key);
        self.archive.for_each_request(filter, &mut |row| {
            if !lines.matches(row, key) {
                return;
            }
            let priced = pricer.price(row);
            if !priced.billable {
                return;
            }
            let tool = (by == Dimension::Tool).then_some(key);
            let found = explain_request(row, &priced, tool);
            if tool.is_some_and(|t| t != NONE_KEY) && found.request.usage.is_zero() {
                return;
            }
            count += 1;
            requests.push(found);
            // A total may have millions of requests. Memory must not grow with all of them if only a few are returned.
            if requests.len() > limit.saturating_mul(2).saturating_add(1000) {
                keep_most_expensive(&mut requests, limit);
            }
        })?;
        keep_most_expensive(&mut requests, limit);
        let listed = requests.len() as u64;
        Ok(Explanation {
            by,
            timezone,
            figure,
            requests: self.with_paths(requests)?,
            requests_left_out: count.checked_sub(listed).filter(|n| *n > 0),
        })
    }

    /// Finds the row of a cost report that a key identifies.
    fn figure(
        &self,
        p: &ExplainParams,
        zone: &TimeZone,
        prices: &Prices,
    ) -> Result<(Dimension, ReportRow), Failure> {
        let key = p.key.as_deref().unwrap_or("total");
        // A block as the tables print it: `2026-11-20 09:00–14:00`.
        let start = key.split_once('–').and_then(|(start, _)| start.parse::<jiff::civil::DateTime>().ok());
        let start = start.and_then(|start| start.to_zoned(zone.clone()).ok());
        let block = start.map(|at| Timestamp(at.timestamp().as_millisecond()).to_string());
        let session = block.is_none().then(|| self.counted_session(key)).flatten();
        let key = block.as_deref().or(session.as_deref()).unwrap_or(key);
        let dimensions = p.by.map_or(DIMENSIONS_BY_PRECEDENCE.to_vec(), |by| vec![by]);
        let range = UsageFilter { since: p.since, until: p.until, ..UsageFilter::default() };
        let reports = self.reports(&dimensions, range, zone, prices)?;
        for (by, mut report) in dimensions.into_iter().zip(reports) {
            let base = SessionKey::without_compaction_suffix(key);
            let suffix = &key[base.len()..];
            let matches = |r: &&ReportRow| {
                r.key == key
                    // The beginning of a session's key with the suffix of its compactions.
                    || by == Dimension::Session && !suffix.is_empty() && base.len() >= 6
                        && r.key.starts_with(base) && r.key.ends_with(suffix)
                    // A session is also found by its id or the beginning of it, a project by its last path components.
                    || by == Dimension::Session && key.len() >= 6
                        && r.key.split_once(':').is_some_and(|(_, id)| id.starts_with(key))
                    || by == Dimension::Session && key.len() >= 6 && r.key.starts_with(key)
                    || by == Dimension::Project
                        && (r.key.to_lowercase() == key.to_lowercase()
                            || r.path.as_deref().is_some_and(|path| {
                                path == key || path.strip_suffix(key).is_some_and(|parent| parent.ends_with('/'))
                            }))
            };
            if by == Dimension::Project {
                self.name_projects(&mut report)?;
            }
            let exact = report.rows.iter().find(|r| r.key == key);
            let found = report.rows.iter().filter(matches);
            let sessions: BTreeSet<&str> =
                found.map(|r| SessionKey::without_compaction_suffix(&r.key)).collect();
            if exact.is_none() && by == Dimension::Session && sessions.len() > 1 {
                let message = format!("{:?} matches {} sessions.", echo(key), sessions.len());
                return Err(
                    Failure::usage("ambiguous_session", message).hint("add more characters of the id")
                );
            }
            // A prefix matches a session and its compactions. It identifies the session.
            let is_compaction = |r: &&ReportRow| SessionKey::without_compaction_suffix(&r.key) != r.key;
            if let Some(row) = exact.or_else(|| report.rows.iter().filter(matches).min_by_key(is_compaction))
            {
                return Ok((by, row.clone()));
            }
        }
        Err(Failure::usage("no_such_figure", "No cost report has a row with this key.")
            .hint("list the keys with clawgate cost --by day (or model, session, project)"))
    }

    /// Returns the key under which a session is counted, if the text is a key as lists show it.
    fn counted_session(&self, shown: &str) -> Option<String> {
        let base = SessionKey::without_compaction_suffix(shown);
        // Without the agent, a text such as a date could be the beginning of an id by accident.
        let session = base.contains(':').then(|| self.resolve(base).ok()).flatten()?;
        Some(if base == shown { session.0 } else { session.compaction_key().0 })
    }

    fn with_paths(&self, requests: Vec<FoundRequest>) -> Result<Vec<ExplainedRequest>, Failure> {
        let ids: HashSet<i64> =
            requests.iter().flat_map(|h| h.copies.iter().map(|c| c.0).chain([h.place.0])).collect();
        let paths = self.archive.file_paths(&ids)?;
        Ok(requests
            .into_iter()
            .map(|h| {
                let mut request = h.request;
                let session = request.place.key.clone();
                request.place = record_place(&paths, h.place.0, h.place.1, session);
                request.copies =
                    h.copies.into_iter().map(|(f, offset, s)| record_place(&paths, f, offset, s)).collect();
                request
            })
            .collect())
    }
}

fn record_place(paths: &HashMap<i64, (String, bool)>, file: i64, offset: u64, key: String) -> RecordPlace {
    let (path, gone) = paths.get(&file).cloned().unwrap_or_default();
    let file = match device_of(&path) {
        Some(device) => format!("(imported from {device})"),
        None => path,
    };
    RecordPlace { file, offset, gone, key }
}

fn keep_most_expensive(requests: &mut Vec<FoundRequest>, limit: usize) {
    requests.sort_by(|a, b| {
        let rank = |h: &FoundRequest| {
            (
                std::cmp::Reverse(h.request.cost_picousd),
                std::cmp::Reverse(h.request.usage.total()),
                h.request.at,
            )
        };
        rank(a).cmp(&rank(b)).then_with(|| a.request.request.cmp(&b.request.request))
    });
    requests.truncate(limit);
}

fn explain_request(row: &CountedRow<'_>, priced: &PricedRow<'_>, tool: Option<&str>) -> FoundRequest {
    let (tokens, cost) = match tool {
        Some(tool) => {
            let (tokens, cost) = tool_part(row, priced, tool);
            (tokens, priced.picousd.map(|_| cost))
        }
        None => (row.request.tokens, priced.picousd),
    };
    let mut terms = Vec::new();
    terms.extend(row.request.fast.then(|| "fast mode".to_owned()));
    terms.extend(row.request.geo.map(|g| format!("geography {g}")));
    terms.extend(row.request.service_tier.map(|t| format!("service tier {t}")));
    let reported = priced.charge.is_none() && priced.picousd.is_some();
    let request = ExplainedRequest {
        at: row.request.at,
        key: row.session().to_owned(),
        model: row.request.model.to_owned(),
        provider: row.request.provider.map(str::to_owned),
        usage: tokens,
        cost_picousd: cost,
        priced_by: match (priced.price_row(), reported) {
            (_, true) => "the agent's own figure".to_owned(),
            (Some(row), _) => row.id.clone(),
            (None, _) => "no price".to_owned(),
        },
        found_by: priced.priced.filter(|_| !reported).map(|p| p.via.words()),
        parts: priced.charge,
        terms,
        confidence: priced.confidence,
        request: row.request.dedupe_key.to_owned(),
        place: RecordPlace {
            file: String::new(),
            offset: 0,
            gone: false,
            key: row.location.session.to_owned(),
        },
        copies: Vec::new(),
    };
    let at = |p: &RecordLocation<'_>| (p.file, p.offset, p.session.to_owned());
    FoundRequest {
        request,
        place: (row.location.file, row.location.offset),
        copies: row.copies.iter().map(at).collect(),
    }
}
