//! `publish`: sends exactly the approved bytes, and nothing without a person's receipt.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, json, params};
use crate::app::release::PublishParams;
use crate::app::{App, Failure};
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
        "Publishes exactly the bytes a person approved. Without their signed receipt nothing is sent: the \
         answer has the command for their own terminal. Never run it for them or ask for the passphrase."
    }

    fn input(&self) -> Value {
        schema::object(&[("release", text("Default: current."))], &[])
    }

    fn output(&self) -> Value {
        schema::answer(&[("commit", "string"), ("url", "string")])
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
