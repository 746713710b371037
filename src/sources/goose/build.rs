//! Builds a session from Goose's messages, which are the same in the database and in files.

use serde_json::Value;

use crate::sources::common::json_fields::{
    media_part, non_empty, text_and_media_bytes, text_part, tool_status,
};
use crate::sources::common::session_builder::SessionBuilder;
use crate::trace::{Origin, Part, Timestamp, Tokens};

/// A message as Goose stores it.
pub(super) struct StoredMessage<'m> {
    pub id: Option<String>,
    pub role: &'m str,
    pub content: &'m Value,
    pub metadata: &'m Value,
    pub at: Option<Timestamp>,
}

/// Adds a message. `is_automatic` says that Goose, and not a person, writes the prompts of the session.
pub(super) fn add_message(
    builder: &mut SessionBuilder,
    message: StoredMessage<'_>,
    model: Option<&str>,
    is_automatic: bool,
) {
    let at = message.at;
    builder.extend_time_range(at);
    // The person does not see a summary, and neither what Goose tells the model.
    let is_hidden = message.metadata["userVisible"] == false;
    let blocks = message.content.as_array().map_or(&[][..], Vec::as_slice);
    match message.role {
        "user" => {
            let mut parts = Vec::new();
            for block in blocks {
                match block["type"].as_str().unwrap_or_default() {
                    "toolResponse" => add_result(builder, block),
                    _ => parts.extend(part(block)),
                }
            }
            let origin = if is_hidden || is_automatic { Origin::Injected } else { Origin::Human };
            builder.push_user(message.id, origin, at, parts);
        }
        "assistant" => {
            builder.begin_assistant_message(message.id, at, model.map(str::to_owned));
            if is_hidden {
                builder.open_assistant_message(at).origin = Origin::Injected;
            }
            for block in blocks {
                match block["type"].as_str().unwrap_or_default() {
                    "toolRequest" | "frontendToolRequest" => add_call(builder, block, at),
                    // A tool that the provider runs itself.
                    "toolResponse" => add_result(builder, block),
                    _ => part(block).into_iter().for_each(|part| builder.push_part(at, part)),
                }
            }
            builder.close_assistant_message();
        }
        _ => {}
    }
}

fn part(block: &Value) -> Option<Part> {
    match block["type"].as_str()? {
        "text" => text_part(block["text"].as_str()?),
        "thinking" => Some(Part::Thinking { text: non_empty(&block["thinking"])?.to_owned() }),
        "reasoning" => Some(Part::Thinking { text: non_empty(&block["text"])?.to_owned() }),
        "image" => Some(media_part(block["mimeType"].as_str().unwrap_or_default(), block["data"].as_str()?)),
        _ => None,
    }
}

/// Adds a call. A call that could not be parsed has an error in the place of its value.
fn add_call(builder: &mut SessionBuilder, block: &Value, at: Option<Timestamp>) {
    let call = &block["toolCall"];
    let value = if call["value"].is_object() { &call["value"] } else { call };
    let (id, name) = (block["id"].as_str().unwrap_or_default(), value["name"].as_str());
    builder.push_call(at, id, name.unwrap_or("unknown"), value["arguments"].clone());
    if let (Some(error), Some(call)) = (non_empty(&call["error"]), builder.call_mut(id)) {
        call.status = tool_status(true, None);
        call.output = Some(error.to_owned());
    }
}

fn add_result(builder: &mut SessionBuilder, block: &Value) {
    let Some(call) = builder.call_mut(block["id"].as_str().unwrap_or_default()) else { return };
    let result = &block["toolResult"];
    let value = &result["value"];
    // Older versions store the list of contents itself.
    let content = if value["content"].is_array() { &value["content"] } else { value };
    let failed = result["status"] == "error" || value["isError"] == true;
    let (output, bytes) = match result["error"].as_str() {
        Some(error) => (error.to_owned(), 0),
        None => text_and_media_bytes(content),
    };
    call.status = tool_status(failed, None);
    call.output = Some(output);
    call.media_bytes = bytes;
}

/// Returns tokens from counts of which the input includes the cached tokens.
pub(super) fn tokens(input: u64, output: u64, cache_read: u64, written: u64) -> Tokens {
    let cached = cache_read.saturating_add(written);
    // A provider that counts them separately is recognized by an input that cannot include them.
    let input = input.checked_sub(cached).unwrap_or(input);
    Tokens { input, output, cache_read, cache_write_5m: written, ..Tokens::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::Read;
    use crate::trace::ToolStatus;

    #[test]
    fn calls_get_their_results_and_hidden_messages_are_not_human() {
        let mut builder = SessionBuilder::new("goose", "s");
        let null = Value::Null;
        let hidden = json!({"userVisible": false, "agentVisible": true});
        let mut add = |role, content: Value, metadata: &Value| {
            let message = StoredMessage { id: None, role, content: &content, metadata, at: None };
            add_message(&mut builder, message, Some("m"), false);
        };
        add(
            "user",
            json!([{"type": "text", "text": "go"}, {"type": "image", "data": "AAAA", "mimeType": "image/png"}]),
            &null,
        );
        let call = |id: &str, name: &str| json!({"type": "toolRequest", "id": id, "toolCall": {"status": "success", "value": {"name": name, "arguments": {"command": "ls"}}}});
        let broken =
            json!({"type": "toolRequest", "id": "d", "toolCall": {"status": "error", "error": "not JSON"}});
        add(
            "assistant",
            json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "Looking."},
                call("a", "developer__shell"), call("b", "developer__shell"), call("c", "read"), broken]),
            &null,
        );
        add(
            "user",
            json!([{"type": "toolResponse", "id": "a", "toolResult": {"status": "success", "value": {"content": [{"type": "text", "text": "calc.py"}], "isError": false}}},
                {"type": "toolResponse", "id": "b", "toolResult": {"status": "error", "error": "denied"}},
                {"type": "toolResponse", "id": "c", "toolResult": {"status": "success", "value": [{"type": "text", "text": "old"}]}}]),
            &null,
        );
        add("user", json!([{"type": "text", "text": "summary"}]), &hidden);
        let mut read = Read::default();
        builder.finish_into(&mut read);
        let s = &read.sessions[0];
        let calls: Vec<_> = s.tool_calls().map(|c| (c.status, c.output.as_deref().unwrap())).collect();
        let (ok, error) = (ToolStatus::Success, ToolStatus::Error);
        assert_eq!(calls, [(ok, "calc.py"), (error, "denied"), (ok, "old"), (error, "not JSON")]);
        assert_eq!((s.user_messages(), s.messages.len(), s.messages[1].parts.len()), (1, 3, 6));
        assert_eq!(s.messages[2].origin, Origin::Injected);
    }

    #[test]
    fn cached_tokens_are_a_part_of_the_input() {
        assert_eq!(tokens(100, 7, 60, 5).input, 35);
        assert_eq!(tokens(10, 7, 60, 5).input, 10);
    }
}
