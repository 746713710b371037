//! Renders messages as text for a model.

use std::fmt::Write as _;

use crate::trace::{Message, Origin, Part, Role, ToolStatus};

/// Renders a message under a heading. `index` is its index in the session.
pub(super) fn message(index: u64, m: &Message) -> String {
    let role = match m.role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    };
    let origin = match m.origin {
        Origin::Human | Origin::Model => "",
        Origin::Injected => ", injected by the agent",
        Origin::Compaction => ", compaction summary",
    };
    let mut out = format!("#{index} [{role}{origin}]");
    if let Some(at) = m.at {
        let _ = write!(out, " {}", at.to_jiff().strftime("%Y-%m-%d %H:%M"));
    }
    if let Some(model) = &m.model {
        let _ = write!(out, " {model}");
    }
    out.push('\n');
    for part in &m.parts {
        match part {
            Part::Text { text } => {
                let _ = writeln!(out, "{}", text.trim_end());
            }
            Part::Thinking { text } => {
                let _ = writeln!(out, "[thinking]\n{}", text.trim_end());
            }
            Part::Tool(call) => {
                let status = match call.status {
                    ToolStatus::Success => "success",
                    ToolStatus::Error => "error",
                    ToolStatus::Denied => "denied",
                    ToolStatus::Pending => "no result",
                };
                let _ = writeln!(out, "[tool {} {status}]", call.name);
                if !call.input.is_null() {
                    let _ = writeln!(out, "{}", call.input);
                }
                if let Some(output) = call.output.as_deref().filter(|o| !o.trim().is_empty()) {
                    let _ = writeln!(out, "[output]\n{}", output.trim_end());
                }
                if let Some(sub) = &call.subagent {
                    let _ = writeln!(out, "[subagent session {sub}]");
                }
            }
            Part::Media { media_type, bytes } => {
                let _ = writeln!(out, "[{media_type}, {bytes} bytes]");
            }
            Part::Attachment { name, text } => {
                let _ = writeln!(out, "[attachment {name}]\n{}", text.trim_end());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Timestamp, ToolCall};

    #[test]
    fn every_part_has_a_heading() {
        let m = Message {
            id: None,
            role: Role::Assistant,
            origin: Origin::Model,
            at: Timestamp::parse("2026-11-20T16:12:41Z"),
            model: Some("m-1".into()),
            parts: vec![
                Part::Thinking { text: "hm\n".into() },
                Part::Text { text: "Here.".into() },
                Part::Tool(ToolCall {
                    name: "Bash".into(),
                    input: serde_json::json!({ "command": "ls" }),
                    output: Some("a\nb\n".into()),
                    status: ToolStatus::Error,
                    ..ToolCall::default()
                }),
            ],
        };
        let want = "#7 [assistant] 2026-11-20 16:12 m-1\n[thinking]\nhm\nHere.\n[tool Bash error]\n\
                    {\"command\":\"ls\"}\n[output]\na\nb\n";
        assert_eq!(message(7, &m), want);
    }
}
