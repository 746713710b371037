//! Any other agent: JSON Lines in the row schema that clawgate itself exports, one session a line.
//!
//! Files stand in `$CLAWGATE_HOME/custom/` or below the directory that `CLAWGATE_CUSTOM_DIR` names. The schema, with
//! the little of it that is needed, is described in `docs/custom.md`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::session_builder::{Draft, count, picousd, text, text_part};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, open_log};
use crate::trace::{Confidence, Env, Origin, Part, Role, SessionKey, Timestamp, Tokens, ToolStatus};

/// Agent id.
const AGENT: &str = "custom";

/// The reader of rows that people bring.
pub(crate) struct Custom;

impl Source for Custom {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Custom rows"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let own = env.clawgate_home.join("custom");
        let named = env.var("CLAWGATE_CUSTOM_DIR").map(PathBuf::from);
        std::iter::once(own).chain(named).filter(|d| d.is_dir()).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| p.extension() == Some(OsStr::new("jsonl")), found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut whole = Read::default();
        self.read_each(file, opts, &mut |piece| whole.append(piece))?;
        Ok(whole)
    }

    fn read_each(
        &self,
        file: &Path,
        opts: &ReadOptions,
        piece: &mut dyn FnMut(Read),
    ) -> Result<(), SourceError> {
        let input = open_log(file)?;
        let mut counted = Read::default();
        let mut scratch = String::new();
        each_line(file, input, opts, &mut counted, |line| {
            let (row, repaired) = parse::<Value>(line.bytes, &mut scratch)?;
            let draft = session(&row, line.offset)?;
            let mut read = Read::default();
            draft.finish(&mut read);
            if !read.sessions.is_empty() || !read.usage.is_empty() {
                piece(read);
            }
            Ok(repaired)
        })?;
        piece(counted);
        Ok(())
    }
}

/// The session in a row.
///
/// # Errors
/// Why the row is none.
fn session(row: &Value, offset: u64) -> Result<Draft, String> {
    let id = text(&row["session_id"]).ok_or("a row without session_id")?;
    let messages = row["messages"].as_array().ok_or("a row without a list of messages")?;
    let own = |v: &Value| text(v).map(str::to_owned);
    let mut draft = Draft::new(AGENT, id);
    let s = &mut draft.session;
    s.agent_version = own(&row["agent_version"]);
    s.parent = text(&row["parent"]).map(|p| SessionKey::new(AGENT, p));
    s.project = own(&row["project"]);
    s.git_branch = own(&row["git_branch"]);
    s.title = own(&row["title"]);
    let time = |v: &Value| v.as_str().and_then(Timestamp::parse);
    draft.tick(time(&row["start_time"]));
    draft.tick(time(&row["end_time"]));
    let model = text(&row["model"]);
    for (n, m) in messages.iter().enumerate() {
        message(&mut draft, m, n, model, offset).map_err(|why| format!("message {}: {why}", n + 1))?;
    }
    totals(&mut draft, row, model, offset);
    Ok(draft)
}

fn message(draft: &mut Draft, m: &Value, n: usize, model: Option<&str>, offset: u64) -> Result<(), String> {
    let at = m["timestamp"].as_str().and_then(Timestamp::parse);
    draft.tick(at);
    let mut parts = Vec::new();
    if let Some(t) = text(&m["thinking"]) {
        parts.push(Part::Thinking { text: t.to_owned() });
    }
    match &m["content"] {
        Value::String(t) => parts.extend(text_part(t)),
        Value::Null => {}
        other => parts.extend(crate::sources::common::session_builder::content(other)),
    }
    for a in m["attachments"].as_array().into_iter().flatten() {
        let own = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        parts.push(Part::Attachment { name: own(&a["name"]), text: own(&a["text"]) });
    }
    for media in m["media"].as_array().into_iter().flatten() {
        let media_type = media["media_type"].as_str().unwrap_or("image/*").to_owned();
        parts.push(Part::Media { media_type, bytes: count(&media["bytes"]) });
    }
    let marked = match m["origin"].as_str() {
        Some("injected") => Some(Origin::Injected),
        Some("compaction") => Some(Origin::Compaction),
        _ => None,
    };
    let id = text(&m["id"]).map(str::to_owned);
    match m["role"].as_str() {
        Some("user") => draft.user(id, marked.unwrap_or(Origin::Human), at, parts),
        Some("assistant") => {
            let named = text(&m["model"]).or(model);
            draft.begin(id, at, named.map(str::to_owned));
            let answer = draft.answer(at);
            answer.origin = marked.unwrap_or(Origin::Model);
            answer.parts = parts;
            for (i, call) in m["tool_uses"].as_array().into_iter().flatten().enumerate() {
                tool(draft, call, at, &format!("{n}.{i}"));
            }
            usage(draft, &m["usage"], at, n, named, offset);
            draft.close();
        }
        Some("system") => {
            draft.user(id, Origin::Injected, at, parts);
            if let Some(last) = draft.session.messages.last_mut() {
                last.role = Role::System;
            }
        }
        _ => return Err("a role other than user, assistant and system".to_owned()),
    }
    Ok(())
}

fn tool(draft: &mut Draft, call: &Value, at: Option<Timestamp>, place: &str) {
    let id = text(&call["id"]).unwrap_or(place).to_owned();
    let name = text(&call["tool"]).or(text(&call["name"])).unwrap_or_default();
    draft.call(at, &id, name, call["input"].clone());
    let Some(made) = draft.called(&id) else { return };
    let output = match &call["output"] {
        Value::String(t) => Some(t.clone()),
        other => other["text"].as_str().map(str::to_owned),
    };
    made.exit_code = call["exit_code"].as_i64();
    made.status = match call["status"].as_str() {
        Some("success") => ToolStatus::Success,
        Some("error") => ToolStatus::Error,
        Some("denied") => ToolStatus::Denied,
        Some("pending") => ToolStatus::Pending,
        _ if output.is_none() => ToolStatus::Pending,
        _ => crate::sources::common::session_builder::ended(false, made.exit_code),
    };
    made.output = output.filter(|o| !(o.is_empty() && made.status == ToolStatus::Pending));
    made.subagent = text(&call["subagent"]).map(|s| SessionKey::new(AGENT, s));
}

fn usage(
    draft: &mut Draft,
    usage: &Value,
    at: Option<Timestamp>,
    n: usize,
    model: Option<&str>,
    offset: u64,
) {
    if !usage.is_object() {
        return;
    }
    let tokens = Tokens {
        input: count(&usage["input"]),
        output: count(&usage["output"]),
        reasoning: count(&usage["reasoning"]),
        cache_read: count(&usage["cache_read"]),
        cache_write_5m: count(&usage["cache_write_5m"]),
        cache_write_1h: count(&usage["cache_write_1h"]),
        web_search: count(&usage["web_search"]),
    };
    let key = match text(&usage["request_id"]) {
        Some(id) => format!("{AGENT}:{id}"),
        None => format!("{}#{n}", draft.session.key),
    };
    draft.request(key, at, model.unwrap_or_default(), tokens, offset);
    if let Some(row) = draft.usage.last_mut() {
        row.reported_picousd = picousd(usage["cost_usd"].as_f64());
    }
}

/// The totals of a row, where no message tells its own usage.
fn totals(draft: &mut Draft, row: &Value, model: Option<&str>, offset: u64) {
    let stats = &row["stats"];
    if !draft.usage.is_empty() || !stats.is_object() {
        return;
    }
    let (cache_read, written) = (count(&stats["cache_read_tokens"]), count(&stats["cache_write_tokens"]));
    let tokens = Tokens {
        // All tokens that the model read.
        input: count(&stats["input_tokens"]).saturating_sub(cache_read.saturating_add(written)),
        output: count(&stats["output_tokens"]),
        reasoning: count(&stats["reasoning_tokens"]),
        cache_read,
        cache_write_5m: written,
        ..Tokens::default()
    };
    if tokens.is_zero() {
        return;
    }
    let key = format!("{}#total", draft.session.key);
    let at = draft.session.ended;
    draft.request(key, at, model.unwrap_or_default(), tokens, offset);
    if let Some(row) = draft.usage.last_mut() {
        row.confidence = Confidence::Reported;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_least_a_row_needs_is_an_id_and_messages() {
        let read = |row: Value| session(&row, 0).map(|d| d.session);
        let s = read(json!({"session_id": "a", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]})).unwrap();
        assert_eq!((s.key.as_str(), s.user_messages(), s.assistant_messages()), ("custom:a", 1, 1));
        for bad in [
            json!({}),
            json!({"session_id": 3, "messages": []}),
            json!({"session_id": "a", "messages": {}}),
            json!({"session_id": "a", "messages": [{"role": "robot"}]}),
        ] {
            assert!(read(bad).is_err());
        }
    }
}
