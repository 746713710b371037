//! `publish`: uploads exactly the approved bytes, and only with a person's receipt.

use serde_json::{Value, json};

use super::{Hints, Tool};
use crate::app::release::{PublishParams, PublishReport};
use crate::app::{App, Failure};

pub(super) struct Publish;

impl Tool for Publish {
    type Input = PublishParams;
    type Output = PublishReport;

    const NAME: &'static str = "publish";
    const TITLE: &'static str = "Publish a release";
    const DESCRIPTION: &'static str = "Publishes exactly the bytes that a person approved. Without their signed receipt \
         nothing is sent; the answer has the command for their terminal. Never run it for them or ask for the \
         passphrase.";
    const HINTS: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: true };

    fn call(app: &mut App, input: PublishParams) -> Result<PublishReport, Failure> {
        // A passphrase never comes over this protocol, so no key is unlocked here.
        app.publish(&input, None)
    }

    fn fit(answer: &mut Value) {
        answer["state"] = json!("published");
    }
}
