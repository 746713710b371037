//! Tasks of Cline 2 and of the VS Code extension, and of Roo Code and Kilo Code, which began as copies of it.
//!
//! `ui_messages.json` contains everything shown on the screen: prompts, costs and errors. The conversation with the
//! model is in `api_conversation_history.json`, the working directory in `state/taskHistory.json` (Cline) or
//! `history_item.json` (Roo Code). Roo Code writes the model only into the environment details.

use std::collections::VecDeque;
use std::path::Path;

use serde_json::Value;

use crate::sources::cline::tools;
use crate::sources::common::document::whole_json;
use crate::sources::common::files::{small_file, small_json};
use crate::sources::common::json_fields::{
    block_part, content_parts, count, media_part, millis_timestamp, non_empty, non_empty_owned, number_after,
    picousd_from_f64, text_and_media_bytes, text_part, tool_status,
};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder};
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::{Confidence, Origin, Part, SessionKey, Timestamp, Tokens};

/// Providers whose `tokensIn` excludes cached tokens.
const INPUT_EXCLUDES_CACHE: [&str; 4] = ["anthropic", "bedrock", "vertex", "claude-code"];

/// Files next to `ui_messages.json` that are read with it.
pub(super) const COMPANIONS: [&str; 2] = ["api_conversation_history.json", HISTORY_ITEM];

/// The entry of a task in the list of tasks.
const HISTORY_ITEM: &str = "history_item.json";

/// The log of a task. The other files of the task are next to it.
pub(super) const SCREEN: &str = "ui_messages.json";

pub(super) fn read(
    agent: &'static str,
    file: &Path,
    opts: &ReadOptions,
    read: &mut Read,
) -> Result<(), SourceError> {
    let ui = whole_json(file, opts, read)?;
    let history = file.with_file_name("api_conversation_history.json");
    let api = if history.is_file() { whole_json(&history, opts, read)? } else { Value::Null };
    let id = file.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
    let id = id.unwrap_or_default();
    let mut task = TaskBuilder::new(agent, &id);
    for (position, m) in ui.as_array().into_iter().flatten().enumerate() {
        task.read_screen_message(m, position == 0);
    }
    let (started, ended) = (task.builder.session.started, task.builder.session.ended);
    let mut position = 0;
    for entry in api.as_array().into_iter().flatten() {
        position += 1;
        let at = millis_timestamp(&entry["ts"]);
        match at {
            Some(at) => task.push_events_until(at),
            // Entries of older versions have no time, but repeat the prompts. So prompts are placed by counting.
            None => task.push_prompts(count_prompts(entry)),
        }
        match entry["role"].as_str().unwrap_or_default() {
            _ if entry["isSummary"] == true => task.add_summary(entry, at),
            "user" => task.add_user(entry, at),
            "assistant" => task.add_assistant(entry, at, position),
            _ => {}
        }
    }
    task.push_prompts(usize::MAX);
    // The screen messages give the task its start and end.
    let s = &mut task.builder.session;
    (s.started, s.ended) = (started.or(s.started), ended.or(s.ended));
    let item = small_json(&file.with_file_name(HISTORY_ITEM));
    s.parent = non_empty(&item["parentTaskId"]).map(|parent| SessionKey::new(agent, parent));
    let workspace = non_empty_owned(&item["workspace"]);
    s.project = directory(file, &id).or(workspace).or(task.directory.take());
    task.finish_into(read);
    Ok(())
}

/// Builds the session of a task.
struct TaskBuilder {
    agent: &'static str,
    builder: SessionBuilder,
    id: String,
    /// Prompts and failures from the screen, by time, that are not in the session yet.
    events: VecDeque<(Option<Timestamp>, ScreenEvent)>,
    /// Requests from the screen that are not matched with an answer yet.
    requests: VecDeque<ScreenRequest>,
    /// Requests without an answer in the conversation: the sum of those that were deleted with their messages when a checkpoint
    /// was restored, and those that condensed the context.
    unanswered: Vec<ScreenRequest>,
    /// Provider and model of the last request on the screen.
    last_model: (String, String),
    /// Ids of the calls of the last answer that have no result yet.
    pending: VecDeque<String>,
    /// Id of a call whose result is the next text.
    announced: Option<String>,
    directory: Option<String>,
    /// The models in the environment details, and when each was sent.
    models: Vec<(Option<Timestamp>, String)>,
    /// Number of calls so far, from which calls without an id get one.
    call_count: u64,
}

enum ScreenEvent {
    Prompt(Vec<Part>),
    Failure(String),
}

/// A request as the screen shows it.
struct ScreenRequest {
    at: Option<Timestamp>,
    provider: String,
    model: String,
    /// Token counts and cost.
    figures: Value,
}

impl ScreenRequest {
    /// Tokens read from the cache and written to it.
    fn cache_tokens(&self) -> (u64, u64) {
        (count(&self.figures["cacheReads"]), count(&self.figures["cacheWrites"]))
    }
}

/// Returns the input tokens without the cached ones, from a prompt count that includes them for some providers.
fn uncached_input(prompt: u64, provider: &str, (cache_read, written): (u64, u64)) -> u64 {
    let cached = cache_read.saturating_add(written);
    let includes_cache = !INPUT_EXCLUDES_CACHE.contains(&provider) && cached <= prompt;
    if includes_cache { prompt - cached } else { prompt }
}

impl TaskBuilder {
    fn new(agent: &'static str, id: &str) -> Self {
        TaskBuilder {
            agent,
            builder: SessionBuilder::new(agent, id),
            id: id.to_owned(),
            events: VecDeque::new(),
            requests: VecDeque::new(),
            unanswered: Vec::new(),
            last_model: (String::new(), String::new()),
            pending: VecDeque::new(),
            announced: None,
            directory: None,
            models: Vec::new(),
            call_count: 0,
        }
    }

    fn read_screen_message(&mut self, m: &Value, is_first: bool) {
        let at = millis_timestamp(&m["ts"]);
        self.builder.extend_time_range(at);
        let words = m["text"].as_str().unwrap_or_default();
        let kind = non_empty(&m["say"]).or(non_empty(&m["ask"])).unwrap_or_default();
        // Roo Code shows the first prompt like an answer.
        let kind = if is_first && kind == "text" { "task" } else { kind };
        match (m["type"].as_str().unwrap_or_default(), kind) {
            ("say", "task" | "user_feedback") => {
                let mut parts: Vec<Part> = text_part(words).into_iter().collect();
                for image in m["images"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    parts.push(media_part("", image));
                }
                for file in m["files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    parts.push(Part::Attachment { name: file.to_owned(), text: String::new() });
                }
                self.events.push_back((at, ScreenEvent::Prompt(parts)));
            }
            ("say", "api_req_started" | "deleted_api_reqs") => {
                let figures: Value = serde_json::from_str(words).unwrap_or_default();
                if figures.get("tokensOut").is_some() {
                    let info = &m["modelInfo"];
                    let name = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                    let (provider, model) = (name(&info["providerId"]), name(&info["modelId"]));
                    if kind == "deleted_api_reqs" {
                        self.push_unanswered(at, figures);
                        return;
                    }
                    self.last_model = (provider.clone(), model.clone());
                    self.requests.push_back(ScreenRequest { at, provider, model, figures });
                }
            }
            // Roo Code records what this cost, and not its tokens.
            ("say", "condense_context")
                if m["contextCondense"]["cost"].as_f64().is_some_and(|usd| usd > 0.0) =>
            {
                self.push_unanswered(at, m["contextCondense"].clone());
            }
            ("ask", "api_req_failed") => {
                let inner: Value = serde_json::from_str(words).unwrap_or_default();
                let reason = non_empty(&inner["message"]).unwrap_or(words).to_owned();
                self.events.push_back((at, ScreenEvent::Failure(reason)));
            }
            _ => {}
        }
    }

    /// Adds a request without an answer, of the model of the last request.
    fn push_unanswered(&mut self, at: Option<Timestamp>, figures: Value) {
        let (provider, model) = self.last_model.clone();
        self.unanswered.push(ScreenRequest { at, provider, model, figures });
    }

    /// Adds the prompts and failures that are not later than an entry of the conversation.
    fn push_events_until(&mut self, before: Timestamp) {
        while self.events.front().is_some_and(|(at, _)| at.is_none_or(|at| at <= before)) {
            self.push_event();
        }
    }

    /// Adds the next `n` prompts, and the failures before them.
    fn push_prompts(&mut self, mut n: usize) {
        while n > 0 && !self.events.is_empty() {
            n -= usize::from(self.push_event());
        }
    }

    /// Adds the next prompt or failure. Returns whether it was a prompt.
    fn push_event(&mut self) -> bool {
        match self.events.pop_front() {
            Some((at, ScreenEvent::Prompt(parts))) => {
                self.builder.push_user(None, Origin::Human, at, parts);
                return true;
            }
            Some((at, ScreenEvent::Failure(reason))) => self.builder.push_notice(at, None, &reason),
            None => {}
        }
        false
    }

    fn add_user(&mut self, entry: &Value, at: Option<Timestamp>) {
        let mut injected = Vec::new();
        let one = [entry["content"].clone()];
        let blocks = entry["content"].as_array().map_or(&one[..], Vec::as_slice);
        for block in blocks {
            if block["type"] == "tool_result" {
                let (output, bytes) = text_and_media_bytes(&block["content"]);
                let id = block["tool_use_id"].as_str().unwrap_or_default().to_owned();
                self.pending.retain(|p| *p != id);
                self.add_result(&id, &output, bytes);
                continue;
            }
            let words = block.as_str().or(block["text"].as_str()).unwrap_or_default();
            if words.trim_start().starts_with("<environment_details>") {
                self.read_environment(words, at);
            } else if let Some(output) = tool_output(words) {
                if let Some(id) = self.pending.pop_front() {
                    self.add_result(&id, output, 0);
                    self.announced = Some(id).filter(|_| output.is_empty());
                }
            } else if !is_prompt(words) {
                match self.announced.take().filter(|_| !words.is_empty()) {
                    Some(id) => self.add_result(&id, words, 0),
                    None => injected.extend(block_part(block)),
                }
            }
        }
        self.announced = None;
        if !injected.is_empty() {
            self.builder.push_user(None, Origin::Injected, at, injected);
        }
    }

    /// Adds the summary of a compaction.
    fn add_summary(&mut self, entry: &Value, at: Option<Timestamp>) {
        let parts = content_parts(&entry["content"]);
        self.builder.push_user(None, Origin::Compaction, at, parts);
    }

    /// Reads the working directory from the environment details, for tasks that are not in the task history, and the model.
    fn read_environment(&mut self, words: &str, at: Option<Timestamp>) {
        for marker in ["# Current Working Directory (", "# Current Workspace Directory ("] {
            if self.directory.is_none()
                && let Some((_, rest)) = words.split_once(marker)
                && let Some((dir, _)) = rest.split_once(") Files")
            {
                self.directory = Some(dir.to_owned());
            }
        }
        // The details begin with what the editor shows, which can contain such an element as well.
        if let Some((_, rest)) = words.rsplit_once("<model>")
            && let Some((model, _)) = rest.split_once("</model>")
            && !model.is_empty()
        {
            self.models.push((at, model.to_owned()));
        }
    }

    /// Returns the model of a request that the screen shows: the environment details are sent after it is shown.
    fn model_at(&self, at: Option<Timestamp>) -> &str {
        let later = self.models.iter().find(|(sent, _)| sent.is_some() && *sent >= at);
        later.or(self.models.last()).map_or("", |(_, model)| model)
    }

    fn add_result(&mut self, id: &str, output: &str, bytes: u64) {
        let Some(call) = self.builder.call_mut(id) else { return };
        let failed = output.contains("tool execution failed");
        call.exit_code = number_after(output, "failed with exit code ")
            .or_else(|| output.contains("(exit code 0)").then_some(0))
            .or_else(|| number_after(command_status(output)?, "Exit code: "));
        let denied = output.starts_with("The user denied this operation")
            || output.starts_with("{\"status\":\"denied\"");
        call.status =
            if denied { crate::trace::ToolStatus::Denied } else { tool_status(failed, call.exit_code) };
        call.output = Some(output.to_owned());
        call.media_bytes = bytes;
    }

    fn add_assistant(&mut self, entry: &Value, at: Option<Timestamp>, position: u64) {
        let model = non_empty_owned(&entry["modelInfo"]["modelId"])
            .or_else(|| self.models.last().map(|(_, model)| model.clone()));
        self.builder.begin_assistant_message(None, at, model.clone());
        self.pending.clear();
        if let Some(text) = non_empty(&entry["reasoning_content"]) {
            self.builder.push_part(at, Part::Thinking { text: text.to_owned() });
        }
        let one = [entry["content"].clone()];
        let blocks = entry["content"].as_array().map_or(&one[..], Vec::as_slice);
        // The text of the answer so far.
        let mut shown = String::new();
        for block in blocks {
            if block["type"] == "tool_use" {
                let id = block["id"].as_str().unwrap_or_default().to_owned();
                self.add_call(at, id, block["name"].as_str().unwrap_or_default(), &block["input"], &shown);
                continue;
            }
            let Some(mut words) = block.as_str().or(block["text"].as_str()) else {
                block_part(block).into_iter().for_each(|p| self.builder.push_part(at, p));
                continue;
            };
            if block["type"] == "thinking" || block["type"] == "reasoning" {
                self.builder.push_part(at, Part::Thinking { text: words.to_owned() });
                continue;
            }
            while let Some((before, name, input, rest)) = tools::split_call(words) {
                shown.push_str(before);
                text_part(before).into_iter().for_each(|p| self.builder.push_part(at, p));
                self.add_call(at, String::new(), name, &input, &shown);
                words = rest;
            }
            shown.push_str(words);
            text_part(words).into_iter().for_each(|p| self.builder.push_part(at, p));
        }
        self.push_usage(entry, at, position, model.as_deref());
    }

    fn add_call(&mut self, at: Option<Timestamp>, id: String, name: &str, input: &Value, shown: &str) {
        if name == "attempt_completion" {
            // This ends the task; no tool runs. The answer may already contain its text.
            let words = input["result"].as_str().unwrap_or_default();
            if !words.trim().is_empty() && !shown.contains(words.trim()) {
                let (name, text) = (name.to_owned(), words.to_owned());
                self.builder.push_part(at, Part::Attachment { name, text });
            }
            self.pending.push_back(String::new());
            return;
        }
        self.call_count += 1;
        let id = if id.is_empty() { format!("call-{}", self.call_count) } else { id };
        self.builder.push_call(at, &id, name, input.clone());
        self.pending.push_back(id);
    }

    fn push_usage(&mut self, entry: &Value, at: Option<Timestamp>, position: u64, model: Option<&str>) {
        let t = &entry["metrics"]["tokens"];
        if !t.is_object() {
            return;
        }
        let (prompt, output, cached) = (count(&t["prompt"]), count(&t["completion"]), count(&t["cached"]));
        // Only the screen separates cache reads from writes and has the cost. The output tokens identify the request.
        // Requests before it were never answered, so they are dropped. An answer without a match uses no figures of
        // another request.
        let matching = self.requests.iter().position(|r| count(&r.figures["tokensOut"]) == output);
        let shown = matching.and_then(|at| self.requests.drain(..=at).next_back());
        let cache = shown.as_ref().map_or((cached, 0), ScreenRequest::cache_tokens);
        let provider = non_empty(&entry["modelInfo"]["providerId"])
            .or(shown.as_ref().map(|r| r.provider.as_str()))
            .unwrap_or_default();
        let tokens = Tokens {
            input: uncached_input(prompt, provider, cache),
            output,
            cache_read: cache.0,
            cache_write_5m: cache.1,
            ..Tokens::default()
        };
        let request = LoggedRequest {
            dedupe_key: self.request_key(at, position),
            at,
            model: model.unwrap_or_default(),
            tokens,
            offset: position,
        };
        self.builder.push_request(request);
        if let (Some(shown), Some(row)) = (&shown, self.builder.usage.last_mut()) {
            row.reported_picousd = picousd_from_f64(shown.figures["cost"].as_f64());
        }
    }

    fn request_key(&self, at: Option<Timestamp>, position: u64) -> String {
        format!("{}:{}@{}#{position}", self.agent, self.id, at.unwrap_or_default().millis())
    }

    fn finish_into(mut self, read: &mut Read) {
        // Older versions record usage only on the screen.
        if self.builder.usage.is_empty() {
            for (position, shown) in (0..).zip(std::mem::take(&mut self.requests)) {
                self.push_shown(&self.request_key(shown.at, position), &shown, position);
            }
        }
        for (position, shown) in (0..).zip(std::mem::take(&mut self.unanswered)) {
            self.push_shown(
                &format!("{}-unanswered", self.request_key(shown.at, position)),
                &shown,
                position,
            );
        }
        self.builder.finish_into(read);
    }

    /// Adds the usage of a request from the screen.
    fn push_shown(&mut self, dedupe_key: &str, shown: &ScreenRequest, position: u64) {
        let cache = shown.cache_tokens();
        let tokens = Tokens {
            input: uncached_input(count(&shown.figures["tokensIn"]), &shown.provider, cache),
            output: count(&shown.figures["tokensOut"]),
            cache_read: cache.0,
            cache_write_5m: cache.1,
            ..Tokens::default()
        };
        let reported = picousd_from_f64(shown.figures["cost"].as_f64());
        let has_tokens = shown.figures.get("tokensOut").is_some();
        if tokens.is_zero() && (has_tokens || reported.is_none()) {
            return;
        }
        let model = non_empty_text(&shown.model).unwrap_or(self.model_at(shown.at)).to_owned();
        self.builder.push_request(LoggedRequest {
            dedupe_key: dedupe_key.to_owned(),
            at: shown.at,
            model: &model,
            tokens,
            offset: position,
        });
        if let Some(row) = self.builder.usage.last_mut() {
            row.reported_picousd = reported;
            row.confidence = if has_tokens { Confidence::Reported } else { Confidence::LowerBound };
        }
    }
}

/// Returns the output in a text that contains a tool result: `[tool for 'x'] Result:`.
fn tool_output(words: &str) -> Option<&str> {
    let rest = words.trim_start();
    let (_, output) = rest.strip_prefix('[')?.split_once("] Result:")?;
    Some(output.trim_start_matches('\n'))
}

/// Returns the sentences that Roo Code writes before the output of a command.
fn command_status(output: &str) -> Option<&str> {
    let status = output.split_once("\nOutput:").map_or(output, |(status, _)| status);
    status.starts_with("Command executed").then_some(status)
}

fn non_empty_text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Returns the number of prompts that an entry repeats.
fn count_prompts(entry: &Value) -> usize {
    match &entry["content"] {
        Value::String(words) => usize::from(is_prompt(words)),
        blocks => {
            let texts = blocks.as_array().into_iter().flatten().filter_map(|b| b["text"].as_str());
            texts.filter(|words| is_prompt(words)).count()
        }
    }
}

/// Whether a text repeats a prompt. Prompts are read from the screen messages.
fn is_prompt(words: &str) -> bool {
    let words = words.trim_start();
    ["<task>", "<feedback>", "<user_message>", "<answer>"].iter().any(|t| words.starts_with(t))
}

/// Returns the directory in which a task was started, from the task history.
fn directory(file: &Path, id: &str) -> Option<String> {
    let data = file.parent()?.parent()?.parent()?;
    let bytes = small_file(&data.join("state/taskHistory.json"))?;
    let all: Value = serde_json::from_slice(&bytes).ok()?;
    let task = all.as_array()?.iter().find(|t| t["id"] == id)?;
    non_empty_owned(&task["cwdOnTaskInitialization"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tool_results_and_repeated_prompts_are_recognized() {
        assert_eq!(tool_output("[read_file for 'a'] Result:\nx"), Some("x"));
        assert_eq!(tool_output("[a] note"), None);
        assert!(is_prompt("<task>\nx") && !is_prompt("hello"));
    }

    #[test]
    fn cached_tokens_lower_the_input_only_if_it_can_include_them() {
        assert_eq!(uncached_input(100, "openai", (60, 5)), 35);
        assert_eq!(uncached_input(10, "openai", (60, 5)), 10, "the input excludes them");
        assert_eq!(uncached_input(100, INPUT_EXCLUDES_CACHE[0], (60, 5)), 100);
    }
}
