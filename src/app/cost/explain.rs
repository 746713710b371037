//! Takes a figure apart: to requests, where their records stand, and what each was priced by.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::pricing::Charge;
use crate::store::{Wanted, device_of};
use crate::trace::{Confidence, SessionKey, Timestamp, Tokens};
use crate::usage::{Costed, CountedRow, Dimension, Lines, NONE_KEY, Place, ReportRow, tool_part};

use crate::app::cost::CostParams;
use crate::app::{App, Failure};

/// Requests shown unless said otherwise.
const SHOWN: usize = 20;

/// Which figure.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainParams {
    /// The key of the line: a day, a model, a session, …; everything where not said.
    pub key: Option<String>,
    /// Dimension the key is of; found by the key where not said.
    pub by: Option<String>,
    /// IANA time zone of days, weeks and months.
    pub timezone: Option<String>,
    /// Only requests at or after this instant.
    pub since: Option<Timestamp>,
    /// Only requests before this instant.
    pub until: Option<Timestamp>,
    /// At most so many requests, the dearest first.
    pub limit: Option<u64>,
}

/// Where one record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordPlace {
    /// The log.
    pub file: String,
    /// Byte offset of the record; in a database the row's place.
    pub offset: u64,
    /// Whether the log is gone.
    pub gone: bool,
    /// Session of the record.
    pub session: String,
}

/// Cost by kind, pico-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Uncached input.
    pub input: i64,
    /// Output.
    pub output: i64,
    /// Cache reads.
    pub cache_read: i64,
    /// Five-minute cache writes.
    pub cache_write_5m: i64,
    /// One-hour cache writes.
    pub cache_write_1h: i64,
    /// Web searches.
    pub web_search: i64,
}

impl Parts {
    fn of(c: &Charge) -> Self {
        Parts {
            input: c.input,
            output: c.output,
            cache_read: c.cache_read,
            cache_write_5m: c.cache_write_5m,
            cache_write_1h: c.cache_write_1h,
            web_search: c.web_search,
        }
    }
}

/// One request of the figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRequest {
    /// When its last record was written.
    pub at: Timestamp,
    /// Session that owns it.
    pub session: String,
    /// Model id as the log has it.
    pub model: String,
    /// Provider, where the log names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Tokens that count in the figure: of a tool, its part.
    pub tokens: Tokens,
    /// Pico-USD that count in the figure; nothing where no price is known.
    pub cost_picousd: Option<i64>,
    /// The price row, or where the money comes from.
    pub priced_by: String,
    /// Why that row: which rule found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_by: Option<&'static str>,
    /// The whole request's cost by kind, where the table priced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// What bore on the price besides tokens: fast mode, geography, service tier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<String>,
    /// How far it can be trusted.
    pub confidence: Confidence,
    /// The key by which copies are known.
    pub key: String,
    /// The record whose figures count.
    pub place: RecordPlace,
    /// All records of the request, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<RecordPlace>,
}

/// A figure taken apart.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Dimension.
    pub by: String,
    /// Time zone of days.
    pub timezone: String,
    /// The figure, as `cost` gives it.
    pub figure: ReportRow,
    /// Its requests, the dearest first.
    pub requests: Vec<ExplainedRequest>,
    /// Requests beyond the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_left_out: Option<u64>,
}

/// A request on its way, its places still by file id.
struct Held {
    request: ExplainedRequest,
    place: (i64, u64),
    copies: Vec<(i64, u64, String)>,
}

impl App {
    /// Takes a figure of the cost report apart.
    ///
    /// # Errors
    /// [`Failure`] where no report has such a key, or as [`App::cost`].
    pub fn explain(&mut self, p: &ExplainParams) -> Result<Explanation, Failure> {
        let (by, figure, timezone) = self.figure(p)?;
        let zone = self.zone(p.timezone.as_deref())?.1;
        let (mut since, mut until) = (p.since, p.until);
        if let Some(b) = &figure.block {
            since = Some(since.map_or(b.start, |s| s.max(b.start)));
            until = Some(until.map_or(b.end, |u| u.min(b.end)));
        }
        let limit = p.limit.map_or(SHOWN, |n| n as usize);
        let prices = self.prices()?;
        let mut pricer = prices.pricer();
        let mut lines = Lines::new(by, &zone);
        let (mut held, mut count): (Vec<Held>, u64) = (Vec::new(), 0);
        let wanted = Wanted { since, until, tools: by == Dimension::Tool };
        let key = figure.key.as_str();
        self.archive.counted_with(wanted, &mut |row| {
            if !lines.holds(row, key) {
                return;
            }
            let costed = pricer.cost(row);
            if !costed.billable {
                return;
            }
            let tool = (by == Dimension::Tool).then_some(key);
            let found = hold(row, &costed, tool);
            if tool.is_some_and(|t| t != NONE_KEY) && found.request.tokens.is_zero() {
                return;
            }
            count += 1;
            held.push(found);
            // Millions of requests are not held to show twenty.
            if held.len() > limit.saturating_mul(2).saturating_add(1000) {
                dearest(&mut held, limit);
            }
        })?;
        dearest(&mut held, limit);
        let shown = held.len() as u64;
        Ok(Explanation {
            by: by.name().to_owned(),
            timezone,
            figure,
            requests: self.placed(held)?,
            requests_left_out: count.checked_sub(shown).filter(|n| *n > 0),
        })
    }

    /// The line of the cost report that a key means.
    fn figure(&mut self, p: &ExplainParams) -> Result<(Dimension, ReportRow, String), Failure> {
        let key = p.key.as_deref().unwrap_or("total");
        // A block as tables show it: `2026-11-20 09:00–14:00`.
        let begun = key.split_once('–').map(|(start, _)| format!("{}:00.000Z", start.replacen(' ', "T", 1)));
        let block = begun.and_then(|b| Timestamp::parse(&b)).map(|at| at.to_string());
        let key = block.as_deref().unwrap_or(key);
        let all: Vec<&str> = match &p.by {
            Some(by) => vec![by],
            // What reads like a key of several is of the first: ids are told before names.
            None => vec![
                "total", "session", "day", "month", "week", "block", "model", "agent", "project", "provider",
                "subagent", "skill", "tool", "device",
            ],
        };
        for by in all {
            let report = self.cost(&CostParams {
                by: Some(by.to_owned()),
                timezone: p.timezone.clone(),
                since: p.since,
                until: p.until,
                ..CostParams::default()
            })?;
            let dimension: Dimension = by.parse().map_err(|e: String| Failure::usage("bad_dimension", e))?;
            let rows = report.report.rows;
            let named = |r: &&ReportRow| {
                r.key == key
                    // A session's id alone, or its beginning; a project's last folder.
                    || dimension == Dimension::Session && key.len() >= 6
                        && r.key.split_once(':').is_some_and(|(_, id)| id.starts_with(key))
                    || dimension == Dimension::Session && key.len() >= 10 && r.key.starts_with(key)
                    || dimension == Dimension::Project && r.key.rsplit('/').next() == Some(key)
            };
            let exact = rows.iter().find(|r| r.key == key);
            // The beginning of a key means the session before its compactions.
            let beside = |r: &&ReportRow| SessionKey::without_compaction_suffix(&r.key) != r.key;
            if let Some(row) = exact.or_else(|| rows.iter().filter(named).min_by_key(beside)) {
                return Ok((dimension, row.clone(), report.timezone));
            }
        }
        Err(Failure::usage("no_such_figure", "No cost report has a line of that key.")
            .hint("clawgate cost --by day (or model, session, project, …) shows the keys"))
    }

    fn placed(&self, held: Vec<Held>) -> Result<Vec<ExplainedRequest>, Failure> {
        let ids: HashSet<i64> =
            held.iter().flat_map(|h| h.copies.iter().map(|c| c.0).chain([h.place.0])).collect();
        let paths = self.archive.file_paths(&ids)?;
        Ok(held
            .into_iter()
            .map(|h| {
                let mut request = h.request;
                let session = request.place.session.clone();
                request.place = place(&paths, h.place.0, h.place.1, session);
                request.copies =
                    h.copies.into_iter().map(|(f, offset, s)| place(&paths, f, offset, s)).collect();
                request
            })
            .collect())
    }
}

fn place(paths: &HashMap<i64, (String, bool)>, file: i64, offset: u64, session: String) -> RecordPlace {
    let (path, gone) = paths.get(&file).cloned().unwrap_or_default();
    let file = match device_of(&path) {
        Some(device) => format!("(imported from {device})"),
        None => path,
    };
    RecordPlace { file, offset, gone, session }
}

fn dearest(held: &mut Vec<Held>, limit: usize) {
    held.sort_by(|a, b| {
        let rank = |h: &Held| {
            (
                std::cmp::Reverse(h.request.cost_picousd),
                std::cmp::Reverse(h.request.tokens.total()),
                h.request.at,
            )
        };
        rank(a).cmp(&rank(b)).then_with(|| a.request.key.cmp(&b.request.key))
    });
    held.truncate(limit);
}

fn hold(row: &CountedRow<'_>, costed: &Costed<'_>, tool: Option<&str>) -> Held {
    let (tokens, cost) = match tool {
        Some(tool) => {
            let (tokens, cost) = tool_part(row, costed, tool);
            (tokens, costed.picousd.map(|_| cost))
        }
        None => (row.tokens, costed.picousd),
    };
    let mut terms = Vec::new();
    terms.extend(row.fast.then(|| "fast mode".to_owned()));
    terms.extend(row.geo.map(|g| format!("geography {g}")));
    terms.extend(row.service_tier.map(|t| format!("service tier {t}")));
    let reported = costed.charge.is_none() && costed.picousd.is_some();
    let request = ExplainedRequest {
        at: row.at,
        session: row.session.to_owned(),
        model: row.model.to_owned(),
        provider: row.provider.map(str::to_owned),
        tokens,
        cost_picousd: cost,
        priced_by: match (costed.price_row(), reported) {
            (_, true) => "the agent's own figure".to_owned(),
            (Some(row), _) => row.id.clone(),
            (None, _) => "no price".to_owned(),
        },
        found_by: costed.priced.filter(|_| !reported).map(|p| p.via.words()),
        parts: costed.charge.as_ref().map(Parts::of),
        terms,
        confidence: costed.confidence,
        key: row.key.to_owned(),
        place: RecordPlace {
            file: String::new(),
            offset: 0,
            gone: false,
            session: row.place.session.to_owned(),
        },
        copies: Vec::new(),
    };
    let at = |p: &Place<'_>| (p.file, p.offset, p.session.to_owned());
    Held { request, place: (row.place.file, row.place.offset), copies: row.copies.iter().map(at).collect() }
}
