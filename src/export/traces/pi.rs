//! The session format of Pi, version 3, which other agents have with their name in `harness`.

use serde_json::{Value, json};

use crate::trace::{Role, Session, Timestamp};

use super::super::turns::{Turn, turns};
use super::super::{RowMeta, file_name};
use super::{start, time_in_name, workspace};

const AGENT: &str = "pi";
/// The version of the format.
const VERSION: u32 = 3;

/// The name of the file without its ending: that of Pi for its own sessions, the id for those of other agents.
pub(super) fn name(session: &Session) -> String {
    let id = file_name(session.key.native());
    match session.agent == AGENT {
        true => format!("{}-000Z_{id}", time_in_name(start(session))),
        false => id,
    }
}

/// The name by which lists of agents on the web know an agent.
fn harness(agent: &str) -> &str {
    match agent {
        "gemini" => "gemini-cli",
        "copilot" => "github-copilot",
        other => other,
    }
}

/// The records of a session.
pub(super) fn lines(session: &Session, meta: &RowMeta) -> Vec<Value> {
    let at = start(session);
    let mut header = json!({
        "type": "session",
        "version": VERSION,
        "id": session.key.native(),
        "timestamp": at.to_string(),
        "cwd": workspace(meta),
    });
    if session.agent != AGENT {
        header["harness"] = harness(&session.agent).into();
    }
    let mut log = Log { at, lines: vec![header], last: Value::Null };
    for turn in turns(session) {
        log.at = turn.at.unwrap_or(log.at);
        log.add_turn(&turn);
    }
    log.lines
}

struct Log {
    at: Timestamp,
    lines: Vec<Value>,
    /// Id of the last record.
    last: Value,
}

impl Log {
    fn add_turn(&mut self, turn: &Turn<'_>) {
        let text = |text: &str| json!({"type": "text", "text": text});
        match turn.role {
            Role::User => self.add(json!({"role": "user", "content": [text(&turn.text)]})),
            Role::System => self.add(json!({"role": "system", "content": [text(&turn.text)]})),
            Role::Assistant => {
                let mut content = Vec::new();
                if !turn.thinking.is_empty() {
                    content.push(json!({"type": "thinking", "thinking": turn.thinking}));
                }
                if !turn.text.is_empty() {
                    content.push(text(&turn.text));
                }
                content.extend(turn.calls.iter().map(
                    |c| json!({"type": "toolCall", "id": c.id, "name": c.call.name, "arguments": c.call.input}),
                ));
                let mut message = json!({"role": "assistant", "content": content});
                if let Some(model) = turn.model {
                    message["model"] = model.into();
                }
                message["stopReason"] = if turn.calls.is_empty() { "stop" } else { "toolUse" }.into();
                self.add(message);
                for c in &turn.calls {
                    let Some(result) = c.result() else { continue };
                    self.add(json!({
                        "role": "toolResult", "toolCallId": c.id, "toolName": c.call.name,
                        "content": [text(result)], "isError": c.has_failed(),
                    }));
                }
            }
        }
    }

    fn add(&mut self, message: Value) {
        let id = format!("{:08x}", self.lines.len());
        self.lines.push(json!({
            "type": "message", "id": id, "parentId": self.last, "timestamp": self.at.to_string(), "message": message,
        }));
        self.last = id.into();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines_of;

    #[test]
    fn sessions_of_other_agents_have_their_name_in_the_header() {
        let (path, lines) = lines_of("pi");
        assert_eq!(path, "data/traces/pi/2026-06-15T10-00-00-000Z_abc-123.jsonl");
        assert!(lines[0]["harness"].is_null());
        let (path, lines) = lines_of("gemini");
        assert_eq!(path, "data/traces/gemini/abc-123.jsonl");
        assert_eq!(lines[0]["harness"], "gemini-cli");
    }

    #[test]
    fn each_record_follows_the_one_before_it() {
        let (_, lines) = lines_of("cline");
        let mut last = serde_json::Value::Null;
        for line in &lines[1..] {
            assert_eq!(line["parentId"], last);
            last = line["id"].clone();
        }
        let results = lines.iter().filter(|l| l["message"]["role"] == "toolResult").count();
        assert_eq!(results, 3, "one call is pending");
    }
}
