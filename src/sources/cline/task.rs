//! Tasks of Cline 2 and of the VS Code extension: `ui_messages.json` (what the person saw and typed, costs, errors) and
//! `api_conversation_history.json` (what the model was sent and answered); `state/taskHistory.json` has the directory.

use std::collections::VecDeque;
use std::path::Path;

use serde_json::Value;

use crate::sources::cline::tools;
use crate::sources::cline::{AGENT, whole_json};
use crate::sources::common::session_builder::{
    Draft, content, count, ended, exit_code, millis, picousd, text, text_part,
};
use crate::sources::{Read, ReadOptions, SourceError, small_file};
use crate::trace::{Confidence, Origin, Part, Timestamp, Tokens};

/// Providers whose `tokensIn` leaves the cache out.
const WITHOUT_CACHE: [&str; 4] = ["anthropic", "bedrock", "vertex", "claude-code"];

pub(super) fn read(file: &Path, opts: &ReadOptions, read: &mut Read) -> Result<(), SourceError> {
    let ui = whole_json(file, opts, read)?;
    let history = file.with_file_name("api_conversation_history.json");
    let api = if history.is_file() { whole_json(&history, opts, read)? } else { Value::Null };
    let id = file.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
    let id = id.unwrap_or_default();
    let mut task = Task::new(&id);
    for m in ui.as_array().into_iter().flatten() {
        task.seen(m);
    }
    let (started, ended) = (task.draft.session.started, task.draft.session.ended);
    let mut place = 0;
    for entry in api.as_array().into_iter().flatten() {
        place += 1;
        let at = millis(&entry["ts"]);
        match at {
            Some(at) => task.people_until(at),
            // Older versions give the entries no time: what a person typed stands in them too.
            None => task.people(typed_blocks(entry)),
        }
        match entry["role"].as_str().unwrap_or_default() {
            "user" => task.user(entry, at),
            "assistant" => task.assistant(entry, at, place),
            _ => {}
        }
    }
    task.people(usize::MAX);
    // The times of the task are those of what the person saw.
    let s = &mut task.draft.session;
    (s.started, s.ended) = (started.or(s.started), ended.or(s.ended));
    s.project = directory(file, &id).or(task.directory.take());
    task.finish(read);
    Ok(())
}

/// A task in the making.
struct Task {
    draft: Draft,
    id: String,
    /// What people typed and what failed, by time.
    said: VecDeque<(Option<Timestamp>, Said)>,
    /// Requests as the person saw them: time, provider and figures.
    requests: VecDeque<(Option<Timestamp>, String, String, Value)>,
    /// Calls of the last answer that wait for their results.
    pending: VecDeque<String>,
    directory: Option<String>,
    calls: u64,
}

enum Said {
    Person(Vec<Part>),
    Failure(String),
}

impl Task {
    fn new(id: &str) -> Self {
        Task {
            draft: Draft::new(AGENT, id),
            id: id.to_owned(),
            said: VecDeque::new(),
            requests: VecDeque::new(),
            pending: VecDeque::new(),
            directory: None,
            calls: 0,
        }
    }

    /// Takes in one message of the screen.
    fn seen(&mut self, m: &Value) {
        let at = millis(&m["ts"]);
        self.draft.tick(at);
        let words = m["text"].as_str().unwrap_or_default();
        match (
            m["type"].as_str().unwrap_or_default(),
            text(&m["say"]).or(text(&m["ask"])).unwrap_or_default(),
        ) {
            ("say", "task" | "user_feedback") => {
                let mut parts: Vec<Part> = text_part(words).into_iter().collect();
                for image in m["images"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    parts.push(crate::sources::common::session_builder::media("", image));
                }
                for file in m["files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    parts.push(Part::Attachment { name: file.to_owned(), text: String::new() });
                }
                self.said.push_back((at, Said::Person(parts)));
            }
            ("say", "api_req_started") => {
                let figures: Value = serde_json::from_str(words).unwrap_or_default();
                if figures.get("tokensOut").is_some() {
                    let info = &m["modelInfo"];
                    let name = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                    let known = (name(&info["providerId"]), name(&info["modelId"]));
                    self.requests.push_back((at, known.0, known.1, figures));
                }
            }
            ("ask", "api_req_failed") => {
                let inner: Value = serde_json::from_str(words).unwrap_or_default();
                let why = text(&inner["message"]).unwrap_or(words).to_owned();
                self.said.push_back((at, Said::Failure(why)));
            }
            _ => {}
        }
    }

    /// Puts in what was said before an entry of the conversation.
    fn people_until(&mut self, before: Timestamp) {
        while self.said.front().is_some_and(|(at, _)| at.is_none_or(|at| at <= before)) {
            self.say();
        }
    }

    /// Puts in the next so many messages of people, and what failed before them.
    fn people(&mut self, mut n: usize) {
        while n > 0 && !self.said.is_empty() {
            n -= usize::from(self.say());
        }
    }

    /// Puts in the next thing that was said; whether a person said it.
    fn say(&mut self) -> bool {
        match self.said.pop_front() {
            Some((at, Said::Person(parts))) => {
                self.draft.user(None, Origin::Human, at, parts);
                return true;
            }
            Some((at, Said::Failure(why))) => self.draft.notice(at, None, &why),
            None => {}
        }
        false
    }

    fn user(&mut self, entry: &Value, at: Option<Timestamp>) {
        let mut injected = Vec::new();
        let one = [entry["content"].clone()];
        let blocks = entry["content"].as_array().map_or(&one[..], Vec::as_slice);
        for block in blocks {
            if block["type"] == "tool_result" {
                let (output, bytes) = crate::sources::common::session_builder::flat(&block["content"]);
                let id = block["tool_use_id"].as_str().unwrap_or_default().to_owned();
                self.pending.retain(|p| *p != id);
                self.result(&id, &output, bytes);
                continue;
            }
            let words = block.as_str().or(block["text"].as_str()).unwrap_or_default();
            if words.trim_start().starts_with("<environment_details>") {
                self.environment(words);
            } else if let Some(output) = answered(words) {
                if let Some(id) = self.pending.pop_front() {
                    self.result(&id, output, 0);
                }
            } else if !typed(words) {
                injected.extend(content(&Value::Array(vec![block.clone()])));
            }
        }
        if !injected.is_empty() {
            self.draft.user(None, Origin::Injected, at, injected);
        }
    }

    /// The directory stands in the first surroundings, where the history of tasks does not have it.
    fn environment(&mut self, words: &str) {
        let marker = "# Current Working Directory (";
        if self.directory.is_none()
            && let Some((_, rest)) = words.split_once(marker)
            && let Some((dir, _)) = rest.split_once(") Files")
        {
            self.directory = Some(dir.to_owned());
        }
    }

    fn result(&mut self, id: &str, output: &str, bytes: u64) {
        let Some(call) = self.draft.called(id) else { return };
        let broke = output.contains("tool execution failed");
        call.exit_code = exit_code(output, "failed with exit code ")
            .or_else(|| output.contains("(exit code 0)").then_some(0));
        let denied = output.starts_with("The user denied this operation");
        call.status = if denied { crate::trace::ToolStatus::Denied } else { ended(broke, call.exit_code) };
        call.output = Some(output.to_owned());
        call.media_bytes = bytes;
    }

    fn assistant(&mut self, entry: &Value, at: Option<Timestamp>, place: u64) {
        let model = text(&entry["modelInfo"]["modelId"]).map(str::to_owned);
        self.draft.begin(None, at, model.clone());
        self.pending.clear();
        let one = [entry["content"].clone()];
        let blocks = entry["content"].as_array().map_or(&one[..], Vec::as_slice);
        let mut shown = String::new();
        for block in blocks {
            if block["type"] == "tool_use" {
                let id = block["id"].as_str().unwrap_or_default().to_owned();
                self.call(at, id, block["name"].as_str().unwrap_or_default(), &block["input"], &shown);
                continue;
            }
            let Some(mut words) = block.as_str().or(block["text"].as_str()) else {
                content(&Value::Array(vec![block.clone()])).into_iter().for_each(|p| self.draft.part(at, p));
                continue;
            };
            if block["type"] == "thinking" || block["type"] == "reasoning" {
                self.draft.part(at, Part::Thinking { text: words.to_owned() });
                continue;
            }
            while let Some((before, name, input, rest)) = tools::split(words) {
                shown.push_str(before);
                text_part(before).into_iter().for_each(|p| self.draft.part(at, p));
                self.call(at, String::new(), name, &input, &shown);
                words = rest;
            }
            shown.push_str(words);
            text_part(words).into_iter().for_each(|p| self.draft.part(at, p));
        }
        self.usage(entry, at, place, model.as_deref());
    }

    fn call(&mut self, at: Option<Timestamp>, id: String, name: &str, input: &Value, shown: &str) {
        if name == "attempt_completion" {
            // The end of the task, not a tool that ran; its text may have been said already.
            let words = input["result"].as_str().unwrap_or_default();
            if !words.trim().is_empty() && !shown.contains(words.trim()) {
                let (name, text) = (name.to_owned(), words.to_owned());
                self.draft.part(at, Part::Attachment { name, text });
            }
            self.pending.push_back(String::new());
            return;
        }
        self.calls += 1;
        let id = if id.is_empty() { format!("call-{}", self.calls) } else { id };
        self.draft.call(at, &id, name, input.clone());
        self.pending.push_back(id);
    }

    fn usage(&mut self, entry: &Value, at: Option<Timestamp>, place: u64, model: Option<&str>) {
        let t = &entry["metrics"]["tokens"];
        if !t.is_object() {
            return;
        }
        let (prompt, output, cached) = (count(&t["prompt"]), count(&t["completion"]), count(&t["cached"]));
        // The screen tells reads from writes and has the cost; a request it does not know takes none of the others.
        let known = self.requests.iter().position(|(.., r)| count(&r["tokensOut"]) == output);
        let figures = known.and_then(|at| self.requests.drain(..=at).next_back());
        let (cache_read, written) = match &figures {
            Some((.., r)) => (count(&r["cacheReads"]), count(&r["cacheWrites"])),
            None => (cached, 0),
        };
        let named = text(&entry["modelInfo"]["providerId"]).map(str::to_owned);
        let provider = named.or(figures.as_ref().map(|f| f.1.clone())).unwrap_or_default();
        let inside = !WITHOUT_CACHE.contains(&provider.as_str());
        let taken = if inside { cache_read.saturating_add(written) } else { 0 };
        let tokens = Tokens {
            input: prompt.saturating_sub(taken),
            output,
            cache_read,
            cache_write_5m: written,
            ..Tokens::default()
        };
        let key = format!("{AGENT}:{}@{}#{place}", self.id, at.unwrap_or_default().millis());
        self.draft.request(key, at, model.unwrap_or_default(), tokens, place);
        if let (Some((.., r)), Some(row)) = (&figures, self.draft.usage.last_mut()) {
            row.reported_picousd = picousd(r["cost"].as_f64());
        }
    }

    fn finish(mut self, read: &mut Read) {
        // Older versions record usage on the screen only.
        if self.draft.usage.is_empty() {
            for (place, (at, provider, model, r)) in (0..).zip(std::mem::take(&mut self.requests)) {
                let (cache_read, written) = (count(&r["cacheReads"]), count(&r["cacheWrites"]));
                let whole = count(&r["tokensIn"]);
                let inside = !WITHOUT_CACHE.contains(&provider.as_str());
                let cached = if inside { cache_read.saturating_add(written) } else { 0 };
                let tokens = Tokens {
                    input: whole.saturating_sub(cached),
                    output: count(&r["tokensOut"]),
                    cache_read,
                    cache_write_5m: written,
                    ..Tokens::default()
                };
                if tokens.is_zero() {
                    continue;
                }
                let key = format!("{AGENT}:{}@{}#{place}", self.id, at.unwrap_or_default().millis());
                self.draft.request(key, at, &model, tokens, place);
                if let Some(row) = self.draft.usage.last_mut() {
                    row.reported_picousd = picousd(r["cost"].as_f64());
                    row.confidence = Confidence::Reported;
                }
            }
        }
        self.draft.finish(read);
    }
}

/// The output in a text that answers a call: `[tool for 'x'] Result:`.
fn answered(words: &str) -> Option<&str> {
    let rest = words.trim_start();
    let (_, output) = rest.strip_prefix('[')?.split_once("] Result:")?;
    Some(output.trim_start_matches('\n'))
}

/// How many messages of people an entry repeats.
fn typed_blocks(entry: &Value) -> usize {
    match &entry["content"] {
        Value::String(words) => usize::from(typed(words)),
        blocks => {
            let texts = blocks.as_array().into_iter().flatten().filter_map(|b| b["text"].as_str());
            texts.filter(|words| typed(words)).count()
        }
    }
}

/// Whether a text repeats what a person typed, which is taken from the screen.
fn typed(words: &str) -> bool {
    let words = words.trim_start();
    ["<task>", "<feedback>", "<user_message>", "<answer>"].iter().any(|t| words.starts_with(t))
}

/// The directory a task was started in.
fn directory(file: &Path, id: &str) -> Option<String> {
    let data = file.parent()?.parent()?.parent()?;
    let bytes = small_file(&data.join("state/taskHistory.json"))?;
    let all: Value = serde_json::from_slice(&bytes).ok()?;
    let task = all.as_array()?.iter().find(|t| t["id"] == id)?;
    text(&task["cwdOnTaskInitialization"]).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_repeated_prompts_are_told_apart() {
        assert_eq!(answered("[read_file for 'a'] Result:\nx"), Some("x"));
        assert_eq!(answered("[a] note"), None);
        assert!(typed("<task>\nx") && !typed("hello"));
    }
}
