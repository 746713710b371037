//! Sessions of Cline 3: `<session>.messages.json`, subagents in `agent_*.messages.json` beside it, `<session>.json` with
//! title, branch and directory. The database beside them repeats that file and is not opened.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::cline::{AGENT, whole_json};
use crate::sources::common::session_builder::{
    Draft, content, count, ended, exit_code, millis, picousd, text, text_part,
};
use crate::sources::{Read, ReadOptions, SourceError, small_json};
use crate::trace::{Origin, Part, SessionKey, Timestamp, Tokens};

/// The file that describes the session, beside its messages.
pub(super) fn record(file: &Path) -> Option<PathBuf> {
    let dir = file.parent()?;
    Some(dir.join(format!("{}.json", dir.file_name()?.to_string_lossy())))
}

pub(super) fn read(file: &Path, opts: &ReadOptions, read: &mut Read) -> Result<(), SourceError> {
    let all = whole_json(file, opts, read)?;
    let about = record(file).map(|r| small_json(&r)).unwrap_or_default();
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.trim_end_matches(".messages.json");
    let subagent = all["agent"] == "subagent" || stem.starts_with("agent_");
    let mut draft = Draft::new(AGENT, text(&all["sessionId"]).unwrap_or(stem));
    let own = |v: &Value| text(v).map(str::to_owned);
    let s = &mut draft.session;
    s.agent_version = own(&all["origin"]["version"]);
    s.project = own(&about["cwd"]).or_else(|| own(&about["workspace_root"]));
    s.git_branch = own(&about["metadata"]["git"]["branch"]);
    if subagent {
        let parent = own(&all["origin"]["parentThreadId"]).or_else(|| own(&about["session_id"]));
        s.parent = parent.map(|p| SessionKey::new(AGENT, &p));
    } else {
        s.title = own(&about["metadata"]["title"]);
    }
    for (place, message) in (0..).zip(all["messages"].as_array().into_iter().flatten()) {
        let at = millis(&message["ts"]);
        draft.tick(at);
        match message["role"].as_str().unwrap_or_default() {
            "user" => user(&mut draft, message, at, subagent),
            "assistant" => assistant(&mut draft, message, at, place, subagent),
            _ => {}
        }
    }
    draft.finish(read);
    Ok(())
}

fn user(draft: &mut Draft, message: &Value, at: Option<Timestamp>, subagent: bool) {
    let mut parts = Vec::new();
    let mut human = false;
    let mut take = |text: &str, parts: &mut Vec<Part>| {
        let (inner, typed) = unwrapped(text);
        human |= typed;
        parts.extend(text_part(&inner));
    };
    match &message["content"] {
        Value::String(t) => take(t, &mut parts),
        blocks => {
            for block in blocks.as_array().into_iter().flatten() {
                match block["type"].as_str().unwrap_or_default() {
                    "text" => take(block["text"].as_str().unwrap_or_default(), &mut parts),
                    "tool_result" => result(draft, block),
                    _ => parts.extend(content(&Value::Array(vec![block.clone()]))),
                }
            }
        }
    }
    if !parts.is_empty() {
        let origin = if human && !subagent { Origin::Human } else { Origin::Injected };
        draft.user(text(&message["id"]).map(str::to_owned), origin, at, parts);
    }
}

/// What stands inside `<user_input mode="…">`, without surroundings that the agent added, and whether a person can
/// have typed it.
fn unwrapped(text: &str) -> (String, bool) {
    let text = text.trim();
    if text.starts_with("<system") {
        return (text.to_owned(), false);
    }
    let mut own = text.to_owned();
    while let Some(start) = own.find("<environment_details>") {
        let end = own[start..].find("</environment_details>").map_or(own.len(), |e| start + e + 22);
        own.replace_range(start..end, "");
    }
    if let Some(at) = own.find("<user_input")
        && let Some((_, inner)) = own[at..].split_once('>')
    {
        let end = inner.rfind("</user_input>").unwrap_or(inner.len());
        return (inner[..end].to_owned(), true);
    }
    let own = own.trim();
    if own.is_empty() { (text.to_owned(), false) } else { (own.to_owned(), true) }
}

fn result(draft: &mut Draft, block: &Value) {
    let Some(call) = draft.called(block["tool_use_id"].as_str().unwrap_or_default()) else { return };
    let mut output = String::new();
    let mut failed = block["is_error"].as_bool().unwrap_or(false);
    let mut add = |piece: &str| {
        if !piece.is_empty() {
            if !output.is_empty() {
                output.push('\n');
            }
            output.push_str(piece);
        }
    };
    match &block["content"] {
        Value::String(t) => {
            // Some tools answer with an object written as text.
            let inner: Value = serde_json::from_str(t).unwrap_or_default();
            failed |= inner["success"] == false;
            add(t);
        }
        pieces => {
            for piece in pieces.as_array().into_iter().flatten() {
                failed |= piece["success"] == false;
                match piece.get("result") {
                    Some(Value::String(t)) => add(t),
                    Some(other) if !other.is_null() => add(&other.to_string()),
                    _ => add(piece["text"].as_str().unwrap_or_default()),
                }
                let error = piece["error"].as_str().unwrap_or_default();
                if piece["result"].as_str().is_none_or(|r| !r.contains(error)) {
                    add(error);
                }
                call.media_bytes += piece["source"]["data"].as_str().map_or(0, |d| d.len() as u64);
            }
        }
    }
    call.exit_code = exit_code(&output, "exited with code ").filter(|_| failed);
    call.status = ended(failed, None);
    call.output = Some(output);
}

fn assistant(draft: &mut Draft, message: &Value, at: Option<Timestamp>, place: u64, subagent: bool) {
    if message["metadata"]["displayOnly"].as_bool().unwrap_or(false) {
        let shown: Vec<Part> = content(&message["content"]);
        if let Some(Part::Text { text }) = shown.first() {
            draft.notice(at, None, text);
        }
        return;
    }
    let model = text(&message["modelInfo"]["id"]);
    let id = text(&message["id"]);
    draft.begin(id.map(str::to_owned), at, model.map(str::to_owned));
    if let Value::String(t) = &message["content"] {
        text_part(t).into_iter().for_each(|p| draft.part(at, p));
    }
    for block in message["content"].as_array().into_iter().flatten() {
        if block["type"] == "tool_use" {
            let (id, name) = (block["id"].as_str(), block["name"].as_str());
            draft.call(at, id.unwrap_or_default(), name.unwrap_or_default(), block["input"].clone());
        } else {
            for part in content(&Value::Array(vec![block.clone()])) {
                draft.part(at, part);
            }
        }
    }
    draft.close();
    let metrics = &message["metrics"];
    if !metrics.is_object() {
        return;
    }
    // Input is the whole prompt, cache included.
    let (cache_read, written) = (count(&metrics["cacheReadTokens"]), count(&metrics["cacheWriteTokens"]));
    let tokens = Tokens {
        input: count(&metrics["inputTokens"]).saturating_sub(cache_read.saturating_add(written)),
        output: count(&metrics["outputTokens"]),
        cache_read,
        cache_write_5m: written,
        ..Tokens::default()
    };
    // Ids are short: the time keeps those of different sessions apart, a copy keeps both.
    let key = match (id, at) {
        (Some(id), Some(at)) => format!("{AGENT}:{id}@{}", at.millis()),
        _ => format!("{}#{place}", draft.session.key),
    };
    draft.request(key, at, model.unwrap_or_default(), tokens, place);
    if let Some(row) = draft.usage.last_mut() {
        row.reported_picousd = picousd(metrics["cost"].as_f64());
        row.subagent = subagent.then(|| "subagent".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_typed_is_human() {
        assert_eq!(unwrapped("<user_input mode=\"act\">a <b></user_input>"), ("a <b>".to_owned(), true));
        let around =
            "<user_input mode=\"act\">a</user_input>\n<environment_details>\nx</environment_details>";
        assert_eq!(unwrapped(around), ("a".to_owned(), true));
        assert_eq!(unwrapped(" plain "), ("plain".to_owned(), true));
        assert!(!unwrapped("<environment_details>\nx").1);
        assert_eq!(record(Path::new("/s/17_x/17_x.messages.json")).unwrap(), Path::new("/s/17_x/17_x.json"));
    }
}
