//! Whose work a subagent's log is, where no `.meta.json` beside it says so.
//!
//! Below `<session>/subagents` stand logs of subagents that a tool call started, and of the session's own asides
//! (`/btw`). A log is a subagent's if it says so itself: its requests name the agent as their source, its answers are
//! attributed to one, its prompt came from a prompt of the session, or its tool results name the answer that called
//! the tool (2.1.0 to 2.1.70, which wrote nothing else). Where it called no tool, the session's log tells: the result
//! of the call that started a subagent names it. A bare log of which nothing says it is the session's own work.

use std::io::Read as _;
use std::path::Path;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::claude::Place;
use crate::sources::common::lenient_serde::Text;
use crate::sources::common::line_reader::parse;
use crate::sources::open_log;
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

/// What a log said up to the first user record that follows an answer.
#[derive(Default)]
pub(super) struct Spawned {
    says_so: bool,
    kind: Option<String>,
    answered: bool,
    heard: bool,
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

    /// Notes a record of the conversation: the prompt it came from, the agent that its answer is attributed to, and
    /// the answer that called the tool whose result it is.
    pub(super) fn record(&mut self, answer: bool, prompt: &Text<'_>, agent: &Text<'_>, caller: &Text<'_>) {
        self.heard |= self.answered && !answer;
        self.answered |= answer;
        self.says_so |= [prompt, agent, caller].iter().any(|t| t.some().is_some());
    }

    /// Whether no further record can tell whose log it is.
    pub(super) fn decided(&self) -> bool {
        self.says_so || self.heard
    }

    /// The session that the log's requests belong to; asked when the log was read.
    pub(super) fn books(&self, parent: Option<&SessionKey>, own: &SessionKey, place: &Place) -> SessionKey {
        let spawned = || self.says_so || is_short(&place.native) || (!self.heard && named_by(place));
        match parent {
            Some(parent) if place.bare() && !spawned() => parent.clone(),
            _ => own.clone(),
        }
    }

    /// The kind of subagent that a log is of.
    pub(super) fn kind<'a>(&'a self, place: &'a Place) -> Option<&'a str> {
        let said = place.meta.as_ref().and_then(|m| m.agent_type.as_deref());
        said.or(self.kind.as_deref()).or(place.subagent.then_some(UNNAMED))
    }
}

/// Whether an agent's id is one of the seven digits that were given before sessions had asides.
fn is_short(id: &str) -> bool {
    id.len() == 7 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the session's log names the agent: in the result of the call that started it.
fn named_by(place: &Place) -> bool {
    let needle = format!("\"agentId\":\"{}\"", place.native);
    holds(&place.log, needle.as_bytes()).unwrap_or(false)
}

/// Whether a file holds some bytes; reads it a piece at a time.
fn holds(file: &Path, needle: &[u8]) -> Option<bool> {
    let mut input = open_log(file).ok()?;
    let finder = Finder::new(needle);
    let mut buffer = vec![0; (1 << 18) + needle.len()];
    let mut kept = 0;
    loop {
        let read = input.read(buffer.get_mut(kept..)?).ok()?;
        let end = kept + read;
        if finder.find(buffer.get(..end)?).is_some() {
            return Some(true);
        }
        if read == 0 {
            return Some(false);
        }
        // The needle may lie across two pieces.
        let from = end.saturating_sub(needle.len());
        buffer.copy_within(from..end, 0);
        kept = end - from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::claude::Claude;
    use crate::sources::{ReadOptions, Source as _};

    const PROMPT: &str = r#"{"parentUuid":null,"isSidechain":true,"cwd":"/дом/мой проект","sessionId":"s","agentId":"X","type":"user","message":{"role":"user","content":"перечисли файлы"},"uuid":"1","timestamp":"2026-11-21T13:52:55.219Z"}"#;
    const ANSWER: &str = r#"{"isSidechain":true,"sessionId":"s","agentId":"X","message":{"id":"m1","model":"m","role":"assistant","content":[],"usage":{"input_tokens":7,"output_tokens":9}},"type":"assistant","uuid":"2","timestamp":"2026-11-21T13:52:56.219Z"}"#;
    const MARKED: &str = r#"{"isSidechain":true,"sessionId":"s","agentId":"X","type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"a"}]},"uuid":"3","timestamp":"2026-11-21T13:52:57.219Z","sourceToolAssistantUUID":"2"}"#;

    /// Where both ways of reading book the requests of a subagent's log.
    fn booked(id: &str, log: &[&str], session: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p/s/subagents").join(format!("agent-{id}.jsonl"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(dir.path().join("p/s.jsonl"), session).unwrap();
        std::fs::write(&file, log.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
        let opts = ReadOptions::default();
        let whole = Claude.read(&file, &opts).unwrap().usage;
        let mut quick = Vec::new();
        Claude.read_usage(&file, &opts, &mut Vec::new(), &mut |read| quick.extend(read.rows)).unwrap();
        assert_eq!(whole, quick);
        whole.iter().map(|r| r.session.native()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_log_with_nothing_beside_it_is_a_subagents_if_anything_says_so() {
        let id = "a510a6b50a4ff1eb6";
        let unmarked = MARKED.replace("sourceToolAssistantUUID", "other");
        let again = ANSWER.replace("m1", "m2");
        assert_eq!(booked(id, &[PROMPT, ANSWER, MARKED, &again], ""), format!("{id} {id}"));
        assert_eq!(booked(id, &[PROMPT, ANSWER, &unmarked, &again], ""), "s s");
        // Without a call, the session's log tells.
        let names = format!(r#"{{"toolUseResult":{{"status":"completed","agentId":"{id}"}}}}"#);
        assert_eq!(booked(id, &[PROMPT, ANSWER], &names), id);
        assert_eq!(booked(id, &[PROMPT, ANSWER], "{}"), "s");
        assert_eq!(booked("aa4bb73", &[PROMPT, ANSWER], ""), "aa4bb73");
    }

    #[test]
    fn bytes_are_found_across_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        for at in [0, 5, (1 << 18) - 3, (1 << 18) + 1, 1 << 19] {
            std::fs::write(&file, [&vec![b'.'; at][..], b"needle", &[b'.'; 9]].concat()).unwrap();
            assert_eq!(holds(&file, b"needle"), Some(true), "{at}");
            assert_eq!(holds(&file, b"needles"), Some(false), "{at}");
        }
        assert_eq!(holds(&dir.path().join("none"), b"x"), None);
    }
}
