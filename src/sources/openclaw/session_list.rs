//! Reads who started a session from `sessions.json`, the list of an agent's sessions next to the transcripts.
//!
//! The list names the current sessions by their keys: `agent:<agent>:main`, `agent:<agent>:subagent:<id>`,
//! `agent:<agent>:cron:<id>`. A subagent can have another agent than the session that started it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::sources::common::files::small_file;
use crate::sources::common::lenient_serde::{Obj, Text};

/// Kinds of sessions whose prompts no person types.
const AUTOMATIC: [&str; 3] = ["subagent", "cron", "hook"];

/// Who started a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SessionOrigin {
    /// Id of the session that started it as a subagent.
    pub parent: Option<String>,
    /// Whether no person types its prompts.
    pub automatic: bool,
}

/// An entry of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListedSession<'a> {
    #[serde(borrow)]
    session_id: Text<'a>,
    spawned_by: Text<'a>,
}

type SessionList<'a> = BTreeMap<String, Obj<ListedSession<'a>>>;

/// Returns who started a session, as far as the list next to its transcript tells.
pub(super) fn origin(transcript: &Path, id: &str) -> SessionOrigin {
    let list = transcript.with_file_name("sessions.json");
    let Some(bytes) = small_file(&list) else { return SessionOrigin::default() };
    let sessions: SessionList<'_> = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut origin = SessionOrigin::default();
    // A run of a timer has two keys.
    for (key, session) in sessions.iter().filter_map(|(key, s)| Some((key, s.0.as_ref()?))) {
        if session.session_id.str() != id {
            continue;
        }
        origin.automatic |= key.split(':').nth(2).is_some_and(|kind| AUTOMATIC.contains(&kind));
        let parent = session.spawned_by.some().and_then(|by| match sessions.get(by) {
            Some(parent) => parent.0.as_ref()?.session_id.owned(),
            None => session_of_key(&list_of_agent(&list, by)?, by),
        });
        origin.parent = origin.parent.or(parent).filter(|parent| parent != id);
    }
    origin
}

/// Returns the list of the agent in a key: `agents/<agent>/sessions/sessions.json`.
fn list_of_agent(list: &Path, key: &str) -> Option<PathBuf> {
    let agent = key.strip_prefix("agent:")?.split(':').next()?;
    let is_name = !agent.is_empty() && agent != ".." && !agent.contains(['/', '\\']);
    let agents = list.ancestors().nth(3)?;
    is_name.then(|| agents.join(agent).join("sessions/sessions.json"))
}

/// Returns the id of the session with a key.
fn session_of_key(list: &Path, key: &str) -> Option<String> {
    let bytes = small_file(list)?;
    let sessions: SessionList<'_> = serde_json::from_slice(&bytes).ok()?;
    sessions.get(key)?.0.as_ref()?.session_id.owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_who_started_a_session() {
        let dir = tempfile::tempdir().unwrap();
        let write = |agent: &str, text: &str| {
            let list = dir.path().join(agent).join("sessions/sessions.json");
            std::fs::create_dir_all(list.parent().unwrap()).unwrap();
            std::fs::write(list, text).unwrap();
        };
        write(
            "main",
            r#"{"agent:main:main":{"sessionId":"m"},"agent:main:subagent:1":{"sessionId":"child","spawnedBy":"agent:main:main"},
               "agent:main:cron:daily":{"sessionId":"timer"},"agent:main:cron:daily:run:timer":{"sessionId":"timer"},
               "agent:main:subagent:2":{"sessionId":"orphan","spawnedBy":"agent:main:gone"},"broken":7}"#,
        );
        write(
            "docs",
            r#"{"agent:docs:subagent:3":{"sessionId":"other","spawnedBy":"agent:main:main"},
               "agent:docs:subagent:4":{"sessionId":"outside","spawnedBy":"agent:../..:main"}}"#,
        );
        write("odd", "[]");
        let of = |agent: &str, id: &str| {
            let found = origin(&dir.path().join(agent).join("sessions").join(format!("{id}.jsonl")), id);
            (found.parent, found.automatic)
        };
        assert_eq!(of("main", "m"), (None, false));
        assert_eq!(of("main", "child"), (Some("m".to_owned()), true));
        assert_eq!(of("main", "timer"), (None, true));
        assert_eq!(of("main", "orphan"), (None, true));
        assert_eq!(of("docs", "other"), (Some("m".to_owned()), true));
        assert_eq!(of("docs", "outside"), (None, true));
        for (agent, id) in [("main", "unlisted"), ("odd", "x"), ("none", "x")] {
            assert_eq!(of(agent, id), (None, false), "{agent} {id}");
        }
    }
}
