//! `clawgate segment`: a long session split at idle gaps.

use crate::app::sessions::{SegmentParams, SegmentReport};
use crate::cli::face::{End, Face};
use crate::cli::money::{count, of};
use crate::cli::render::{bold, dim};
use crate::cli::table::{Set, Table, one_line};
use crate::cli::times::{minute, minutes};

/// Split a long session where nobody did anything for a while
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its key, or an unambiguous beginning of it
    key: String,
    /// How long nothing happened (30m, 2h, 1d)
    #[arg(long, value_name = "TIME")]
    gap: Option<String>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let gap_minutes = args.gap.as_deref().map(minutes).transpose()?;
    let params = SegmentParams { session: args.key, gap_minutes };
    let report = face.app()?.segments(&params)?;
    let width = face.width();
    face.answer(&report, |r| human(r, width))
}

fn human(r: &SegmentReport, width: usize) -> String {
    let mut table = Table::new(&[
        ("segment", Set::Right),
        ("started", Set::Left),
        ("ended", Set::Left),
        ("messages", Set::Left),
        ("asks", Set::Right),
        ("tools", Set::Right),
        ("tokens", Set::Right),
    ]);
    for s in &r.segments {
        table.row([
            s.segment.to_string(),
            s.started.map(minute).unwrap_or_default(),
            s.ended.map(minute).unwrap_or_default(),
            format!("#{} to #{}", s.from, s.to.saturating_sub(1)),
            count(s.user_messages),
            count(s.tool_calls),
            count(s.tokens),
        ]);
    }
    let key = one_line(r.key.as_str());
    let head = format!(
        "{}: {} split where nothing happened for more than {}\n",
        bold(&key),
        of(r.message_count, "message"),
        of(r.gap_minutes, "minute")
    );
    let tail = dim(&format!("read one: clawgate show {key} --segment N"));
    format!("{head}{}{tail}\n", table.render(width))
}
