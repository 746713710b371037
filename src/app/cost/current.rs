//! What people see at a glance: today, this hour, the session, the five-hour block and the budgets, from one pass
//! over the ledger.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::trace::{Confidence, SessionKey, Timestamp};
use crate::usage::{Alert, AlertWatch, Costed, CountedRow, DayCache, Pricer};

use crate::app::cost::budget_hook::BudgetState;
use crate::app::cost::price_sources::Prices;
use crate::app::cost::rollup::{Active, Parts};
use crate::app::{App, Failure};

const HOUR_MS: i64 = 3_600_000;

/// Length of a block: the window in which Claude's plans count usage.
const BLOCK_HOURS: i64 = 5;

/// Agent whose plan has blocks.
const BLOCK_AGENT: &str = "claude";

/// A glance reads at most so many bytes of new log: whoever waits for it waits for milliseconds.
const GLANCE_BYTES: u64 = 200 << 20;

/// A glance waits so long for another process that writes.
const PATIENCE: Duration = Duration::from_millis(250);

/// Everything else waits so long.
const USUAL_PATIENCE: Duration = Duration::from_secs(30);

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct LiveParams {
    /// IANA time zone of day, week and month; the configuration's or UTC unless said otherwise.
    pub timezone: Option<String>,
    /// Key of a session that is asked about; its subagents belong to it.
    pub session: Option<String>,
    /// When the present block ends, where the agent itself knows.
    pub block_ends: Option<Timestamp>,
    /// The log that the session is written to, where the agent names it.
    pub log: Option<PathBuf>,
    /// Leaves week and month out unless a budget is for them.
    pub near: bool,
}

/// What a span of time or a session took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// Cost of what has a price, pico-USD.
    pub cost_picousd: i64,
    /// Tokens of every kind.
    pub tokens: u64,
    /// Provider requests.
    pub requests: u64,
    /// Tokens of requests without a price; their cost is not in `cost_picousd`.
    pub unpriced_tokens: u64,
    /// The least confidence of any request.
    pub confidence: Confidence,
}

impl Spend {
    fn add(&mut self, row: &CountedRow<'_>, costed: &Costed<'_>) {
        let tokens = row.tokens.total();
        self.requests += 1;
        self.tokens = self.tokens.saturating_add(tokens);
        match costed.picousd {
            Some(p) => self.cost_picousd = self.cost_picousd.saturating_add(p),
            None => self.unpriced_tokens = self.unpriced_tokens.saturating_add(tokens),
        }
        self.confidence = self.confidence.max(costed.confidence);
    }

    fn merge(&mut self, other: &Spend) {
        self.requests += other.requests;
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost_picousd = self.cost_picousd.saturating_add(other.cost_picousd);
        self.unpriced_tokens = self.unpriced_tokens.saturating_add(other.unpriced_tokens);
        self.confidence = self.confidence.max(other.confidence);
    }
}

/// The five-hour block that runs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LiveBlock {
    /// Its first instant.
    pub starts: Timestamp,
    /// The instant after its last.
    pub ends: Timestamp,
    /// What it took so far.
    #[serde(flatten)]
    pub spend: Spend,
}

/// The glance.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// When it was taken.
    pub at: Timestamp,
    /// Time zone of day, week and month.
    pub timezone: String,
    /// The present calendar day.
    pub today: Spend,
    /// The present ISO week; not where only what is near was asked for.
    pub week: Option<Spend>,
    /// The present calendar month; not where only what is near was asked for.
    pub month: Option<Spend>,
    /// The last sixty minutes: what is spent an hour.
    pub hour: Spend,
    /// The session that was asked about.
    pub session: Option<Spend>,
    /// The block that runs now; none after five hours of rest.
    pub block: Option<LiveBlock>,
    /// The budgets of the configuration.
    pub budgets: Vec<BudgetState>,
    /// Thresholds that are passed now, raised before or not.
    pub alerts: Vec<Alert>,
    /// Bytes of new log that were too many to read at a glance; `clawgate cost` reads them.
    pub unread_bytes: u64,
}

/// Folds rows into the glance.
struct Fold<'z> {
    now: Timestamp,
    days: DayCache<'z>,
    today: Date,
    week: Date,
    month: Date,
    /// The session that is asked about and its subagents.
    family: &'z HashSet<String>,
    /// The session of the row before, and whether it is one of them: rows come session by session.
    last: (String, bool),
    window: Option<(i64, i64)>,
    sums: [Spend; 4],
    /// What week and month took in requests that stand in older segments only.
    before: [Spend; 2],
    session: Spend,
    block: Spend,
    hours: BTreeMap<i64, Spend>,
}

impl<'z> Fold<'z> {
    fn new(now: Timestamp, zone: &'z TimeZone, p: &LiveParams, family: &'z HashSet<String>) -> Self {
        let mut days = DayCache::new(zone);
        let today = days.day(now);
        let back = i64::from(today.weekday().to_monday_zero_offset());
        let window = p.block_ends.map(|end| {
            let end = end.millis();
            (end.saturating_sub(BLOCK_HOURS * HOUR_MS), end)
        });
        Fold {
            now,
            today,
            week: today.checked_sub(jiff::Span::new().days(back)).unwrap_or(today),
            month: today.first_of_month(),
            days,
            last: (String::new(), family.contains("")),
            family,
            // A block that is over says nothing about the present one.
            window: window.filter(|(start, end)| (*start..*end).contains(&now.millis())),
            sums: [Spend::default(); 4],
            before: [Spend::default(); 2],
            session: Spend::default(),
            block: Spend::default(),
            hours: BTreeMap::new(),
        }
    }

    /// Adds a row; `recent` where a copy of it stands in a segment that reaches into the last days.
    fn add(&mut self, row: &CountedRow<'_>, costed: &Costed<'_>, recent: bool) {
        if !costed.billable {
            return;
        }
        let day = self.days.day(row.at);
        // Whole calendar days, as in every report, so that the figures agree with it.
        let spans =
            [day == self.today, day >= self.week, day >= self.month].map(|in_it| in_it && day <= self.today);
        let age = self.now.millis().saturating_sub(row.at.millis());
        let [today, week, month] = spans;
        let hour = (0..HOUR_MS).contains(&age);
        let [in_day, in_week, in_month, in_hour] = &mut self.sums;
        let [week_before, month_before] = &mut self.before;
        let (in_week, in_month) = if recent { (in_week, in_month) } else { (week_before, month_before) };
        for (sum, holds) in [(in_day, today), (in_week, week), (in_month, month), (in_hour, hour)] {
            if holds {
                sum.add(row, costed);
            }
        }
        if self.last.0 != row.session {
            self.last = (
                row.session.to_owned(),
                self.family.contains(SessionKey::without_compaction_suffix(row.session)),
            );
        }
        if self.last.1 {
            self.session.add(row, costed);
        }
        if row.agent == BLOCK_AGENT && age >= 0 {
            match self.window {
                Some((start, end)) if (start..end).contains(&row.at.millis()) => self.block.add(row, costed),
                Some(_) => {}
                None => {
                    let hour = row.at.millis().div_euclid(HOUR_MS);
                    self.hours.entry(hour).or_default().add(row, costed);
                }
            }
        }
    }

    /// Whether the block is the same whatever was before an instant: rest long enough to end any block.
    fn knows_block(&self, since: Timestamp) -> bool {
        if self.window.is_some() {
            return true;
        }
        let mut before = since.millis().div_euclid(HOUR_MS);
        let now = self.now.millis().div_euclid(HOUR_MS);
        for hour in self.hours.range(before..).map(|(hour, _)| *hour).chain([now]) {
            if hour >= before + BLOCK_HOURS {
                return true;
            }
            before = hour;
        }
        false
    }

    /// The block that runs now. A block begins with the hour of the first request after the one before.
    fn block(&self) -> Option<LiveBlock> {
        let at = |ms: i64| Timestamp(ms);
        if let Some((start, end)) = self.window {
            return Some(LiveBlock { starts: at(start), ends: at(end), spend: self.block });
        }
        let mut start = None;
        let mut spend = Spend::default();
        for (hour, sum) in &self.hours {
            if start.is_none_or(|s| *hour >= s + BLOCK_HOURS) {
                start = Some(*hour);
                spend = Spend::default();
            }
            spend.merge(sum);
        }
        let start = start?;
        let ends = (start + BLOCK_HOURS) * HOUR_MS;
        (self.now.millis() < ends).then(|| LiveBlock { starts: at(start * HOUR_MS), ends: at(ends), spend })
    }
}

/// A glance in the making.
struct Glimpse<'z> {
    fold: Fold<'z>,
    watch: AlertWatch<'z>,
    pricer: Pricer<'z>,
    active: Active,
    /// When the last days begin.
    since: Timestamp,
}

impl Parts for Glimpse<'_> {
    type Older = [Spend; 2];

    fn add(&mut self, row: &CountedRow<'_>, recent: bool) {
        let costed = self.pricer.cost(row);
        self.fold.add(row, &costed, recent);
        self.watch.add(row, &costed);
        self.active.add(row);
    }

    fn older(&mut self) -> Option<[Spend; 2]> {
        Some(self.fold.before)
    }

    fn set_older(&mut self, older: [Spend; 2]) {
        self.fold.before = older;
    }

    fn is_whole(&self, whole: &HashSet<String>) -> bool {
        self.active.all_in(whole) && self.fold.knows_block(self.since)
    }
}

impl App {
    /// The same for a process that ends with its answer, while an agent or a person waits.
    ///
    /// # Errors
    /// As [`App::live`].
    pub fn glance(&mut self, p: &LiveParams) -> Result<Live, Failure> {
        self.archive.skip_checkpoint_on_close()?;
        self.live(p)
    }

    /// What is spent now. Reads what the logs gained since, unless that is too much for a glance.
    ///
    /// # Errors
    /// [`Failure`] where the zone is unknown or the archive refuses.
    pub fn live(&mut self, p: &LiveParams) -> Result<Live, Failure> {
        let (timezone, zone) = self.zone(p.timezone.as_deref())?;
        let prices = self.prices()?;
        let now = self.now();
        let far = self.config.budgets.weekly_usd.is_some() || self.config.budgets.monthly_usd.is_some();
        let near = p.near && !far;
        self.archive.set_busy_timeout(PATIENCE)?;
        let glance = self.with_recent_usage(GLANCE_BYTES, p.log.as_deref(), |app| {
            let family = app.family(p)?;
            let Glimpse { fold, watch, .. } =
                app.glimpse(now, (&timezone, &zone), p, &family, near, &prices)?;
            let [today, mut week, mut month, hour] = fold.sums;
            let [week_before, month_before] = &fold.before;
            week.merge(week_before);
            month.merge(month_before);
            Ok(Live {
                at: now,
                timezone: timezone.clone(),
                today,
                week: (!near).then_some(week),
                month: (!near).then_some(month),
                hour,
                session: p.session.as_ref().map(|_| fold.session),
                block: fold.block(),
                budgets: Vec::new(),
                alerts: watch.finish(&[]),
                unread_bytes: 0,
            })
        });
        self.archive.set_busy_timeout(USUAL_PATIENCE)?;
        let (mut live, unread) = glance?;
        live.unread_bytes = unread;
        live.budgets = self.config.budgets.states(&live);
        Ok(live)
    }

    /// The session that is asked about and its subagents: an agent tells its hook and its status line the session that
    /// the person sees, also for what a subagent does. Claude Code's subagents stand in a folder of the session;
    /// others are known once a hook named them or they were scanned.
    fn family(&self, p: &LiveParams) -> Result<HashSet<String>, Failure> {
        let Some(key) = &p.session else { return Ok(HashSet::new()) };
        let mut all = HashSet::from([key.clone()]);
        all.extend(self.archive.sessions_beneath(key)?);
        all.extend(self.archive.recorded_subagents(key)?);
        let below = self.archive.descendants(&[SessionKey(key.clone())])?;
        all.extend(below.into_iter().map(|k| k.0));
        Ok(all)
    }

    /// Folds the ledger: its last days where they tell everything.
    fn glimpse<'z>(
        &self,
        now: Timestamp,
        (timezone, zone): (&str, &'z TimeZone),
        p: &LiveParams,
        family: &'z HashSet<String>,
        near: bool,
        prices: &'z Prices,
    ) -> Result<Glimpse<'z>, Failure> {
        let wanted = self.lately(Some(family), false);
        let new = || Glimpse {
            fold: Fold::new(now, zone, p, family),
            watch: AlertWatch::new(now, zone, self.config.alerts.thresholds()),
            pricer: prices.pricer(),
            active: Active::of(now),
            since: wanted.since,
        };
        if !near {
            let Fold { week, month, .. } = new().fold;
            return self.in_parts(&format!("spent {timezone} {week} {month}"), prices, &wanted, new);
        }
        let mut glimpse = new();
        let recent = self.archive.counted_lately(&wanted, &mut |row, recent| glimpse.add(row, recent))?;
        if recent.is_some_and(|r| glimpse.is_whole(&r.whole)) {
            return Ok(glimpse);
        }
        let mut glimpse = new();
        self.archive.counted(None, None, &mut |row| glimpse.add(row, true))?;
        Ok(glimpse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Overrides, PICO_PER_USD, PriceTable};
    use crate::trace::Tokens;

    const NOW: &str = "2026-11-20T15:43:00Z";

    /// A glance over rows of (agent, session, instant, dollars).
    fn glance(
        rows: &[(&str, &str, &str, i64)],
        p: &LiveParams,
        zone: &str,
    ) -> ([i64; 4], i64, Option<LiveBlock>) {
        let tz = TimeZone::get(zone).unwrap();
        let none = Overrides::default();
        let mut pricer = Pricer::new(PriceTable::builtin(), &none);
        let family = p.session.iter().cloned().collect();
        let mut fold = Fold::new(Timestamp::parse(NOW).unwrap(), &tz, p, &family);
        for (agent, session, at, usd) in rows {
            let t = Tokens { input: 1, ..Tokens::default() };
            let mut row = CountedRow::new(agent, session, Timestamp::parse(at).unwrap(), "claude-opus-5", t);
            row.reported_picousd = Some(usd * PICO_PER_USD);
            fold.add(&row, &pricer.cost(&row), true);
        }
        let usd = |s: &Spend| s.cost_picousd / PICO_PER_USD;
        (
            [&fold.sums[0], &fold.sums[1], &fold.sums[2], &fold.sums[3]].map(usd),
            usd(&fold.session),
            fold.block(),
        )
    }

    #[test]
    fn day_week_month_hour_and_session() {
        let rows = [
            ("claude", "claude:a", "2026-10-31T12:00:00Z", 100),
            ("claude", "claude:a", "2026-11-01T12:00:00Z", 1),
            ("codex", "codex:b", "2026-11-16T00:00:00Z", 2),
            ("claude", "claude:a", "2026-11-20T00:30:00Z", 4),
            ("claude", "claude:a", "2026-11-20T14:43:00.001Z", 8),
            ("claude", "claude:a", "2026-11-22T00:00:00Z", 1000),
        ];
        let p = LiveParams { session: Some("claude:a".into()), ..LiveParams::default() };
        let (sums, session, _) = glance(&rows, &p, "UTC");
        assert_eq!((sums, session), ([12, 14, 15, 8], 1113));
        // in New York the 20th began at 05:00 UTC, and the week at that of the 16th
        assert_eq!(glance(&rows, &p, "America/New_York").0, [8, 12, 15, 8]);
    }

    #[test]
    fn a_block_begins_with_the_hour_of_its_first_request() {
        let block = |rows: &[(&str, &str, &str, i64)], p: &LiveParams| {
            glance(rows, p, "UTC")
                .2
                .map(|b| (b.starts.to_string()[11..16].to_owned(), b.spend.cost_picousd / PICO_PER_USD))
        };
        let none = LiveParams::default();
        let rows = [
            ("claude", "s", "2026-11-20T06:59:00Z", 1),
            ("claude", "s", "2026-11-20T10:59:59Z", 2),
            ("claude", "s", "2026-11-20T11:10:00Z", 4),
            ("claude", "s", "2026-11-20T15:30:00Z", 8),
            ("codex", "s", "2026-11-20T15:30:00Z", 16),
        ];
        assert_eq!(block(&rows, &none), Some(("11:00".into(), 12)));
        assert_eq!(block(&rows[..2], &none), None, "five hours of rest");
        assert_eq!(block(&[], &none), None);
        let told = |end: &str| LiveParams { block_ends: Timestamp::parse(end), ..LiveParams::default() };
        assert_eq!(block(&rows, &told("2026-11-20T15:50:00Z")), Some(("10:50".into(), 14)));
        assert_eq!(
            block(&rows, &told("2026-11-20T15:00:00Z")),
            Some(("11:00".into(), 12)),
            "that one is over"
        );
    }

    #[test]
    fn the_last_days_tell_the_same_as_the_whole_ledger_or_say_that_they_do_not() {
        let tz = TimeZone::get("Europe/Berlin").unwrap();
        let none = Overrides::default();
        let now = Timestamp::parse(NOW).unwrap();
        // (hours before now at which something was asked, since how many hours the rows are known)
        let cases: [(&[i64], i64, bool); 6] = [
            (&[1, 2, 3, 9, 30], 48, true),
            (&[1, 4, 7, 10, 13], 48, true),
            (&[1, 4, 7, 10, 13], 14, false),
            (&[1, 4, 7, 10, 13], 12, false),
            (&[6, 8], 9, true),
            (&[], 3, false),
        ];
        for (hours, known, sure) in cases {
            let p = LiveParams::default();
            let mut pricer = Pricer::new(PriceTable::builtin(), &none);
            let nobody = HashSet::new();
            let (mut all, mut late) = (Fold::new(now, &tz, &p, &nobody), Fold::new(now, &tz, &p, &nobody));
            let since = Timestamp(now.millis() - known * HOUR_MS);
            for hour in hours {
                let at = Timestamp(now.millis() - hour * HOUR_MS);
                let t = Tokens { input: *hour as u64, ..Tokens::default() };
                let row = CountedRow::new("claude", "s", at, "claude-opus-5", t);
                let costed = pricer.cost(&row);
                all.add(&row, &costed, true);
                if at >= since {
                    late.add(&row, &costed, true);
                }
            }
            assert_eq!(late.knows_block(since), sure, "{hours:?} {known}");
            if sure {
                assert_eq!(late.block(), all.block(), "{hours:?} {known}");
            }
        }
    }

    #[test]
    fn a_glance_leaves_many_new_logs_alone() {
        use crate::app::{Actor, Context};
        use crate::trace::{Env, FixedClock};
        let tmp = tempfile::tempdir().unwrap();
        let logs = tmp.path().join("home/.claude/projects/-p");
        std::fs::create_dir_all(&logs).unwrap();
        let row = r#"{"type":"assistant","sessionId":"s","uuid":"u","requestId":"r","timestamp":"2026-11-20T15:00:00Z","message":{"id":"m","role":"assistant","model":"claude-opus-5","content":[],"usage":{"input_tokens":5,"output_tokens":7}}}"#;
        std::fs::write(logs.join("s.jsonl"), format!("{row}\n")).unwrap();
        let env = Env::bare(tmp.path().join("home"), tmp.path().join("state"));
        let clock = std::sync::Arc::new(FixedClock(Timestamp::parse(NOW).unwrap()));
        let mut app = App::open(Context::new(env, clock, Actor::Agent)).unwrap();
        let count = |app: &App| {
            let mut n = 0;
            app.archive.counted(None, None, &mut |_| n += 1)?;
            Ok(n)
        };
        let size = row.len() as u64 + 1;
        assert_eq!(app.with_recent_usage(size - 1, None, count).unwrap(), (0, size));
        let mut live = Live { unread_bytes: size, ..app.live(&LiveParams::default()).unwrap() };
        assert_eq!(
            (live.today.requests, live.block.unwrap().spend.tokens),
            (1, 12),
            "few enough for a glance"
        );
        assert_eq!(app.with_recent_usage(0, None, count).unwrap(), (1, 0), "nothing is new");
        // where the agent names its log, a grown one has nothing done in vain
        let calls = std::cell::Cell::new(0);
        let work = |app: &App| {
            calls.set(calls.get() + 1);
            count(app)
        };
        let (log, more) = (logs.join("s.jsonl"), row.replace("\"m\"", "\"n\""));
        std::fs::write(&log, format!("{row}\n{more}\n")).unwrap();
        assert_eq!(app.with_recent_usage(u64::MAX, Some(&log), work).unwrap(), (2, 0));
        assert_eq!(calls.get(), 1);
        assert_eq!(app.with_recent_usage(u64::MAX, Some(&log), work).unwrap(), (2, 0));
        assert_eq!(calls.get(), 2);
        assert!(app.wants_background(&live));
        assert!(!app.wants_background(&live), "once a minute");
        live.at = Timestamp(live.at.millis() + 60_000);
        assert!(app.wants_background(&live));
        live.unread_bytes = 0;
        live.at = Timestamp(live.at.millis() + 60_000);
        assert!(!app.wants_background(&live), "nothing to do");
    }
}
