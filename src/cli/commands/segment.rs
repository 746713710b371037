//! `clawgate segment`: lists the segments of a session.

use crate::app::sessions::{SegmentParams, SegmentReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::render::{bold, dim};
use crate::cli::table::{Align, Table, one_line};
use crate::cli::time_args::{format_minute, parse_gap_minutes};

/// Split a session at idle gaps
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Session key or unique key prefix
    key: String,
    /// Minimum idle time between two segments, for example 30m, 2h or 1d [default: 30m]
    #[arg(long, value_name = "DURATION")]
    gap: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let gap_minutes = args.gap.as_deref().map(parse_gap_minutes).transpose()?;
    let params = SegmentParams { session: args.key, gap_minutes };
    let report = cli.app()?.segments(&params)?;
    let width = cli.width();
    cli.print_report(&report, |r| render(r, width))
}

fn render(r: &SegmentReport, width: usize) -> String {
    let mut table = Table::new(&[
        ("segment", Align::Right),
        ("started", Align::Left),
        ("ended", Align::Left),
        ("messages", Align::Left),
        ("prompts", Align::Right),
        ("tools", Align::Right),
        ("tokens", Align::Right),
    ]);
    for s in &r.segments {
        table.row([
            s.segment.to_string(),
            s.started.map(format_minute).unwrap_or_default(),
            s.ended.map(format_minute).unwrap_or_default(),
            format!("#{} to #{}", s.from, s.to.saturating_sub(1)),
            format_count(s.user_messages),
            format_count(s.tool_calls),
            format_count(s.tokens),
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
    format!("{head}{}{tail}\n", table.render(width))
}
