//! `publish`: sends exactly the approved bytes, and nothing without a person's receipt.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, json, params};
use crate::app::{App, Failure, PublishParams};
use crate::mcp::schema::{self, text};

pub(super) struct Publish;

impl Tool for Publish {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn title(&self) -> &'static str {
        "Publish a release"
    }

    fn description(&self) -> &'static str {
        "Publishes exactly the bytes that a person approved, in one commit, and reads them back. Without a \
         person's signed receipt it sends nothing and answers that a human is needed, with the command to show \
         them: they run it in their own terminal and give their passphrase there. Do not run it for them and never \
         ask for the passphrase. Sends progress."
    }

    fn input(&self) -> Value {
        schema::object(&[("release", text("Release; the current one by default."))], &[])
    }

    fn output(&self) -> Value {
        schema::answer(&[
            ("release", "string"),
            ("digest", "string"),
            ("commit", "string"),
            ("url", "string"),
            ("files", "integer"),
        ])
    }

    fn hints(&self) -> Hints {
        Hints { read_only: false, destructive: true, idempotent: false, open_world: true }
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        // No passphrase ever comes over this protocol, so nothing is unlocked here.
        let mut report = json(&app.publish(&params::<PublishParams>(args)?, None)?)?;
        report["state"] = value!("published");
        Ok(report)
    }
}
