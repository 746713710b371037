//! The log format of Codex.

use serde_json::{Value, json};

use crate::trace::{Role, Session, Timestamp};

use super::super::turns::{Turn, turns};
use super::super::{RowMeta, file_name};
use super::{start, time_in_name, workspace};

pub(super) const AGENT: &str = "codex";

/// The name of the file without its ending.
pub(super) fn name(session: &Session) -> String {
    format!("rollout-{}-{}", time_in_name(start(session)), file_name(session.key.native()))
}

/// The records of a session, in the form that Codex writes since version 0.32. Older logs are brought into it.
pub(super) fn lines(session: &Session, meta: &RowMeta) -> Vec<Value> {
    let at = start(session);
    let mut header = json!({
        "id": session.key.native(),
        "timestamp": at.to_string(),
        "cwd": workspace(meta),
        "originator": "clawgate",
        "cli_version": session.agent_version.as_deref().unwrap_or("unknown"),
    });
    if let Some(branch) = &session.git_branch {
        header["git"] = json!({ "branch": branch });
    }
    let mut log = Log { at, lines: Vec::new(), model: None, cwd: workspace(meta) };
    log.add("session_meta", header);
    for turn in turns(session) {
        log.at = turn.at.unwrap_or(log.at);
        log.add_turn(&turn);
    }
    log.lines
}

struct Log {
    at: Timestamp,
    lines: Vec<Value>,
    /// The model of the last turn.
    model: Option<String>,
    cwd: String,
}

impl Log {
    fn add_turn(&mut self, turn: &Turn<'_>) {
        if let Some(model) = turn.model.filter(|model| self.model.as_deref() != Some(*model)) {
            self.model = Some(model.to_owned());
            let context = json!({"cwd": self.cwd, "model": model});
            self.add("turn_context", context);
        }
        if !turn.thinking.is_empty() {
            let summary = json!([{"type": "summary_text", "text": turn.thinking}]);
            self.add_item(
                json!({"type": "reasoning", "summary": summary, "content": null, "encrypted_content": null}),
            );
        }
        let (role, kind) = match turn.role {
            Role::System => ("developer", "input_text"),
            Role::User => ("user", "input_text"),
            Role::Assistant => ("assistant", "output_text"),
        };
        if !turn.text.is_empty() {
            let content = json!([{"type": kind, "text": turn.text}]);
            self.add_item(json!({"type": "message", "role": role, "content": content}));
        }
        for c in &turn.calls {
            let arguments = c.call.input.to_string();
            self.add_item(json!({
                "type": "function_call", "name": c.call.name, "arguments": arguments, "call_id": c.id,
            }));
        }
        for c in &turn.calls {
            let Some(result) = c.result() else { continue };
            self.add_item(json!({"type": "function_call_output", "call_id": c.id, "output": result}));
        }
    }

    fn add_item(&mut self, payload: Value) {
        self.add("response_item", payload);
    }

    fn add(&mut self, kind: &str, payload: Value) {
        self.lines.push(json!({"timestamp": self.at.to_string(), "type": kind, "payload": payload}));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines_of;

    #[test]
    fn the_header_comes_first_and_every_record_has_a_payload() {
        let (path, lines) = lines_of("codex");
        assert_eq!(path, "data/traces/codex/rollout-2026-06-15T10-00-00-abc-123.jsonl");
        assert_eq!(
            (&lines[0]["type"], &lines[0]["payload"]["id"]),
            (&"session_meta".into(), &"abc-123".into())
        );
        assert!(lines.iter().all(|l| l["payload"].is_object() && l["timestamp"].is_string()));
        let call = lines.iter().find(|l| l["payload"]["type"] == "function_call").unwrap();
        assert_eq!(call["payload"]["arguments"], "{\"command\":\"ls\"}");
        let models = lines.iter().filter(|l| l["type"] == "turn_context").count();
        assert!(models >= 2, "each change of the model is told");
    }
}
