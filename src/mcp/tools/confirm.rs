//! `confirm`: the person's attestations, held against the evidence.

use serde_json::Value;

use super::{Args, Hints, Tool, json, params};
use crate::app::{App, ConfirmParams, Failure};
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
        "Records three statements in the person's own words and holds each against the evidence. Ask the person \
         for their full name (it is searched for in the sealed files, then forgotten) or whether they decline; \
         what companies, clients, hosts, private URLs and people they considered; and how the sample was read. \
         Never invent their words. This is not approval: only a person signs, with their passphrase."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("release", text("Release; the current one by default.")),
                ("full_name", text("The person's full name; not stored.")),
                ("skip_full_name_scan", flag("true if the person declined to give it.")),
                ("attest_full_name", text("The person on the name scan, 24 characters or more.")),
                ("attest_sensitive", text("The person on sensitive entities, 24 or more.")),
                ("attest_manual_scan", text("The person on reading the sample, 24 or more.")),
            ],
            &["attest_full_name", "attest_sensitive", "attest_manual_scan"],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[
            ("release", "string"),
            ("digest", "string"),
            ("entities_decided", "integer"),
            ("sample_read", "integer"),
            ("rows", "integer"),
        ])
    }

    fn hints(&self) -> Hints {
        Hints { read_only: false, destructive: true, idempotent: false, open_world: false }
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        json(&app.confirm(&params::<ConfirmParams>(args)?)?)
    }
}
