//! The log format of Claude Code.

use serde_json::{Value, json};

use crate::trace::{Origin, Role, Session, Timestamp};

use super::super::turns::{Turn, turns};
use super::super::{RowMeta, file_name};
use super::{record_id, start, workspace};

pub(super) const AGENT: &str = "claude";

/// The name of the file without its ending. The file of a subagent has a prefix.
pub(super) fn name(session: &Session) -> String {
    let id = file_name(session.key.native());
    match session.parent.is_some() && !id.starts_with("agent-") {
        true => format!("agent-{id}"),
        false => id,
    }
}

/// The records of a session.
pub(super) fn lines(session: &Session, meta: &RowMeta) -> Vec<Value> {
    let mut log = Log { session, meta, at: start(session), lines: Vec::new(), last: Value::Null };
    for turn in turns(session) {
        log.at = turn.at.unwrap_or(log.at);
        log.add_turn(&turn);
    }
    log.lines
}

struct Log<'a> {
    session: &'a Session,
    meta: &'a RowMeta,
    at: Timestamp,
    lines: Vec<Value>,
    /// Id of the last record.
    last: Value,
}

impl Log<'_> {
    fn add_turn(&mut self, turn: &Turn<'_>) {
        match turn.role {
            Role::System => {
                self.add(
                    "system",
                    json!({"subtype": "informational", "content": turn.text, "isMeta": false}),
                );
            }
            Role::User => {
                let mut more = json!({"message": {"role": "user", "content": turn.text}});
                match turn.origin {
                    Origin::Injected => more["isMeta"] = true.into(),
                    Origin::Compaction => more["isCompactSummary"] = true.into(),
                    Origin::Human | Origin::Model => {}
                }
                self.add("user", more);
            }
            Role::Assistant => self.add_answer(turn),
        }
    }

    fn add_answer(&mut self, turn: &Turn<'_>) {
        let mut content = Vec::new();
        if !turn.thinking.is_empty() {
            content.push(json!({"type": "thinking", "thinking": turn.thinking, "signature": ""}));
        }
        if !turn.text.is_empty() {
            content.push(json!({"type": "text", "text": turn.text}));
        }
        content.extend(
            turn.calls
                .iter()
                .map(|c| json!({"type": "tool_use", "id": c.id, "name": c.call.name, "input": c.call.input})),
        );
        let id = format!("msg_{}", self.lines.len() + 1);
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": turn.model.unwrap_or("unknown"),
            "content": content, "stop_reason": if turn.calls.is_empty() { "end_turn" } else { "tool_use" },
        });
        self.add("assistant", json!({ "message": message }));
        for c in &turn.calls {
            let Some(result) = c.result() else { continue };
            let mut block = json!({"type": "tool_result", "tool_use_id": c.id, "content": result});
            if c.has_failed() {
                block["is_error"] = true.into();
            }
            self.add("user", json!({"message": {"role": "user", "content": [block]}}));
        }
    }

    /// Adds a record with the fields that all of them have.
    fn add(&mut self, kind: &str, more: Value) {
        let s = self.session;
        let id = record_id(s, self.lines.len());
        let mut line = json!({
            "parentUuid": self.last,
            "isSidechain": s.parent.is_some(),
            "userType": "external",
            "cwd": workspace(self.meta),
            "sessionId": s.parent.as_ref().unwrap_or(&s.key).native(),
            "version": s.agent_version.as_deref().unwrap_or("unknown"),
            "gitBranch": s.git_branch.as_deref().unwrap_or_default(),
            "type": kind,
        });
        if let Some(fields) = line.as_object_mut() {
            if s.parent.is_some() {
                fields.insert("agentId".to_owned(), s.key.native().into());
            }
            if let Value::Object(more) = more {
                fields.extend(more);
            }
            fields.insert("uuid".to_owned(), id.clone().into());
            fields.insert("timestamp".to_owned(), self.at.to_string().into());
        }
        self.last = id.into();
        self.lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines_of;

    #[test]
    fn a_subagent_has_the_session_of_its_parent_and_each_record_the_one_before_it() {
        let (path, lines) = lines_of("claude");
        assert_eq!(path, "data/traces/claude/agent-abc-123.jsonl");
        let mut last = serde_json::Value::Null;
        for line in &lines {
            assert_eq!((&line["sessionId"], &line["agentId"]), (&"root-1".into(), &"abc-123".into()));
            assert_eq!(line["parentUuid"], last);
            last = line["uuid"].clone();
            let message = &line["message"];
            assert!(line["type"] != "assistant" || message["content"].is_array(), "{line}");
        }
        let results = lines.iter().filter(|l| l["message"]["content"][0]["type"] == "tool_result").count();
        assert_eq!(results, 3, "one call is pending");
    }
}
