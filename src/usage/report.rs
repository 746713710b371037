//! Sums of counted rows by any dimension. Every partition sums to the same total.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::trace::{Confidence, Timestamp, Tokens};

use super::block::{Block, BlockSums};
use super::day::DayCache;
use super::dimension::{Dimension, HERE_KEY, NO_PROJECT, NONE_KEY};
use super::pricer::{PricedRow, Pricer};
use super::row::CountedRow;
use super::split::split_by_tool;
use super::sum::UsageSum;

/// One line of a report; the shape is a contract of `clawgate cost --json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportRow {
    /// The day, model, session and so on that the line sums.
    pub key: String,
    /// The path of the project, if the report is by projects and `key` is the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub requests: u64,
    #[serde(flatten)]
    pub tokens: Tokens,
    /// Cost of the requests that have a price, in pico-USD.
    pub cost_picousd: i64,
    /// Tokens of requests without a price; their cost is not in `cost_picousd`.
    pub unpriced_tokens: u64,
    /// The lowest confidence of any request in the line.
    pub confidence: Confidence,
    /// The five-hour block, if the report is by blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
}

impl ReportRow {
    fn of(key: String, sum: &UsageSum) -> Self {
        ReportRow {
            key,
            path: None,
            requests: sum.requests,
            tokens: sum.tokens,
            cost_picousd: sum.picousd_clamped(),
            unpriced_tokens: sum.unpriced_tokens,
            confidence: sum.confidence(),
            block: None,
        }
    }
}

/// Rows and their total.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Sorted by key for days, weeks, months and blocks, else by falling cost.
    pub rows: Vec<ReportRow>,
    /// The sum of all lines; its key is `total`.
    pub total: ReportRow,
    /// Models without a known price, those with the most tokens first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<UnpricedModel>,
}

/// A model without a known price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpricedModel {
    /// The model id as the logs have it.
    pub model: String,
    /// The provider, if the log names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub requests: u64,
    pub tokens: u64,
}

/// Adds rows up to a report, one at a time. Its memory grows with the lines of the report, not with the rows.
#[derive(Debug)]
pub struct Aggregator<'p> {
    by: Dimension,
    days: DayCache<'p>,
    pricer: Pricer<'p>,
    sums: Vec<(String, UsageSum)>,
    index: HashMap<String, usize>,
    by_day: HashMap<Date, usize>,
    last_day: Option<(Date, usize)>,
    /// The line of the previous row: consecutive rows mostly share it.
    last: usize,
    total: UsageSum,
    minutes: BlockSums,
    now: Option<Timestamp>,
    /// By model, one entry for each provider.
    unpriced: HashMap<String, Vec<UnpricedModel>>,
}

impl<'p> Aggregator<'p> {
    /// Makes an empty report by one dimension. The zone decides where days begin.
    pub fn new(by: Dimension, zone: &'p TimeZone, pricer: Pricer<'p>) -> Self {
        Aggregator {
            by,
            days: DayCache::new(zone),
            pricer,
            sums: Vec::new(),
            index: HashMap::new(),
            by_day: HashMap::new(),
            last_day: None,
            last: 0,
            total: UsageSum::default(),
            minutes: BlockSums::default(),
            now: None,
            unpriced: HashMap::new(),
        }
    }

    /// Sets the present instant, which decides which block is active.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Returns the dimension of the report.
    pub fn dimension(&self) -> Dimension {
        self.by
    }

    /// Prices and adds one row.
    pub fn add(&mut self, row: &CountedRow<'_>) {
        let priced = self.pricer.price(row);
        self.add_priced(row, &priced);
    }

    /// Adds a row that is already priced, for several reports from one pass. Rows that are not provider requests are left
    /// out.
    pub fn add_priced(&mut self, row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        if !priced.billable {
            return;
        }
        let request = row.request;
        let sum = UsageSum::of(row, priced);
        self.total.add(&sum);
        if priced.picousd.is_none() && !request.tokens.is_zero() {
            self.add_unpriced(row);
        }
        let key = match self.by {
            // The line is the total.
            Dimension::Total => return,
            Dimension::Agent => row.agent(),
            Dimension::Model => request.model,
            Dimension::Session => row.session(),
            Dimension::Project => row.project.unwrap_or(NO_PROJECT),
            Dimension::Subagent => request.subagent.unwrap_or(NONE_KEY),
            Dimension::Skill => request.skill.unwrap_or(NONE_KEY),
            Dimension::Provider => request.provider.unwrap_or(NONE_KEY),
            Dimension::Device => row.device.unwrap_or(HERE_KEY),
            Dimension::Block => return self.minutes.add(request.at, &sum),
            Dimension::Tool if row.tools.is_empty() => NONE_KEY,
            Dimension::Tool => {
                for part in split_by_tool(row, priced) {
                    let cost = priced.picousd.map(|_| part.picousd);
                    // A division by shares is an estimate.
                    let confidence = priced.confidence.max(Confidence::Estimated);
                    let sum = UsageSum::of_part(part.requests, part.tokens, cost, confidence);
                    self.line(part.tool.unwrap_or(NONE_KEY)).add(&sum);
                }
                return;
            }
            Dimension::Day | Dimension::Week | Dimension::Month => {
                let day = self.days.day(request.at);
                let at = match self.last_day {
                    Some((last, at)) if last == day => at,
                    _ => self.line_of_day(day),
                };
                if let Some((_, line)) = self.sums.get_mut(at) {
                    line.add(&sum);
                }
                return;
            }
        };
        self.line(key).add(&sum);
    }

    fn add_unpriced(&mut self, row: &CountedRow<'_>) {
        let (model, provider, requests) = (row.request.model, row.request.provider, row.requests());
        let tokens = row.request.tokens.total();
        if !self.unpriced.contains_key(model) {
            self.unpriced.insert(model.to_owned(), Vec::new());
        }
        let Some(known) = self.unpriced.get_mut(model) else { return };
        match known.iter_mut().find(|u| u.provider.as_deref() == provider) {
            Some(u) => {
                u.requests = u.requests.saturating_add(requests);
                u.tokens = u.tokens.saturating_add(tokens);
            }
            None => {
                let provider = provider.map(str::to_owned);
                known.push(UnpricedModel { model: model.to_owned(), provider, requests, tokens });
            }
        }
    }

    fn line_of_day(&mut self, day: Date) -> usize {
        let known = self.by_day.get(&day).copied();
        let at = known.unwrap_or_else(|| self.line_index(&self.by.key_of(day)));
        self.by_day.insert(day, at);
        self.last_day = Some((day, at));
        at
    }

    fn line_index(&mut self, key: &str) -> usize {
        if let Some(at) = self.index.get(key) {
            return *at;
        }
        let at = self.sums.len();
        self.sums.push((key.to_owned(), UsageSum::default()));
        self.index.insert(key.to_owned(), at);
        at
    }

    fn line(&mut self, key: &str) -> &mut UsageSum {
        if self.sums.get(self.last).is_none_or(|(k, _)| k != key) {
            self.last = self.line_index(key);
        }
        &mut self.sums[self.last].1
    }

    pub fn finish(self) -> Report {
        // A report of a million lines must not be in memory three times.
        drop((self.index, self.by_day));
        let total = ReportRow::of("total".to_owned(), &self.total);
        let mut rows: Vec<_> = self.sums.into_iter().map(|(key, sum)| ReportRow::of(key, &sum)).collect();
        rows.extend(self.minutes.finish(self.now).into_iter().map(|(block, sum)| ReportRow {
            block: Some(block),
            ..ReportRow::of(block.start.to_string(), &sum)
        }));
        if self.by == Dimension::Total && total.requests > 0 {
            rows.push(total.clone());
        }
        let mut unpriced: Vec<UnpricedModel> = self.unpriced.into_values().flatten().collect();
        unpriced.sort_by(|a, b| {
            (Reverse(a.tokens), &a.model, &a.provider).cmp(&(Reverse(b.tokens), &b.model, &b.provider))
        });
        if self.by.is_time() {
            rows.sort_by(|a, b| a.key.cmp(&b.key));
        } else {
            let rank = |r: &ReportRow| (Reverse(r.cost_picousd), Reverse(r.tokens.total()));
            rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key)));
        }
        Report { rows, total, unpriced }
    }
}

/// Sums rows by one dimension. [`Aggregator`] does the same for rows that are not in an iterator.
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
