//! `clawgate list`: all projects, with whether they are excluded.

use crate::app::sessions::ProjectList;
use crate::cli::face::{End, Face};
use crate::cli::money::{bytes, count};
use crate::cli::table::{Set, Table};

/// List all projects, with whether they are excluded
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only projects that this agent worked in
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let mut list = face.app()?.list()?;
    if let Some(agent) = args.agent.filter(|a| a != "all") {
        list.projects.retain(|p| p.agent.split(',').any(|a| a == agent));
    }
    let width = face.width();
    face.answer(&list, |l| human(l, width))
}

fn human(list: &ProjectList, width: usize) -> String {
    let mut table = Table::new(&[
        ("project", Set::Cut),
        ("agents", Set::Left),
        ("sessions", Set::Right),
        ("size", Set::Right),
        ("scope", Set::Left),
        ("path", Set::Cut),
    ]);
    for p in &list.projects {
        let style = if p.excluded { anstyle::Style::new().dimmed() } else { anstyle::Style::new() };
        let scope = if p.excluded { "excluded" } else { "in" };
        table.styled(
            style,
            [
                p.name.clone(),
                p.agent.replace(',', ", "),
                count(p.sessions),
                bytes(p.bytes),
                scope.to_owned(),
                p.path.clone(),
            ],
        );
    }
    if table.is_empty() { "No projects yet.\n".to_owned() } else { table.render(width) }
}
