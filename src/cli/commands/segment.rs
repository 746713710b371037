//! `clawgate segment`: lists the segments of a session.

use crate::app::sessions::{SegmentParams, SegmentReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{bold, dim};
use crate::cli::table::{Cell, Column, Table, one_line};
use crate::cli::time_args::{TimeZoneArg, Times, parse_gap_minutes};

/// Split a session at idle gaps
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session key or unique key prefix
    key: String,
    /// Minimum idle time between two segments, for example 30m, 2h or 1d [default: 30m]
    #[arg(long, value_name = "DURATION")]
    gap: Option<String>,
    #[command(flatten)]
    zone: TimeZoneArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let gap_minutes = args.gap.as_deref().map(parse_gap_minutes).transpose()?;
    let times = cli.times(&args.zone)?;
    let params = SegmentParams { session: args.key, gap_minutes };
    let report = cli.app()?.segments(&params)?;
    let width = cli.width();
    cli.print_report(&report, |r| render(r, &times, width))
}

fn render(r: &SegmentReport, times: &Times, width: usize) -> String {
    let mut table = Table::new([
        Column::right("segment"),
        Column::left("started").short_form(),
        Column::left("ended").short_form().optional().rank(3),
        Column::left("messages"),
        Column::right("prompts").optional().rank(2),
        Column::right("tools").optional().rank(0),
        Column::right("tokens").optional().rank(1),
    ]);
    for s in &r.segments {
        table.row([
            Cell::from(s.segment.to_string()),
            times.cell(s.started),
            times.cell(s.ended),
            Cell::from(format!("#{} to #{}", s.from, s.to.saturating_sub(1))),
            Cell::from(format_count(s.user_messages)),
            Cell::from(format_count(s.tool_calls)),
            Cell::from(format_count(s.tokens)),
        ]);
    }
    let key = one_line(r.key.as_str());
    let head = format!(
        "{}: {}, split at idle gaps of more than {}\n",
        bold(&key),
        pluralize(r.message_count, "message"),
        pluralize(r.gap_minutes, "minute")
    );
    let tail = dim(&format!("To read a segment: clawgate show {key} --segment N"));
    format!("{head}{}{}{tail}\n", table.render(width), times.note())
}
