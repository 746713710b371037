//! `clawgate cost`: the ledger added up along a dimension.

use crate::app::{CostParams, CostReport};
use crate::cli::face::{End, Face};
use crate::cli::money::{count, dollars};
use crate::cli::table::{Set, Table};
use crate::cli::times::optional;
use crate::usage::ReportRow;

/// Add up tokens and cost
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Along: total, agent, model, project, session, day, tool, subagent, skill
    #[arg(long, default_value = "total", hide_default_value = true)]
    by: String,
    /// IANA time zone of the days, for instance Europe/Berlin
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// Only requests since then (2026-11-20, 7d, today)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only requests before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many rows
    #[arg(long)]
    limit: Option<u64>,
    /// As comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    // A wrong name is the use-case's to refuse.
    let zone = jiff::tz::TimeZone::get(&args.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
    let params = CostParams {
        since: optional(args.since.as_deref(), face.now(), &zone)?,
        until: optional(args.until.as_deref(), face.now(), &zone)?,
        by: Some(args.by),
        timezone: Some(args.timezone),
        limit: args.limit,
    };
    let report = face.app()?.cost(&params)?;
    if args.csv {
        return face.print_raw(csv(&report).as_bytes());
    }
    let width = face.width();
    face.answer(&report, |r| human(r, width))
}

fn confidence(r: &ReportRow) -> String {
    let value = serde_json::to_value(r.confidence).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn figures(r: &ReportRow) -> [u64; 8] {
    [
        r.requests,
        r.input,
        r.output,
        r.reasoning,
        r.cache_read,
        r.cache_write_5m,
        r.cache_write_1h,
        r.web_search,
    ]
}

fn human(r: &CostReport, width: usize) -> String {
    let by = r.by.clone();
    let mut table = Table::new(&[
        (by.as_str(), Set::Cut),
        ("requests", Set::Right),
        ("input", Set::Right),
        ("output", Set::Right),
        ("cache read", Set::Right),
        ("cache write", Set::Right),
        ("cost", Set::Right),
        ("", Set::Left),
    ]);
    let cells = |name: &str, row: &ReportRow| {
        let note = match row.unpriced_tokens {
            0 => confidence(row),
            n => format!("{} tokens unpriced", count(n)),
        };
        [
            name.to_owned(),
            count(row.requests),
            count(row.input),
            count(row.output),
            count(row.cache_read),
            count(row.cache_write_5m.saturating_add(row.cache_write_1h)),
            dollars(row.cost_picousd),
            note,
        ]
    };
    for row in &r.report.rows {
        table.row(cells(&row.key, row));
    }
    if r.by != "total" {
        table.styled(anstyle::Style::new().bold(), cells("total", &r.report.total));
    }
    let mut out = table.render(width);
    if let Some(n) = r.rows_left_out {
        out.push_str(&format!("… and {} more rows\n", count(n)));
    }
    if r.by == "day" {
        out.push_str(&format!("days in {}\n", r.timezone));
    }
    out
}

fn csv(r: &CostReport) -> String {
    let mut out = String::from(
        "key,requests,input,output,reasoning,cache_read,cache_write_5m,cache_write_1h,web_search,cost_picousd,unpriced_tokens,confidence\n",
    );
    for row in &r.report.rows {
        out.push_str(&field(&row.key));
        for n in figures(row) {
            out.push_str(&format!(",{n}"));
        }
        out.push_str(&format!(",{},{},{}\n", row.cost_picousd, row.unpriced_tokens, confidence(row)));
    }
    out
}

/// A CSV field (RFC 4180). A leading `=`, `+`, `-` or `@` is kept from acting as a formula.
fn field(text: &str) -> String {
    let safe =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    match safe.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", safe.replace('"', "\"\"")),
        false => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn csv_fields_are_quoted_and_harmless() {
        assert_eq!(field("a"), "a");
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=1+1"), "'=1+1");
    }
}
