//! The tools, one per file. The list is the same in every state: the workflow refuses inside the call.

mod confirm;
mod cost_report;
mod list;
mod prepare_release;
mod publish;
mod read_session;
mod review_pii;
mod scan;
mod search;
mod set_scope;
mod status;
mod triage;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app::{App, Failure};

pub(super) use read_session::ReadSession;

/// Arguments of a call, coerced to the tool's input schema.
pub(super) type Args = Map<String, Value>;

/// What a client may assume of a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hints {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

impl Hints {
    /// Reads our archive only.
    const READ: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };
    /// Writes our archive.
    const WORK: Hints = Hints { read_only: false, destructive: false, idempotent: false, open_world: false };
}

/// Which calls wait for each other. A release has one hand on it at a time; reading never waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Beside anything.
    Free,
    /// One scan at a time.
    Scan,
    /// One change of scope, marks or release at a time.
    Release,
}

/// A tool: what the client is told of it, and what it does.
pub(super) trait Tool: Sync {
    /// Name.
    fn name(&self) -> &'static str;
    /// Name for people.
    fn title(&self) -> &'static str;
    /// What it does and what is in its answer; at most 1,024 characters.
    fn description(&self) -> &'static str;
    /// Schema of the arguments.
    fn input(&self) -> Value;
    /// Schema of the answer.
    fn output(&self) -> Value;
    /// What a client may assume.
    fn hints(&self) -> Hints;
    /// What it waits for.
    fn lane(&self) -> Lane {
        if self.hints().read_only { Lane::Free } else { Lane::Release }
    }
    /// Does it; the answer is an object, to which state and next step are added.
    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure>;
}

/// All tools, in the order of the list.
pub(super) static TOOLS: &[&dyn Tool] = &[
    &status::Status,
    &scan::Scan,
    &list::List,
    &search::Search,
    &read_session::ReadSession,
    &set_scope::SetScope,
    &triage::Triage,
    &cost_report::CostReport,
    &prepare_release::PrepareRelease,
    &review_pii::ReviewPii,
    &confirm::Confirm,
    &publish::Publish,
];

/// The tool of a name.
pub(super) fn find(name: &str) -> Option<&'static dyn Tool> {
    TOOLS.iter().copied().find(|t| t.name() == name)
}

/// Arguments as a use-case's parameters.
fn params<T: DeserializeOwned>(mut args: Args) -> Result<T, Failure> {
    // A day is its first instant.
    for name in ["since", "until"] {
        if let Some(Value::String(day)) = args.get_mut(name)
            && day.len() == 10
        {
            day.push_str("T00:00:00Z");
        }
    }
    serde_json::from_value(Value::Object(args))
        .map_err(|e| Failure::usage("bad_argument", format!("An argument is off: {e}.")))
}

/// A report as JSON.
fn json<T: serde::Serialize>(report: &T) -> Result<Value, Failure> {
    serde_json::to_value(report).map_err(|e| Failure::failed("render", e.to_string()))
}

/// A nonce that the session text cannot know.
fn nonce() -> Result<String, Failure> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).map_err(|e| Failure::failed("random", format!("No randomness: {e}")))?;
    Ok(data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase())
}

/// What session text is: data, whatever it says.
const UNTRUSTED: &str = "untrusted";
