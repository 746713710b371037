//! Recomputes every figure by a second path, and compares.
//!
//! The first path reads usage alone, packs it, finds copies by hashes and folds rows as they come. This one reads
//! every log whole with its conversations, holds all requests in plain maps, asks the price table for each, and adds
//! up. They share the readers' grammar of a record and the price of a request; nothing of the counting.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::pricing::{Lookup, Request, charge};
use crate::sources::{self, OwnTotal, ReadOptions, UsageRead};
use crate::store::{UsageFilter, device_of};
use crate::trace::{Confidence, SessionFacts, SessionKey, Timestamp, Tokens, UsageRow};
use crate::usage::{Dimension, HERE_KEY, NONE_KEY, ReportRow};

use crate::app::cost::Prices;
use crate::app::scan::{ScanParams, ScanPlan, find_logs};
use crate::app::{App, Failure};

/// Differences that are named; more are counted.
const NAMED: usize = 50;

/// What is compared.
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

/// What a tool's results take up is told by the growth of prompts, which has no second path: its lines are added up.
const SUMMED: Dimension = Dimension::Tool;

const HOUR_MS: i64 = 3_600_000;

/// The figures of a line, in this order.
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

/// A figure that two paths give differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub by: Dimension,
    /// Line.
    pub key: String,
    /// Figure.
    pub figure: String,
    /// What `cost` gives.
    pub ledger: String,
    /// What the second path gives.
    pub recomputed: String,
}

/// What an agent counted of a session beyond the requests in its log and the compactions that stand in the ledger: calls
/// for a title, and compactions that no total tells apart from the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// Session.
    pub session: String,
    /// Model.
    pub model: String,
    /// Tokens by kind.
    pub tokens: Tokens,
    /// What they cost by the table; nothing where no price is known.
    pub cost_picousd: Option<i64>,
    /// Always reported: the agent's figure, not the provider's.
    pub confidence: Confidence,
    /// What it is.
    pub label: &'static str,
}

/// The outcome.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// Whether every figure is the same.
    pub same: bool,
    /// Figures compared.
    pub compared: u64,
    /// Figures that differ.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Logs read whole.
    pub files: u64,
    /// Logs that could not be read; their requests are taken from the ledger.
    pub unreadable: u64,
    /// Records of requests in them, copies included.
    pub records: u64,
    /// Records that only the ledger has: their logs are gone or were rewritten, or another machine sent them.
    pub kept: u64,
    /// Requests counted.
    pub requests: u64,
    /// Sessions of which the agent keeps a total of its own that is the same.
    pub own_totals_same: u64,
    /// What the agent's own total holds beyond the requests in its log; not in any figure of `cost`.
    pub beyond_logs: Vec<Beyond>,
    /// Time zone of the days.
    pub timezone: String,
}

struct Record {
    row: UsageRow,
    facts: SessionFacts,
    device: Option<String>,
}

/// Everything that was read.
struct Records {
    records: Vec<Record>,
    own: Vec<OwnTotal>,
    /// Session → the one that started it.
    parents: HashMap<String, String>,
}

type Lines = BTreeMap<(usize, String), Figures>;

impl App {
    /// Recomputes everything from the logs and compares.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses or the caller interrupts; a difference is no failure.
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
        let records = self.records(&mut report)?;
        let prices = self.prices()?;
        beyond(&records, &prices, &mut report);
        let records = records.records;
        let plain = plain_sums(&records, &prices, &zone, &mut report);
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

    /// Every record: of the logs that stand, and what only the ledger has.
    fn records(&self, report: &mut VerifyReport) -> Result<Records, Failure> {
        let found = find_logs(&self.ctx.env, sources::REGISTRY, &ScanParams::default());
        let ScanPlan { to_read: jobs, .. } = found.plan(&ScanParams::default(), &|_, _| false);
        let opts = ReadOptions {
            scratch: Some(self.dir().join("tmp")),
            known_dirs: self.archive.project_paths()?,
            ..ReadOptions::default()
        };
        let mut out: Vec<Record> = Vec::new();
        let (mut own, mut parents) = (Vec::new(), HashMap::new());
        let mut read: HashMap<String, HashSet<String>> = HashMap::new();
        for (n, job) in jobs.iter().enumerate() {
            self.ctx.check()?;
            self.ctx.progress.report("reading logs whole", n as u64, jobs.len() as u64);
            let mut keys = HashSet::new();
            let mut held = Vec::new();
            let outcome = job.source.read_each(&job.path, &opts, &mut |piece| {
                for s in &piece.sessions {
                    parents.extend(s.parent.as_ref().map(|p| (s.key.0.clone(), p.0.clone())));
                }
                let UsageRead { rows, facts } = UsageRead::of(piece);
                for row in rows {
                    keys.insert(row.dedupe_key.clone());
                    let key = row.session.clone();
                    let facts = SessionFacts::find(&facts, &key).cloned();
                    let facts = facts.unwrap_or_else(|| SessionFacts { key, ..SessionFacts::default() });
                    held.push(Record { row, facts, device: None });
                }
            });
            if outcome.is_err() {
                report.unreadable += 1;
                continue;
            }
            own.extend(job.source.own_totals(&job.path, &opts).unwrap_or_default());
            report.files += 1;
            report.records += held.len() as u64;
            out.append(&mut held);
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
        Ok(Records { records: out, own, parents })
    }
}

/// One request out of its copies: who owns it and whose figures count, by sorting.
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
        // The owner's last record, else the earliest of the copies.
        false => own.into_iter().max_by_key(|r| (r.row.at, r.row.tokens.total()))?,
        true => copies.into_iter().min_by(|a, b| {
            let larger = b.row.tokens.total().cmp(&a.row.tokens.total());
            (a.row.at, &a.row.session).cmp(&(b.row.at, &b.row.session)).then(larger)
        })?,
    };
    Some((owner, figures))
}

/// Compares agents' own totals of sessions with the requests in their logs and in those of their subagents.
fn beyond(all: &Records, prices: &Prices, report: &mut VerifyReport) {
    let asked: HashSet<&str> = all.own.iter().map(|o| o.session.as_str()).collect();
    // (session asked for, model) → request → tokens
    let mut logged: HashMap<(&str, &str), HashMap<&str, Tokens>> = HashMap::new();
    for r in &all.records {
        let mut session = SessionKey::without_compaction_suffix(r.row.session.as_str());
        // A chain of parents that does not end is cut.
        for _ in 0..16 {
            if let Some(session) = asked.get(session) {
                let held = logged.entry((session, r.row.model.as_str())).or_default();
                let known = held.entry(r.row.dedupe_key.as_str()).or_default();
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
            report.beyond_logs.push(Beyond {
                session: own.session.as_str().to_owned(),
                model: own.model.clone(),
                tokens,
                cost_picousd: cost,
                confidence: Confidence::Reported,
                label: "requests without a record",
            });
        }
        // Less than the log holds: the agent began its total anew, which says nothing.
    }
}

fn kinds(t: &Tokens) -> [i128; 6] {
    [t.input, t.output, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.web_search].map(i128::from)
}

fn plain_sums(records: &[Record], prices: &Prices, zone: &TimeZone, report: &mut VerifyReport) -> Lines {
    let mut requests: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for r in records {
        requests.entry(&r.row.dedupe_key).or_default().push(r);
    }
    let (mut lines, mut times) = (Lines::new(), Vec::new());
    for (owner, figures) in requests.into_values().filter_map(resolve_records) {
        let row = &figures.row;
        let t = &row.tokens;
        let project = owner.facts.project.as_deref();
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
            none(project),
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

/// Five-hour blocks: each begins with the hour of the first request after the one before.
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

/// Figures are held as far as sixty-four bits go.
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
        if report.differences.len() < NAMED {
            let text = |n: Option<i128>| n.map_or("no such line".to_owned(), |n| n.to_string());
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
