//! `confirm`: the person's attestations, checked against the evidence.

use super::{Hints, Tool};
use crate::app::release::{ConfirmParams, ConfirmReport};
use crate::app::{App, Failure};

pub(super) struct Confirm;

impl Tool for Confirm {
    type Input = ConfirmParams;
    type Output = ConfirmReport;

    const NAME: &'static str = "confirm";
    const TITLE: &'static str = "Confirm a release";
    const DESCRIPTION: &'static str = "Records three statements in the person's words and checks them against the \
         evidence. Ask for their full name (searched in the sealed files) or if they decline, which entities they \
         considered, how the sample was read. Never invent their words.";
    const HINTS: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: false };

    fn call(app: &mut App, input: ConfirmParams) -> Result<ConfirmReport, Failure> {
        app.confirm(&input)
    }
}
