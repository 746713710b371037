//! `prepare_release`: redacts, seals the files, fixes the digest.

use serde_json::Value;

use super::{Args, Hints, Tool, json, params};
use crate::app::release::PrepareParams;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, shorten, size};
use crate::mcp::schema::{self, choice, flag, text, texts};

pub(super) struct PrepareRelease;

impl Tool for PrepareRelease {
    fn name(&self) -> &'static str {
        "prepare_release"
    }

    fn title(&self) -> &'static str {
        "Prepare a release"
    }

    fn description(&self) -> &'static str {
        "Redacts the approved sessions in scope, seals the files that would be published, fixes their digest. \
         Ask the person for destination, visibility, licence. Again after any change."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("release", text("Default: current.")),
                ("new", flag("Another release.")),
                ("sessions", texts("Of the approved.")),
                ("repo", text("Hub dataset, owner/name.")),
                ("folder", text("Or an absolute folder.")),
                ("visibility", choice("Default private.", &["private", "public"])),
                ("licence", text("Chosen by the person.")),
                ("thinking", flag("Include models' reasoning.")),
            ],
            &[],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("digest", "string"), ("privacy_report", "object")])
    }

    fn hints(&self) -> Hints {
        Hints::WORK
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let mut report = json(&app.prepare(&params::<PrepareParams>(args)?)?)?;
        fit(&mut report);
        Ok(report)
    }
}

/// Shortens what can be long: kinds and examples, sessions left out, files.
fn fit(report: &mut Value) {
    if let Some(privacy) = report.get_mut("privacy_report") {
        for name in ["examples", "redactions"] {
            let Some(map) = privacy.get_mut(name).and_then(Value::as_object_mut) else { continue };
            let all = map.len();
            let mut used = 0;
            map.retain(|kind, v| {
                used += kind.len() + size(v) + 4;
                used < ROOM / 4
            });
            let more = all - map.len();
            if more > 0 {
                privacy[format!("{name}_more")] = Value::from(more);
            }
        }
        shorten(privacy, "left_out", 10, ROOM * 3 / 4);
    }
    shorten(report, "files", 20, ROOM);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_large_release_still_answers_in_a_page() {
        let kinds: serde_json::Map<String, Value> =
            (0..400).map(|i| (format!("KIND_{i}"), json!("a masked example, quite long ****"))).collect();
        let file = json!({ "path": "data/train-00001.jsonl", "sha256": "0".repeat(64), "bytes": 10_485_760 });
        let mut report = json!({
            "files": vec![file; 300],
            "privacy_report": {
                "redactions": kinds.clone(),
                "examples": kinds,
                "left_out": vec![json!(["claude:0000", "too large for a shard"]); 200],
            },
        });
        fit(&mut report);
        assert!(size(&report) <= ROOM, "{}", size(&report));
        let files = report["files"].as_array().unwrap().len() as u64;
        assert!(files >= 5, "{files}");
        assert_eq!(report["files_more"], json!(300 - files));
        assert_eq!(report["privacy_report"]["left_out_more"], json!(190));
        assert!(report["privacy_report"]["examples_more"].as_u64().is_some());
    }
}
