//! `clawgate list`: lists the projects.

use crate::app::sessions::ProjectList;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, format_count};
use crate::cli::table::{Align, Table};

/// List projects and whether they are excluded
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only projects with sessions of this agent
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let list = cli.app()?.list(args.agent.as_deref(), None)?;
    let width = cli.width();
    let empty = cli.empty_note("No project matches.")?;
    cli.print_report(&list, |l| if l.projects.is_empty() { empty } else { render(l, width) })
}

fn render(list: &ProjectList, width: usize) -> String {
    let mut table = Table::new(&[
        ("project", Align::Truncate),
        ("agents", Align::Left),
        ("sessions", Align::Right),
        ("size", Align::Right),
        ("scope", Align::Left),
        ("path", Align::Truncate),
    ]);
    for p in &list.projects {
        let style = if p.excluded { anstyle::Style::new().dimmed() } else { anstyle::Style::new() };
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
