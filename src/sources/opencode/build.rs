//! From OpenCode's records to a session, whichever store they came from.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sources::ReadOptions;
use crate::sources::common::lenient_serde::Text;
use crate::sources::common::line_reader::parse;
use crate::sources::common::session_builder::{Draft, count, ended, media, millis, picousd, text, text_part};
use crate::sources::opencode::AGENT;
use crate::trace::{Origin, Part, SessionKey, Timestamp, Tokens};

/// What counting needs of a part: the name of a tool that was called.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LightPart<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, rename = "callID")]
    call: Text<'a>,
    #[serde(borrow)]
    tool: Text<'a>,
}

/// A part without its content; nothing where it is no call of a tool. What is broken is left to the full reader.
pub(super) fn light(bytes: &[u8], opts: &ReadOptions) -> Option<Value> {
    // Only calls say "tool": most parts are not parsed.
    static TOOL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"tool\""));
    if bytes.len() > opts.line_limit {
        return None;
    }
    TOOL.find(bytes)?;
    let mut scratch = String::new();
    let (part, _) = parse::<LightPart<'_>>(bytes, &mut scratch).ok()?;
    (part.kind.str() == "tool")
        .then(|| json!({ "type": "tool", "callID": part.call.str(), "tool": part.tool.str() }))
}

/// A message with its parts, in order.
pub(super) struct Whole {
    pub id: String,
    pub data: Value,
    pub parts: Vec<Value>,
}

/// What a store says of a session itself.
#[derive(Default)]
pub(super) struct Info {
    pub id: String,
    pub parent: Option<String>,
    pub directory: Option<String>,
    pub title: Option<String>,
    pub version: Option<String>,
    pub updated: Option<Timestamp>,
}

/// A session in the making, with what its record says.
pub(super) fn begin(info: &Info) -> Draft {
    let mut draft = Draft::new(AGENT, &info.id);
    let s = &mut draft.session;
    s.parent = info.parent.as_ref().map(|p| SessionKey::new(AGENT, p));
    s.project = info.directory.clone();
    s.title = info.title.clone();
    s.agent_version = info.version.clone();
    draft
}

/// Adds one message.
pub(super) fn add(draft: &mut Draft, message: Whole, offset: u64) {
    let data = &message.data;
    let at = millis(&data["time"]["created"]);
    draft.tick(at);
    match data["role"].as_str().unwrap_or_default() {
        "user" => user(draft, message, at),
        "assistant" => assistant(draft, message, at, offset),
        _ => {}
    }
}

/// Takes the end of the session from its record, once its messages are in.
pub(super) fn end(draft: &mut Draft, info: &Info) {
    let s = &mut draft.session;
    s.ended = info.updated.filter(|_| s.started.is_some()).or(s.ended);
}

fn user(draft: &mut Draft, message: Whole, at: Option<Timestamp>) {
    let (mut own, mut synthetic) = (Vec::new(), Vec::new());
    for part in &message.parts {
        let made_up = part["synthetic"].as_bool().unwrap_or(false);
        let into = if made_up { &mut synthetic } else { &mut own };
        match part["type"].as_str().unwrap_or_default() {
            "text" => into.extend(text_part(&unquoted(part["text"].as_str().unwrap_or_default()))),
            "file" => into.push(file(part)),
            _ => {}
        }
    }
    let typed = own.iter().any(|p| matches!(p, Part::Text { .. }));
    let origin = if typed && draft.session.parent.is_none() { Origin::Human } else { Origin::Injected };
    draft.user(Some(message.id), origin, at, own);
    draft.user(None, Origin::Injected, at, synthetic);
}

/// `opencode run` stores an argument that has spaces in quotes.
fn unquoted(text: &str) -> String {
    let inner =
        text.trim_end().strip_prefix('"').and_then(|t| t.strip_suffix('"')).filter(|t| t.contains(' '));
    let plain = |t: &str| !t.replace("\\\"", "").contains('"') && !t.ends_with('\\');
    inner.filter(|t| plain(t)).map_or_else(|| text.to_owned(), |t| t.replace("\\\"", "\""))
}

fn file(part: &Value) -> Part {
    let url = part["url"].as_str().unwrap_or_default();
    if url.starts_with("data:") {
        return media(part["mime"].as_str().unwrap_or_default(), url);
    }
    let name = text(&part["filename"]).unwrap_or(url).to_owned();
    Part::Attachment { name, text: part["source"]["text"]["value"].as_str().unwrap_or_default().to_owned() }
}

fn assistant(draft: &mut Draft, message: Whole, at: Option<Timestamp>, offset: u64) {
    let data = &message.data;
    let model = data["modelID"].as_str().unwrap_or_default();
    let s = &mut draft.session;
    s.project = s.project.take().or_else(|| text(&data["path"]["cwd"]).map(str::to_owned));
    draft.begin(Some(message.id.clone()), at, text(&data["modelID"]).map(str::to_owned));
    if data["summary"].as_bool().unwrap_or(false) {
        draft.answer(at).origin = Origin::Compaction;
    }
    for part in &message.parts {
        match part["type"].as_str().unwrap_or_default() {
            "text" => text_part(part["text"].as_str().unwrap_or_default())
                .into_iter()
                .for_each(|p| draft.part(at, p)),
            "reasoning" => {
                if let Some(t) = text(&part["text"]) {
                    draft.part(at, Part::Thinking { text: t.to_owned() });
                }
            }
            "file" => draft.part(at, file(part)),
            "tool" => tool(draft, part, at),
            _ => {}
        }
    }
    usage(draft, &message, at, offset);
    draft.close();
    let error = &data["error"];
    if let Some(why) = text(&error["data"]["message"]).or(text(&error["message"])).or(text(&error["name"])) {
        let model = Some(model).filter(|m| !m.is_empty() && counted(&tokens(data))).map(str::to_owned);
        draft.notice(at, model, why);
    }
}

fn tool(draft: &mut Draft, part: &Value, at: Option<Timestamp>) {
    let state = &part["state"];
    let id = part["callID"].as_str().unwrap_or_default();
    draft.call(at, id, part["tool"].as_str().unwrap_or_default(), state["input"].clone());
    let Some(call) = draft.called(id) else { return };
    call.subagent = text(&state["metadata"]["sessionId"]).map(|s| SessionKey::new(AGENT, s));
    call.exit_code = state["metadata"]["exit"].as_i64();
    let attached = state["attachments"].as_array().into_iter().flatten();
    call.media_bytes = attached.filter_map(|a| a["url"].as_str()).map(|u| u.len() as u64).sum();
    match state["status"].as_str().unwrap_or_default() {
        "completed" => {
            call.status = ended(false, call.exit_code);
            call.output = state["output"].as_str().map(str::to_owned);
        }
        "error" => {
            call.status = ended(true, None);
            call.output = state["error"].as_str().map(str::to_owned);
        }
        _ => {}
    }
}

/// The format's input excludes cache, its output excludes reasoning.
fn tokens(data: &Value) -> Tokens {
    let t = &data["tokens"];
    let reasoning = count(&t["reasoning"]);
    Tokens {
        input: count(&t["input"]),
        output: count(&t["output"]).saturating_add(reasoning),
        reasoning,
        cache_read: count(&t["cache"]["read"]),
        cache_write_5m: count(&t["cache"]["write"]),
        ..Tokens::default()
    }
}

fn counted(tokens: &Tokens) -> bool {
    !tokens.is_zero()
}

fn usage(draft: &mut Draft, message: &Whole, at: Option<Timestamp>, offset: u64) {
    let data = &message.data;
    let tokens = tokens(data);
    if !counted(&tokens) {
        return;
    }
    let done = millis(&data["time"]["completed"]);
    // A fork copies messages under new ids with their times and counts, so these identify the request.
    let key = match (at, done) {
        (Some(a), Some(b)) => {
            let (a, b) = (a.millis(), b.millis());
            format!("{AGENT}:{a}-{b}:{}.{}.{}", tokens.input, tokens.cache_read, tokens.output)
        }
        _ => format!("{AGENT}:{}", message.id),
    };
    let model = data["modelID"].as_str().unwrap_or_default();
    draft.request(key, done.or(at), model, tokens, offset);
    let child = draft.session.parent.is_some();
    if let Some(row) = draft.usage.last_mut() {
        row.provider = text(&data["providerID"]).map(str::to_owned);
        row.reported_picousd = picousd(data["cost"].as_f64());
        let kind = text(&data["agent"]).or(text(&data["mode"])).unwrap_or("subagent");
        row.subagent = child.then(|| kind.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_quotes_of_an_argument_are_taken_off() {
        assert_eq!(unquoted("\"fix the test\"\n"), "fix the test");
        assert_eq!(unquoted("\"say \\\"hi\\\" now\""), "say \"hi\" now");
        for same in ["fix", "\"one\"", "\"a b\" and \"c d\"", "\"", "\"a \\\""] {
            assert_eq!(unquoted(same), same);
        }
    }
}
