//! Recomputes every figure of the cost reports in a second, independent way, and compares the results.
//!
//! The reports read only usage, store it in packed segments, find copies by hashes and add up rows in one pass. This
//! module reads every log completely, keeps all requests in maps, looks up the price of each one, and adds them up.
//! Both share the parsers of the records and the computation of a request's price, but no counting.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::pricing::{Lookup, Request, charge};
use crate::sources::{self, OwnTotal, ReadOptions, UsageRead};
use crate::store::{ProjectPaths, UsageFilter, device_of};
use crate::trace::{Confidence, SessionFacts, SessionKey, Timestamp, Tokens, UsageRow};
use crate::usage::{Dimension, HERE_KEY, NO_PROJECT, NONE_KEY, ReportRow};

use crate::app::cost::Prices;
use crate::app::scan::{ScanParams, find_logs};
use crate::app::{App, Failure};

/// Maximum number of differences that the report lists.
const MAX_LISTED_DIFFERENCES: usize = 50;

/// The dimensions whose rows are compared.
const DIMENSIONS: [Dimension; 13] = [
    Dimension::Total,
    Dimension::Agent,
    Dimension::Model,
    Dimension::Provider,
    Dimension::Project,
    Dimension::Session,
    Dimension::Day,
    Dimension::Week,
    Dimension::Month,
    Dimension::Subagent,
    Dimension::Skill,
    Dimension::Device,
    Dimension::Block,
];

/// The dimension of which only the sum is compared. A tool's part is derived from the growth of prompts, which this
/// module does not compute in a second way.
const SUMMED: Dimension = Dimension::Tool;

/// Maximum number of parents that are followed from a subagent.
const MAX_SUBAGENT_DEPTH: usize = 16;

const HOUR_MS: i64 = 3_600_000;

/// The compared figures of a row, in this order.
const FIGURES: [&str; 10] = [
    "requests",
    "input",
    "output",
    "reasoning",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "web_search",
    "cost_picousd",
    "unpriced_tokens",
];

/// The values of [`FIGURES`].
type Figures = [i128; 10];

/// A figure that differs from its recomputation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub by: Dimension,
    /// Key of the row.
    pub key: String,
    /// Name of the figure.
    pub figure: String,
    /// The value in the cost report.
    pub ledger: String,
    /// The value from the independent calculation.
    pub recomputed: String,
}

/// Usage that an agent's own total of a session contains and neither its log nor the ledger's compactions do. Examples
/// are requests for a title, and compactions whose usage cannot be separated from the total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnloggedUsage {
    pub key: String,
    pub model: String,
    pub usage: Tokens,
    /// Cost by the price table; absent if the price is unknown.
    pub cost_picousd: Option<i64>,
    /// Always `reported`, because the figure is the agent's and not the provider's.
    pub confidence: Confidence,
    /// A description of the usage.
    pub label: &'static str,
}

/// Result of a verification.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// Whether every figure is equal.
    pub same: bool,
    /// Number of compared figures.
    pub compared: u64,
    /// Number of figures that differ.
    pub different: u64,
    /// The first differences; a report has a limited number of them.
    pub differences: Vec<Difference>,
    /// Number of logs that were read.
    pub files: u64,
    /// Number of logs that could not be read. Their requests are taken from the ledger.
    pub unreadable: u64,
    /// Number of records in the logs, including copies.
    pub records: u64,
    /// Number of records that only the ledger has, because their logs were deleted or rewritten, or because they were
    /// imported from another machine.
    pub kept: u64,
    /// Number of counted requests.
    pub requests: u64,
    /// Number of the agents' own totals that are equal to the logs.
    pub own_totals_same: u64,
    /// Usage in the agents' own totals that the logs do not contain. No figure of `cost` includes it.
    pub beyond_logs: Vec<UnloggedUsage>,
    /// Time zone of the days.
    pub timezone: String,
}

struct Record {
    row: UsageRow,
    facts: SessionFacts,
    device: Option<String>,
}

/// All records, and what is needed to compare them with the agents' own totals.
struct CollectedRecords {
    records: Vec<Record>,
    own: Vec<OwnTotal>,
    /// Parent of each subagent's session.
    parents: HashMap<String, String>,
}

type Lines = BTreeMap<(usize, String), Figures>;

impl App {
    /// Recomputes all figures from the logs and compares them with the reports.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses or the caller interrupts. A difference is not a failure.
    pub fn verify_cost(&mut self, timezone: Option<&str>) -> Result<VerifyReport, Failure> {
        let (timezone, zone) = self.zone(timezone)?;
        self.refresh_usage()?;
        let mut report = VerifyReport {
            same: true,
            compared: 0,
            different: 0,
            differences: Vec::new(),
            files: 0,
            unreadable: 0,
            records: 0,
            kept: 0,
            requests: 0,
            own_totals_same: 0,
            beyond_logs: Vec::new(),
            timezone: timezone.clone(),
        };
        let records = self.collect_records(&mut report)?;
        let prices = self.prices()?;
        compare_own_totals(&records, &prices, &mut report);
        let records = records.records;
        let plain = plain_sums(&records, &prices, &self.archive.project_paths()?, &zone, &mut report);
        let mut dimensions = DIMENSIONS.to_vec();
        dimensions.push(SUMMED);
        let mut reports = self.reports(&dimensions, UsageFilter::default(), &zone, &prices)?;
        let tools = reports.pop().unwrap_or_default();
        for (i, (by, ledger)) in DIMENSIONS.iter().zip(reports).enumerate() {
            let mut rows: BTreeMap<String, Figures> =
                ledger.rows.iter().map(|row| (row.key.clone(), figures(row))).collect();
            for ((_, key), want) in plain.range((i, String::new())..(i + 1, String::new())) {
                compare(&mut report, *by, key, rows.remove(key).as_ref(), Some(want));
            }
            for (key, extra) in &rows {
                compare(&mut report, *by, key, Some(extra), None);
            }
        }
        if let Some(total) = plain.get(&(0, "total".to_owned())) {
            let mut sums = [0; 10];
            for row in &tools.rows {
                sums.iter_mut().zip(figures(row)).for_each(|(s, n): (&mut i128, _)| *s += n);
            }
            saturate(&mut sums);
            compare(&mut report, SUMMED, "all lines", Some(&sums), Some(total));
        }
        report.same = report.different == 0;
        Ok(report)
    }

    /// Collects the records of all existing logs and those that only the ledger has.
    fn collect_records(&self, report: &mut VerifyReport) -> Result<CollectedRecords, Failure> {
        let found = find_logs(&self.ctx.env, sources::REGISTRY, &ScanParams::default());
        let jobs = found.into_changed(&ScanParams::default(), &|_, _| false);
        let opts = ReadOptions {
            scratch: Some(self.dir().join("tmp")),
            known_dirs: self.archive.known_directories()?,
            zone: self.zone(None)?.1,
            data_projects: sources::data_projects(&self.ctx.env),
            ..ReadOptions::default()
        };
        let mut out: Vec<Record> = Vec::new();
        let (mut own, mut parents) = (Vec::new(), HashMap::new());
        let mut read: HashMap<String, HashSet<String>> = HashMap::new();
        for (n, job) in jobs.iter().enumerate() {
            self.ctx.check()?;
            self.ctx.progress.report("reading logs", n as u64, jobs.len() as u64);
            let mut keys = HashSet::new();
            let mut file_records = Vec::new();
            let outcome = job.source.read_each(&job.path, &opts, &mut |piece| {
                for s in &piece.sessions {
                    parents.extend(s.parent.as_ref().map(|p| (s.key.0.clone(), p.0.clone())));
                }
                let UsageRead { rows, facts, .. } = UsageRead::of(piece);
                for row in rows {
                    keys.insert(row.dedupe_key.clone());
                    let key = row.session.clone();
                    let facts = SessionFacts::find(&facts, &key).cloned();
                    let facts = facts.unwrap_or_else(|| SessionFacts { key, ..SessionFacts::default() });
                    file_records.push(Record { row, facts, device: None });
                }
            });
            if outcome.is_err() {
                report.unreadable += 1;
                continue;
            }
            own.extend(job.source.own_totals(&job.path, &opts).unwrap_or_default());
            report.files += 1;
            report.records += file_records.len() as u64;
            out.append(&mut file_records);
            read.insert(job.path.to_string_lossy().into_owned(), keys);
        }
        let sessions: HashSet<&str> = out.iter().map(|r| r.row.session.as_str()).collect();
        let forgotten = self.archive.usage_forgotten(&sessions)?;
        out.retain(|r| !forgotten.contains(r.row.session.as_str()));
        self.archive.for_each_record(&mut |path, row, facts| {
            if !read.get(path).is_some_and(|keys| keys.contains(&row.dedupe_key)) {
                report.kept += 1;
                out.push(Record { row, facts, device: device_of(path).map(str::to_owned) });
            }
            true
        })?;
        Ok(CollectedRecords { records: out, own, parents })
    }
}

/// Separates the requests of forked sessions that have the same position and size: each session has its own. Records that
/// may be copied belong to the earliest request.
fn separate_forks(copies: Vec<&Record>) -> Vec<Vec<&Record>> {
    if !copies.iter().all(|r| r.row.has_position_key()) {
        return vec![copies];
    }
    let (mut maybe_copied, own): (Vec<&Record>, Vec<&Record>) =
        copies.into_iter().partition(|r| r.row.copied);
    let mut by_session: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for r in own {
        by_session.entry(r.row.session.as_str()).or_default().push(r);
    }
    let first = by_session.values().flatten().min_by_key(|r| (r.row.at, &r.row.session));
    let Some(first) = first.map(|r| r.row.session.as_str()) else { return vec![maybe_copied] };
    maybe_copied.retain(|r| match by_session.get_mut(r.row.session.as_str()) {
        Some(records) => {
            records.push(r);
            false
        }
        None => true,
    });
    by_session.entry(first).or_default().append(&mut maybe_copied);
    by_session.into_values().collect()
}

/// Finds among the copies of a request the record of the session that owns it, and the record whose figures count.
fn resolve_records(mut copies: Vec<&Record>) -> Option<(&Record, &Record)> {
    let age = |t: Option<Timestamp>| t.map_or(i64::MAX, Timestamp::millis);
    copies.sort_by(|a, b| {
        let rank = |r: &&Record| (r.row.copied, age(r.facts.started), age(r.facts.ended));
        rank(a).cmp(&rank(b)).then_with(|| a.row.session.cmp(&b.row.session))
    });
    let owner = *copies.first()?;
    let most = copies.iter().map(|r| r.row.tokens.output).max()?;
    copies.retain(|r| r.row.tokens.output == most);
    let own: Vec<&Record> = copies.iter().copied().filter(|r| r.row.session == owner.row.session).collect();
    let figures = match own.is_empty() {
        // The last record of the owner, or else the earliest copy.
        false => own.into_iter().max_by_key(|r| (r.row.at, r.row.tokens.total()))?,
        true => copies.into_iter().min_by(|a, b| {
            let larger = b.row.tokens.total().cmp(&a.row.tokens.total());
            (a.row.at, &a.row.session).cmp(&(b.row.at, &b.row.session)).then(larger)
        })?,
    };
    Some((owner, figures))
}

/// Compares the agents' own totals of sessions with the requests in the logs of the sessions and their subagents.
fn compare_own_totals(all: &CollectedRecords, prices: &Prices, report: &mut VerifyReport) {
    let asked: HashSet<&str> = all.own.iter().map(|o| o.session.as_str()).collect();
    // (session, model) → request → tokens
    let mut logged: HashMap<(&str, &str), HashMap<&str, Tokens>> = HashMap::new();
    for r in &all.records {
        let mut session = SessionKey::without_compaction_suffix(r.row.session.as_str());
        // The limit ends a cycle of parents.
        for _ in 0..MAX_SUBAGENT_DEPTH {
            if let Some(session) = asked.get(session) {
                let requests = logged.entry((session, r.row.model.as_str())).or_default();
                let known = requests.entry(r.row.dedupe_key.as_str()).or_default();
                if r.row.tokens.output >= known.output {
                    *known = r.row.tokens;
                }
            }
            match all.parents.get(session) {
                Some(parent) => session = parent,
                None => break,
            }
        }
    }
    for own in &all.own {
        let mut rest = kinds(&own.tokens);
        for t in logged.get(&(own.session.as_str(), own.model.as_str())).into_iter().flat_map(HashMap::values)
        {
            for (n, logged) in rest.iter_mut().zip(kinds(t)) {
                *n -= logged;
            }
        }
        if rest.iter().all(|n| *n == 0) {
            report.own_totals_same += 1;
        } else if rest.iter().all(|n| *n >= 0) {
            let n = rest.map(|n| u64::try_from(n).unwrap_or(u64::MAX));
            let [input, output, cache_read, write_5m, write_1h, web_search] = n;
            let tokens = Tokens::from([input, output, 0, cache_read, write_5m, write_1h, web_search]);
            let at = Timestamp(i64::MAX);
            let found = prices.table().resolve(&own.model, None, None, prices.overrides()).at(at);
            let cost = match found {
                Lookup::Priced(p) => Some(charge(p.row, &Request { tokens, ..Request::default() }).total()),
                _ => None,
            };
            report.beyond_logs.push(UnloggedUsage {
                key: own.session.as_str().to_owned(),
                model: own.model.clone(),
                usage: tokens,
                cost_picousd: cost,
                confidence: Confidence::Reported,
                label: "requests without a record",
            });
        }
        // If the total is smaller than the log, the agent has reset it, and nothing can be compared.
    }
}

fn kinds(t: &Tokens) -> [i128; 6] {
    [t.input, t.output, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.web_search].map(i128::from)
}

fn plain_sums(
    records: &[Record],
    prices: &Prices,
    projects: &ProjectPaths,
    zone: &TimeZone,
    report: &mut VerifyReport,
) -> Lines {
    let mut requests: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for r in records {
        requests.entry(&r.row.dedupe_key).or_default().push(r);
    }
    let (mut lines, mut times) = (Lines::new(), Vec::new());
    let requests = requests.into_values().flat_map(separate_forks);
    for (owner, figures) in requests.filter_map(resolve_records) {
        let row = &figures.row;
        let t = &row.tokens;
        let project = owner.facts.project.as_deref().map(|recorded| projects.project_of(recorded));
        let found = prices
            .table()
            .resolve(&row.model, row.provider.as_deref(), project, prices.overrides())
            .at(row.at);
        let cost = match (found, row.reported_picousd.filter(|n| *n > 0)) {
            (Lookup::NonBillable, _) => continue,
            (_, Some(reported)) => Some(reported),
            (Lookup::Priced(p), None) => {
                let request = Request {
                    tokens: *t,
                    fast: row.fast,
                    geo: row.geo.as_deref(),
                    service_tier: row.service_tier.as_deref(),
                    largest_prompt: None,
                };
                Some(charge(p.row, &request).total())
            }
            (Lookup::Unpriced, None) => None,
        };
        report.requests += 1;
        let unpriced = if cost.is_none() { t.total() } else { 0 };
        let counts = [
            1,
            t.input,
            t.output,
            t.reasoning,
            t.cache_read,
            t.cache_write_5m,
            t.cache_write_1h,
            t.web_search,
        ]
        .map(i128::from);
        let [a, b, c, d, e, f, g, h] = counts;
        let counts = [a, b, c, d, e, f, g, h, i128::from(cost.unwrap_or_default()), i128::from(unpriced)];
        times.push((row.at.millis(), counts));
        let day = row.at.to_jiff().to_zoned(zone.clone()).date();
        let week = day.iso_week_date();
        let none = |t: Option<&str>| t.unwrap_or(NONE_KEY).to_owned();
        let keys = [
            "total".to_owned(),
            owner.row.session.agent().to_owned(),
            row.model.clone(),
            none(row.provider.as_deref()),
            project.unwrap_or(NO_PROJECT).to_owned(),
            owner.row.session.as_str().to_owned(),
            day.to_string(),
            format!("{:04}-W{:02}", week.year(), week.week()),
            format!("{:04}-{:02}", day.year(), day.month()),
            none(owner.row.subagent.as_deref()),
            none(owner.row.skill.as_deref()),
            owner.device.as_deref().unwrap_or(HERE_KEY).to_owned(),
        ];
        for (i, key) in keys.into_iter().enumerate() {
            let line = lines.entry((i, key)).or_default();
            line.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
        }
    }
    blocks(times, &mut lines);
    lines.values_mut().for_each(saturate);
    lines
}

/// Adds up blocks of five hours. A block starts at the full hour of the first request after the previous block.
fn blocks(mut times: Vec<(i64, Figures)>, lines: &mut Lines) {
    let Some(index) = DIMENSIONS.iter().position(|d| *d == Dimension::Block) else { return };
    times.sort_by_key(|(at, _)| *at);
    let mut start: Option<i64> = None;
    for (at, counts) in times {
        let begun = start.filter(|s| at < s.saturating_add(5 * HOUR_MS));
        let begin = begun.unwrap_or_else(|| at.div_euclid(HOUR_MS).saturating_mul(HOUR_MS));
        start = Some(begin);
        let line = lines.entry((index, Timestamp(begin).to_string())).or_default();
        line.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
    }
}

/// Limits the figures to 64 bits, as the reports do.
fn saturate(line: &mut Figures) {
    for (i, n) in line.iter_mut().enumerate() {
        let most = if i == 8 { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
        *n = (*n).min(most);
    }
}

fn figures(r: &ReportRow) -> Figures {
    let [a, b, c, d, e, f, g] = r.tokens.counts().map(i128::from);
    [r.requests.into(), a, b, c, d, e, f, g, r.cost_picousd.into(), r.unpriced_tokens.into()]
}

fn compare(
    report: &mut VerifyReport,
    by: Dimension,
    key: &str,
    ledger: Option<&Figures>,
    plain: Option<&Figures>,
) {
    for (i, figure) in FIGURES.iter().enumerate() {
        report.compared += 1;
        let (a, b) = (ledger.map(|l| l[i]), plain.map(|l| l[i]));
        if a == b {
            continue;
        }
        report.different += 1;
        if report.differences.len() < MAX_LISTED_DIFFERENCES {
            let text = |n: Option<i128>| n.map_or("no such row".to_owned(), |n| n.to_string());
            report.differences.push(Difference {
                by,
                key: key.to_owned(),
                figure: (*figure).to_owned(),
                ledger: text(a),
                recomputed: text(b),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(session: &str, copied: bool, output: u64) -> Record {
        let row = UsageRow {
            session: SessionKey::new("claude", session),
            copied,
            tokens: Tokens { output, ..Tokens::default() },
            ..UsageRow::default()
        };
        Record { row, facts: SessionFacts::default(), device: None }
    }

    #[test]
    fn a_request_belongs_to_the_session_that_wrote_it_and_counts_its_most_complete_copy() {
        let (own, copy) = (record("a", false, 1), record("b", true, 5));
        let (owner, figures) = resolve_records(vec![&copy, &own]).unwrap();
        assert_eq!((owner.row.session.native(), figures.row.tokens.output), ("a", 5));
        assert!(resolve_records(Vec::new()).is_none());
    }

    #[test]
    fn a_block_starts_at_a_full_hour_and_lasts_five_hours() {
        let at = |minutes: i64| (minutes * 60_000, [1; 10]);
        let mut lines = Lines::new();
        blocks(vec![at(365), at(30), at(299)], &mut lines);
        assert_eq!(lines.values().map(|l| l[0]).collect::<Vec<_>>(), [2, 1]);
    }
}
