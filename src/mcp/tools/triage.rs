//! `triage`: marks which sessions may be shared.

use serde_json::Value;

use super::{Hints, Tool};
use crate::app::sessions::{TriageParams, TriageReport};
use crate::app::{App, Failure};
use crate::mcp::answer::{MAX_REPORT_BYTES, shorten};

pub(super) struct Triage;

impl Tool for Triage {
    type Input = TriageParams;
    type Output = TriageReport;

    const NAME: &'static str = "triage";
    const TITLE: &'static str = "Mark sessions";
    const DESCRIPTION: &'static str = "Marks named sessions, a project, or all in scope: approved may be shared, blocked never. \
         Subagents follow their parent. Ask the person before approving.";
    const HINTS: Hints = Hints::WORK;

    fn call(app: &mut App, input: TriageParams) -> Result<TriageReport, Failure> {
        app.triage(&input)
    }

    fn fit(answer: &mut Value) {
        shorten(answer, "marked", 50, MAX_REPORT_BYTES);
    }
}
