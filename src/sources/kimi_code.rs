//! Kimi Code (2.1): `~/.kimi-code/sessions/<workspace>/<session>/agents/<agent>/wire.jsonl`, with `state.json` in the
//! session's folder.
//!
//! `KIMI_CODE_HOME` replaces `~/.kimi-code`. `step.end` repeats the usage of `usage.record`, and lines of kind `event`
//! repeat messages. The parent of `agents/agent-N` is the session itself.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::files::{open_log, small_json};
use crate::sources::common::json_fields::{
    block_part, content_parts, count, millis_timestamp, non_empty, non_empty_owned, number_after,
    text_and_media_bytes, tool_status,
};
use crate::sources::common::line_reader::{Line, LineResult, each_line, parse};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::{Env, Origin, SessionKey, Timestamp, Tokens};

const AGENT: &str = "kimi-code";

pub(crate) struct KimiCode;

impl Source for KimiCode {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Kimi Code"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["KIMI_CODE_HOME"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let sessions = env.dir("KIMI_CODE_HOME", ".kimi-code").join("sessions");
        vec![sessions]
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &|p| p.file_name() == Some(OsStr::new("wire.jsonl")), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        log_location(file).map(|(dir, ..)| vec![dir.join("state.json")]).unwrap_or_default()
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut wire = WireReader::new(file);
        let mut read = each_line(file, open_log(file)?, opts, |line, scratch| wire.read_line(line, scratch))?;
        wire.builder.finish_into(&mut read);
        Ok(read)
    }
}

/// Returns the session's directory, its id and the agent's id from `<session>/agents/<agent>/wire.jsonl`.
fn log_location(file: &Path) -> Option<(&Path, String, String)> {
    let agent = file.parent()?;
    let session = agent.parent()?.parent()?;
    let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    Some((session, name(session)?, name(agent)?))
}

/// Reads one wire log.
struct WireReader {
    builder: SessionBuilder,
    model: Option<String>,
    /// Kind of subagent; `None` for the main agent.
    subagent: Option<String>,
    /// Ids of the prompts of turns.
    prompts: HashSet<String>,
}

impl WireReader {
    fn new(file: &Path) -> Self {
        let Some((dir, session, agent)) = log_location(file) else {
            return WireReader::of(SessionBuilder::new(AGENT, "wire"), None);
        };
        let state = small_json(&dir.join("state.json"));
        let main = agent == "main" || state["agents"][&agent]["type"] == "main";
        let native = if main { session.clone() } else { format!("{session}/{agent}") };
        let mut builder = SessionBuilder::new(AGENT, &native);
        builder.session.project = non_empty_owned(&state["cwd"]);
        if main {
            builder.session.title = non_empty_owned(&state["title"]);
            return WireReader::of(builder, None);
        }
        let agent_state = &state["agents"][&agent];
        let parent_agent = non_empty(&agent_state["parentAgentId"]).filter(|p| *p != "main" && *p != agent);
        let parent = parent_agent.map_or(session.clone(), |p| format!("{session}/{p}"));
        builder.session.parent = Some(SessionKey::new(AGENT, &parent));
        let kind = non_empty(&agent_state["labels"]["profileName"]).unwrap_or("subagent").to_owned();
        WireReader::of(builder, Some(kind))
    }

    fn of(builder: SessionBuilder, subagent: Option<String>) -> Self {
        WireReader { builder, model: None, subagent, prompts: HashSet::new() }
    }

    fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> LineResult {
        let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
        let at = millis_timestamp(&record["time"]);
        self.builder.extend_time_range(at);
        if record["kind"] == "event" {
            return Ok(repaired);
        }
        match record["type"].as_str().unwrap_or_default() {
            "profile.bind" => {
                self.builder.session.work_in(non_empty(&record["environmentDisclosure"]["cwd"]));
            }
            "turn.prompt" => {
                let id = non_empty_owned(&record["promptId"]);
                self.prompts.extend(id.clone());
                let human = record["origin"]["kind"] == "user" && self.subagent.is_none();
                let origin = if human { Origin::Human } else { Origin::Injected };
                self.builder.push_user(id, origin, at, content_parts(&record["input"]));
            }
            "context.append_message" => {
                let message = &record["message"];
                let id = non_empty_owned(&message["id"]);
                // The prompt of the turn is repeated here.
                if id.as_ref().is_none_or(|id| !self.prompts.contains(id)) && message["role"] == "user" {
                    self.builder.push_user(id, Origin::Injected, at, content_parts(&message["content"]));
                }
            }
            "llm.request" => {
                self.model = non_empty_owned(&record["model"]);
                self.builder.open_assistant_message(at).model = self.model.clone();
            }
            "usage.record" => self.push_usage(&record["usage"], non_empty(&record["model"]), at, line.offset),
            "context.append_loop_event" => self.read_loop_event(&record["event"], at),
            "turn.step.interrupted" => {
                if let Some(message) = non_empty(&record["message"]) {
                    self.builder.push_notice(at, self.model.clone(), message);
                }
            }
            _ => {}
        }
        Ok(repaired)
    }

    fn read_loop_event(&mut self, event: &Value, at: Option<Timestamp>) {
        match event["type"].as_str().unwrap_or_default() {
            "step.begin" => {
                let id = non_empty_owned(&event["uuid"]);
                self.builder.begin_assistant_message(id, at, self.model.clone());
            }
            "content.part" => {
                if let Some(part) = block_part(&event["part"]) {
                    self.builder.push_part(at, part);
                }
            }
            "tool.call" => {
                let (id, name) = (event["toolCallId"].as_str(), event["name"].as_str());
                let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                self.builder.push_call(at, id, name, event["args"].clone());
            }
            "tool.result" => {
                let Some(call) = self.builder.call_mut(event["toolCallId"].as_str().unwrap_or_default())
                else {
                    return;
                };
                let result = &event["result"];
                let failed = result["isError"].as_bool().unwrap_or(false);
                let (output, bytes) = text_and_media_bytes(&result["output"]);
                call.exit_code = number_after(&output, "exit code: ").filter(|_| failed);
                call.status = tool_status(failed, None);
                call.output = Some(output);
                call.media_bytes = bytes;
            }
            "step.end" => self.builder.close_assistant_message(),
            _ => {}
        }
    }

    fn push_usage(&mut self, usage: &Value, alias: Option<&str>, at: Option<Timestamp>, offset: u64) {
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
        let key = format!("{}#{}", self.builder.session.key, self.builder.usage.len());
        // The record has the alias that the person gave to the model, `llm.request` has its id.
        let model = self.model.clone().or(alias.map(str::to_owned)).unwrap_or_default();
        self.builder.push_request(LoggedRequest { dedupe_key: key, at, model: &model, tokens, offset });
        if let (Some(kind), Some(row)) = (&self.subagent, self.builder.usage.last_mut()) {
            row.subagent = Some(kind.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_session_and_the_agent() {
        let file = Path::new("/r/sessions/wd_x/session_1/agents/agent-0/wire.jsonl");
        let (dir, session, agent) = log_location(file).unwrap();
        assert_eq!(
            (dir, session.as_str(), agent.as_str()),
            (Path::new("/r/sessions/wd_x/session_1"), "session_1", "agent-0")
        );
        assert_eq!(KimiCode.companions(file), [dir.join("state.json")]);
        assert!(log_location(Path::new("wire.jsonl")).is_none());
    }
}
