//! Qwen Code: `~/.qwen/projects/<directory>/chats/<id>.jsonl`, one record per line.
//!
//! `system` records of subtype `ui_telemetry` and `~/.qwen/usage_record.jsonl` repeat the usage of the answers, so they
//! are not read.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::files::open_log;
use crate::sources::common::genai;
use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::tool_attribution::ToolAttribution;
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::{
    Env, Message, Origin, Part, Role, Session, SessionKey, Timestamp, Tokens, ToolCall, ToolStatus, UsageRow,
};

const AGENT: &str = "qwen";

pub(crate) struct Qwen;

impl Source for Qwen {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Qwen Code"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["QWEN_HOME", "QWEN_RUNTIME_DIR"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["QWEN_CODE"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let dir = |name| {
            env.var(name).map(|v| match v.strip_prefix("~/") {
                Some(below) => env.home.join(below),
                None => PathBuf::from(v),
            })
        };
        // Qwen Code does not move existing chats when the runtime directory changes, so both directories are read.
        let home = dir("QWEN_HOME").unwrap_or_else(|| env.home.join(".qwen"));
        dir("QWEN_RUNTIME_DIR").into_iter().chain([home]).map(|d| d.join("projects")).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &is_log, found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut builder = Builder::new(file.file_stem().and_then(|s| s.to_str()).unwrap_or_default());
        let mut read = each_line(file, open_log(file)?, opts, |line, scratch| {
            let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
            builder.read_record(&record, line.offset);
            Ok(repaired)
        })?;
        read.usage = builder.usage;
        read.add_session(builder.session);
        Ok(read)
    }
}

fn is_log(path: &Path) -> bool {
    let chats = path.components().nth(1).is_some_and(|c| c.as_os_str() == "chats");
    chats && path.components().count() == 3 && path.extension().is_some_and(|e| e == "jsonl")
}

/// Builds the session of a log, record by record.
struct Builder {
    session: Session,
    /// Whether the session has the id from the log; until then it has the name of the file.
    has_id: bool,
    usage: Vec<UsageRow>,
    attribution: ToolAttribution,
    /// Ids of the records so far.
    seen_ids: HashSet<String>,
    /// Message index and part index of each tool call, by the call's id.
    calls: HashMap<String, (usize, usize)>,
}

impl Builder {
    fn new(stem: &str) -> Self {
        Builder {
            session: Session::empty(AGENT, stem),
            has_id: false,
            usage: Vec::new(),
            attribution: ToolAttribution::default(),
            seen_ids: HashSet::new(),
            calls: HashMap::new(),
        }
    }

    fn read_record(&mut self, record: &Value, offset: u64) {
        if genai::text(record, "uuid").is_some_and(|id| !self.seen_ids.insert(id.to_owned())) {
            return;
        }
        let at = genai::text(record, "timestamp").and_then(Timestamp::parse);
        let text = |field| genai::text(record, field).map(str::to_owned);
        let s = &mut self.session;
        if let (false, Some(id)) = (self.has_id, genai::text(record, "sessionId")) {
            s.key = SessionKey::new(AGENT, id);
            self.has_id = true;
        }
        s.extend_time_range(at);
        s.work_in(genai::text(record, "cwd"));
        s.git_branch = s.git_branch.take().or_else(|| text("gitBranch"));
        s.agent_version = text("version").or_else(|| s.agent_version.take());
        let content = record.get("message").and_then(|m| m.get("parts")).unwrap_or(&Value::Null);
        match genai::text(record, "type") {
            Some("user") => {
                // Older versions do not record where the text came from.
                let typed = genai::text(record, "provenance").is_none_or(|p| p == "real_user");
                let human = typed && !genai::is_response(content);
                let origin = if human { Origin::Human } else { Origin::Injected };
                self.push(record, Role::User, origin, at, genai::parts(content));
            }
            Some("assistant") => self.push_answer(record, content, at, offset),
            Some("tool_result") => self.add_result(record, content),
            Some("system") => self.read_system(record, at),
            _ => {}
        }
    }

    fn push(&mut self, record: &Value, role: Role, origin: Origin, at: Option<Timestamp>, parts: Vec<Part>) {
        if parts.is_empty() {
            return;
        }
        let id = genai::text(record, "uuid").map(str::to_owned);
        let model = genai::text(record, "model").filter(|_| role == Role::Assistant).map(str::to_owned);
        self.session.messages.push(Message { id, role, origin, at, model, parts });
    }

    fn push_answer(&mut self, record: &Value, content: &Value, at: Option<Timestamp>, offset: u64) {
        let index = self.session.messages.len();
        let mut parts = Vec::new();
        for item in genai::each(content) {
            let Some(call) = item.get("functionCall") else {
                parts.extend(genai::parts(item));
                continue;
            };
            let id = genai::text(call, "id").unwrap_or_default().to_owned();
            if !id.is_empty() {
                if self.calls.contains_key(&id) {
                    continue;
                }
                self.calls.insert(id.clone(), (index, parts.len()));
            }
            parts.push(Part::Tool(ToolCall {
                id,
                name: genai::text(call, "name").unwrap_or_default().to_owned(),
                input: call.get("args").cloned().unwrap_or_default(),
                ..ToolCall::default()
            }));
        }
        self.push_usage(record, at, offset, &parts);
        self.push(record, Role::Assistant, Origin::Model, at, parts);
    }

    fn push_usage(&mut self, record: &Value, at: Option<Timestamp>, offset: u64, parts: &[Part]) {
        if let Some(usage) = record.get("usageMetadata").filter(|u| u.is_object()) {
            let session = self.session.key.clone();
            let mut row = UsageRow {
                dedupe_key: match genai::text(record, "uuid") {
                    Some(id) => format!("{AGENT}:{id}"),
                    None => format!("{session}@{offset}"),
                },
                session,
                at: at.unwrap_or_default(),
                model: genai::text(record, "model").unwrap_or_default().to_owned(),
                tokens: tokens(usage),
                offset,
                ..UsageRow::default()
            };
            let called = parts.iter().filter_map(|p| match p {
                Part::Tool(call) => Some(call.name.clone()),
                _ => None,
            });
            self.attribution.attribute(&mut row, called.collect());
            self.usage.push(row);
        }
    }

    fn add_result(&mut self, record: &Value, content: &Value) {
        let outcome = record.get("toolCallResult").unwrap_or(&Value::Null);
        let named = genai::text(outcome, "callId").or_else(|| {
            let response = genai::each(content).iter().find_map(|p| p.get("functionResponse"))?;
            genai::text(response, "id")
        });
        let Some(&(message, index)) = named.and_then(|id| self.calls.get(id)) else { return };
        let part = self.session.messages.get_mut(message).and_then(|m| m.parts.get_mut(index));
        let Some(Part::Tool(call)) = part else { return };
        (call.output, call.media_bytes) = genai::result(content);
        let displayed = outcome.get("resultDisplay").and_then(|d| d.get("exitCode")).and_then(Value::as_i64);
        let output = call.output.as_deref().filter(|_| genai::is_shell(&call.name));
        call.exit_code = displayed.or_else(|| genai::exit_code(output?));
        call.status = match genai::text(outcome, "status") {
            Some("cancelled" | "canceled") => ToolStatus::Denied,
            Some("error") => ToolStatus::Error,
            _ if call.exit_code.is_some_and(|code| code != 0) => ToolStatus::Error,
            _ => ToolStatus::Success,
        };
    }

    fn read_system(&mut self, record: &Value, at: Option<Timestamp>) {
        let payload = record.get("systemPayload").unwrap_or(&Value::Null);
        match genai::text(record, "subtype") {
            Some("custom_title") => {
                let title = genai::text(payload, "customTitle").map(str::to_owned);
                self.session.title = title.or_else(|| self.session.title.take());
            }
            Some("chat_compression") => {
                // The first entry is the summary; the others repeat the history.
                let first = payload.get("compressedHistory").map(genai::each).unwrap_or_default().first();
                let parts = first.and_then(|c| c.get("parts")).map(genai::parts).unwrap_or_default();
                self.push(record, Role::User, Origin::Compaction, at, parts);
            }
            _ => {}
        }
    }
}

/// Returns the token counts of an answer. The prompt includes cached tokens. The candidates include thoughts if the
/// model uses the chat completions protocol, and exclude them if it uses Gemini's. The total shows which.
fn tokens(usage: &Value) -> Tokens {
    let of = |field| genai::count(usage, field);
    let (prompt, cached) = (of("promptTokenCount"), of("cachedContentTokenCount"));
    let (candidates, thoughts) = (of("candidatesTokenCount"), of("thoughtsTokenCount"));
    let sum = prompt.saturating_add(candidates).saturating_add(thoughts);
    let additional = if thoughts > 0 && of("totalTokenCount") == sum { thoughts } else { 0 };
    let output = candidates.saturating_add(additional);
    Tokens {
        input: prompt.saturating_sub(cached),
        output,
        reasoning: thoughts.min(output),
        cache_read: cached,
        ..Tokens::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn thoughts_are_counted_once_with_both_protocols() {
        let usage = |total: u64| {
            tokens(
                &json!({"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 20,
                "thoughtsTokenCount": 5, "totalTokenCount": total}),
            )
        };
        let (chat, gemini) = (usage(120), usage(125));
        assert_eq!((chat.input, chat.output, chat.reasoning, chat.cache_read), (60, 20, 5, 40));
        assert_eq!((gemini.output, gemini.reasoning), (25, 5));
    }
}
