//! `triage`: marks which sessions may be shared, and scores sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Hints, Tool};
use crate::app::sessions::{Mark, TriageParams, TriageReport};
use crate::app::{App, Failure};
use crate::mcp::result::{MAX_REPORT_BYTES, shorten};
use crate::trace::SessionKey;

pub(super) struct Triage;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Keys or prefixes.
    #[serde(default)]
    sessions: Vec<String>,
    /// All sessions in scope.
    #[serde(default)]
    all: bool,
    /// All of this project.
    project: Option<String>,
    /// Mark to set.
    status: Option<Mark>,
    /// 1 to 5.
    score: Option<u8>,
    /// Reason for the mark.
    reason: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Output {
    #[serde(flatten)]
    marks: Option<TriageReport>,
    /// Sessions that have the score now.
    #[serde(skip_serializing_if = "Option::is_none")]
    scored: Option<Vec<SessionKey>>,
}

impl Tool for Triage {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "triage";
    const TITLE: &'static str = "Mark sessions";
    const DESCRIPTION: &'static str = "Marks named sessions, a project, or all in scope: approved may be shared, blocked never. \
         Subagents follow their parent. Ask the person before approving.";
    const HINTS: Hints = Hints::WORK;

    fn call(app: &mut App, input: Input) -> Result<Output, Failure> {
        if input.status.is_none() && input.score.is_none() {
            return Err(Failure::usage("missing_argument", "Missing: `status` or `score`."));
        }
        let Input { sessions, all, project, .. } = input;
        let mut scored = None;
        if let Some(score) = input.score {
            if sessions.is_empty() {
                let message = "A score is for sessions that were read: name them in `sessions`.";
                return Err(Failure::usage("no_sessions", message));
            }
            let items = app.set_scores(&sessions, score, input.reason.as_deref().unwrap_or_default())?;
            scored = Some(items.into_iter().map(|item| item.key).collect());
        }
        let marks = match input.status {
            Some(status) => {
                Some(app.triage(&TriageParams { sessions, all, project, status, reason: input.reason })?)
            }
            None => None,
        };
        Ok(Output { marks, scored })
    }

    fn fit(result: &mut Value) {
        shorten(result, "marked", 50, MAX_REPORT_BYTES);
        shorten(result, "scored", 50, MAX_REPORT_BYTES);
    }
}
