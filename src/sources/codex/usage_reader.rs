//! The usage of a Codex rollout without its conversation: the reader of whole rollouts, fed only with the lines
//! that counting needs.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::UsageRead;
use crate::sources::codex::build::Builder;
use crate::sources::common::lenient_serde::Text;
use crate::sources::common::line_reader::{Line, Sieve, parse};

/// What stands in every line that tells a request, its model, or the thread.
static NEEDLES: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["\"token_", "\"turn_context\"", "\"session_meta\""].map(Finder::new));

/// What the type of a line that calls a tool ends with; it stands near the start.
static CALL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("_call\""));

const TYPE: usize = 192;

/// Wanted lines are short or name their type near their start.
const HEAD: usize = 4096;

/// Collects the requests of one rollout.
pub(super) struct Quick {
    builder: Builder,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stamp<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
}

impl Quick {
    pub(super) fn new(builder: Builder) -> Self {
        Quick { builder }
    }

    pub(super) fn finish(self) -> UsageRead {
        self.builder.finish_usage()
    }
}

/// The kind of a line that is a piece of the conversation and begins as Codex writes it: most of a rollout.
fn item(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"timestamp\":\"")?;
    let (_, rest) = rest.split_at_checked(memchr::memchr(b'"', rest.get(..64)?)?)?;
    let rest = rest.strip_prefix(b"\",\"type\":\"response_item\",\"payload\":{\"type\":\"")?;
    rest.get(..memchr::memchr(b'"', rest.get(..64).unwrap_or(rest))?)
}

impl Sieve for Quick {
    fn wants(&self, line: &[u8]) -> bool {
        if let Some(kind) = item(line)
            && self.builder.begun()
        {
            return kind.ends_with(b"_call");
        }
        let head = line.get(..HEAD).unwrap_or(line);
        let calls = || CALL.find(line.get(..TYPE).unwrap_or(line)).is_some();
        !self.builder.begun() || NEEDLES.iter().any(|n| n.find(head).is_some()) || calls()
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) {
        if !self.builder.begun() || !self.builder.light(line, scratch) {
            // A broken line is reported by the reader of whole rollouts.
            let _ = self.builder.line(line, scratch);
        }
    }

    fn last(&mut self, line: &[u8], scratch: &mut String) -> bool {
        let Ok((stamp, _)) = parse::<Stamp<'_>>(line, scratch) else { return false };
        self.builder.reached(stamp.timestamp.str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_that_begins_as_codex_writes_it_tells_its_kind() {
        let line = br#"{"timestamp":"2026-11-09T15:04:07.293Z","type":"response_item","payload":{"type":"function_call","name":"x"}}"#;
        assert_eq!(item(line), Some(&b"function_call"[..]));
        for other in [
            &br#"{"type":"response_item","payload":{"type":"reasoning"}}"#[..],
            br#"{"timestamp":"a","type","type":"event_msg","payload":{"type":"token_count"}}"#,
            br#"{"timestamp":"2026-11-09T15:04:07.293Z","type":"response_item","payload":{"type":"reaso"#,
            br#"{"timestamp":""#,
            b"",
        ] {
            assert_eq!(item(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
