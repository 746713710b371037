//! `triage`: marks which sessions may be shared.

use serde_json::Value;

use super::{Args, Hints, Tool, json, params};
use crate::app::sessions::TriageParams;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, shorten};
use crate::mcp::schema::{self, choice, text, texts};

pub(super) struct Triage;

impl Tool for Triage {
    fn name(&self) -> &'static str {
        "triage"
    }

    fn title(&self) -> &'static str {
        "Mark sessions"
    }

    fn description(&self) -> &'static str {
        "Marks sessions, all or none: approved may be shared, blocked never. Subagents follow their parent. \
         Ask the person before approving."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("sessions", texts("Keys, or their beginnings.")),
                ("status", choice("The mark.", &["approved", "blocked", "shortlisted", "new"])),
                ("reason", text("Why.")),
            ],
            &["sessions", "status"],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("totals", "object")])
    }

    fn hints(&self) -> Hints {
        Hints::WORK
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let mut report = json(&app.triage(&params::<TriageParams>(args)?)?)?;
        shorten(&mut report, "marked", 50, ROOM);
        Ok(report)
    }
}
