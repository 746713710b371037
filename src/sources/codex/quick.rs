//! The usage of a Codex rollout without its conversation: the reader of whole rollouts, fed only with the lines
//! that counting needs.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::sources::UsageRead;
use crate::sources::codex::build::Builder;
use crate::sources::lenient::Text;
use crate::sources::lines::{Line, Sieve, parse};

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

impl Sieve for Quick {
    fn wants(&self, line: &[u8]) -> bool {
        let head = line.get(..HEAD).unwrap_or(line);
        let calls = || CALL.find(line.get(..TYPE).unwrap_or(line)).is_some();
        !self.builder.begun() || NEEDLES.iter().any(|n| n.find(head).is_some()) || calls()
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) {
        // A broken line is reported by the reader of whole rollouts.
        let _ = self.builder.line(line, scratch);
    }

    fn last(&mut self, line: &[u8], scratch: &mut String) -> bool {
        let Ok((stamp, _)) = parse::<Stamp<'_>>(line, scratch) else { return false };
        self.builder.reached(stamp.timestamp.str())
    }
}
