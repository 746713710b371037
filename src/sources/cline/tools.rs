//! Parses the tool calls that Cline 2 and versions of Roo Code make models write as XML in the text of an answer.

use serde_json::{Map, Value};

/// Tools whose calls can be in a text.
const NAMES: [&str; 31] = [
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
    "apply_diff",
    "insert_content",
    "search_and_replace",
    "switch_mode",
    "update_todo_list",
    "fetch_instructions",
    "codebase_search",
    "run_slash_command",
    "generate_image",
];

/// Parameters that contain a file, which may itself contain the tags of a call.
const FILE_PARAMETERS: [&str; 3] = ["content", "diff", "input"];

/// Returns the text before the first call, the call's tool and input, and the text after it; `None` if there is no call.
pub(super) fn split_call(text: &str) -> Option<(&str, &'static str, Value, &str)> {
    let (at, name) = NAMES
        .iter()
        .filter_map(|name| {
            let open = format!("<{name}>");
            let at = text.find(&open)?;
            // A call is at the beginning of a line. In a sentence, the tag is only mentioned.
            (at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n')).then_some((at, *name))
        })
        .min()?;
    let body = text.get(at + name.len() + 2..)?;
    let close = format!("</{name}>");
    // The content of a file may contain the closing tag, so the last one ends the call.
    let writes_file = matches!(name, "write_to_file" | "replace_in_file" | "apply_patch" | "apply_diff");
    let end = if writes_file { body.rfind(&close) } else { body.find(&close) };
    let rest = end.map_or("", |end| &body[end + close.len()..]);
    let inner = &body[..end.unwrap_or(body.len())];
    Some((text[..at].trim_end(), name, Value::Object(parameters(inner)), rest))
}

/// Returns the parameters of a call. Each is an XML element; its text is not unescaped.
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
        let close = format!("</{name}>");
        let stop = if FILE_PARAMETERS.contains(&name) { inner.rfind(&close) } else { inner.find(&close) };
        let Some(stop) = stop else { continue };
        out.insert(name.to_owned(), Value::from(inner[..stop].trim_matches('\n')));
        rest = &inner[stop + close.len()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_distinguished_from_a_mention_in_a_sentence() {
        let text = "Let me look.\n\n<execute_command>\n<command>ls <x></command>\n<requires_approval>false</requires_approval>\n</execute_command>";
        let (before, name, input, rest) = split_call(text).unwrap();
        assert_eq!((before, name, rest), ("Let me look.", "execute_command", ""));
        assert_eq!(
            (input["command"].as_str(), input["requires_approval"].as_str()),
            (Some("ls <x>"), Some("false"))
        );
        let two =
            "<read_file>\n<path>a</path>\n</read_file>\n<read_file>\n<path>b</path>\n</read_file>\nand then";
        let (_, _, first, rest) = split_call(two).unwrap();
        let (_, _, second, rest) = split_call(rest).unwrap();
        assert_eq!(
            (first["path"].as_str(), second["path"].as_str(), rest),
            (Some("a"), Some("b"), "\nand then")
        );
        let file =
            "<write_to_file>\n<path>x</path>\n<content>\n<content>y</content>\n</content>\n</write_to_file>";
        assert_eq!(split_call(file).unwrap().2["content"], "<content>y</content>");
        assert!(split_call("use <execute_command> for it").is_none());
        assert_eq!(split_call("<read_file>\n<path>a").unwrap().2, serde_json::json!({}));
    }
}
