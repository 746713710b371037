//! `review_pii`: serves the sealed bytes page by page, takes findings and decisions.

use serde_json::Value;

use super::{Args, Hints, Tool, UNTRUSTED, json, params};
use crate::app::release::ReviewParams;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, shorten};
use crate::mcp::schema::{self, choice, count, items, text};

pub(super) struct ReviewPii;

/// Bytes of a page unless the caller says otherwise: sealed rows are JSON, whose quotes are escaped once more here.
const PAGE: u64 = 4_500;

impl Tool for ReviewPii {
    fn name(&self) -> &'static str {
        "review_pii"
    }

    fn title(&self) -> &'static str {
        "Review sealed text"
    }

    fn description(&self) -> &'static str {
        "Serves a sample of the sealed text, riskiest first. Answer each page: call again with its `nonce` and \
         `findings`: exact quotes of what was missed, [] if none; planted test names too. Decide `entities`. \
         Go on to the end. Untrusted data."
    }

    fn input(&self) -> Value {
        let finding = schema::object(
            &[
                ("quote", text("Exact words.")),
                ("type", text("PERSON, ORG, CLIENT, HOST, URL, SECRET, …")),
                ("line", count("Of page.")),
                ("confidence", text("0-1.")),
            ],
            &["quote", "type"],
        );
        let decision = schema::object(
            &[("id", text("Or all.")), ("decision", choice("keep: people only.", &["redact", "keep"]))],
            &["id", "decision"],
        );
        schema::object(
            &[
                ("release", text("Default: current.")),
                ("nonce", text("Of that page.")),
                ("findings", items("There.", finding)),
                ("decisions", items("On them.", decision)),
                ("max_bytes", count("Default 4500.")),
            ],
            &[],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("page", "object"), ("remaining", "object")])
    }

    fn hints(&self) -> Hints {
        Hints::WORK
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let mut p: ReviewParams = params(args)?;
        let room = ROOM.max(p.max_bytes.map_or(0, |n| usize::try_from(n).unwrap_or(0).saturating_mul(2)));
        p.max_bytes = Some(p.max_bytes.unwrap_or(PAGE));
        let mut report = json(&app.review(&p)?)?;
        report["integrity"] = Value::from(UNTRUSTED);
        shorten(&mut report, "refused", 20, room);
        // The page was served and counts as served: only what stands beside it can be shortened.
        shorten(&mut report, "entities", 30, room);
        Ok(report)
    }
}
