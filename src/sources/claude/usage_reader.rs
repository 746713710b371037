//! Reads only the usage of a Claude Code log. Only lines that can contain usage are parsed, without their content.

use std::path::Path;
use std::sync::LazyLock;

use crate::sources::claude::compaction;
use crate::sources::claude::log_owner::{OwnerEvidence, UNNAMED};
use crate::sources::claude::log_path::{AGENT, LogPath};
use crate::sources::claude::record::{CostState, UsageRecord, is_ignored, is_running_total, is_tool_call};
use crate::sources::claude::usage::{LogPosition, LoggedRequest, RequestCollector};
use crate::sources::common::files::open_log;
use crate::sources::common::line_reader::{Line, LineFilter, TailLine, filter_lines, parse};
use crate::sources::{ReadOptions, SourceError, UsageRead};
use crate::trace::{PromptChain, SessionFacts, SessionKey, Timestamp, normal_directory};
use memchr::memmem::Finder;

/// The first version that is known to write running totals.
const FIRST_VERSION_WITH_TOTALS: [u32; 3] = [2, 1, 202];

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

/// The usage of a log, and what is needed to find the requests of its compactions.
pub(super) struct LogUsage {
    pub usage: UsageRead,
    pub log: LogPath,
    /// Whether the log may be incomplete: compactions may have made requests that have no record.
    pub may_miss_compactions: bool,
    /// Offsets of the requests that started subagents.
    pub subagent_starts: Vec<u64>,
}

/// Collects the requests of one log.
struct UsageReader {
    log: LogPath,
    parent: Option<SessionKey>,
    key: SessionKey,
    project: Option<String>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// Whether an answer was read.
    has_answer: bool,
    owner: OwnerEvidence,
    requests: RequestCollector,
    /// Whether the agent's version writes running totals.
    writes_totals: bool,
    /// The running total at the end of the log.
    last_total: Option<CostState>,
}

/// Reads the usage of one log, without the requests that only the agent's running totals show.
///
/// # Errors
/// [`SourceError`] if the log cannot be read.
pub(super) fn read(file: &Path, opts: &ReadOptions, buffer: &mut Vec<u8>) -> Result<LogUsage, SourceError> {
    let input = open_log(file)?;
    let mut reader = UsageReader::new(LogPath::of(file));
    let lost_records = filter_lines(file, input, opts, buffer, &mut reader)?;
    let mut found = reader.finish();
    found.usage.lost_records = lost_records;
    Ok(found)
}

impl UsageReader {
    fn new(log: LogPath) -> Self {
        let key = SessionKey::new(AGENT, &log.native);
        UsageReader {
            parent: log.parent.as_deref().map(|p| SessionKey::new(AGENT, p)),
            requests: RequestCollector::new(key.clone()),
            key,
            log,
            project: None,
            started: None,
            ended: None,
            has_answer: false,
            owner: OwnerEvidence::default(),
            writes_totals: false,
            last_total: None,
        }
    }

    fn finish(mut self) -> LogUsage {
        self.requests.attribute_to(&self.owner.owner(self.parent.as_ref(), &self.key, &self.log));
        let subagent_starts = self.requests.subagent_starts();
        let rows = self.requests.finish();
        // Requests can be missing in two cases: the last total exceeds the recorded requests, or the log does not end
        // with a total and its prompt was cut, which a compaction does.
        let was_cut = || rows.iter().filter(|r| r.chain == PromptChain::Start).nth(1).is_some();
        let incomplete = match &self.last_total {
            Some(total) => !compaction::equals_total(total, &rows),
            None => self.writes_totals && was_cut(),
        };
        let facts = SessionFacts {
            key: self.key,
            project: self.project.as_deref().map(normal_directory),
            started: self.started,
            ended: self.ended,
        };
        LogUsage {
            may_miss_compactions: incomplete && !self.log.subagent,
            usage: UsageRead { rows, facts: vec![facts], ..UsageRead::default() },
            log: self.log,
            subagent_starts,
        }
    }

    /// Whether the session's project, start and owner are known.
    fn head_is_read(&self) -> bool {
        self.project.is_some()
            && self.started.is_some()
            && (self.owner.is_decided() && self.has_answer || !self.log.has_unclear_owner())
    }

    /// Extends the session's start and end so that they include the time of a record; returns it.
    fn extend_time_range(&mut self, record: &UsageRecord<'_>) -> Option<Timestamp> {
        let at = Timestamp::parse(record.timestamp.str());
        self.started = self.started.into_iter().chain(at).min();
        self.ended = self.ended.max(at);
        at
    }
}

impl LineFilter for UsageReader {
    fn accepts(&self, line: &[u8]) -> bool {
        if self.head_is_read() {
            return USAGE.find(line).is_some();
        }
        // Until project, start and owner are known, any line may contain them.
        !is_ignored(line) || self.log.has_unclear_owner() && OwnerEvidence::is_api_request(line)
    }

    fn needle(&self) -> Option<&'static Finder<'static>> {
        self.head_is_read().then(|| &*USAGE)
    }

    fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> bool {
        if self.log.has_unclear_owner() && !self.has_answer {
            self.owner.read_api_request(line.bytes);
        }
        let Ok((record, _)) = parse::<UsageRecord<'_>>(line.bytes, scratch) else { return false };
        let is_answer = record.kind.str() == "assistant";
        if !is_answer && record.kind.str() != "user" {
            return true;
        }
        let at = self.extend_time_range(&record);
        if self.project.is_none() {
            self.project = record.cwd.owned();
            self.writes_totals = version(record.version.str()) >= FIRST_VERSION_WITH_TOTALS;
        }
        if !self.owner.is_decided() {
            let marks = [&record.prompt_id, &record.attribution_agent, &record.source_answer];
            self.owner.read_record(is_answer, marks);
        }
        if self.log.subagent && self.parent.is_none() {
            self.parent = record.session_id.some().map(|p| SessionKey::new(AGENT, p));
        }
        if is_answer {
            self.push_request(&record, at, line.offset);
        }
        true
    }

    fn read_tail_line(&mut self, line: &[u8], scratch: &mut String) -> TailLine {
        if is_ignored(line) {
            if is_running_total(line) && self.last_total.is_none() {
                self.last_total = parse::<CostState>(line, scratch).ok().map(|(total, _)| total);
            }
            return TailLine::NotLast;
        }
        // The last time in the log is the session's end.
        let Ok((record, _)) = parse::<UsageRecord<'_>>(line, scratch) else { return TailLine::Broken };
        let is_message = matches!(record.kind.str(), "user" | "assistant");
        match is_message && self.extend_time_range(&record).is_some() {
            true => TailLine::Last,
            false => TailLine::NotLast,
        }
    }
}

impl UsageReader {
    fn push_request(&mut self, record: &UsageRecord<'_>, at: Option<Timestamp>, offset: u64) {
        self.has_answer = true;
        let blocks = record.message.0.iter().flat_map(|m| &m.content.0);
        let calls = blocks.filter(|b| is_tool_call(b.kind.str())).filter_map(|b| b.name.owned()).collect();
        // 1.0 wrote subagents into the session's own log.
        let kind = self.owner.subagent_kind(&self.log).or(record.is_sidechain.0.then_some(UNNAMED));
        let position = LogPosition { at: at.or(self.ended), offset };
        self.requests.add(&LoggedRequest::of(record, at), &position, kind, calls);
    }
}

/// Parses a version as numbers. Other text is version 0.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|p| p.parse().unwrap_or_default());
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("2.1.202") >= FIRST_VERSION_WITH_TOTALS);
        assert!(version("2.1.99") < FIRST_VERSION_WITH_TOTALS);
        assert!(version("10.0") > FIRST_VERSION_WITH_TOTALS);
        assert_eq!(version("unknown"), [0, 0, 0]);
    }
}
