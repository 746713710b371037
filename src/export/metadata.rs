//! `metadata.json`: the figures of a release and the list of its rows, for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ReleaseSummary;

/// A longer list of rows is omitted, because the file would be too large for a regular file on the Hub. The hash of
/// each row can still be computed from the data.
const MAX_LISTED_ROWS: usize = 20_000;

/// The bytes of `metadata.json`: indented JSON with one line per listed row, ended by a line feed.
pub fn metadata(s: &ReleaseSummary) -> Vec<u8> {
    let mut head = json!({
        "clawgate": {
            "version": s.head.clawgate_version,
            "format": s.head.format,
            "rules_version": s.head.rules_version,
            "policy": s.head.policy,
        },
        "generated": s.head.generated,
        "destination": s.head.repo,
        "licence": s.head.licence,
        "totals": s.totals,
        "by_agent": s.by_agent,
        "by_model": s.by_model,
        "by_project": s.by_project,
        "models": s.models,
        "redactions": s.redactions,
        "rows_total": s.rows.len(),
        "rows_listed": s.rows.len() <= MAX_LISTED_ROWS,
    });
    if !s.withdrawn.is_empty() {
        head["withdrawn"] = json!(s.withdrawn);
    }
    if !s.head.configs.is_empty() {
        head["clawgate"]["configs"] = json!(s.head.configs);
    }
    let mut out = format!("{head:#}");
    // The closing brace is removed, because the rows follow with one line per row instead of one line per field.
    out.truncate(out.trim_end_matches(['}', '\n']).len());
    out.push_str(",\n  \"rows\": [");
    if s.rows.len() <= MAX_LISTED_ROWS {
        for (i, row) in s.rows.iter().enumerate() {
            let line: Value = json!(row);
            let _ = write!(out, "{}\n    {line}", if i == 0 { "" } else { "," });
        }
        if !s.rows.is_empty() {
            out.push_str("\n  ");
        }
    }
    out.push_str("]\n}\n");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::card::tests::sample;
    use super::*;

    #[test]
    fn the_metadata_is_json_and_lists_every_row() {
        let s = sample();
        let v: Value = serde_json::from_slice(&metadata(&s)).unwrap();
        assert_eq!(v["rows"].as_array().unwrap().len(), s.rows.len());
        assert_eq!(v["rows"][0]["sha256"], s.rows[0].place.sha256);
        assert_eq!(v["totals"]["sessions"], 2);
        assert_eq!(v["clawgate"]["rules_version"], "r1");
        assert_eq!(v["licence"], "cc-by-4.0");
        assert_eq!(metadata(&s), metadata(&s.clone()), "same input, same bytes");
    }

    #[test]
    fn the_metadata_is_json_also_without_rows_and_with_too_many() {
        let v: Value = serde_json::from_slice(&metadata(&ReleaseSummary::default())).unwrap();
        assert_eq!(v["rows"], json!([]));
        let mut s = sample();
        let row = s.rows[0].clone();
        s.rows = vec![row; MAX_LISTED_ROWS + 1];
        let v: Value = serde_json::from_slice(&metadata(&s)).unwrap();
        assert_eq!((&v["rows"], &v["rows_listed"]), (&json!([]), &json!(false)));
        assert_eq!(v["rows_total"], MAX_LISTED_ROWS + 1);
    }

    #[test]
    fn the_longest_list_fits_in_a_regular_file() {
        let mut s = sample();
        let mut row = s.rows[0].clone();
        row.session_id = "x".repeat(64);
        row.version = "y".repeat(64);
        s.rows = vec![row; MAX_LISTED_ROWS];
        assert!(metadata(&s).len() < super::super::FILE_LIMIT);
    }
}
