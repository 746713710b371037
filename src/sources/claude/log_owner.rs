//! Decides which session the requests of a log in `<session>/subagents` belong to, if there is no `.meta.json` file.
//!
//! The directory contains the logs of subagents, which a tool call started, and of the session's own side questions
//! (`/btw`). The requests of a side question belong to the session. A log is that of a subagent if one of these is true:
//!
//! - Its `api-request` records name the agent as their source.
//! - Its answers are attributed to an agent.
//! - Its prompt has the id of a prompt of the session.
//! - Its tool results name the answer that called the tool. 2.1.0 to 2.1.70 write only this.
//! - It contains no tool call, and the session's log names it in the result of the call that started it.
//! - Its id has seven digits, as before side questions were introduced.

use std::io::Read as _;
use std::path::Path;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::claude::log_path::LogPath;
use crate::sources::common::files::open_log;
use crate::sources::common::lenient_serde::Text;
use crate::sources::common::line_reader::parse;
use crate::trace::SessionKey;

/// Kind of a subagent whose log does not name its kind.
pub(super) const UNNAMED: &str = "(unnamed)";

/// An `api-request` record: a request as it was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ApiRequest<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    query_source: Text<'a>,
}

/// What a log says about its owner, up to the first user record that follows an answer.
#[derive(Default)]
pub(super) struct OwnerEvidence {
    /// Whether the log says that it is a subagent's.
    is_subagent: bool,
    /// Kind of subagent, according to an `api-request` record.
    kind: Option<String>,
    has_answer: bool,
    /// Whether a user record follows an answer.
    has_reply: bool,
}

impl OwnerEvidence {
    /// Whether a line is an `api-request` record.
    pub(super) fn is_api_request(line: &[u8]) -> bool {
        line.starts_with(b"{\"type\":\"api-request\"")
    }

    /// Reads a line if it is an `api-request` record.
    pub(super) fn read_api_request(&mut self, line: &[u8]) {
        let mut scratch = String::new();
        if !Self::is_api_request(line) {
            return;
        }
        let Ok((request, _)) = parse::<ApiRequest<'_>>(line, &mut scratch) else { return };
        // For example `agent:builtin:general-purpose`.
        if let Some(source) = request.query_source.str().strip_prefix("agent:") {
            self.is_subagent = true;
            let kind = source.rsplit(':').next().filter(|k| !k.is_empty());
            self.kind = self.kind.take().or(kind.map(str::to_owned));
        }
    }

    /// Reads a record of the conversation. `marks` are the fields that only subagents have: the id of the session's
    /// prompt, the agent that the answer is attributed to, and the answer that called the tool.
    pub(super) fn read_record(&mut self, is_answer: bool, marks: [&Text<'_>; 3]) {
        self.has_reply |= self.has_answer && !is_answer;
        self.has_answer |= is_answer;
        self.is_subagent |= marks.iter().any(|t| t.some().is_some());
    }

    /// Whether no further record can change the result.
    pub(super) fn is_decided(&self) -> bool {
        self.is_subagent || self.has_reply
    }

    /// Returns the session that the requests of a log belong to; called after the log was read.
    pub(super) fn owner(&self, parent: Option<&SessionKey>, own: &SessionKey, log: &LogPath) -> SessionKey {
        let is_subagent =
            || self.is_subagent || is_short(&log.native) || (!self.has_reply && is_named_by_parent(log));
        match parent {
            Some(parent) if log.has_unclear_owner() && !is_subagent() => parent.clone(),
            _ => own.clone(),
        }
    }

    /// Returns the kind of subagent; `None` for a log that is not in a file of a subagent.
    pub(super) fn subagent_kind<'a>(&'a self, log: &'a LogPath) -> Option<&'a str> {
        let in_meta = log.meta.as_ref().and_then(|m| m.agent_type.as_deref());
        in_meta.or(self.kind.as_deref()).or(log.subagent.then_some(UNNAMED))
    }
}

/// Whether an agent's id has seven digits, as ids had before side questions were introduced.
fn is_short(id: &str) -> bool {
    id.len() == 7 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the log of the parent session names the agent, which it does in the result of the call that started it.
fn is_named_by_parent(log: &LogPath) -> bool {
    let needle = format!("\"agentId\":\"{}\"", log.native);
    contains(&log.parent_log, needle.as_bytes()).unwrap_or(false)
}

/// Whether a file contains `needle`. Reads the file in chunks. Returns `None` if it cannot be read.
fn contains(file: &Path, needle: &[u8]) -> Option<bool> {
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
        // The needle may begin in one chunk and end in the next.
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

    /// Returns the sessions that the requests of a log belong to. Both readers must agree.
    fn owners(id: &str, log: &[&str], session: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p/s/subagents").join(format!("agent-{id}.jsonl"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(dir.path().join("p/s.jsonl"), session).unwrap();
        std::fs::write(&file, log.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
        let opts = ReadOptions::default();
        let whole = Claude.read(&file, &opts).unwrap().usage;
        let mut usage = Vec::new();
        Claude.read_usage(&file, &opts, &mut Vec::new(), &mut |read| usage.extend(read.rows)).unwrap();
        assert_eq!(whole, usage);
        whole.iter().map(|r| r.session.native()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_log_without_metadata_belongs_to_a_subagent_only_if_there_is_evidence() {
        let id = "a510a6b50a4ff1eb6";
        let unmarked = MARKED.replace("sourceToolAssistantUUID", "other");
        let again = ANSWER.replace("m1", "m2");
        assert_eq!(owners(id, &[PROMPT, ANSWER, MARKED, &again], ""), format!("{id} {id}"));
        assert_eq!(owners(id, &[PROMPT, ANSWER, &unmarked, &again], ""), "s s");
        // Without a tool call, the session's log decides.
        let names = format!(r#"{{"toolUseResult":{{"status":"completed","agentId":"{id}"}}}}"#);
        assert_eq!(owners(id, &[PROMPT, ANSWER], &names), id);
        assert_eq!(owners(id, &[PROMPT, ANSWER], "{}"), "s");
        assert_eq!(owners("aa4bb73", &[PROMPT, ANSWER], ""), "aa4bb73");
    }

    #[test]
    fn a_needle_is_found_across_chunks() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        for at in [0, 5, (1 << 18) - 3, (1 << 18) + 1, 1 << 19] {
            std::fs::write(&file, [&vec![b'.'; at][..], b"needle", &[b'.'; 9]].concat()).unwrap();
            assert_eq!(contains(&file, b"needle"), Some(true), "{at}");
            assert_eq!(contains(&file, b"needles"), Some(false), "{at}");
        }
        assert_eq!(contains(&dir.path().join("none"), b"x"), None);
    }
}
