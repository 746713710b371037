//! GitHub Copilot CLI (1.0): `~/.copilot/session-state/<id>/events.jsonl`, with `workspace.yaml` next to it.
//!
//! `COPILOT_HOME` replaces `~/.copilot`, `XDG_STATE_HOME` the directory above it. `session.shutdown` has the totals of a
//! run, which begin from zero when a session is resumed. They count only if the run has no usage records, as in older
//! versions. `detailedContent` repeats a tool result. Copilot masks some secrets in its log; the masks
//! are kept. The cost in the log counts premium requests, not money, so it is not read.
//!
//! `session-store.db` next to `session-state` repeats the prompts and shortened answers of the logs. It is not read, because the
//! same session would then have two versions; a database without any log is named.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::files::{open_log, small_file};
use crate::sources::common::json_fields::{
    count, media_part, non_empty, non_empty_owned, text_part, tool_status,
};
use crate::sources::common::line_reader::{Line, LineResult, each_line, parse};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder, request_row};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError, WorktreeDir};
use crate::trace::{Confidence, Env, Origin, Part, Timestamp, Tokens, ToolStatus, UsageRow};

const AGENT: &str = "copilot";
const LOG_DIRECTORY: &str = "session-state";
const LOG: &str = "events.jsonl";
const DATABASE: &str = "session-store.db";

pub(crate) struct Copilot;

impl Source for Copilot {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "GitHub Copilot CLI"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["COPILOT_HOME", "XDG_STATE_HOME"]
    }

    fn worktree_dirs(&self) -> &'static [WorktreeDir] {
        &[WorktreeDir { ends_with: "copilot-worktrees", id_first: false }]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let mut homes = vec![env.dir("COPILOT_HOME", ".copilot")];
        homes.extend(env.var("XDG_STATE_HOME").map(|dir| Path::new(dir).join(".copilot")));
        homes.into_iter().map(|h| h.join(LOG_DIRECTORY)).collect()
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let databases = self.locations(env).into_iter().map(|dir| dir.with_file_name(DATABASE));
        let databases: Vec<PathBuf> = databases.filter(|db| db.is_file()).collect();
        walk::existing_dirs(self.locations(env)).into_iter().chain(databases).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        if root.is_file() {
            if !has_logs(&root.with_file_name(LOG_DIRECTORY)) {
                let reason = "the sessions of this database have no event logs, and only these are read";
                skip(Skip { path: root.to_owned(), reason: reason.to_owned() });
            }
            return;
        }
        walk::files(root, &|p| p.file_name() == Some(OsStr::new(LOG)), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        vec![file.with_file_name("workspace.yaml")]
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let dir = file.parent().and_then(Path::file_name);
        let native = dir.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut events = EventReader {
            builder: SessionBuilder::new(AGENT, &native),
            native,
            seen_requests: HashSet::new(),
            run: Run::default(),
        };
        let workspace = small_file(&file.with_file_name("workspace.yaml")).unwrap_or_default();
        let workspace = String::from_utf8_lossy(&workspace);
        let s = &mut events.builder.session;
        (s.title, s.project) = (yaml_scalar(&workspace, "name"), yaml_scalar(&workspace, "cwd"));
        s.git_branch = yaml_scalar(&workspace, "branch");
        let mut read =
            each_line(file, open_log(file)?, opts, |line, scratch| events.read_line(line, scratch))?;
        events.end_run();
        events.builder.finish_into(&mut read);
        Ok(read)
    }
}

/// Whether a directory contains the event log of a session.
fn has_logs(directory: &Path) -> bool {
    let sessions = std::fs::read_dir(directory).into_iter().flatten().flatten();
    sessions.into_iter().any(|session| session.path().join(LOG).exists())
}

/// Reads one event log.
struct EventReader {
    builder: SessionBuilder,
    native: String,
    /// Keys of the requests so far.
    seen_requests: HashSet<String>,
    run: Run,
}

/// The usage of one run of the agent: the events up to a shutdown.
#[derive(Default)]
struct Run {
    /// Whether the run has usage records.
    has_records: bool,
    /// Answers with the output tokens that their event names. Versions without usage records write them.
    answers: Vec<Answer>,
}

/// An answer of which only the output is known.
struct Answer {
    key: String,
    at: Option<Timestamp>,
    model: String,
    output: u64,
    offset: u64,
}

impl EventReader {
    fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> LineResult {
        let (event, repaired) = parse::<Value>(line.bytes, scratch)?;
        let at = Timestamp::parse(event["timestamp"].as_str().unwrap_or_default());
        self.builder.extend_time_range(at);
        let data = &event["data"];
        match event["type"].as_str().unwrap_or_default() {
            "session.start" | "session.resume" => {
                // The totals begin from zero here, even if the last run ended without writing them.
                self.end_run();
                let s = &mut self.builder.session;
                s.agent_version = non_empty_owned(&data["copilotVersion"]).or(s.agent_version.take());
                s.move_to(non_empty(&data["context"]["cwd"]));
                s.git_branch = non_empty_owned(&data["context"]["branch"]).or(s.git_branch.take());
            }
            "session.context_changed" => self.builder.session.work_in(non_empty(&data["cwd"])),
            "user.message" => {
                let mut parts: Vec<Part> =
                    text_part(data["content"].as_str().unwrap_or_default()).into_iter().collect();
                parts.extend(data["attachments"].as_array().into_iter().flatten().map(attachment));
                // A message that no person typed names its source: `system` or a skill.
                let source = non_empty(&data["source"]).filter(|s| *s != "user");
                let origin = if source.is_none() { Origin::Human } else { Origin::Injected };
                self.builder.push_user(non_empty_owned(&data["messageId"]), origin, at, parts);
            }
            "assistant.message" => {
                self.remember_output(data, &event, at, line.offset);
                self.builder.begin_assistant_message(
                    non_empty_owned(&data["messageId"]),
                    at,
                    non_empty_owned(&data["model"]),
                );
                if let Some(t) = non_empty(&data["reasoningText"]) {
                    self.builder.push_part(at, Part::Thinking { text: t.to_owned() });
                }
                if let Some(part) = text_part(data["content"].as_str().unwrap_or_default()) {
                    self.builder.push_part(at, part);
                }
            }
            "tool.execution_start" => {
                let (id, name) = (data["toolCallId"].as_str(), data["toolName"].as_str());
                let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                self.builder.push_call(at, id, name, data["arguments"].clone());
            }
            "tool.execution_complete" => self.add_result(data),
            "session.usage_record" => self.push_usage(&data["usage"], &event, at, line.offset),
            "session.shutdown" => self.push_totals(data, &event, at, line.offset),
            "session.compaction_complete" => {
                let parts = text_part(data["summaryContent"].as_str().unwrap_or_default());
                self.builder.push_user(None, Origin::Compaction, at, parts.into_iter().collect());
            }
            "session.error" => {
                if let Some(why) = non_empty(&data["message"]) {
                    self.builder.push_notice(at, None, why);
                }
            }
            _ => {}
        }
        Ok(repaired)
    }

    fn add_result(&mut self, data: &Value) {
        let Some(call) = self.builder.call_mut(data["toolCallId"].as_str().unwrap_or_default()) else {
            return;
        };
        call.exit_code = data["shellExecution"]["exitCode"].as_i64();
        let failed = !data["success"].as_bool().unwrap_or(true);
        let code = data["error"]["code"].as_str().unwrap_or_default();
        call.status = match code {
            "denied" | "rejected" | "permission_denied" => ToolStatus::Denied,
            _ => tool_status(failed, call.exit_code),
        };
        let result = &data["result"];
        let output = non_empty(&result["content"]).or(non_empty(&data["error"]["message"]));
        call.output = output.map(str::to_owned);
        let images = result["contents"].as_array().into_iter().flatten();
        call.media_bytes = images.filter_map(|c| c["data"].as_str()).map(|d| d.len() as u64).sum();
    }

    fn push_usage(&mut self, usage: &Value, event: &Value, at: Option<Timestamp>, offset: u64) {
        if !usage.is_object() {
            return;
        }
        self.run.has_records = true;
        let tokens = tokens(usage);
        let id = non_empty(&usage["apiCallId"]).or(non_empty(&event["id"]));
        let key = match id {
            Some(id) => format!("{AGENT}:{id}"),
            None => format!("{AGENT}:{}#{offset}", self.native),
        };
        if !self.seen_requests.insert(key.clone()) {
            return;
        }
        self.builder.push_request_before_calls(LoggedRequest {
            dedupe_key: key,
            at,
            model: usage["model"].as_str().unwrap_or_default(),
            tokens,
            offset,
        });
        let source = non_empty(&usage["accounting"]["sourceSessionId"]);
        if let Some(row) = self.builder.usage.last_mut() {
            row.copied = source.is_some_and(|s| s != self.native);
        }
    }

    /// Remembers the output of an answer, for a run that ends without any other usage.
    fn remember_output(&mut self, data: &Value, event: &Value, at: Option<Timestamp>, offset: u64) {
        let output = count(&data["outputTokens"]);
        if output == 0 {
            return;
        }
        let id = non_empty(&data["messageId"]).or(non_empty(&event["id"]));
        let key =
            id.map_or_else(|| format!("{AGENT}:{}#{offset}", self.native), |id| format!("{AGENT}:{id}"));
        let model = data["model"].as_str().unwrap_or_default().to_owned();
        self.run.answers.push(Answer { key, at, model, output, offset });
    }

    /// Adds the totals of a run without usage records: one row for each model. They are estimates, because the price of a
    /// request can depend on its own size.
    fn push_totals(&mut self, data: &Value, event: &Value, at: Option<Timestamp>, offset: u64) {
        let totals = data["modelMetrics"].as_object().into_iter().flatten();
        let mut totals: Vec<(&str, Tokens)> = totals
            .map(|(model, m)| (model.as_str(), tokens(&m["usage"])))
            .filter(|(_, t)| !t.is_zero())
            .collect();
        let answered = self.run.answers.last().map(|a| a.model.clone());
        let details = total_details(&data["tokenDetails"]);
        if totals.is_empty() && !details.is_zero() {
            let current = non_empty(&data["currentModel"]).or(answered.as_deref());
            totals.push((current.unwrap_or_default(), details));
        }
        if self.run.has_records {
            self.run = Run::default();
            return;
        }
        if totals.is_empty() {
            // The totals of a later shutdown may include these answers.
            return;
        }
        self.run = Run::default();
        let id = non_empty(&event["id"]).map_or_else(|| format!("{}#{offset}", self.native), str::to_owned);
        for (model, tokens) in totals {
            let dedupe_key = format!("{AGENT}:{id}/{model}");
            self.push_detached(
                LoggedRequest { dedupe_key, at, model, tokens, offset },
                Confidence::Estimated,
            );
        }
    }

    /// Ends a run. If it has neither usage records nor totals, the output of its answers is all that is known.
    fn end_run(&mut self) {
        let Run { has_records, answers } = std::mem::take(&mut self.run);
        for Answer { key, at, model, output, offset } in answers.into_iter().filter(|_| !has_records) {
            let tokens = Tokens { output, ..Tokens::default() };
            let request = LoggedRequest { dedupe_key: key, at, model: &model, tokens, offset };
            self.push_detached(request, Confidence::LowerBound);
        }
    }

    /// Adds a row that is not a whole request, so that nothing is derived from the growth of its prompt.
    fn push_detached(&mut self, request: LoggedRequest<'_>, confidence: Confidence) {
        if self.seen_requests.insert(request.dedupe_key.clone()) {
            let row = request_row(self.builder.session.key.clone(), request);
            self.builder.usage.push(UsageRow { confidence, ..row });
        }
    }
}

/// Reads token counts. `inputTokens` includes the cached tokens.
fn tokens(usage: &Value) -> Tokens {
    let (cache_read, written) = (count(&usage["cacheReadTokens"]), count(&usage["cacheWriteTokens"]));
    Tokens {
        input: count(&usage["inputTokens"]).saturating_sub(cache_read.saturating_add(written)),
        output: count(&usage["outputTokens"]),
        reasoning: count(&usage["reasoningTokens"]),
        cache_read,
        cache_write_5m: written,
        ..Tokens::default()
    }
}

/// Reads the totals of a run in which no model is named. Here `input` does not include the cached tokens.
fn total_details(details: &Value) -> Tokens {
    let count = |kind: &str| count(&details[kind]["tokenCount"]);
    Tokens {
        input: count("input"),
        output: count("output"),
        cache_read: count("cache_read"),
        cache_write_5m: count("cache_write"),
        ..Tokens::default()
    }
}

fn attachment(value: &Value) -> Part {
    if let Some(data) = non_empty(&value["data"]) {
        return media_part(value["mimeType"].as_str().unwrap_or_default(), data);
    }
    let name =
        non_empty(&value["path"]).or(non_empty(&value["filePath"])).or(non_empty(&value["displayName"]));
    Part::Attachment {
        name: name.unwrap_or_default().to_owned(),
        text: value["text"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Returns a top-level scalar of a YAML file: plain, in single quotes or in double quotes. Block scalars are not
/// supported, because Copilot does not write them.
fn yaml_scalar(yaml: &str, key: &str) -> Option<String> {
    let line = yaml.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?.trim();
    let value = if let Some(inner) = line.strip_prefix('\'').and_then(|l| l.strip_suffix('\'')) {
        inner.replace("''", "'")
    } else if line.starts_with('"') {
        serde_json::from_str(line).ok()?
    } else {
        line.to_owned()
    };
    let block = matches!(value.as_str(), "|" | "|-" | ">" | ">-" | "null" | "~");
    Some(value).filter(|v| !v.is_empty() && !block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_read_with_any_kind_of_quotes() {
        let yaml = "id: 1\nname: a: b # c\ncwd: '/it''s'\nbranch: \"x\\ty\"\nempty:\nnested:\n  name: no\n";
        assert_eq!(yaml_scalar(yaml, "name").as_deref(), Some("a: b # c"));
        assert_eq!(yaml_scalar(yaml, "cwd").as_deref(), Some("/it's"));
        assert_eq!(yaml_scalar(yaml, "branch").as_deref(), Some("x\ty"));
        assert_eq!((yaml_scalar(yaml, "empty"), yaml_scalar(yaml, "none")), (None, None));
    }

    #[test]
    fn a_database_without_event_logs_is_named() {
        let home = tempfile::tempdir().unwrap();
        let env = Env::bare(home.path(), home.path().join(".clawgate"));
        let copilot = home.path().join(".copilot");
        std::fs::create_dir_all(&copilot).unwrap();
        std::fs::write(copilot.join(DATABASE), "x").unwrap();
        let named = || {
            let mut named = Vec::new();
            for root in Copilot.roots(&env) {
                Copilot.discover(&root, &mut |_| {}, &mut |skip| named.push(skip.path));
            }
            named
        };
        assert_eq!(named(), [copilot.join(DATABASE)]);
        let session = copilot.join(LOG_DIRECTORY).join("one");
        std::fs::create_dir_all(&session).unwrap();
        assert_eq!(named(), [copilot.join(DATABASE)], "a directory without a log");
        std::fs::write(session.join(LOG), "").unwrap();
        assert_eq!(named(), Vec::<PathBuf>::new());
    }

    /// Returns the model, prompt, output and confidence of the requests in a log.
    fn usage(lines: &[&str]) -> Vec<(String, u64, u64, Confidence)> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.jsonl");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let rows = Copilot.read(&file, &ReadOptions::default()).unwrap().usage;
        rows.into_iter().map(|r| (r.model, r.tokens.prompt(), r.tokens.output, r.confidence)).collect()
    }

    const ANSWER: &str = r#"{"type":"assistant.message","id":"1","timestamp":"2026-11-20T16:20:02.549Z","data":{"messageId":"m1","model":"a","content":"x","outputTokens":7}}"#;
    const SHUTDOWN: &str = r#"{"type":"session.shutdown","id":"9","timestamp":"2026-11-20T16:21:02.549Z","data":{"modelMetrics":{"a":{"requests":{"count":2},"usage":{"inputTokens":900,"outputTokens":30,"cacheReadTokens":500,"cacheWriteTokens":100}},"b":{"usage":{"inputTokens":5,"outputTokens":1}}}}}"#;

    #[test]
    fn the_totals_of_a_run_count_only_without_usage_records() {
        let (one, two) = (("a".to_owned(), 900, 30), ("b".to_owned(), 5, 1));
        let estimated =
            |(model, prompt, output): (String, u64, u64)| (model, prompt, output, Confidence::Estimated);
        let totals = [estimated(one), estimated(two)];
        assert_eq!(usage(&[ANSWER, SHUTDOWN]), totals);
        // A resumed session counts from zero again.
        let resumed = SHUTDOWN.replace("\"9\"", "\"8\"");
        assert_eq!(usage(&[ANSWER, SHUTDOWN, ANSWER, &resumed]), [totals.clone(), totals].concat());
        let record = r#"{"type":"session.usage_record","id":"2","data":{"usage":{"model":"a","inputTokens":4,"outputTokens":2}}}"#;
        assert_eq!(usage(&[ANSWER, record, SHUTDOWN]), [("a".to_owned(), 4, 2, Confidence::Exact)]);
    }

    #[test]
    fn a_run_that_ended_without_totals_counts_beside_those_of_the_next_run() {
        let resume = r#"{"type":"session.resume","timestamp":"2026-11-20T16:20:30Z","data":{}}"#;
        let rows = usage(&[ANSWER, resume, SHUTDOWN]);
        assert_eq!(rows[0], ("a".to_owned(), 0, 7, Confidence::LowerBound));
        assert_eq!(rows[1..], usage(&[SHUTDOWN]));
    }

    #[test]
    fn a_run_without_any_totals_counts_at_least_the_output_of_its_answers() {
        let least = [("a".to_owned(), 0, 7, Confidence::LowerBound)];
        assert_eq!(usage(&[ANSWER]), least);
        let empty = r#"{"type":"session.shutdown","id":"9","data":{"modelMetrics":{}}}"#;
        assert_eq!(usage(&[ANSWER, empty]), least);
    }

    #[test]
    fn totals_without_a_model_count_for_the_models_of_the_run() {
        let details = r#""tokenDetails":{"input":{"tokenCount":10},"cache_read":{"tokenCount":5},"cache_write":{"tokenCount":21070},"output":{"tokenCount":42}}"#;
        let shutdown = |more: &str| {
            format!(
                r#"{{"type":"session.shutdown","id":"9","data":{{"totalPremiumRequests":0.33,{more}{details}}}}}"#
            )
        };
        let total = |model: &str| [(model.to_owned(), 21_085, 42, Confidence::Estimated)];
        assert_eq!(usage(&[ANSWER, &shutdown("")]), total("a"));
        assert_eq!(usage(&[ANSWER, &shutdown(r#""currentModel":"b","modelMetrics":{},"#)]), total("b"));
        let (own, _) = SHUTDOWN.rsplit_once("}}").unwrap();
        assert_eq!(usage(&[&format!("{own},{details}}}}}")]).len(), 2, "the models' own totals count");
    }

    #[test]
    fn sessions_are_found_in_both_directories() {
        let dir = tempfile::tempdir().unwrap();
        for d in ["own/session-state", "state/.copilot/session-state"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("cg"));
        assert!(Copilot.roots(&env).is_empty());
        env.vars.insert("COPILOT_HOME".to_owned(), dir.path().join("own").display().to_string());
        env.vars.insert("XDG_STATE_HOME".to_owned(), dir.path().join("state").display().to_string());
        assert_eq!(Copilot.roots(&env).len(), 2);
    }
}
