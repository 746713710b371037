//! Whose work a subagent's log is, where no `.meta.json` beside it says so.
//!
//! Below `<session>/subagents` stand logs of subagents that a tool call started, and of the session's own asides
//! (`/btw`). A log is a subagent's if it says so itself: its requests name the agent as their source, its answers are
//! attributed to one, or its prompt came from a prompt of the session. A bare log that says nothing of it is the
//! session's own work.

use serde::Deserialize;

use crate::sources::claude::Place;
use crate::sources::lenient::Text;
use crate::sources::lines::parse;
use crate::trace::SessionKey;

/// Kind of a subagent whose log does not name it.
pub(super) const UNNAMED: &str = "(unnamed)";

/// A request as it was sent (`api-request`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Asked<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    query_source: Text<'a>,
}

/// What a log said up to its first answer.
#[derive(Default)]
pub(super) struct Spawned {
    says_so: bool,
    kind: Option<String>,
}

impl Spawned {
    /// Whether a line is worth [`Spawned::line`].
    pub(super) fn may_tell(line: &[u8]) -> bool {
        line.starts_with(b"{\"type\":\"api-request\"")
    }

    /// Notes a line that is no part of the conversation.
    pub(super) fn line(&mut self, line: &[u8]) {
        let mut scratch = String::new();
        if !Self::may_tell(line) {
            return;
        }
        let Ok((asked, _)) = parse::<Asked<'_>>(line, &mut scratch) else { return };
        // `agent:builtin:general-purpose`
        if let Some(source) = asked.query_source.str().strip_prefix("agent:") {
            self.says_so = true;
            let kind = source.rsplit(':').next().filter(|k| !k.is_empty());
            self.kind = self.kind.take().or(kind.map(str::to_owned));
        }
    }

    /// Notes a record of the conversation.
    pub(super) fn record(&mut self, prompt: &Text<'_>, agent: &Text<'_>) {
        self.says_so |= prompt.some().is_some() || agent.some().is_some();
    }

    /// The session that the log's requests belong to.
    pub(super) fn books(&self, parent: Option<&SessionKey>, own: &SessionKey, place: &Place) -> SessionKey {
        match parent {
            Some(parent) if place.bare() && !self.says_so => parent.clone(),
            _ => own.clone(),
        }
    }

    /// The kind of subagent that a log is of.
    pub(super) fn kind<'a>(&'a self, place: &'a Place) -> Option<&'a str> {
        let said = place.meta.as_ref().and_then(|m| m.agent_type.as_deref());
        said.or(self.kind.as_deref()).or(place.subagent.then_some(UNNAMED))
    }
}
