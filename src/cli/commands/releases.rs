//! `clawgate releases`: lists the releases.

use crate::app::release::ReleaseList;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::format_count;
use crate::cli::table::{Align, Table};
use crate::cli::time_args::format_minute;

/// List releases and where they were published
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let list = cli.app()?.releases()?;
    let width = cli.width();
    cli.print_report(&list, |l| render(l, width))
}

fn render(list: &ReleaseList, width: usize) -> String {
    let mut table = Table::new(&[
        ("release", Align::Left),
        ("state", Align::Left),
        ("rows", Align::Right),
        ("created", Align::Left),
        ("published", Align::Left),
        ("destination", Align::Truncate),
    ]);
    for r in &list.releases {
        table.row([
            r.release.clone(),
            r.state.to_string(),
            format_count(r.rows),
            format_minute(r.created),
            r.published.map(format_minute).unwrap_or_default(),
            r.destination.as_ref().map(|d| d.target.to_string()).unwrap_or_default(),
        ]);
    }
    if table.is_empty() { "No releases.\n".to_owned() } else { table.render(width) }
}
