//! Reads only the usage of a Codex rollout: passes to the session builder only the lines that usage reports need.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::codex::build::Builder;
use crate::sources::common::lenient_serde::Text;
use crate::sources::common::line_reader::{Line, LineFilter, TailLine, parse};
use crate::sources::common::read::UsageRead;

/// Texts in the lines with a request, its settings or the thread.
static NEEDLES: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    ["\"token_", "\"turn_context\"", "\"thread_settings_applied\"", "\"session_meta\""].map(Finder::new)
});

/// End of the type of a line with a tool call.
static CALL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("_call\""));

/// Number of bytes at the beginning of a line that contain the type of a tool call.
const CALL_TYPE_BYTES: usize = 192;

/// Number of bytes at the beginning of a line that contain the type of any other needed line.
const TYPE_BYTES: usize = 4096;

/// Collects the requests of one rollout.
pub(super) struct UsageReader {
    builder: Builder,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TimeOnly<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
}

impl UsageReader {
    pub(super) fn new(native: String) -> Self {
        UsageReader { builder: Builder::for_usage(native) }
    }

    pub(super) fn finish(self) -> UsageRead {
        self.builder.into_usage()
    }
}

/// Returns the type of an item of the conversation, without parsing the line. Returns `None` for lines that do not
/// begin exactly as Codex writes them. Most lines of a rollout are such items.
fn item_type(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"timestamp\":\"")?;
    let (_, rest) = rest.split_at_checked(memchr::memchr(b'"', rest.get(..64)?)?)?;
    let rest = rest.strip_prefix(b"\",\"type\":\"response_item\",\"payload\":{\"type\":\"")?;
    rest.get(..memchr::memchr(b'"', rest.get(..64).unwrap_or(rest))?)
}

impl LineFilter for UsageReader {
    fn accepts(&self, line: &[u8]) -> bool {
        if let Some(kind) = item_type(line)
            && self.builder.has_start()
        {
            return kind.ends_with(b"_call");
        }
        let head = line.get(..TYPE_BYTES).unwrap_or(line);
        let is_call = || CALL.find(line.get(..CALL_TYPE_BYTES).unwrap_or(line)).is_some();
        !self.builder.has_start() || NEEDLES.iter().any(|n| n.find(head).is_some()) || is_call()
    }

    fn read_line(&mut self, line: &Line<'_>, scratch: &mut String) -> bool {
        self.builder.has_start() && self.builder.read_usage_line(line, scratch)
            || self.builder.read_line(line, scratch).is_ok()
    }

    fn read_tail_line(&mut self, line: &[u8], scratch: &mut String) -> TailLine {
        let Ok((stamp, _)) = parse::<TimeOnly<'_>>(line, scratch) else { return TailLine::Broken };
        if self.builder.extend_end(stamp.timestamp.str()) { TailLine::Last } else { TailLine::NotLast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_found_only_in_a_line_that_begins_as_codex_writes_it() {
        let line = br#"{"timestamp":"2026-11-09T15:04:07.293Z","type":"response_item","payload":{"type":"function_call","name":"x"}}"#;
        assert_eq!(item_type(line), Some(&b"function_call"[..]));
        for other in [
            &br#"{"type":"response_item","payload":{"type":"reasoning"}}"#[..],
            br#"{"timestamp":"a","type","type":"event_msg","payload":{"type":"token_count"}}"#,
            br#"{"timestamp":"2026-11-09T15:04:07.293Z","type":"response_item","payload":{"type":"reaso"#,
            br#"{"timestamp":""#,
            b"",
        ] {
            assert_eq!(item_type(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
