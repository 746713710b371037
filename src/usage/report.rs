//! Sums over counted rows by any dimension; every partition sums to the same total.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trace::{Confidence, Timestamp, Tokens};

use super::block::{Block, Minutes};
use super::day::DayCache;
use super::pricer::{Costed, Pricer};
use super::row::CountedRow;
use super::split::by_tool;

/// The key of what belongs to no project, subagent, skill or tool.
pub const NONE_KEY: &str = "(none)";

/// The key of what this machine asked itself.
pub const HERE_KEY: &str = "(this machine)";

/// What rows are summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Everything in one row.
    Total,
    /// Agent id.
    Agent,
    /// Model id as the logs have it.
    Model,
    /// Project.
    Project,
    /// Session key.
    Session,
    /// Calendar day in the report's zone, `YYYY-MM-DD`.
    Day,
    /// ISO week in the report's zone, `YYYY-Www`.
    Week,
    /// Calendar month in the report's zone, `YYYY-MM`.
    Month,
    /// Tool whose results the prompt carries.
    Tool,
    /// Kind of subagent.
    Subagent,
    /// Skill.
    Skill,
    /// Provider, where the log names one.
    Provider,
    /// Five-hour block, by its beginning.
    Block,
    /// Machine.
    Device,
}

impl Dimension {
    /// Every dimension with its name, in the order of the documentation.
    pub const ALL: &[(&str, Dimension)] = &[
        ("total", Dimension::Total),
        ("agent", Dimension::Agent),
        ("model", Dimension::Model),
        ("project", Dimension::Project),
        ("session", Dimension::Session),
        ("day", Dimension::Day),
        ("week", Dimension::Week),
        ("month", Dimension::Month),
        ("tool", Dimension::Tool),
        ("subagent", Dimension::Subagent),
        ("skill", Dimension::Skill),
        ("provider", Dimension::Provider),
        ("block", Dimension::Block),
        ("device", Dimension::Device),
    ];

    /// The dimension's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, d)| *d == self).map_or("", |(n, _)| n)
    }

    /// Whether its lines follow one another in time.
    pub fn is_time(self) -> bool {
        matches!(self, Dimension::Day | Dimension::Week | Dimension::Month | Dimension::Block)
    }

    /// The key of a calendar day.
    fn key_of(self, day: Date) -> String {
        match self {
            Dimension::Week => {
                let week = day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Dimension::Month => format!("{:04}-{:02}", day.year(), day.month()),
            _ => day.to_string(),
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|(n, _)| *n == s).map(|(_, d)| *d).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(n, _)| *n).collect();
            format!("no dimension {s:?}; one of {}", names.join(", "))
        })
    }
}

/// One line of a report; the shape is a contract of `clawgate cost --json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportRow {
    /// What the line is about.
    pub key: String,
    /// Provider requests.
    pub requests: u64,
    /// Uncached input tokens.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Reasoning tokens, a part of `output`.
    pub reasoning: u64,
    /// Tokens read from cache.
    pub cache_read: u64,
    /// Tokens written to the five-minute cache.
    pub cache_write_5m: u64,
    /// Tokens written to the one-hour cache.
    pub cache_write_1h: u64,
    /// Web searches.
    pub web_search: u64,
    /// Cost of what has a price, pico-USD.
    pub cost_picousd: i64,
    /// Tokens of requests without a price; their cost is not in `cost_picousd`.
    pub unpriced_tokens: u64,
    /// The least confidence of any request in the line.
    pub confidence: Confidence,
    /// The five-hour block, where the report is by blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
}

impl ReportRow {
    /// All tokens of the line, saturating.
    pub fn total_tokens(&self) -> u64 {
        [self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h]
            .iter()
            .fold(self.input, |a, b| a.saturating_add(*b))
    }
}

/// A finished report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Lines: by key for days, weeks and months, else by falling cost.
    pub rows: Vec<ReportRow>,
    /// The sum of all lines; its key is `total`.
    pub total: ReportRow,
    /// Models without a price whose tokens were counted, most tokens first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<Unpriced>,
}

/// A model that has no price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpriced {
    /// Model id as the logs have it.
    pub model: String,
    /// Provider, where the log names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Requests.
    pub requests: u64,
    /// All tokens of them.
    pub tokens: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) requests: u64,
    pub(super) tokens: Tokens,
    pub(super) picousd: i128,
    unpriced: u64,
    confidence: Confidence,
}

impl Sum {
    pub(super) fn merge(&mut self, other: &Sum) {
        self.add(other.requests, &other.tokens, Some(0), other.confidence);
        self.picousd = self.picousd.saturating_add(other.picousd);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }

    pub(super) fn add(&mut self, requests: u64, t: &Tokens, picousd: Option<i64>, confidence: Confidence) {
        self.requests = self.requests.saturating_add(requests);
        self.tokens += *t;
        match picousd {
            Some(p) => self.picousd = self.picousd.saturating_add(p.into()),
            None => self.unpriced = self.unpriced.saturating_add(t.total()),
        }
        self.confidence = self.confidence.max(confidence);
    }

    fn into_row(self, key: String) -> ReportRow {
        let t = self.tokens;
        ReportRow {
            key,
            requests: self.requests,
            input: t.input,
            output: t.output,
            reasoning: t.reasoning,
            cache_read: t.cache_read,
            cache_write_5m: t.cache_write_5m,
            cache_write_1h: t.cache_write_1h,
            web_search: t.web_search,
            cost_picousd: i64::try_from(self.picousd).unwrap_or(if self.picousd < 0 {
                i64::MIN
            } else {
                i64::MAX
            }),
            unpriced_tokens: self.unpriced,
            confidence: self.confidence,
            block: None,
        }
    }
}

/// What a fold holds, to be kept and to go on with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Folded {
    sums: Vec<(String, Sum)>,
    total: Sum,
    unpriced: Vec<Unpriced>,
}

/// Folds rows into a report, one at a time, in memory of the number of its lines.
#[derive(Debug)]
pub struct Aggregator<'p> {
    by: Dimension,
    days: DayCache<'p>,
    pricer: Pricer<'p>,
    sums: Vec<(String, Sum)>,
    index: HashMap<String, usize>,
    by_day: HashMap<Date, usize>,
    /// The line of the row before: neighbours mostly share it.
    last: usize,
    total: Sum,
    minutes: Minutes,
    now: Option<Timestamp>,
    /// Provider, requests and tokens by model.
    unpriced: HashMap<String, Vec<Unpriced>>,
}

impl<'p> Aggregator<'p> {
    /// A fold by one dimension; the zone decides where days begin.
    pub fn new(by: Dimension, zone: &'p TimeZone, pricer: Pricer<'p>) -> Self {
        Aggregator {
            by,
            days: DayCache::new(zone),
            pricer,
            sums: Vec::new(),
            index: HashMap::new(),
            by_day: HashMap::new(),
            last: 0,
            total: Sum::default(),
            minutes: Minutes::default(),
            now: None,
            unpriced: HashMap::new(),
        }
    }

    /// Tells the present instant, by which the block that is running is known.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Prices and adds one row.
    pub fn add(&mut self, row: &CountedRow<'_>) {
        let costed = self.pricer.cost(row);
        self.add_costed(row, &costed);
    }

    /// Adds a row that is already priced, for several folds over one pass. What is no provider request is
    /// left out.
    pub fn add_costed(&mut self, row: &CountedRow<'_>, costed: &Costed<'_>) {
        if !costed.billable {
            return;
        }
        self.total.add(1, &row.tokens, costed.picousd, costed.confidence);
        if costed.picousd.is_none() && !row.tokens.is_zero() {
            self.note_unpriced(row.model, row.provider, 1, row.tokens.total());
        }
        let key = match self.by {
            Dimension::Total => "total",
            Dimension::Agent => row.agent,
            Dimension::Model => row.model,
            Dimension::Session => row.session,
            Dimension::Project => row.project.unwrap_or(NONE_KEY),
            Dimension::Subagent => row.subagent.unwrap_or(NONE_KEY),
            Dimension::Skill => row.skill.unwrap_or(NONE_KEY),
            Dimension::Provider => row.provider.unwrap_or(NONE_KEY),
            Dimension::Device => row.device.unwrap_or(HERE_KEY),
            Dimension::Block => {
                self.minutes.at(row.at).add(1, &row.tokens, costed.picousd, costed.confidence);
                return;
            }
            Dimension::Tool if row.tools.is_empty() => NONE_KEY,
            Dimension::Tool => {
                for part in by_tool(row, costed) {
                    let cost = costed.picousd.map(|_| part.picousd);
                    // What is divided by shares is an estimate.
                    let confidence = costed.confidence.max(Confidence::Estimated);
                    self.sum(part.tool.unwrap_or(NONE_KEY)).add(
                        part.requests,
                        &part.tokens,
                        cost,
                        confidence,
                    );
                }
                return;
            }
            Dimension::Day | Dimension::Week | Dimension::Month => {
                let day = self.days.day(row.at);
                let at = match self.by_day.get(&day) {
                    Some(at) => *at,
                    None => {
                        let at = self.slot(&self.by.key_of(day));
                        self.by_day.insert(day, at);
                        at
                    }
                };
                if let Some((_, sum)) = self.sums.get_mut(at) {
                    sum.add(1, &row.tokens, costed.picousd, costed.confidence);
                }
                return;
            }
        };
        self.sum(key).add(1, &row.tokens, costed.picousd, costed.confidence);
    }

    fn note_unpriced(&mut self, model: &str, provider: Option<&str>, requests: u64, tokens: u64) {
        let new =
            || Unpriced { model: model.to_owned(), provider: provider.map(str::to_owned), requests, tokens };
        match self.unpriced.get_mut(model) {
            Some(known) => match known.iter_mut().find(|u| u.provider.as_deref() == provider) {
                Some(u) => {
                    u.requests += requests;
                    u.tokens = u.tokens.saturating_add(tokens);
                }
                None => known.push(new()),
            },
            None => {
                self.unpriced.insert(model.to_owned(), vec![new()]);
            }
        }
    }

    /// What is held so far. `None` where it is no sum by lines (five-hour blocks, which depend on one another), or of
    /// more than so many lines.
    pub fn folded(&self, most: usize) -> Option<Folded> {
        (self.by != Dimension::Block && self.sums.len() <= most).then(|| Folded {
            sums: self.sums.clone(),
            total: self.total.clone(),
            unpriced: self.unpriced.values().flatten().cloned().collect(),
        })
    }

    /// The same of a fold that is over.
    pub fn into_folded(self) -> Folded {
        let unpriced = self.unpriced.into_values().flatten().collect();
        Folded { sums: self.sums, total: self.total, unpriced }
    }

    /// Adds what another fold by the same dimension held.
    pub fn absorb(&mut self, other: &Folded) {
        self.total.merge(&other.total);
        for (key, sum) in &other.sums {
            self.sum(key).merge(sum);
        }
        for u in &other.unpriced {
            self.note_unpriced(&u.model, u.provider.as_deref(), u.requests, u.tokens);
        }
    }

    fn slot(&mut self, key: &str) -> usize {
        if let Some(at) = self.index.get(key) {
            return *at;
        }
        let at = self.sums.len();
        self.sums.push((key.to_owned(), Sum::default()));
        self.index.insert(key.to_owned(), at);
        at
    }

    fn sum(&mut self, key: &str) -> &mut Sum {
        if self.sums.get(self.last).is_none_or(|(k, _)| k != key) {
            self.last = self.slot(key);
        }
        &mut self.sums[self.last].1
    }

    /// The report of what was added.
    pub fn finish(self) -> Report {
        // A million lines are held once, not three times.
        drop((self.index, self.by_day));
        let mut rows: Vec<_> = self.sums.into_iter().map(|(key, s)| s.into_row(key)).collect();
        rows.extend(
            self.minutes.finish(self.now).into_iter().map(|(block, sum)| ReportRow {
                block: Some(block),
                ..sum.into_row(block.start.to_string())
            }),
        );
        let mut unpriced: Vec<Unpriced> = self.unpriced.into_values().flatten().collect();
        unpriced.sort_by(|a, b| {
            (Reverse(a.tokens), &a.model, &a.provider).cmp(&(Reverse(b.tokens), &b.model, &b.provider))
        });
        if self.by.is_time() {
            rows.sort_by(|a, b| a.key.cmp(&b.key));
        } else {
            let rank = |r: &ReportRow| (Reverse(r.cost_picousd), Reverse(r.total_tokens()));
            rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key)));
        }
        Report { rows, total: self.total.into_row("total".to_owned()), unpriced }
    }
}

/// Tells whether a request stands in a line of a report, without making the report.
#[derive(Debug)]
pub struct Lines<'z> {
    by: Dimension,
    days: DayCache<'z>,
}

impl<'z> Lines<'z> {
    /// The lines of one dimension.
    pub fn new(by: Dimension, zone: &'z TimeZone) -> Self {
        Lines { by, days: DayCache::new(zone) }
    }

    /// Whether a row counts in the line of this key. A five-hour block is not known by one row: there every row is
    /// in, and the caller narrows the time.
    pub fn holds(&mut self, row: &CountedRow<'_>, key: &str) -> bool {
        match self.by {
            Dimension::Total | Dimension::Block => true,
            Dimension::Agent => row.agent == key,
            Dimension::Model => row.model == key,
            Dimension::Session => row.session == key,
            Dimension::Project => row.project.unwrap_or(NONE_KEY) == key,
            Dimension::Subagent => row.subagent.unwrap_or(NONE_KEY) == key,
            Dimension::Skill => row.skill.unwrap_or(NONE_KEY) == key,
            Dimension::Provider => row.provider.unwrap_or(NONE_KEY) == key,
            Dimension::Device => row.device.unwrap_or(HERE_KEY) == key,
            Dimension::Tool => key == NONE_KEY || row.tools.iter().any(|t| t.tool == key),
            Dimension::Day | Dimension::Week | Dimension::Month => {
                self.by.key_of(self.days.day(row.at)) == key
            }
        }
    }
}

/// Sums rows by one dimension; [`Aggregator`] is the same for rows that cannot be an iterator.
pub fn aggregate<'r, 'p>(
    rows: impl IntoIterator<Item = CountedRow<'r>>,
    by: Dimension,
    zone: &'p TimeZone,
    pricer: Pricer<'p>,
) -> Report {
    let mut fold = Aggregator::new(by, zone, pricer);
    for row in rows {
        fold.add(&row);
    }
    fold.finish()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
