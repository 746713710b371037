//! Pre-aggregated requests: one row per session, model and quarter of an hour, detailed enough for most reports.
//!
//! Requests are summed if they have the same session, directory, machine, model, provider, subagent, skill and confidence, begin
//! in the same quarter of an hour, and have the same rates, whatever the price table: their prompts are between the same two
//! thresholds. A quarter of an hour lies in one local day and hour. Recent requests, and those whose price has
//! a multiplier, are not summed. So every figure is the same as without the rollup, to the last digit.
//!
//! The rollup is made by the first report that finds nothing new, and is
//! void as soon as a segment changes.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::params;

use crate::pricing::{PICO_PER_USD, Request};
use crate::store::archive::BUSY_TIMEOUT;
use crate::store::{Archive, StoreError};
use crate::trace::{PromptChain, SessionFacts, SessionKey, Timestamp, UsageRow};
use crate::usage::{CountedRow, RecordLocation, RequestSum, quarter_of};

use super::codec::{
    Damage, Fields, SegmentEntry, SegmentReader, corrupt, get, get_text, pack, put, put_text,
};
use super::generation::generation;
use super::read::{SegmentSelection, UsageFilter, blob};

/// Raise this number when other requests are summed, when copies are resolved differently or when the packing changes.
const ROLLUP_VERSION: u64 = 1;

/// Requests that are younger when the rollup is made are not summed, because alerts look at the last 60 minutes and at the
/// present day.
const RECENT_MS: i64 = 48 * 60 * 60 * 1000;

/// Larger requests and costs are not summed, so that no sum exceeds its type where the parts do not.
const MAX_SUMMED_TOKENS: u64 = 100_000_000;
const MAX_SUMMED_PICOUSD: i64 = 1_000 * PICO_PER_USD;

/// Returns what a rollup was made with: it is current only for the same version and thresholds.
fn made_with(thresholds: &[u64]) -> Vec<u8> {
    std::iter::once(&ROLLUP_VERSION).chain(thresholds).flat_map(|n| n.to_le_bytes()).collect()
}

/// Returns the cost that the agent reported; 0 if it reported none that counts.
fn reported_picousd(row: &CountedRow<'_>) -> i64 {
    row.request.reported_picousd.unwrap_or_default().max(0)
}

/// One row of the rollup.
struct RollupRow {
    row: UsageRow,
    project: Option<String>,
    device: Option<String>,
    sum: RequestSum,
}

/// Sums requests in the order in which the ledger gives them.
struct RollupBuilder<'t> {
    thresholds: &'t [u64],
    recent_since: Timestamp,
    sums: Vec<RollupRow>,
    /// The place in `sums`, by everything that the requests of a sum have in common.
    index: HashMap<String, usize>,
}

impl RollupBuilder<'_> {
    /// Returns what a request must have in common with the others of its sum; `None` if it is not summed.
    fn key(&self, row: &CountedRow<'_>) -> Option<String> {
        let r = row.request;
        let reported = reported_picousd(row);
        let priced = Request { fast: r.fast, geo: r.geo, service_tier: r.service_tier, ..Request::default() };
        let is_large = r.tokens.total() > MAX_SUMMED_TOKENS || reported > MAX_SUMMED_PICOUSD;
        if priced.may_have_multiplier() || is_large || r.at >= self.recent_since {
            return None;
        }
        let quarter = quarter_of(r.at)?;
        let band = self.thresholds.partition_point(|above| *above < r.tokens.prompt());
        let texts = [
            Some(r.session.0),
            row.project,
            row.device,
            Some(r.model),
            r.provider,
            r.geo,
            r.subagent,
            r.skill,
        ];
        // A report counts requests without a price only if they have tokens.
        let kind = (reported > 0, r.tokens.is_zero(), r.confidence);
        Some(format!("{quarter} {band} {kind:?} {texts:?}"))
    }

    fn add(&mut self, row: &CountedRow<'_>) {
        let request = row.request;
        let prompt = request.tokens.prompt();
        let key = self.key(row);
        if let Some(entry) =
            key.as_ref().and_then(|key| self.index.get(key)).and_then(|at| self.sums.get_mut(*at))
        {
            entry.row.at = entry.row.at.min(request.at);
            entry.row.tokens += request.tokens;
            if let Some(picousd) = &mut entry.row.reported_picousd {
                *picousd = picousd.saturating_add(reported_picousd(row));
            }
            entry.sum.requests += 1;
            entry.sum.largest_prompt = entry.sum.largest_prompt.max(prompt);
            return;
        }
        if let Some(key) = key {
            self.index.insert(key, self.sums.len());
        }
        let row_of_sum = UsageRow {
            dedupe_key: "",
            chain: PromptChain::Detached,
            tool_tokens: Vec::new(),
            offset: 0,
            copied: false,
            reported_picousd: Some(reported_picousd(row)).filter(|cost| *cost > 0),
            ..request.clone()
        };
        self.sums.push(RollupRow {
            row: row_of_sum.map_text(|text| (*text).to_owned()),
            project: row.project.map(str::to_owned),
            device: row.device.map(str::to_owned),
            sum: RequestSum { requests: 1, largest_prompt: prompt },
        });
    }

    /// Returns the packed rows, and what a segment does not have: the machines, and the requests, the prompt and the machine of
    /// each row.
    fn pack(&self) -> (Vec<u8>, Vec<u8>) {
        let entries: Vec<SegmentEntry<'_>> = self
            .sums
            .iter()
            .map(|entry| {
                let row = entry.row.map_text(String::as_str);
                let project = entry.project.as_deref();
                let facts =
                    SessionFacts { key: SessionKey(row.session.0), project, ..SessionFacts::default() };
                SegmentEntry { row, facts }
            })
            .collect();
        let mut devices: Vec<&str> = self.sums.iter().filter_map(|entry| entry.device.as_deref()).collect();
        devices.sort_unstable();
        devices.dedup();
        let mut out = Vec::new();
        put(&mut out, devices.len() as u64);
        devices.iter().for_each(|device| put_text(&mut out, device));
        for entry in &self.sums {
            let device = entry.device.as_deref().and_then(|device| devices.binary_search(&device).ok());
            put(&mut out, entry.sum.requests);
            put(&mut out, entry.sum.largest_prompt);
            put(&mut out, device.map_or(0, |at| at as u64 + 1));
        }
        (pack(&entries).0, out)
    }
}

/// Reads what [`RollupBuilder::pack`] adds to the packed rows.
struct SumReader<'a> {
    rest: &'a [u8],
    devices: Vec<&'a str>,
}

impl<'a> SumReader<'a> {
    fn open(mut rest: &'a [u8]) -> Result<Self, Damage> {
        let count = get(&mut rest)?;
        let devices = (0..count).map(|_| get_text(&mut rest)).collect::<Result<_, _>>()?;
        Ok(SumReader { rest, devices })
    }

    /// Returns the requests and the machine of the next row.
    fn next(&mut self) -> Result<(RequestSum, Option<&'a str>), Damage> {
        let r = &mut self.rest;
        let of = RequestSum { requests: get(r)?, largest_prompt: get(r)? };
        let device = match get(r)?.checked_sub(1) {
            None => None,
            Some(at) => Some(*self.devices.get(at as usize).ok_or("no such machine")?),
        };
        Ok((of, device))
    }
}

impl Archive {
    /// Makes the rollup if the stored one is not current. `thresholds` are the prompt sizes at which prices change, in rising
    /// order.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or a segment cannot be read back.
    pub fn update_rollup(&self, now: Timestamp, thresholds: &[u64]) -> Result<(), StoreError> {
        if self.has_current_rollup(now, thresholds)? {
            return Ok(());
        }
        let snapshot = self.snapshot()?;
        let generation = generation(&self.conn)?;
        let mut builder = RollupBuilder {
            thresholds,
            recent_since: Timestamp(now.millis().saturating_sub(RECENT_MS)),
            sums: Vec::new(),
            index: HashMap::new(),
        };
        self.for_each_request_in(&SegmentSelection::All, Fields::FIGURES, false, &mut |row| {
            builder.add(row)
        })?;
        drop(snapshot);
        let (body, sums) = builder.pack();
        // If another process has changed the ledger since, the generation shows it.
        // The report does not need the rollup, so it does not wait for other processes, and a full disk is not an error.
        self.set_busy_timeout(Duration::ZERO)?;
        let _ = self.conn.execute(
            "INSERT OR REPLACE INTO rollup(id, generation, made_at, made_with, body, sums)
             VALUES(1, ?1, ?2, ?3, ?4, ?5)",
            params![generation, now.millis(), made_with(thresholds), body, sums],
        );
        self.set_busy_timeout(BUSY_TIMEOUT)
    }

    fn has_current_rollup(&self, now: Timestamp, thresholds: &[u64]) -> Result<bool, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT 1 FROM rollup WHERE generation = ?1 AND made_at <= ?2 AND made_with = ?3",
        )?;
        Ok(q.exists(params![generation(&self.conn)?, now.millis(), made_with(thresholds)])?)
    }

    /// Calls `each` with every row of the rollup whose time is in the range. Returns false, without a call, if there is no current
    /// rollup. Both ends of the range must be the beginning of a quarter of an hour.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or the rollup cannot be read back.
    pub fn for_each_sum(
        &self,
        range: UsageFilter,
        now: Timestamp,
        thresholds: &[u64],
        each: &mut dyn FnMut(&CountedRow<'_>),
    ) -> Result<bool, StoreError> {
        let _snapshot = if self.conn.is_autocommit() { Some(self.snapshot()?) } else { None };
        if !self.has_current_rollup(now, thresholds)? {
            return Ok(false);
        }
        let projects = self.project_paths()?;
        let mut q = self.conn.prepare_cached("SELECT body, sums FROM rollup")?;
        let mut rows = q.query([])?;
        let Some(r) = rows.next()? else { return Ok(false) };
        let mut reader = SegmentReader::open(blob(r, 0)?, Fields::FIGURES)?.with_projects(&projects);
        let mut sums = SumReader::open(blob(r, 1)?).map_err(corrupt)?;
        let mut entry = SegmentEntry::default();
        while reader.read(&mut entry)? {
            let (of, device) = sums.next().map_err(corrupt)?;
            if !range.contains(entry.row.at) {
                continue;
            }
            each(&CountedRow {
                request: &entry.row,
                sum: Some(of),
                project: entry.facts.project,
                device,
                tools: &[],
                location: RecordLocation { session: entry.row.session.0, ..RecordLocation::default() },
                copies: &[],
            });
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::super::{put as put_rows, remove_rollup};
    use super::*;
    use crate::pricing::{Overrides, PriceTable};
    use crate::trace::{Confidence, Tokens};
    use crate::usage::{Aggregator, Dimension, Pricer, Report};

    const START: i64 = 1_789_999_200_000;
    const NOW: Timestamp = Timestamp(START + 200 * 60 * 60 * 1000);

    fn write(archive: &Archive, file: i64, facts: &[SessionFacts], rows: &[UsageRow]) {
        let path = if file == 3 { "device:laptop:/3".to_owned() } else { format!("/{file}") };
        archive
            .conn
            .execute(
                "INSERT OR IGNORE INTO files(id, path, agent, inode, size, mtime_ns, reader)
                 VALUES(?1, ?2, 'claude', 0, 1, 1, 1)",
                params![file, path],
            )
            .unwrap();
        put_rows(&archive.conn, file, facts, rows, None).unwrap();
    }

    fn row(n: usize, (minutes, key, kind, input): (i64, u8, u8, u64)) -> UsageRow {
        UsageRow {
            dedupe_key: format!("claude:{key}"),
            session: SessionKey::new("claude", &format!("s{}", kind % 3)),
            at: Timestamp(START + minutes * 60_000),
            model: ["claude-sonnet-4-5", "gpt-5.5", "house-llm", "<synthetic>"][usize::from(kind) % 4]
                .to_owned(),
            provider: kind.is_multiple_of(5).then(|| "openai".to_owned()),
            tokens: match kind % 13 {
                0 => Tokens::default(),
                1 => Tokens {
                    output: 7,
                    reasoning: 3,
                    cache_write_1h: input,
                    web_search: 1,
                    ..Tokens::default()
                },
                _ => Tokens { input, output: 7, cache_read: u64::from(key), ..Tokens::default() },
            },
            geo: [None, Some("us"), Some("global")][usize::from(kind) % 3]
                .filter(|_| kind.is_multiple_of(2))
                .map(str::to_owned),
            service_tier: kind.is_multiple_of(17).then(|| "flex".to_owned()),
            skill: kind.is_multiple_of(3).then(|| "review".to_owned()),
            reported_picousd: kind.is_multiple_of(7).then_some(i64::from(key) - 3),
            fast: kind.is_multiple_of(11),
            confidence: if kind.is_multiple_of(6) { Confidence::Estimated } else { Confidence::Exact },
            subagent: kind.is_multiple_of(4).then(|| "Explore".to_owned()),
            offset: n as u64 + 1,
            ..UsageRow::default()
        }
    }

    const DIMENSIONS: [Dimension; 12] = [
        Dimension::Week,
        Dimension::Skill,
        Dimension::Total,
        Dimension::Agent,
        Dimension::Model,
        Dimension::Project,
        Dimension::Session,
        Dimension::Day,
        Dimension::Month,
        Dimension::Subagent,
        Dimension::Provider,
        Dimension::Device,
    ];

    fn reports(zone: &TimeZone, read: impl Fn(&mut dyn FnMut(&CountedRow<'_>))) -> Vec<Report> {
        let none = Overrides::default();
        let pricer = Pricer::new(PriceTable::builtin(), &none);
        let mut reports = DIMENSIONS.map(|by| Aggregator::new(by, zone, pricer.clone()));
        read(&mut |row| reports.iter_mut().for_each(|report| report.add(row)));
        reports.into_iter().map(Aggregator::finish).collect()
    }

    proptest! {
        #![proptest_config(crate::testing::cases(128))]

        #[test]
        fn sums_give_the_same_reports_as_requests(
            files in prop::collection::vec(
                prop::collection::vec((0i64..12_000, 0u8..200, 0u8..=255, prop_oneof![0u64..50, 199_000u64..201_000, 271_990u64..272_010]), 0..40),
                3,
            ),
            since in 0i64..800,
        ) {
            let archive = Archive::in_memory().unwrap();
            for (file, records) in (1..).zip(&files) {
                let rows: Vec<UsageRow> = records.iter().enumerate().map(|(n, r)| row(n, *r)).collect();
                let facts = SessionFacts {
                    key: SessionKey::new("claude", "s1"),
                    project: Some(format!("/src/p{file}")),
                    ..SessionFacts::default()
                };
                write(&archive, file, &[facts], &rows);
            }
            let thresholds = PriceTable::builtin().context_thresholds();
            archive.update_rollup(NOW, &thresholds).unwrap();
            let since = Timestamp((START / 900_000 + since) * 900_000);
            for zone in ["Europe/Berlin", "Asia/Kathmandu"].map(|zone| TimeZone::get(zone).unwrap()) {
                for filter in [UsageFilter::default(), UsageFilter { since: Some(since), ..UsageFilter::default() }] {
                    let sums = reports(&zone, |each| {
                        assert!(archive.for_each_sum(filter, NOW, &thresholds, each).unwrap());
                    });
                    prop_assert_eq!(sums, reports(&zone, |each| archive.for_each_request(filter, each).unwrap()));
                }
            }
        }
    }

    /// Returns the requests of each row of the rollup; `None` if there is no current one.
    fn sums(archive: &Archive, now: Timestamp, thresholds: &[u64]) -> Option<Vec<u64>> {
        let mut found = Vec::new();
        let each = &mut |row: &CountedRow<'_>| found.push(row.requests());
        archive.for_each_sum(UsageFilter::default(), now, thresholds, each).unwrap().then_some(found)
    }

    #[test]
    fn requests_of_a_quarter_of_an_hour_are_summed_unless_they_are_recent() {
        let archive = Archive::in_memory().unwrap();
        let rows = [
            (0, 1, 1, 5),
            (1, 2, 1, 6),
            (2, 3, 1, 250_000),
            (40, 4, 1, 5),
            (11_000, 5, 1, 5),
            (11_001, 6, 1, 5),
        ];
        let rows: Vec<UsageRow> = rows.iter().enumerate().map(|(n, r)| row(n, *r)).collect();
        write(&archive, 1, &[], &rows);
        assert_eq!(sums(&archive, NOW, &[200_000]), None);
        archive.update_rollup(NOW, &[200_000]).unwrap();
        assert_eq!(sums(&archive, NOW, &[200_000]).unwrap(), [2, 1, 1, 1, 1]);
        archive.update_rollup(NOW, &[]).unwrap();
        assert_eq!(sums(&archive, NOW, &[]).unwrap(), [3, 1, 1, 1]);
    }

    #[test]
    fn a_rollup_of_another_ledger_time_or_price_table_is_not_read() {
        let archive = Archive::in_memory().unwrap();
        write(&archive, 1, &[], &[row(0, (0, 1, 1, 5))]);
        archive.update_rollup(NOW, &[200_000]).unwrap();
        assert!(sums(&archive, NOW, &[200_000]).is_some());
        assert!(sums(&archive, NOW, &[300_000]).is_none());
        // The clock was set back: what is recent now may have been summed.
        assert!(sums(&archive, Timestamp(NOW.millis() - 1), &[200_000]).is_none());
        write(&archive, 2, &[], &[row(0, (0, 2, 1, 5))]);
        assert!(sums(&archive, NOW, &[200_000]).is_none());
        archive.update_rollup(NOW, &[200_000]).unwrap();
        remove_rollup(&archive.conn).unwrap();
        assert!(sums(&archive, NOW, &[200_000]).is_none());
    }
}
