//! `cost_report`: tokens and money, from the one ledger.

use serde_json::{Value, json as value};

use super::{Args, Hints, Tool, json, params};
use crate::app::cost::CostParams;
use crate::app::{App, Failure};
use crate::mcp::answer::{ROOM, dollars, size};
use crate::mcp::schema::{self, choice, count, text};
use crate::usage::Dimension;

pub(super) struct CostReport;

const DIMENSIONS: &[&str] = &[
    "total", "agent", "model", "project", "session", "day", "week", "month", "block", "tool", "subagent",
    "skill",
];

/// Alerts and anomalies said beside the rows, at most.
const SAID: usize = 5;

impl Tool for CostReport {
    fn name(&self) -> &'static str {
        "cost_report"
    }

    fn title(&self) -> &'static str {
        "Tokens and cost"
    }

    fn description(&self) -> &'static str {
        "Tokens and list-price cost, each request once; alerts, anomalies. `output` includes reasoning."
    }

    fn input(&self) -> Value {
        schema::object(
            &[
                ("by", choice("Default total.", DIMENSIONS)),
                ("timezone", text("IANA zone; default UTC.")),
                ("since", text("Day or RFC 3339.")),
                ("limit", count("Default: 8 KB.")),
            ],
            &[],
        )
    }

    fn output(&self) -> Value {
        schema::answer(&[("rows", "array")])
    }

    fn hints(&self) -> Hints {
        Hints::READ
    }

    fn call(&self, app: &mut App, args: Args) -> Result<Value, Failure> {
        let p = CostParams { watch: true, ..params(args)? };
        if app.status()?.last_scan.is_none() {
            // The use-case would scan by itself, which a reading tool must not.
            return Err(app.refuse_early("cost_report")?);
        }
        let mut full = app.cost(&p)?;
        let standing = full.standing.take().unwrap_or_default();
        let mut report = json(&full)?;
        let alerts: Vec<String> = standing.alerts.iter().map(|a| a.message()).take(SAID).collect();
        let anomalies: Vec<String> =
            standing.anomalies.robust.iter().map(|d| d.message()).take(SAID).collect();
        for (name, said) in [("alerts", alerts), ("anomalies", anomalies)] {
            if !said.is_empty() {
                report[name] = value!(said);
            }
        }
        if let Some(all) = report.get_mut("unpriced").and_then(Value::as_array_mut) {
            all.truncate(SAID);
        }
        money(&mut report["total"]);
        let mut left_out = report["rows_left_out"].as_u64().unwrap_or(0);
        let mut room = ROOM.saturating_sub(size(&report) - size(&report["rows"]) + 200);
        if let Some(rows) = report["rows"].as_array_mut() {
            let mut all = std::mem::take(rows);
            let count = all.len();
            // Of days and the like the latest are worth most.
            let latest = full.by.parse().is_ok_and(Dimension::is_time);
            if latest {
                all.reverse();
            }
            for mut row in all {
                money(&mut row);
                let bytes = size(&row) + 1;
                if p.limit.is_none() && bytes > room {
                    break;
                }
                room = room.saturating_sub(bytes);
                rows.push(row);
            }
            if latest {
                rows.reverse();
            }
            left_out += (count - rows.len()) as u64;
        }
        report["rows_left_out"] = if left_out > 0 { value!(left_out) } else { Value::Null };
        Ok(report)
    }
}

/// Says the cost in dollars, and leaves out counts that are zero.
fn money(row: &mut Value) {
    let Some(map) = row.as_object_mut() else { return };
    let cost = map.get("cost_picousd").and_then(Value::as_i64).unwrap_or(0);
    map.retain(|name, v| v.as_u64() != Some(0) || matches!(name.as_str(), "requests" | "input" | "output"));
    map.insert("cost_picousd".to_owned(), value!(cost));
    map.insert("cost_usd".to_owned(), value!(dollars(cost)));
}
