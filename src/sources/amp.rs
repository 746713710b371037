//! Amp: threads that it keeps on this machine, `~/.local/share/amp/threads/T-<id>.json`.
//!
//! `XDG_DATA_HOME` moves the directory. Versions that keep their threads only on Amp's server leave nothing to read. The format
//! is the one that other readers of these files describe; no fixture was recorded, because the program needs an account.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::document::whole_json;
use crate::sources::common::json_fields::{
    block_part, count, local_path, millis_timestamp, non_empty, non_empty_owned, tool_status,
};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder, request_row};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::{Confidence, Env, Origin, Timestamp, Tokens, ToolStatus};

const AGENT: &str = "amp";

pub(crate) struct Amp;

impl Source for Amp {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Amp"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["XDG_DATA_HOME"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        vec![env.dir("XDG_DATA_HOME", ".local/share").join("amp/threads")]
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        let is_thread = |p: &Path| {
            p.extension() == Some(OsStr::new("json"))
                && p.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("T-"))
        };
        walk::files(root, &is_thread, found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut read = Read::default();
        let all = whole_json(file, opts, &mut read)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut thread = ThreadReader::new(non_empty(&all["id"]).unwrap_or(&stem), &all);
        for (position, message) in (0..).zip(all["messages"].as_array().into_iter().flatten()) {
            thread.read_message(message, position);
        }
        let events = all["usageLedger"]["events"].as_array();
        let named = events.into_iter().flatten().filter_map(|event| event["toMessageId"].as_u64());
        let named: HashSet<u64> = named.collect();
        thread.unnamed.retain(|request| request.message.is_none_or(|id| !named.contains(&id)));
        for (position, event) in (0..).zip(events.into_iter().flatten()) {
            thread.read_event(event, position);
        }
        thread.builder.finish_into(&mut read);
        Ok(read)
    }
}

/// Reads one thread into a session.
struct ThreadReader {
    builder: SessionBuilder,
    created: Option<Timestamp>,
    /// Ids of the answers whose requests are counted.
    counted: HashSet<u64>,
    /// Requests of answers that no event of the ledger has named yet.
    unnamed: Vec<AnswerRequest>,
}

/// The request of an answer, as an event of the ledger repeats it.
struct AnswerRequest {
    message: Option<u64>,
    model: String,
    input: u64,
    output: u64,
}

impl ThreadReader {
    fn new(id: &str, all: &Value) -> Self {
        let mut builder = SessionBuilder::new(AGENT, id);
        let created = millis_timestamp(&all["created"]).filter(|at| at.millis() > 0);
        let (initial, s) = (&all["env"]["initial"], &mut builder.session);
        let tree = &initial["trees"][0];
        s.title = non_empty_owned(&all["title"]);
        s.agent_version = non_empty_owned(&initial["platform"]["clientVersion"]);
        s.project = non_empty(&tree["uri"]).filter(|uri| uri.starts_with("file://")).map(local_path);
        s.git_branch = non_empty(&tree["repository"]["ref"])
            .map(|name| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned());
        s.extend_time_range(created);
        ThreadReader { builder, created, counted: HashSet::new(), unnamed: Vec::new() }
    }

    fn read_message(&mut self, message: &Value, position: u64) {
        let sent = millis_timestamp(&message["meta"]["sentAt"]);
        let usage = &message["usage"];
        let at = sent.or_else(|| Timestamp::parse(usage["timestamp"].as_str()?));
        self.builder.extend_time_range(at);
        let id = message["messageId"].as_u64().map(|id| id.to_string());
        let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
        match message["role"].as_str().unwrap_or_default() {
            "user" => {
                let mut parts = Vec::new();
                for block in blocks {
                    match block["type"].as_str().unwrap_or_default() {
                        "tool_result" => self.add_result(block),
                        _ => parts.extend(block_part(block)),
                    }
                }
                self.builder.push_user(id, Origin::Human, at, parts);
            }
            "assistant" => {
                self.builder.begin_assistant_message(id, at, non_empty_owned(&usage["model"]));
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
                self.push_usage(message, at, position);
            }
            _ => {}
        }
    }

    fn add_result(&mut self, block: &Value) {
        let id = non_empty(&block["toolUseID"]).or(non_empty(&block["tool_use_id"]));
        let Some(call) = self.builder.call_mut(id.unwrap_or_default()) else { return };
        let run = &block["run"];
        let result = &run["result"];
        call.exit_code = result["exitCode"].as_i64();
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let shown = ["output", "content"].into_iter().find_map(|field| non_empty_owned(&result[field]));
        call.output = shown.or_else(|| text(result)).or_else(|| text(&run["error"]["message"]));
        call.status = match run["status"].as_str().unwrap_or_default() {
            "rejected-by-user" => ToolStatus::Denied,
            "in-progress" | "queued" | "blocked-on-user" => ToolStatus::Pending,
            status => tool_status(matches!(status, "error" | "cancelled"), call.exit_code),
        };
    }

    fn push_usage(&mut self, message: &Value, at: Option<Timestamp>, position: u64) {
        let usage = &message["usage"];
        let model = usage["model"].as_str().unwrap_or_default();
        let mut tokens = Tokens {
            input: count(&usage["inputTokens"]),
            output: count(&usage["outputTokens"]),
            cache_read: count(&usage["cacheReadInputTokens"]),
            cache_write_5m: count(&usage["cacheCreationInputTokens"]),
            ..Tokens::default()
        };
        // Amp counts every uncached prompt of OpenAI's models as written to the cache, which that provider does not charge.
        if model.starts_with("gpt-") {
            tokens.input = tokens.input.saturating_add(std::mem::take(&mut tokens.cache_write_5m));
        }
        if tokens.is_zero() {
            return;
        }
        let id = message["messageId"].as_u64();
        self.counted.extend(id);
        let (input, output) = (count(&usage["inputTokens"]), tokens.output);
        self.unnamed.push(AnswerRequest { message: id, model: model.to_owned(), input, output });
        let at = Timestamp::parse(usage["timestamp"].as_str().unwrap_or_default()).or(at).or(self.created);
        let dedupe_key = format!("{}#{position}", self.builder.session.key);
        self.builder.push_request(LoggedRequest { dedupe_key, at, model, tokens, offset: position });
    }

    /// Adds a request of the thread's ledger that is not that of an answer, for example one of a subagent. The ledger leaves
    /// out cached tokens.
    fn read_event(&mut self, event: &Value, position: u64) {
        let is_counted = event["toMessageId"].as_u64().is_some_and(|id| self.counted.contains(&id));
        let (input, output) = (count(&event["tokens"]["input"]), count(&event["tokens"]["output"]));
        if is_counted || input == 0 && output == 0 {
            return;
        }
        let model = event["model"].as_str().unwrap_or_default();
        // Some versions do not name the message: an event with the model and tokens of an answer is that of the answer.
        let is_same = |r: &AnswerRequest| r.model == model && (r.input, r.output) == (input, output);
        if event["toMessageId"].is_null()
            && let Some(at) = self.unnamed.iter().position(is_same)
        {
            self.unnamed.swap_remove(at);
            return;
        }
        let key = self.builder.session.key.clone();
        let at = Timestamp::parse(event["timestamp"].as_str().unwrap_or_default()).or(self.created);
        let name = non_empty(&event["id"]).map_or_else(|| position.to_string(), str::to_owned);
        let request = LoggedRequest {
            dedupe_key: format!("{key}#event-{name}"),
            at,
            model,
            tokens: Tokens { input, output, ..Tokens::default() },
            offset: position,
        };
        let mut row = request_row(key, request);
        row.confidence = Confidence::LowerBound;
        self.builder.extend_time_range(at);
        self.builder.usage.push(row);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(thread: &Value) -> Read {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".local/share/amp/threads");
        std::fs::create_dir_all(&root).unwrap();
        for name in ["T-1.json", "settings.json", "T-1.json.bak"] {
            std::fs::write(root.join(name), thread.to_string()).unwrap();
        }
        let (mut found, env) = (Vec::new(), Env::bare(home.path(), home.path().join("own")));
        Amp.discover(&Amp.roots(&env)[0], &mut |path| found.push(path), &mut |s| panic!("{s:?}"));
        assert_eq!(found, [root.join("T-1.json")]);
        Amp.read(&found[0], &ReadOptions::default()).unwrap()
    }

    #[test]
    fn a_thread_with_tools_and_a_ledger_is_read() {
        let result = |id: &str, run: Value| json!({"type": "tool_result", "toolUseID": id, "run": run});
        let call = |id: &str, name: &str| json!({"type": "tool_use", "complete": true, "id": id, "name": name, "input": {"cmd": "ls"}});
        let read = read(&json!({
            "v": 195, "id": "T-1", "created": 1_763_900_000_000_i64, "title": "Fix it",
            "env": {"initial": {"trees": [{"displayName": "app", "uri": "file:///home/m/my%20app",
                "repository": {"type": "git", "ref": "refs/heads/main"}}], "platform": {"clientVersion": "0.0.1763"}}},
            "messages": [
                {"role": "user", "messageId": 0, "content": [{"type": "text", "text": "fix"}], "meta": {"sentAt": 1_763_900_001_000_i64}},
                {"role": "assistant", "messageId": 1, "content": [{"type": "thinking", "thinking": "hm"}, call("a", "Bash"), call("b", "Read"),
                    call("c", "Task"), call("d", "Bash")],
                 "usage": {"model": "claude-sonnet-4-5", "inputTokens": 7, "outputTokens": 87, "cacheReadInputTokens": 100,
                    "cacheCreationInputTokens": 20, "totalInputTokens": 127, "timestamp": "2025-11-23T12:13:22.000Z"}},
                {"role": "user", "messageId": 2, "content": [
                    result("a", json!({"status": "done", "result": {"output": "missing", "exitCode": 3}})),
                    result("b", json!({"status": "error", "error": {"message": "no file"}})),
                    result("c", json!({"status": "done", "result": "3"})), result("d", json!({"status": "rejected-by-user"}))]},
                {"role": "assistant", "messageId": 3, "content": [{"type": "text", "text": "Done."}],
                 "usage": {"model": "gpt-5", "inputTokens": 0, "outputTokens": 5, "cacheCreationInputTokens": 50, "cacheReadInputTokens": 9}},
            ],
            "usageLedger": {"events": [
                {"id": "e1", "timestamp": "2025-11-23T12:13:22.000Z", "model": "claude-sonnet-4-5", "credits": 1.5,
                 "tokens": {"input": 7, "output": 87}, "operationType": "inference", "fromMessageId": 0, "toMessageId": 1},
                {"id": "e2", "timestamp": "2025-11-23T12:13:30.000Z", "model": "claude-haiku-4-5", "credits": 0.1,
                 "tokens": {"input": 11, "output": 2}},
            ]},
        }));
        let s = &read.sessions[0];
        assert_eq!((s.key.as_str(), s.project.as_deref()), ("amp:T-1", Some("/home/m/my app")));
        assert_eq!((s.git_branch.as_deref(), s.agent_version.as_deref()), (Some("main"), Some("0.0.1763")));
        assert_eq!((s.user_messages(), s.assistant_messages(), s.messages.len()), (1, 1, 3));
        let calls: Vec<_> = s.tool_calls().map(|c| (c.status, c.exit_code, c.output.as_deref())).collect();
        let (ok, error, denied) = (ToolStatus::Success, ToolStatus::Error, ToolStatus::Denied);
        let expected = [
            (error, Some(3), Some("missing")),
            (error, None, Some("no file")),
            (ok, None, Some("3")),
            (denied, None, None),
        ];
        assert_eq!(calls, expected);
        let rows: Vec<_> = read
            .usage
            .iter()
            .map(|r| (r.tokens.input, r.tokens.cache_read, r.tokens.cache_write_5m, r.confidence))
            .collect();
        let (exact, bound) = (Confidence::Exact, Confidence::LowerBound);
        assert_eq!(rows, [(7, 100, 20, exact), (50, 9, 0, exact), (11, 0, 0, bound)]);
        assert_eq!(s.ended, Timestamp::parse("2025-11-23T12:13:30.000Z"));
    }

    #[test]
    fn an_event_without_a_message_id_is_the_request_of_one_answer() {
        let answer = |id: u64| {
            json!({"role": "assistant", "messageId": id, "content": [{"type": "text", "text": "ok"}],
                "usage": {"model": "claude-sonnet-4-5", "inputTokens": 7, "outputTokens": 87}})
        };
        let event = |model: &str| json!({"model": model, "tokens": {"input": 7, "output": 87}, "operationType": "inference"});
        let (sonnet, haiku) = (event("claude-sonnet-4-5"), event("claude-haiku-4-5"));
        let named =
            json!({"model": "claude-sonnet-4-5", "tokens": {"input": 7, "output": 87}, "toMessageId": 1});
        let requests = |events: &[&Value]| {
            read(&json!({"messages": [answer(1), answer(2)], "usageLedger": {"events": events}})).usage.len()
        };
        assert_eq!(requests(&[&sonnet, &sonnet]), 2);
        assert_eq!(requests(&[&sonnet, &sonnet, &sonnet]), 3);
        assert_eq!(requests(&[&sonnet, &haiku]), 3);
        assert_eq!(requests(&[&sonnet, &named]), 2);
        assert_eq!(requests(&[&sonnet, &sonnet, &named]), 3);
    }

    #[test]
    fn a_thread_without_any_of_the_optional_fields_is_read() {
        let read = read(
            &json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, 7, {"role": "assistant"}],
            "usageLedger": {"events": [null, {"tokens": {"input": "x"}}]}}),
        );
        assert_eq!((read.sessions[0].key.as_str(), read.sessions[0].messages.len()), ("amp:T-1", 1));
        assert_eq!(read.usage.len(), 0);
    }
}
