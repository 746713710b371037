//! The messages of OpenCode 2, which have a table and a shape of their own: `session_v2` and `session_message`. They become
//! the records that earlier versions wrote.

use serde_json::{Value, json};

use crate::sources::common::json_fields::non_empty;
use crate::sources::opencode::build::StoredMessage;

/// Returns a row of `session_message` as a message with parts. Returns `None` for rows that are not part of the conversation,
/// for example a change of the model.
pub(super) fn stored_message(
    id: String,
    kind: &str,
    created: Option<i64>,
    row: &Value,
) -> Option<StoredMessage> {
    let time = &row["time"];
    let created = if time["created"].is_null() { json!(created) } else { time["created"].clone() };
    // An answer that was interrupted was never completed, and a compaction has only one time.
    let completed =
        [&time["completed"], &time["streamed"]].into_iter().find(|t| !t.is_null()).unwrap_or(&created);
    let mut data = json!({"role": "user", "time": {"created": created, "completed": completed}});
    let text = |synthetic: bool| json!({"type": "text", "text": row["text"], "synthetic": synthetic});
    let parts = match kind {
        "user" => {
            let files = row["files"].as_array().into_iter().flatten().map(file_part);
            std::iter::once(text(false)).chain(files).collect()
        }
        "synthetic" | "system" | "skill" => vec![text(true)],
        "assistant" | "compaction" => {
            data["role"] = json!("assistant");
            data["summary"] = json!(kind == "compaction");
            (data["modelID"], data["providerID"]) =
                (row["model"]["id"].clone(), row["model"]["providerID"].clone());
            for field in ["agent", "tokens", "cost", "error"] {
                data[field] = row[field].clone();
            }
            match kind {
                "compaction" => vec![json!({"type": "text", "text": row["summary"]})],
                _ => row["content"].as_array().into_iter().flatten().map(content_part).collect(),
            }
        }
        _ => return None,
    };
    Some(StoredMessage { id, data, parts })
}

fn file_part(file: &Value) -> Value {
    let first =
        |names: [&str; 2]| names.iter().find_map(|n| non_empty(&file[*n])).map_or(Value::Null, |t| json!(t));
    json!({"type": "file", "url": first(["uri", "url"]), "mime": file["mime"], "filename": first(["name", "filename"])})
}

/// Returns an item of an answer. Texts and reasoning have the same shape in all versions.
fn content_part(item: &Value) -> Value {
    if item["type"] != "tool" {
        return item.clone();
    }
    let state = &item["state"];
    let content = || state["content"].as_array().into_iter().flatten();
    let output: Vec<&str> = content().filter_map(|c| non_empty(&c["text"])).collect();
    let attachments: Vec<Value> = content().filter(|c| c["type"] != "text").map(file_part).collect();
    json!({
        "type": "tool",
        "callID": item["id"],
        "tool": item["name"],
        "state": {
            "status": state["status"],
            "input": state["input"],
            "output": output.join("\n"),
            "error": state["error"]["message"],
            "metadata": state["metadata"],
            "attachments": attachments,
        },
    })
}
