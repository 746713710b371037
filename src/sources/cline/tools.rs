//! Tool calls that Cline 2 has models write as XML inside their text.

use serde_json::{Map, Value};

/// Tools that can stand in a text.
const NAMES: [&str; 22] = [
    "execute_command",
    "read_file",
    "write_to_file",
    "replace_in_file",
    "apply_patch",
    "search_files",
    "list_files",
    "list_code_definition_names",
    "browser_action",
    "use_mcp_tool",
    "access_mcp_resource",
    "ask_followup_question",
    "attempt_completion",
    "plan_mode_respond",
    "load_mcp_documentation",
    "new_task",
    "condense",
    "summarize_task",
    "report_bug",
    "new_rule",
    "web_fetch",
    "web_search",
];

/// The text before the first call, and the call; `None` where the text holds none.
pub(super) fn split(text: &str) -> Option<(&str, &'static str, Value)> {
    let (at, name) = NAMES
        .iter()
        .filter_map(|name| {
            let open = format!("<{name}>");
            let at = text.find(&open)?;
            // A call begins a line; a mention inside a sentence is none.
            (at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n')).then_some((at, *name))
        })
        .min()?;
    let body = text.get(at + name.len() + 2..)?;
    let end = body.rfind(&format!("</{name}>")).unwrap_or(body.len());
    Some((text[..at].trim_end(), name, Value::Object(parameters(&body[..end]))))
}

/// The parameters of a call: one element each, their text as it stands.
fn parameters(body: &str) -> Map<String, Value> {
    let mut out = Map::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let Some(end) = rest.find('>') else { break };
        let name = &rest[..end];
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let inner = &rest[end + 1..];
        // The last closing tag: content may hold the same element.
        let close = format!("</{name}>");
        let Some(stop) = inner.rfind(&close) else { continue };
        out.insert(name.to_owned(), Value::from(inner[..stop].trim_matches('\n')));
        rest = &inner[stop + close.len()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_text_is_told_from_a_mention() {
        let text = "Let me look.\n\n<execute_command>\n<command>ls <x></command>\n<requires_approval>false</requires_approval>\n</execute_command>";
        let (before, name, input) = split(text).unwrap();
        assert_eq!((before, name), ("Let me look.", "execute_command"));
        assert_eq!(
            (input["command"].as_str(), input["requires_approval"].as_str()),
            (Some("ls <x>"), Some("false"))
        );
        assert!(split("use <execute_command> for it").is_none());
        assert_eq!(split("<read_file>\n<path>a").unwrap().2, serde_json::json!({}));
    }
}
