//! Kimi Code (2.1): `~/.kimi-code/sessions/<workspace>/<session>/agents/<agent>/wire.jsonl`, `state.json` above.
//!
//! `KIMI_CODE_HOME` names the directory. `step.end` repeats the usage of `usage.record`; lines of kind `event` repeat
//! messages. The parent of `agents/agent-N` is the session itself.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::line_reader::{Line, Used, each_line, parse};
use crate::sources::common::session_builder::{Draft, content, count, ended, exit_code, flat, millis, text};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, open_log, small_json};
use crate::trace::{Env, Origin, SessionKey, Timestamp, Tokens};

/// Agent id.
const AGENT: &str = "kimi-code";

/// The reader of Kimi Code's sessions.
pub(crate) struct KimiCode;

impl Source for KimiCode {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Kimi Code"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let sessions = env.dir("KIMI_CODE_HOME", ".kimi-code").join("sessions");
        if sessions.is_dir() { vec![sessions] } else { Vec::new() }
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| p.file_name() == Some(OsStr::new("wire.jsonl")), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        place(file).map(|(dir, ..)| vec![dir.join("state.json")]).unwrap_or_default()
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let mut wire = Wire::new(file);
        let mut scratch = String::new();
        each_line(file, input, opts, &mut read, |line| wire.line(line, &mut scratch))?;
        wire.draft.finish(&mut read);
        Ok(read)
    }
}

/// The session's directory, its id and the agent's id: `<session>/agents/<agent>/wire.jsonl`.
fn place(file: &Path) -> Option<(&Path, String, String)> {
    let agent = file.parent()?;
    let session = agent.parent()?.parent()?;
    let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    Some((session, name(session)?, name(agent)?))
}

/// Reads one wire log.
struct Wire {
    draft: Draft,
    model: Option<String>,
    /// Kind of subagent.
    subagent: Option<String>,
    prompts: HashSet<String>,
}

impl Wire {
    fn new(file: &Path) -> Self {
        let Some((dir, session, agent)) = place(file) else {
            return Wire::of(Draft::new(AGENT, "wire"), None);
        };
        let state = small_json(&dir.join("state.json"));
        let main = agent == "main" || state["agents"][&agent]["type"] == "main";
        let native = if main { session.clone() } else { format!("{session}/{agent}") };
        let mut draft = Draft::new(AGENT, &native);
        draft.session.project = text(&state["cwd"]).map(str::to_owned);
        if main {
            draft.session.title = text(&state["title"]).map(str::to_owned);
            return Wire::of(draft, None);
        }
        let about = &state["agents"][&agent];
        let above = text(&about["parentAgentId"]).filter(|p| *p != "main" && *p != agent);
        let parent = above.map_or(session.clone(), |p| format!("{session}/{p}"));
        draft.session.parent = Some(SessionKey::new(AGENT, &parent));
        let kind = text(&about["labels"]["profileName"]).unwrap_or("subagent").to_owned();
        Wire::of(draft, Some(kind))
    }

    fn of(draft: Draft, subagent: Option<String>) -> Self {
        Wire { draft, model: None, subagent, prompts: HashSet::new() }
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
        let at = millis(&record["time"]);
        self.draft.tick(at);
        if record["kind"] == "event" {
            return Ok(repaired);
        }
        match record["type"].as_str().unwrap_or_default() {
            "profile.bind" => {
                let cwd = text(&record["environmentDisclosure"]["cwd"]).map(str::to_owned);
                let s = &mut self.draft.session;
                s.project = s.project.take().or(cwd);
            }
            "turn.prompt" => {
                let id = text(&record["promptId"]).map(str::to_owned);
                self.prompts.extend(id.clone());
                let human = record["origin"]["kind"] == "user" && self.subagent.is_none();
                let origin = if human { Origin::Human } else { Origin::Injected };
                self.draft.user(id, origin, at, content(&record["input"]));
            }
            "context.append_message" => {
                let message = &record["message"];
                let id = text(&message["id"]).map(str::to_owned);
                // The prompt of the turn stands here once more.
                if id.as_ref().is_none_or(|id| !self.prompts.contains(id)) && message["role"] == "user" {
                    self.draft.user(id, Origin::Injected, at, content(&message["content"]));
                }
            }
            "llm.request" => {
                self.model = text(&record["model"]).map(str::to_owned);
                self.draft.answer(at).model = self.model.clone();
            }
            "usage.record" => self.usage(&record["usage"], text(&record["model"]), at, line.offset),
            "context.append_loop_event" => self.event(&record["event"], at),
            "turn.step.interrupted" => {
                if let Some(message) = text(&record["message"]) {
                    self.draft.notice(at, self.model.clone(), message);
                }
            }
            _ => {}
        }
        Ok(repaired)
    }

    fn event(&mut self, event: &Value, at: Option<Timestamp>) {
        match event["type"].as_str().unwrap_or_default() {
            "step.begin" => {
                let id = text(&event["uuid"]).map(str::to_owned);
                self.draft.begin(id, at, self.model.clone());
            }
            "content.part" => {
                for part in content(&Value::Array(vec![event["part"].clone()])) {
                    self.draft.part(at, part);
                }
            }
            "tool.call" => {
                let (id, name) = (event["toolCallId"].as_str(), event["name"].as_str());
                let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                self.draft.call(at, id, name, event["args"].clone());
            }
            "tool.result" => {
                let Some(call) = self.draft.called(event["toolCallId"].as_str().unwrap_or_default()) else {
                    return;
                };
                let result = &event["result"];
                let failed = result["isError"].as_bool().unwrap_or(false);
                let (output, bytes) = flat(&result["output"]);
                call.exit_code = exit_code(&output, "exit code: ").filter(|_| failed);
                call.status = ended(failed, None);
                call.output = Some(output);
                call.media_bytes = bytes;
            }
            "step.end" => self.draft.close(),
            _ => {}
        }
    }

    fn usage(&mut self, usage: &Value, alias: Option<&str>, at: Option<Timestamp>, offset: u64) {
        if !usage.is_object() {
            return;
        }
        let tokens = Tokens {
            input: count(&usage["inputOther"]),
            output: count(&usage["output"]),
            cache_read: count(&usage["inputCacheRead"]),
            cache_write_5m: count(&usage["inputCacheCreation"]),
            ..Tokens::default()
        };
        let key = format!("{}#{}", self.draft.session.key, self.draft.usage.len());
        // The record names the model by the person's own alias.
        let model = self.model.clone().or(alias.map(str::to_owned)).unwrap_or_default();
        self.draft.request(key, at, &model, tokens, offset);
        if let (Some(kind), Some(row)) = (&self.subagent, self.draft.usage.last_mut()) {
            row.subagent = Some(kind.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_session_and_agent() {
        let file = Path::new("/r/sessions/wd_x/session_1/agents/agent-0/wire.jsonl");
        let (dir, session, agent) = place(file).unwrap();
        assert_eq!(
            (dir, session.as_str(), agent.as_str()),
            (Path::new("/r/sessions/wd_x/session_1"), "session_1", "agent-0")
        );
        assert_eq!(KimiCode.companions(file), [dir.join("state.json")]);
        assert!(place(Path::new("wire.jsonl")).is_none());
    }
}
