//! A session in the making: what every reader of turn-by-turn logs does the same way.

use std::collections::HashMap;

use serde_json::Value;

use crate::sources::common::tool_attribution::Growth;
use crate::sources::{Read, UsageRead};
use crate::trace::{
    Message, Origin, Part, Role, Session, SessionFacts, SessionKey, Timestamp, Tokens, ToolCall, ToolStatus,
    UsageRow,
};

/// A session that grows message by message, its tool calls found again by id.
pub(crate) struct Draft {
    pub session: Session,
    pub usage: Vec<UsageRow>,
    calls: HashMap<String, (usize, usize)>,
    /// The assistant message that further parts join.
    open: Option<usize>,
    growth: Growth,
    /// Tools called since the last request.
    called: Vec<String>,
}

impl Draft {
    pub(crate) fn new(agent: &str, native: &str) -> Self {
        Draft {
            session: Session::empty(agent, native),
            usage: Vec::new(),
            calls: HashMap::new(),
            open: None,
            growth: Growth::default(),
            called: Vec::new(),
        }
    }

    /// Takes an instant into the session's range.
    pub(crate) fn tick(&mut self, at: Option<Timestamp>) {
        let s = &mut self.session;
        s.started = s.started.into_iter().chain(at).min();
        s.ended = s.ended.max(at);
    }

    /// Adds a user message; an empty one is left out.
    pub(crate) fn user(
        &mut self,
        id: Option<String>,
        origin: Origin,
        at: Option<Timestamp>,
        parts: Vec<Part>,
    ) {
        self.close();
        if !parts.is_empty() {
            self.session.messages.push(Message { id, role: Role::User, origin, at, model: None, parts });
        }
    }

    /// Begins an answer; an answer that got no part is dropped.
    pub(crate) fn begin(&mut self, id: Option<String>, at: Option<Timestamp>, model: Option<String>) {
        self.close();
        self.open = Some(self.session.messages.len());
        let parts = Vec::new();
        let origin = Origin::Model;
        self.session.messages.push(Message { id, role: Role::Assistant, origin, at, model, parts });
    }

    /// The answer that is open, begun where none is.
    pub(crate) fn answer(&mut self, at: Option<Timestamp>) -> &mut Message {
        let index = match self.open {
            Some(index) if index < self.session.messages.len() => index,
            _ => {
                self.begin(None, at, None);
                self.session.messages.len() - 1
            }
        };
        &mut self.session.messages[index]
    }

    /// Ends the open answer.
    pub(crate) fn close(&mut self) {
        if let Some(index) = self.open.take()
            && self.session.messages.len() == index + 1
            && self.session.messages[index].parts.is_empty()
        {
            self.session.messages.pop();
        }
    }

    /// Adds a notice of the agent in the model's place: an error, for instance.
    pub(crate) fn notice(&mut self, at: Option<Timestamp>, model: Option<String>, text: &str) {
        self.close();
        let parts = text_part(text).into_iter().collect();
        let (role, origin) = (Role::Assistant, Origin::Injected);
        self.session.messages.push(Message { id: None, role, origin, at, model, parts });
    }

    /// Adds a part to the open answer.
    pub(crate) fn part(&mut self, at: Option<Timestamp>, part: Part) {
        self.answer(at).parts.push(part);
    }

    /// Adds a call to the open answer; a call whose id is known already is left out.
    pub(crate) fn call(&mut self, at: Option<Timestamp>, id: &str, name: &str, input: Value) {
        if !id.is_empty() && self.calls.contains_key(id) {
            return;
        }
        self.called.push(name.to_owned());
        let message = self.answer(at);
        let part = message.parts.len();
        let call = ToolCall { id: id.to_owned(), name: name.to_owned(), input, ..ToolCall::default() };
        message.parts.push(Part::Tool(call));
        if let Some(index) = self.open.filter(|_| !id.is_empty()) {
            self.calls.insert(id.to_owned(), (index, part));
        }
    }

    /// The call of an id, to put its result in.
    pub(crate) fn called(&mut self, id: &str) -> Option<&mut ToolCall> {
        let (message, part) = *self.calls.get(id)?;
        match self.session.messages.get_mut(message)?.parts.get_mut(part)? {
            Part::Tool(call) => Some(call),
            _ => None,
        }
    }

    /// Counts a request, after the calls of its answer.
    pub(crate) fn request(
        &mut self,
        key: String,
        at: Option<Timestamp>,
        model: &str,
        tokens: Tokens,
        offset: u64,
    ) {
        let session = self.session.key.clone();
        let mut row = request_row(key, session, at.unwrap_or_default(), model, tokens, offset);
        self.growth.step(&mut row, std::mem::take(&mut self.called));
        self.usage.push(row);
    }

    /// Counts a request that the log tells before the calls of its answer.
    pub(crate) fn request_before_calls(
        &mut self,
        key: String,
        at: Option<Timestamp>,
        model: &str,
        tokens: Tokens,
        offset: u64,
    ) {
        self.growth.called(std::mem::take(&mut self.called));
        self.request(key, at, model, tokens, offset);
    }

    /// The usage alone, with what counting needs to know of the session.
    pub(crate) fn usage_only(self) -> UsageRead {
        UsageRead { facts: vec![SessionFacts::of(&self.session)], rows: self.usage }
    }

    /// Puts the session and its usage into the answer; without a message there is no session.
    pub(crate) fn finish(mut self, read: &mut Read) {
        self.close();
        read.usage.append(&mut self.usage);
        if !self.session.messages.is_empty() {
            read.sessions.push(self.session);
        }
    }
}

/// A request with nothing but what every log has.
pub(crate) fn request_row(
    dedupe_key: String,
    session: SessionKey,
    at: Timestamp,
    model: &str,
    tokens: Tokens,
    offset: u64,
) -> UsageRow {
    UsageRow {
        dedupe_key,
        session,
        at,
        model: if model.is_empty() { "unknown" } else { model }.to_owned(),
        tokens,
        offset,
        ..UsageRow::default()
    }
}

/// US dollars in pico-USD; nothing for zero, which agents write where they know no price.
pub(crate) fn picousd(usd: Option<f64>) -> Option<i64> {
    let usd = usd.filter(|usd| *usd > 0.0 && *usd < 1e6)?;
    #[expect(clippy::cast_possible_truncation, reason = "below 1e18 by the line above")]
    Some((usd * 1e12).round() as i64)
}

/// A count in a log; absent, negative or no number is zero.
pub(crate) fn count(value: &Value) -> u64 {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|f| *f >= 0.0 && *f < 9e15).map(|f| f as u64))
        .unwrap_or(0)
}

/// An instant in milliseconds since the epoch.
pub(crate) fn millis(value: &Value) -> Option<Timestamp> {
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.abs() < 9e15).map(|f| f as i64)).map(Timestamp)
}

/// A text that is there and not empty.
pub(crate) fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|t| !t.is_empty())
}

/// A text part; nothing for blank text.
pub(crate) fn text_part(text: &str) -> Option<Part> {
    (!text.trim().is_empty()).then(|| Part::Text { text: text.to_owned() })
}

/// A reference to an image that a log holds as a data URL or as base64.
pub(crate) fn media(media_type: &str, data: &str) -> Part {
    let (named, data) = match data.strip_prefix("data:").and_then(|d| d.split_once(',')) {
        Some((kind, data)) => (kind.split(';').next().unwrap_or_default(), data),
        None => ("", data),
    };
    let media_type = [media_type, named, "image/*"].into_iter().find(|t| !t.is_empty()).unwrap_or_default();
    Part::Media { media_type: media_type.to_owned(), bytes: data.len() as u64 }
}

/// Parts of content that is text or a list of typed blocks (`text`, `think`, images by URL).
pub(crate) fn content(value: &Value) -> Vec<Part> {
    let block = |b: &Value| -> Option<Part> {
        if let Some(t) = b.as_str() {
            return text_part(t);
        }
        match b["type"].as_str().unwrap_or_default() {
            "text" | "input_text" | "output_text" => text_part(b["text"].as_str()?),
            "think" | "thinking" => {
                let t = text(&b["think"]).or(text(&b["thinking"]))?;
                Some(Part::Thinking { text: t.to_owned() })
            }
            "image_url" | "video_url" | "audio_url" => {
                let url = b[b["type"].as_str()?]["url"].as_str()?;
                Some(media("", url))
            }
            "image" => {
                let source = &b["source"];
                let data = text(&b["data"]).or(text(&source["data"]))?;
                let kind = text(&b["mimeType"]).or(text(&source["media_type"])).unwrap_or_default();
                Some(media(kind, data))
            }
            _ => None,
        }
    };
    match value {
        Value::String(t) => text_part(t).into_iter().collect(),
        Value::Array(blocks) => blocks.iter().filter_map(block).collect(),
        _ => Vec::new(),
    }
}

/// The text of content, and the bytes of images in it.
pub(crate) fn flat(value: &Value) -> (String, u64) {
    let (mut out, mut bytes) = (String::new(), 0);
    for part in content(value) {
        match part {
            Part::Text { text } | Part::Thinking { text } => {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&text);
            }
            Part::Media { bytes: n, .. } => bytes += n,
            _ => {}
        }
    }
    (out, bytes)
}

/// The number after the last `marker` in a text: how shells' exit codes are told in words.
pub(crate) fn exit_code(text: &str, marker: &str) -> Option<i64> {
    let rest = &text[text.rfind(marker)? + marker.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The status of a call that ended.
pub(crate) fn ended(failed: bool, exit_code: Option<i64>) -> ToolStatus {
    if failed || exit_code.is_some_and(|c| c != 0) { ToolStatus::Error } else { ToolStatus::Success }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_answers_vanish_and_calls_find_their_results() {
        let mut d = Draft::new("a", "s");
        d.begin(None, None, Some("m".to_owned()));
        d.user(None, Origin::Human, Some(Timestamp(9)), content(&json!("hi")));
        d.begin(None, None, Some("m".to_owned()));
        d.call(None, "1", "Bash", json!({}));
        d.call(None, "1", "Bash", json!({}));
        d.called("1").unwrap().status = ended(false, Some(3));
        assert!(d.called("2").is_none());
        d.tick(Some(Timestamp(5)));
        d.tick(None);
        let mut read = Read::default();
        d.finish(&mut read);
        let s = &read.sessions[0];
        assert_eq!((s.messages.len(), s.tool_calls().count(), s.failed_tool_calls()), (2, 1, 1));
        assert_eq!((s.started, s.ended), (Some(Timestamp(5)), Some(Timestamp(5))));
    }

    #[test]
    fn content_of_any_shape_reads() {
        let all = json!(["a", {"type": "text", "text": "b"}, {"type": "think", "think": "c"}, 3,
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image", "data": "AAAAAA", "mimeType": "image/gif"}]);
        assert_eq!(flat(&all), ("a\nb\nc".to_owned(), 10));
        assert_eq!(content(&all)[3], Part::Media { media_type: "image/png".to_owned(), bytes: 4 });
        assert_eq!((content(&json!({})).len(), content(&json!("  ")).len()), (0, 0));
        assert_eq!(exit_code("x exit code: 3. y", "exit code: "), Some(3));
        assert_eq!(
            (exit_code("none", "exit code: "), picousd(Some(0.0)), picousd(Some(1e-6))),
            (None, None, Some(1_000_000))
        );
    }
}
