//! Droid (Factory): `~/.factory/sessions/<directory>/<id>.jsonl`, with `<id>.settings.json` next to it.
//!
//! `FACTORY_HOME_OVERRIDE` replaces the home directory. No record of the log has a token count. The settings of a session have
//! its totals, without those of the subagents that it started, so the ledger has one row per session, with its totals.
//! `~/.factory/settings.json` contains keys, so it is never read. The name of a model that a person configured is therefore
//! the one in the log, `custom:…`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::files::{open_log, small_json};
use crate::sources::common::json_fields::{
    block_part, count, non_empty, non_empty_owned, number_after, text_and_media_bytes, text_part, tool_status,
};
use crate::sources::common::line_reader::{Line, LineResult, each_line, parse};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder, request_row};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::{Confidence, Env, Origin, SessionKey, Timestamp, Tokens};

const AGENT: &str = "droid";

pub(crate) struct Droid;

impl Source for Droid {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Droid"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["FACTORY_HOME_OVERRIDE"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let sessions = env.dir("FACTORY_HOME_OVERRIDE", "").join(".factory/sessions");
        vec![sessions]
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        let is_settings = |p: &Path| p.to_str().is_some_and(|p| p.ends_with(".settings.json"));
        let is_log = |p: &Path| p.extension() == Some(OsStr::new("jsonl"));
        let mut orphans = Vec::new();
        let mut sort = |path: PathBuf| match is_settings(&path) {
            false => found(path),
            true if log_of(&path).exists() || totals(&small_json(&path)).is_zero() => {}
            true => orphans.push(path),
        };
        walk::files(root, &|p| is_log(p) || is_settings(p), &mut sort, skip);
        let reason = "the totals of a session whose log is not beside it";
        orphans.into_iter().for_each(|path| skip(Skip { path, reason: reason.to_owned() }));
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        vec![settings_of(file)]
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut log = LogReader::new(file);
        let mut read = each_line(file, open_log(file)?, opts, |line, scratch| log.read_line(line, scratch))?;
        log.push_totals();
        log.builder.finish_into(&mut read);
        Ok(read)
    }
}

/// Returns the path of the settings and totals of a session.
fn settings_of(file: &Path) -> PathBuf {
    file.with_extension("settings.json")
}

/// Returns the path of the log of a session's settings.
fn log_of(settings: &Path) -> PathBuf {
    settings.with_extension("").with_extension("jsonl")
}

/// Returns the totals in the settings of a session.
fn totals(settings: &Value) -> Tokens {
    let totals = &settings["tokenUsage"];
    Tokens {
        input: count(&totals["inputTokens"]),
        output: count(&totals["outputTokens"]),
        reasoning: count(&totals["thinkingTokens"]).min(count(&totals["outputTokens"])),
        cache_read: count(&totals["cacheReadTokens"]),
        cache_write_5m: count(&totals["cacheCreationTokens"]),
        ..Tokens::default()
    }
}

/// Reads the log of one session.
struct LogReader {
    builder: SessionBuilder,
    settings: Value,
    model: Option<String>,
    is_subagent: bool,
}

impl LogReader {
    fn new(file: &Path) -> Self {
        let settings = small_json(&settings_of(file));
        let id = file.file_stem().unwrap_or_default().to_string_lossy();
        let model = non_empty_owned(&settings["model"]);
        LogReader { builder: SessionBuilder::new(AGENT, &id), settings, model, is_subagent: false }
    }

    fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> LineResult {
        let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
        let at = record["timestamp"].as_str().and_then(Timestamp::parse);
        self.builder.extend_time_range(at);
        match record["type"].as_str().unwrap_or_default() {
            "session_start" => self.read_start(&record),
            "message" => self.read_message(&record, at),
            "compaction_state" => {
                let parts =
                    text_part(record["summaryText"].as_str().unwrap_or_default()).into_iter().collect();
                self.builder.push_user(non_empty_owned(&record["id"]), Origin::Compaction, at, parts);
            }
            _ => {}
        }
        Ok(repaired)
    }

    fn read_start(&mut self, record: &Value) {
        let key = |field: &str| non_empty(&record[field]).map(|id| SessionKey::new(AGENT, id));
        let s = &mut self.builder.session;
        s.title = non_empty_owned(&record["sessionTitle"]).or(non_empty_owned(&record["title"]));
        s.work_in(non_empty(&record["cwd"]));
        s.parent = key("callingSessionId");
        self.is_subagent = s.parent.is_some();
        s.forked_from = key("parent").filter(|_| !self.is_subagent);
    }

    fn read_message(&mut self, record: &Value, at: Option<Timestamp>) {
        let (id, message) = (non_empty_owned(&record["id"]), &record["message"]);
        let one = [message["content"].clone()];
        let blocks = message["content"].as_array().map_or(&one[..], Vec::as_slice);
        match message["role"].as_str().unwrap_or_default() {
            "user" => {
                let (mut typed, mut injected) = (Vec::new(), Vec::new());
                for block in blocks {
                    if block["type"] == "tool_result" {
                        self.add_result(block);
                        continue;
                    }
                    let text = block.as_str().or(block["text"].as_str()).unwrap_or_default();
                    let is_reminder = text.trim_start().starts_with("<system-");
                    let into = if self.is_subagent || is_reminder { &mut injected } else { &mut typed };
                    into.extend(block_part(block));
                }
                self.builder.push_user(None, Origin::Injected, at, injected);
                self.builder.push_user(id, Origin::Human, at, typed);
            }
            "assistant" => {
                let model = non_empty_owned(&message["modelId"]).or(self.model.clone());
                self.builder.begin_assistant_message(id, at, model.clone());
                self.model = model;
                for block in blocks {
                    if block["type"] == "tool_use" {
                        let (id, name) = (block["id"].as_str(), block["name"].as_str());
                        let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                        self.builder.push_call(at, id, name, block["input"].clone());
                    } else if let Some(part) = block_part(block) {
                        self.builder.push_part(at, part);
                    }
                }
                self.builder.close_assistant_message();
            }
            _ => {}
        }
    }

    fn add_result(&mut self, block: &Value) {
        let id = block["tool_use_id"].as_str().unwrap_or_default();
        let Some(call) = self.builder.call_mut(id) else { return };
        let (output, bytes) = text_and_media_bytes(&block["content"]);
        let failed = block["is_error"].as_bool().unwrap_or(false);
        call.exit_code = number_after(&output, "[Process exited with code ");
        call.status = tool_status(failed, call.exit_code);
        let started = output.strip_prefix("session_id: ").and_then(|rest| rest.lines().next());
        call.subagent = started.filter(|_| call.name == "Task").map(|id| SessionKey::new(AGENT, id.trim()));
        call.output = Some(output);
        call.media_bytes = bytes;
    }

    /// Adds the totals of the session.
    fn push_totals(&mut self) {
        let tokens = totals(&self.settings);
        if tokens.is_zero() {
            return;
        }
        let session = &self.builder.session;
        let request = LoggedRequest {
            dedupe_key: session.key.to_string(),
            at: session.ended,
            model: self.model.as_deref().unwrap_or_default(),
            tokens,
            offset: 0,
        };
        let mut row = request_row(session.key.clone(), request);
        row.provider = non_empty_owned(&self.settings["providerLock"]);
        row.confidence = Confidence::Reported;
        row.subagent = self.is_subagent.then(|| "subagent".to_owned());
        self.builder.usage.push(row);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trace::ToolStatus;

    #[test]
    fn the_variable_replaces_the_home_directory() {
        let dir = tempfile::tempdir().unwrap();
        for home in ["h", "o"] {
            std::fs::create_dir_all(dir.path().join(home).join(".factory/sessions")).unwrap();
        }
        let mut env = Env::bare(dir.path().join("h"), dir.path().join("own"));
        assert_eq!(Droid.roots(&env), [dir.path().join("h/.factory/sessions")]);
        env.vars.insert("FACTORY_HOME_OVERRIDE".to_owned(), dir.path().join("o").display().to_string());
        assert_eq!(Droid.roots(&env), [dir.path().join("o/.factory/sessions")]);
    }

    #[test]
    fn totals_without_a_log_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let used = json!({"tokenUsage": {"inputTokens": 9, "outputTokens": 1}});
        let unused = json!({"tokenUsage": {"inputTokens": 0}});
        for (name, settings) in [("a.b", &used), ("gone", &used), ("new", &unused)] {
            std::fs::write(dir.path().join(format!("{name}.settings.json")), settings.to_string()).unwrap();
        }
        std::fs::write(dir.path().join("a.b.jsonl"), "").unwrap();
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        Droid.discover(dir.path(), &mut |path| found.push(path), &mut |s| skipped.push(s.path));
        assert_eq!(found, [dir.path().join("a.b.jsonl")]);
        assert_eq!(skipped, [dir.path().join("gone.settings.json")]);
    }

    #[test]
    fn a_session_without_totals_and_with_a_compaction_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s1.jsonl");
        let message = |role: &str, content: Value| json!({"type": "message", "timestamp": "2026-11-30T09:06:58.639Z", "message": {"role": role, "content": content}});
        let records = [
            json!({"type": "session_start", "id": "s1", "title": "Old", "sessionTitle": "New", "cwd": "/w"}),
            message(
                "user",
                json!([{"type": "text", "text": "<system-reminder>x</system-reminder>"}, {"type": "text", "text": "go"}]),
            ),
            message(
                "assistant",
                json!([{"type": "tool_use", "id": "t", "name": "Execute", "input": {"command": "false"}}]),
            ),
            message(
                "user",
                json!([{"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": "Error\n[Process exited with code 1]"}]),
            ),
            json!({"type": "compaction_state", "id": "c", "timestamp": "2026-11-30T09:07:00.000Z", "summaryText": "so far", "removedCount": 3}),
            json!({"type": "todo_state", "todos": []}),
        ];
        let text: Vec<String> = records.iter().map(Value::to_string).collect();
        std::fs::write(&file, text.join("\n")).unwrap();
        let read = Droid.read(&file, &ReadOptions::default()).unwrap();
        let s = &read.sessions[0];
        assert_eq!((s.title.as_deref(), s.project.as_deref()), (Some("New"), Some("/w")));
        assert_eq!((s.user_messages(), s.messages.len(), read.usage.len()), (1, 4, 0));
        let call = s.tool_calls().next().unwrap();
        assert_eq!((call.status, call.exit_code), (ToolStatus::Error, Some(1)));
        assert_eq!(s.messages[3].origin, Origin::Compaction);
    }
}
