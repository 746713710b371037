//! `scan`: reads the agents' logs into the archive.

use serde_json::Value;

use super::{Args, Hints, Lane, Tool, json, params};
use crate::app::scan::ScanParams;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, shorten};
use crate::mcp::schema::{self, text};

pub(super) struct Scan;

impl Tool for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn title(&self) -> &'static str {
        "Read agent logs"
    }

    fn description(&self) -> &'static str {
        "Reads new and changed sessions from the coding agents' logs into the local archive. The logs are \
         only read, nothing leaves the machine."
    }

    fn input(&self) -> Value {
        schema::object(&[("agent", text("Only this agent."))], &[])
    }

    fn output(&self) -> Value {
        schema::answer(&[("sessions", "object")])
    }

    fn hints(&self) -> Hints {
        Hints { read_only: false, destructive: false, idempotent: true, open_world: false }
    }

    fn lane(&self) -> Lane {
        Lane::Scan
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let mut report = json(&app.scan(&params::<ScanParams>(args)?)?)?;
        shorten(&mut report, "skipped", 20, ROOM);
        Ok(report)
    }
}
