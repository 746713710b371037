//! The usage of a Claude Code log without its conversation: only lines that can hold usage are parsed, and of them
//! only what counting needs.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::UsageRead;
use crate::sources::claude::Place;
use crate::sources::claude::build::{books, is_call, not_imported};
use crate::sources::claude::record::Usage;
use crate::sources::claude::usage::{Answer, Requests};
use crate::sources::lenient::{List, Obj, Text};
use crate::sources::lines::{Line, Sieve, parse};
use crate::trace::{SessionFacts, SessionKey, Timestamp};

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
    books: Option<SessionKey>,
    requests: Requests,
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
            books: None,
            requests: Requests::default(),
        }
    }

    pub(super) fn finish(self) -> UsageRead {
        let facts =
            SessionFacts { key: self.key, project: self.project, started: self.started, ended: self.ended };
        UsageRead { rows: self.requests.finish(), facts: vec![facts] }
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
        // Until project and start are known, every line may tell them.
        let known = self.project.is_some() && self.started.is_some();
        if known { USAGE.find(line).is_some() } else { !not_imported(line) }
    }

    fn needle(&self) -> Option<&'static Finder<'static>> {
        (self.project.is_some() && self.started.is_some()).then(|| &*USAGE)
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) {
        let Ok((record, _)) = parse::<Light<'_>>(line.bytes, scratch) else { return };
        let answer = record.kind.str() == "assistant";
        if !answer && record.kind.str() != "user" {
            return;
        }
        let at = self.times(&record);
        if self.project.is_none() {
            self.project = record.cwd.owned();
        }
        if self.place.subagent && self.parent.is_none() {
            self.parent = record.session_id.some().map(|p| SessionKey::new(super::AGENT, p));
        }
        if !answer {
            return;
        }
        let (parent, key, place) = (&self.parent, &self.key, &self.place);
        let books = self.books.get_or_insert_with(|| books(parent.as_ref(), key, place));
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
        let kind = self.place.meta.as_ref().and_then(|m| m.agent_type.as_deref());
        self.requests.add(&answer, at.or(self.ended), line.offset, books, kind, called.collect());
    }

    fn last(&mut self, line: &[u8], scratch: &mut String) -> bool {
        if not_imported(line) {
            return false;
        }
        let Ok((record, _)) = parse::<Light<'_>>(line, scratch) else { return false };
        matches!(record.kind.str(), "user" | "assistant") && self.times(&record).is_some()
    }
}
