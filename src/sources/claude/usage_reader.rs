//! The usage of a Claude Code log without its conversation: only lines that can hold usage are parsed, and of them
//! only what counting needs.

use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::claude::build::{is_call, is_total, not_imported};
use crate::sources::claude::record::{CostState, Usage};
use crate::sources::claude::spawned::{Spawned, UNNAMED};
use crate::sources::claude::usage::{Answer, Requests};
use crate::sources::claude::{Place, compaction};
use crate::sources::common::lenient_serde::{Flag, List, Obj, Text};
use crate::sources::common::line_reader::{Line, Sieve, parse, sift};
use crate::sources::{ReadOptions, SourceError, UsageRead, open_log};
use crate::trace::{PromptChain, SessionFacts, SessionKey, Timestamp};

/// The first version whose logs are looked through for totals also where they do not end with one: earlier ones are
/// not known to write any.
const WRITES_TOTALS: [u32; 3] = [2, 1, 202];

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

/// One line, without its content.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Light<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    uuid: Text<'a>,
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    cwd: Text<'a>,
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    request_session_id: Text<'a>,
    #[serde(borrow)]
    provider: Text<'a>,
    #[serde(borrow)]
    attribution_agent: Text<'a>,
    #[serde(borrow)]
    attribution_skill: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    prompt_id: Text<'a>,
    #[serde(borrow, rename = "sourceToolAssistantUUID")]
    source_answer: Text<'a>,
    is_sidechain: Flag,
    #[serde(borrow)]
    message: Obj<LightMessage<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LightMessage<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
    #[serde(borrow)]
    usage: Obj<Usage<'a>>,
    #[serde(borrow)]
    content: List<LightBlock<'a>>,
}

/// A content block, of which only the name of a tool called is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LightBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

/// Collects the requests of one file.
pub(super) struct Quick {
    place: Place,
    parent: Option<SessionKey>,
    key: SessionKey,
    project: Option<String>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// Whether an answer was counted.
    begun: bool,
    spawned: Spawned,
    requests: Requests,
    /// Whether the version is one that writes totals.
    totals: bool,
    /// The total that the log ends with.
    last_total: Option<CostState>,
}

/// Reads the usage of one log, with the requests of compactions that only its totals hold.
///
/// # Errors
/// Only when the log cannot be read.
pub(super) fn read(file: &Path, opts: &ReadOptions, buffer: &mut Vec<u8>) -> Result<UsageRead, SourceError> {
    let input = open_log(file)?;
    let mut quick = Quick::new(Place::of(file));
    sift(file, input, opts, buffer, &mut quick)?;
    quick.requests.book(&quick.spawned.books(quick.parent.as_ref(), &quick.key, &quick.place));
    let spawned = quick.requests.spawned();
    let rows = quick.requests.finish();
    let facts =
        SessionFacts { key: quick.key, project: quick.project, started: quick.started, ended: quick.ended };
    let mut read = UsageRead { rows, facts: vec![facts] };
    // A second look is worth while only where something can be missing: the last total holds more than the log, or the
    // log does not end with a total and its prompt was cut.
    let cut = || read.rows.iter().filter(|r| r.chain == PromptChain::Start).nth(1).is_some();
    let missing = match &quick.last_total {
        Some(total) => !compaction::holds_all(total, &read.rows),
        None => quick.totals && cut(),
    };
    if missing && !quick.place.subagent {
        read.rows.extend(compaction::rows(file, opts, &quick.place, &read.rows, &spawned)?);
    }
    Ok(read)
}

impl Quick {
    pub(super) fn new(place: Place) -> Self {
        Quick {
            parent: place.parent.as_deref().map(|p| SessionKey::new(super::AGENT, p)),
            key: SessionKey::new(super::AGENT, &place.native),
            place,
            project: None,
            started: None,
            ended: None,
            begun: false,
            spawned: Spawned::default(),
            requests: Requests::default(),
            totals: false,
            last_total: None,
        }
    }

    /// Whether the head of the log was read: where it stands and whose it is.
    fn settled(&self) -> bool {
        self.project.is_some()
            && self.started.is_some()
            && (self.spawned.decided() && self.begun || !self.place.bare())
    }

    fn times(&mut self, record: &Light<'_>) -> Option<Timestamp> {
        let at = Timestamp::parse(record.timestamp.str())?;
        self.started = Some(self.started.map_or(at, |t| t.min(at)));
        self.ended = Some(self.ended.map_or(at, |t| t.max(at)));
        Some(at)
    }
}

impl Sieve for Quick {
    fn wants(&self, line: &[u8]) -> bool {
        // Until project, start and owner are known, every line may tell them.
        if self.settled() {
            return USAGE.find(line).is_some();
        }
        !not_imported(line) || self.place.bare() && Spawned::may_tell(line)
    }

    fn needle(&self) -> Option<&'static Finder<'static>> {
        self.settled().then(|| &*USAGE)
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) {
        if self.place.bare() && !self.begun {
            self.spawned.line(line.bytes);
        }
        let Ok((record, _)) = parse::<Light<'_>>(line.bytes, scratch) else { return };
        let answer = record.kind.str() == "assistant";
        if !answer && record.kind.str() != "user" {
            return;
        }
        let at = self.times(&record);
        if self.project.is_none() {
            self.project = record.cwd.owned();
            self.totals = version(record.version.str()) >= WRITES_TOTALS;
        }
        if !self.spawned.decided() {
            let said = (&record.prompt_id, &record.attribution_agent, &record.source_answer);
            self.spawned.record(answer, said.0, said.1, said.2);
        }
        if self.place.subagent && self.parent.is_none() {
            self.parent = record.session_id.some().map(|p| SessionKey::new(super::AGENT, p));
        }
        if !answer {
            return;
        }
        self.begun = true;
        let Some(message) = &record.message.0 else { return };
        let answer = Answer {
            id: message.id.some().or(record.uuid.some()),
            model: message.model.some(),
            usage: message.usage.0.as_ref(),
            stopped: message.stop_reason.some().is_some(),
            provider: record.provider.some(),
            agent: record.attribution_agent.some(),
            skill: record.attribution_skill.some(),
            copied: record.request_session_id.some().is_some_and(|o| o != record.session_id.str()),
        };
        let called =
            message.content.0.iter().filter(|b| is_call(b.kind.str())).filter_map(|b| b.name.owned());
        let kind = self.spawned.kind(&self.place).or(record.is_sidechain.0.then_some(UNNAMED));
        self.requests.add(&answer, at.or(self.ended), line.offset, &self.key, kind, called.collect());
    }

    fn last(&mut self, line: &[u8], scratch: &mut String) -> bool {
        if not_imported(line) {
            if is_total(line) && self.last_total.is_none() {
                self.last_total = parse::<CostState>(line, scratch).ok().map(|(total, _)| total);
            }
            return false;
        }
        let Ok((record, _)) = parse::<Light<'_>>(line, scratch) else { return false };
        matches!(record.kind.str(), "user" | "assistant") && self.times(&record).is_some()
    }
}

/// A version as numbers; what is none is the lowest.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|p| p.parse().unwrap_or_default());
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
