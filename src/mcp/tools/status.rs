//! `status`: where things stand.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, json};
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, shorten};
use crate::mcp::schema;

pub(super) struct Status;

impl Tool for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn title(&self) -> &'static str {
        "Where things stand"
    }

    fn description(&self) -> &'static str {
        "Last scan, sessions, scope, releases, next step. Call it first, and whenever unsure."
    }

    fn input(&self) -> Value {
        schema::object(&[], &[])
    }

    fn output(&self) -> Value {
        schema::answer(&[("by_agent", "object")])
    }

    fn hints(&self) -> Hints {
        Hints::READ
    }

    fn call(&self, app: &mut App, _args: Args) -> Result<Value, Failure> {
        let mut report = json(&app.status()?)?;
        shorten(&mut report, "releases", 5, ROOM);
        if report["last_scan"].is_null() {
            report["note"] = value!("Nothing was scanned yet.");
        }
        Ok(report)
    }
}
