//! `clawgate list`: lists the projects.

use anstyle::Style;

use crate::app::sessions::ProjectList;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, format_count};
use crate::cli::render::DIM;
use crate::cli::scan_arg::ScanArg;
use crate::cli::table::{Column, Table};

/// List projects and whether they are excluded
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only projects with sessions of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    #[command(flatten)]
    scan: ScanArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let list = args.scan.fresh_app(cli)?.list(args.agent.as_deref(), None)?;
    let width = cli.width();
    let empty = cli.empty_note("No project matches.")?;
    cli.print_report(&list, |l| if l.projects.is_empty() { empty } else { render(l, width) })
}

/// Project names are arguments of other commands, so they are shortened only if they are longer than this.
pub(super) const MIN_PROJECT_WIDTH: usize = 40;

/// The agents get this width before the path gets its own.
pub(super) const AGENTS_WIDTH: usize = 18;

pub(super) fn render(list: &ProjectList, width: usize) -> String {
    let mut table = Table::new([
        Column::left("project").cut_middle(MIN_PROJECT_WIDTH).rank(5),
        Column::left("agents").cut_words(10).want(AGENTS_WIDTH).rank(2),
        Column::right("sessions").optional().rank(3),
        Column::right("size").optional().rank(0),
        Column::left("scope").rank(4),
        Column::left("path").cut_start(12).want(40).optional().rank(1),
    ]);
    for p in &list.projects {
        let style = if p.excluded { DIM } else { Style::new() };
        let scope = if p.excluded { "excluded" } else { "included" };
        table.styled_row(
            style,
            [
                p.name.clone(),
                p.agents.join(", "),
                format_count(p.sessions),
                format_bytes(p.bytes),
                scope.to_owned(),
                p.path.clone(),
            ],
        );
    }
    table.render(width)
}
