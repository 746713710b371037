//! Sessions of Cline 3: `<session>.messages.json`, subagents in `agent_*.messages.json` next to it, and `<session>.json`
//! with title, branch and directory. The database in the same directory repeats that file, so it is not opened.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::cline::AGENT;
use crate::sources::common::document::whole_json;
use crate::sources::common::files::small_json;
use crate::sources::common::json_fields::{
    block_part, content_parts, count, millis_timestamp, non_empty, non_empty_owned, number_after,
    picousd_from_f64, text_part, tool_status,
};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder};
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::{Origin, Part, SessionKey, Timestamp, Tokens};

/// Returns the path of the file that describes the session.
pub(super) fn description(file: &Path) -> Option<PathBuf> {
    let dir = file.parent()?;
    Some(dir.join(format!("{}.json", dir.file_name()?.to_string_lossy())))
}

pub(super) fn read(file: &Path, opts: &ReadOptions, read: &mut Read) -> Result<(), SourceError> {
    let all = whole_json(file, opts, read)?;
    let description = description(file).map(|r| small_json(&r)).unwrap_or_default();
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.trim_end_matches(".messages.json");
    let subagent = all["agent"] == "subagent" || stem.starts_with("agent_");
    let mut builder = SessionBuilder::new(AGENT, non_empty(&all["sessionId"]).unwrap_or(stem));
    let s = &mut builder.session;
    s.agent_version = non_empty_owned(&all["origin"]["version"]);
    s.project =
        non_empty_owned(&description["cwd"]).or_else(|| non_empty_owned(&description["workspace_root"]));
    s.git_branch = non_empty_owned(&description["metadata"]["git"]["branch"]);
    if subagent {
        let parent = non_empty_owned(&all["origin"]["parentThreadId"])
            .or_else(|| non_empty_owned(&description["session_id"]));
        s.parent = parent.map(|p| SessionKey::new(AGENT, &p));
    } else {
        s.title = non_empty_owned(&description["metadata"]["title"]);
    }
    for (position, message) in (0..).zip(all["messages"].as_array().into_iter().flatten()) {
        let at = millis_timestamp(&message["ts"]);
        builder.extend_time_range(at);
        match message["role"].as_str().unwrap_or_default() {
            "user" => add_user(&mut builder, message, at, subagent),
            "assistant" => add_assistant(&mut builder, message, at, position, subagent),
            _ => {}
        }
    }
    builder.finish_into(read);
    Ok(())
}

fn add_user(builder: &mut SessionBuilder, message: &Value, at: Option<Timestamp>, subagent: bool) {
    let mut parts = Vec::new();
    let mut human = false;
    let mut add_text = |text: &str, parts: &mut Vec<Part>| {
        let (inner, typed) = user_input(text);
        human |= typed;
        parts.extend(text_part(&inner));
    };
    match &message["content"] {
        Value::String(t) => add_text(t, &mut parts),
        blocks => {
            for block in blocks.as_array().into_iter().flatten() {
                match block["type"].as_str().unwrap_or_default() {
                    "text" => add_text(block["text"].as_str().unwrap_or_default(), &mut parts),
                    "tool_result" => add_result(builder, block),
                    _ => parts.extend(block_part(block)),
                }
            }
        }
    }
    if !parts.is_empty() {
        let origin = if human && !subagent { Origin::Human } else { Origin::Injected };
        builder.push_user(non_empty_owned(&message["id"]), origin, at, parts);
    }
}

/// Ends the environment details that Cline adds to a prompt.
const ENVIRONMENT_END: &str = "</environment_details>";

/// Returns the content of `<user_input mode="…">` without the environment details that Cline added, and whether a
/// person may have typed it.
fn user_input(text: &str) -> (String, bool) {
    let text = text.trim();
    if text.starts_with("<system") {
        return (text.to_owned(), false);
    }
    let mut typed = text.to_owned();
    while let Some(start) = typed.find("<environment_details>") {
        let end =
            typed[start..].find(ENVIRONMENT_END).map_or(typed.len(), |e| start + e + ENVIRONMENT_END.len());
        typed.replace_range(start..end, "");
    }
    if let Some(at) = typed.find("<user_input")
        && let Some((_, inner)) = typed[at..].split_once('>')
    {
        let end = inner.rfind("</user_input>").unwrap_or(inner.len());
        return (inner[..end].to_owned(), true);
    }
    let typed = typed.trim();
    if typed.is_empty() { (text.to_owned(), false) } else { (typed.to_owned(), true) }
}

fn add_result(builder: &mut SessionBuilder, block: &Value) {
    let Some(call) = builder.call_mut(block["tool_use_id"].as_str().unwrap_or_default()) else { return };
    let mut output = String::new();
    let mut failed = block["is_error"].as_bool().unwrap_or(false);
    let mut add_line = |line: &str| {
        if !line.is_empty() {
            if !output.is_empty() {
                output.push('\n');
            }
            output.push_str(line);
        }
    };
    match &block["content"] {
        Value::String(t) => {
            // The result of some tools is a JSON object, written as text.
            let inner: Value = serde_json::from_str(t).unwrap_or_default();
            failed |= inner["success"] == false;
            add_line(t);
        }
        items => {
            for item in items.as_array().into_iter().flatten() {
                failed |= item["success"] == false;
                match item.get("result") {
                    Some(Value::String(t)) => add_line(t),
                    Some(other) if !other.is_null() => add_line(&other.to_string()),
                    _ => add_line(item["text"].as_str().unwrap_or_default()),
                }
                let error = item["error"].as_str().unwrap_or_default();
                if item["result"].as_str().is_none_or(|r| !r.contains(error)) {
                    add_line(error);
                }
                call.media_bytes += item["source"]["data"].as_str().map_or(0, |d| d.len() as u64);
            }
        }
    }
    call.exit_code = number_after(&output, "exited with code ").filter(|_| failed);
    call.status = tool_status(failed, None);
    call.output = Some(output);
}

fn add_assistant(
    builder: &mut SessionBuilder,
    message: &Value,
    at: Option<Timestamp>,
    position: u64,
    subagent: bool,
) {
    if message["metadata"]["displayOnly"].as_bool().unwrap_or(false) {
        let shown: Vec<Part> = content_parts(&message["content"]);
        if let Some(Part::Text { text }) = shown.first() {
            builder.push_notice(at, None, text);
        }
        return;
    }
    let model = non_empty(&message["modelInfo"]["id"]);
    let id = non_empty(&message["id"]);
    builder.begin_assistant_message(id.map(str::to_owned), at, model.map(str::to_owned));
    if let Value::String(t) = &message["content"] {
        text_part(t).into_iter().for_each(|p| builder.push_part(at, p));
    }
    for block in message["content"].as_array().into_iter().flatten() {
        if block["type"] == "tool_use" {
            let (id, name) = (block["id"].as_str(), block["name"].as_str());
            builder.push_call(at, id.unwrap_or_default(), name.unwrap_or_default(), block["input"].clone());
        } else {
            block_part(block).into_iter().for_each(|part| builder.push_part(at, part));
        }
    }
    builder.close_assistant_message();
    push_usage(builder, message, at, position, subagent);
}

fn push_usage(
    builder: &mut SessionBuilder,
    message: &Value,
    at: Option<Timestamp>,
    position: u64,
    subagent: bool,
) {
    let metrics = &message["metrics"];
    if !metrics.is_object() {
        return;
    }
    // `inputTokens` includes the cached tokens.
    let (cache_read, written) = (count(&metrics["cacheReadTokens"]), count(&metrics["cacheWriteTokens"]));
    let tokens = Tokens {
        input: count(&metrics["inputTokens"]).saturating_sub(cache_read.saturating_add(written)),
        output: count(&metrics["outputTokens"]),
        cache_read,
        cache_write_5m: written,
        ..Tokens::default()
    };
    // Ids are short, so two sessions may have the same one. The time makes the key unique. A copy of a message has the
    // same id and time.
    let key = match (non_empty(&message["id"]), at) {
        (Some(id), Some(at)) => format!("{AGENT}:{id}@{}", at.millis()),
        _ => format!("{}#{position}", builder.session.key),
    };
    let model = message["modelInfo"]["id"].as_str().unwrap_or_default();
    builder.push_request(LoggedRequest { dedupe_key: key, at, model, tokens, offset: position });
    if let Some(row) = builder.usage.last_mut() {
        row.reported_picousd = picousd_from_f64(metrics["cost"].as_f64());
        row.subagent = subagent.then(|| "subagent".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_that_a_person_typed_is_human() {
        assert_eq!(user_input("<user_input mode=\"act\">a <b></user_input>"), ("a <b>".to_owned(), true));
        let around =
            "<user_input mode=\"act\">a</user_input>\n<environment_details>\nx</environment_details>";
        assert_eq!(user_input(around), ("a".to_owned(), true));
        assert_eq!(user_input(" plain "), ("plain".to_owned(), true));
        assert!(!user_input("<environment_details>\nx").1);
        assert_eq!(
            description(Path::new("/s/17_x/17_x.messages.json")).unwrap(),
            Path::new("/s/17_x/17_x.json")
        );
    }
}
