//! `scan`: reads the agents' logs into the archive.

use serde_json::Value;

use super::{Hints, Lane, Tool};
use crate::app::scan::{ScanParams, ScanReport};
use crate::app::{App, Failure};
use crate::mcp::result::{MAX_REPORT_BYTES, shorten};

pub(super) struct Scan;

impl Tool for Scan {
    type Input = ScanParams;
    type Output = ScanReport;

    const NAME: &'static str = "scan";
    const TITLE: &'static str = "Scan agent logs";
    const DESCRIPTION: &'static str = "Reads new and changed agent logs into the local archive.";
    const HINTS: Hints = Hints { read_only: false, destructive: false, idempotent: true, open_world: false };
    const LANE: Lane = Lane::Scan;

    fn call(app: &mut App, input: ScanParams) -> Result<ScanReport, Failure> {
        app.scan(&input)
    }

    fn fit(result: &mut Value) {
        shorten(result, "skipped", 20, MAX_REPORT_BYTES);
    }
}
