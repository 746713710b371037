//! Reads content in the format of Google's GenAI API, which Gemini CLI and Qwen Code write to their logs.

use serde_json::Value;

use crate::trace::Part;

/// Returns the text, thoughts, images and files in content. Tool calls and their results are left out.
pub(crate) fn parts(content: &Value) -> Vec<Part> {
    each(content).iter().filter_map(part).collect()
}

/// Returns content as a list. The API also accepts a single part without a list.
pub(crate) fn each(content: &Value) -> &[Value] {
    match content {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// Whether any part is a tool result.
pub(crate) fn is_response(content: &Value) -> bool {
    each(content).iter().any(|p| p.get("functionResponse").is_some())
}

fn part(part: &Value) -> Option<Part> {
    let text = part.as_str().or_else(|| part.get("text")?.as_str()).filter(|t| !t.trim().is_empty());
    if let Some(text) = text {
        let text = text.to_owned();
        let thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        return Some(if thought { Part::Thinking { text } } else { Part::Text { text } });
    }
    if let Some(data) = part.get("inlineData") {
        let media_type = data.get("mimeType").and_then(Value::as_str).unwrap_or("application/octet-stream");
        return Some(Part::Media { media_type: media_type.to_owned(), bytes: encoded(data) });
    }
    let name = part.get("fileData")?.get("fileUri")?.as_str()?.to_owned();
    Some(Part::Attachment { name, text: String::new() })
}

fn encoded(data: &Value) -> u64 {
    data.get("data").and_then(Value::as_str).map_or(0, |d| d.len() as u64)
}

/// Returns the text of a tool result, and the number of encoded bytes of the media in it.
pub(crate) fn result(content: &Value) -> (Option<String>, u64) {
    let (mut texts, mut media) = (Vec::new(), 0u64);
    for item in each(content) {
        let Some(response) = item.get("functionResponse") else {
            match part(item) {
                Some(Part::Text { text }) => texts.push(text),
                Some(Part::Media { bytes, .. }) => media += bytes,
                _ => {}
            }
            continue;
        };
        media += response
            .get("parts")
            .map_or(0, |p| each(p).iter().filter_map(|p| p.get("inlineData")).map(encoded).sum::<u64>());
        texts.extend(response.get("response").and_then(response_text));
    }
    ((!texts.is_empty()).then(|| texts.join("\n")), media)
}

fn response_text(response: &Value) -> Option<String> {
    let text = ["output", "error"].iter().filter_map(|k| response.get(*k)).find(|v| !v.is_null());
    match text.unwrap_or(response) {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Returns the exit code that the shell tool writes at the end of its output. The last one counts, because the
/// command's own output, which may contain the same words, comes first.
pub(crate) fn exit_code(output: &str) -> Option<i64> {
    output.lines().rev().find_map(|l| l.trim_start().strip_prefix("Exit Code:")?.trim().parse().ok())
}

/// Whether a tool runs shell commands.
pub(crate) fn is_shell(tool: &str) -> bool {
    tool.to_ascii_lowercase().contains("shell")
}

/// Returns a count; zero if the field is absent, negative or not a number.
pub(crate) fn count(of: &Value, field: &str) -> u64 {
    of.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// Returns a text field unless it is absent or empty.
pub(crate) fn text<'a>(of: &'a Value, field: &str) -> Option<&'a str> {
    of.get(field).and_then(Value::as_str).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn media_bytes_are_added_up_and_results_are_read() {
        let content = json!([
            {"functionResponse": {"response": {"output": "one"}, "parts": [{"inlineData": {"data": "AAAA"}}]}},
            {"inlineData": {"mimeType": "image/png", "data": "BBBBBB"}},
            {"functionResponse": {"response": {"content": [1]}}},
        ]);
        assert_eq!(result(&content), (Some("one\n{\"content\":[1]}".to_owned()), 10));
        assert_eq!(parts(&content), [Part::Media { media_type: "image/png".to_owned(), bytes: 6 }]);
        assert!(is_response(&content) && !is_response(&json!("text")));
    }

    #[test]
    fn the_last_exit_code_in_an_output_counts() {
        assert_eq!(exit_code("Output: Exit Code: 9\nExit Code: 1\nExit Code: 3\nSignal: 0"), Some(3));
        assert_eq!(exit_code("Output: Exit Code: 9\nExit Code: (none)"), None);
    }
}
