//! `confirm`: the person's attestations, held against the evidence.

use serde_json::Value;

use super::{Args, Hints, Tool, json, params};
use crate::app::release::ConfirmParams;
use crate::app::{App, Failure};
use crate::mcp::schema::{self, flag, text};

pub(super) struct Confirm;

impl Tool for Confirm {
    fn name(&self) -> &'static str {
        "confirm"
    }

    fn title(&self) -> &'static str {
        "Confirm a release"
    }

    fn description(&self) -> &'static str {
        "Records three statements in the person's own words, held against the evidence. Ask for their full \
         name (searched for in the sealed files, not stored) or if they decline, which entities they \
         considered, how the sample was read. Never invent their words. Not an approval."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("release", text("Default: current.")),
                ("full_name", text("The person's full name; not stored.")),
                ("skip_full_name_scan", flag("The person declined.")),
                ("attest_full_name", text("On the name scan.")),
                ("attest_sensitive", text("On sensitive entities.")),
                ("attest_manual_scan", text("On the sample.")),
            ],
            &["attest_full_name", "attest_sensitive", "attest_manual_scan"],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("digest", "string")])
    }

    fn hints(&self) -> Hints {
        Hints { read_only: false, destructive: true, idempotent: false, open_world: false }
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        json(&app.confirm(&params::<ConfirmParams>(args)?)?)
    }
}
