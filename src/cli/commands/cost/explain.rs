//! `clawgate cost explain`: the requests, log records and prices behind one figure of a report.

use super::dimension;
use crate::app::cost::{ExplainParams, ExplainedRequest, Explanation, RecordPlace};
use crate::app::text::sanitize;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_cost, format_count, format_dollars, pluralize};
use crate::cli::number_arg::positive;
use crate::cli::render::{bold, dim, yellow};
use crate::cli::time_args::{TimeRange, TimeZoneArg, Times};
use crate::trace::Confidence;
use crate::usage::Dimension;

/// Explain a figure: its requests, their log records and their prices
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key of a report row: a day, model, session, project, … [default: the total]
    key: Option<String>,
    /// Dimension of the key [default: the first dimension that has this key]
    #[arg(long, value_name = "DIMENSION")]
    by: Option<String>,
    #[command(flatten)]
    zone: TimeZoneArg,
    #[command(flatten)]
    range: TimeRange,
    /// Maximum number of requests, most expensive first [default: 20]
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<u64>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let times = cli.times(&args.zone)?;
    let (since, until) = args.range.resolve(cli.now(), &times.zone)?;
    let params = ExplainParams {
        since,
        until,
        key: args.key,
        by: args.by.as_deref().map(dimension).transpose()?,
        timezone: args.zone.timezone,
        limit: args.limit,
    };
    let report = cli.app()?.explain(&params)?;
    cli.print_report(&report, |e| render(e, &times))
}

fn render(e: &Explanation, times: &Times) -> String {
    let f = &e.figure;
    let what = if e.by == Dimension::Total { String::new() } else { format!("{} ", e.by.name()) };
    let mut out = format!(
        "{what}{}: {} in {}\n",
        bold(&sanitize(&f.key)),
        bold(&format_cost(f.cost_picousd, f.unpriced_tokens)),
        requests(e),
    );
    if f.unpriced_tokens > 0 {
        out.push_str(&yellow(&format!(
            "The cost does not include {} without a price.\n",
            pluralize(f.unpriced_tokens, "token")
        )));
    }
    for r in &e.requests {
        out.push_str(&request(r, times));
    }
    if let Some(n) = e.requests_left_out {
        out.push_str(&format!(
            "\n… and {} that cost less (raise --limit to show them)\n",
            pluralize(n, "request")
        ));
    }
    out
}

/// Describes how many requests the figure covers. A tool shares requests with other tools, and the figure counts only
/// requests of which it is the largest part, so all listed requests are counted here.
fn requests(e: &Explanation) -> String {
    match e.by == Dimension::Tool {
        true => {
            format!(
                "parts of {}",
                pluralize(e.requests.len() as u64 + e.requests_left_out.unwrap_or(0), "request")
            )
        }
        false => pluralize(e.figure.requests, "request"),
    }
}

fn request(r: &ExplainedRequest, times: &Times) -> String {
    let cost = r.cost_picousd.map_or("no price".to_owned(), format_dollars);
    let mut out = format!(
        "\n{}  {}  {}  {}\n",
        bold(&cost),
        times.minute_with_zone(r.at),
        sanitize(&r.model),
        dim(&sanitize(&r.key))
    );
    let t = &r.usage;
    let p = r.parts.as_ref();
    let kinds = [
        ("input", t.input, p.map(|p| p.input)),
        ("output", t.output, p.map(|p| p.output)),
        ("cache read", t.cache_read, p.map(|p| p.cache_read)),
        ("cache write, 5 min", t.cache_write_5m, p.map(|p| p.cache_write_5m)),
        ("cache write, 1 h", t.cache_write_1h, p.map(|p| p.cache_write_1h)),
        ("web search", t.web_search, p.map(|p| p.web_search)),
    ];
    for (name, n, cost) in kinds.into_iter().filter(|k| k.1 > 0) {
        let cost = cost.map_or(String::new(), format_dollars);
        out.push_str(&format!("  {name:<20}{:>14}  {cost:>12}\n", format_count(n)));
    }
    let mut price = sanitize(&r.priced_by);
    if let Some(found) = r.found_by {
        price.push_str(&format!(" (matched by {found})"));
    }
    for term in &r.terms {
        price.push_str(&format!(", {}", sanitize(term)));
    }
    out.push_str(&format!("  price: {price}\n"));
    if r.confidence == Confidence::LowerBound {
        let line = "lower bound: the log does not contain all tokens of this request";
        out.push_str(&format!("  {}\n", yellow(line)));
    }
    out.push_str(&format!("  {}\n", location(&r.place)));
    let others = r.copies.iter().filter(|c| **c != r.place);
    for copy in others {
        out.push_str(&format!("  {} {}\n", dim("duplicate, not counted again:"), location(copy)));
    }
    out
}

fn location(p: &RecordPlace) -> String {
    let gone = if p.gone { " (the log was deleted)" } else { "" };
    format!("{}:{}{gone}", sanitize(&p.file), p.offset)
}
