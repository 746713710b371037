//! `clawgate recent`: the last sessions of all agents, one line each.

use super::inbox::names;
use crate::app::sessions::{InboxPage, InboxParams};
use crate::cli::face::{End, Face};
use crate::cli::money::of;
use crate::cli::table::{Set, Table};
use crate::cli::times::minute;

/// The last sessions of all agents, one line each
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many (1 to 1000)
    #[arg(default_value_t = 10)]
    count: u64,
    /// Only this agent's
    #[arg(long, visible_alias = "source")]
    agent: Option<String>,
    /// Only this project's (name or path)
    #[arg(long)]
    project: Option<String>,
    /// Subagents too
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let params = InboxParams {
        agent: args.agent.filter(|a| a != "all"),
        project: args.project,
        roots: !args.all,
        sort: Some("ended".to_owned()),
        limit: Some(args.count),
        ..InboxParams::default()
    };
    let page = face.app()?.inbox(&params)?;
    let (width, short) = (face.width(), face.on_terminal());
    face.answer(&page, |p| human(p, width, short))
}

fn human(page: &InboxPage, width: usize, short: bool) -> String {
    let mut table = Table::new(&[
        ("", Set::Left),
        ("", Set::Left),
        ("", Set::Cut),
        ("", Set::Right),
        ("", Set::Left),
        ("", Set::Cut),
    ]);
    for (s, name) in page.sessions.iter().zip(names(&page.sessions, short)) {
        table.row([
            s.ended.or(s.started).map(minute).unwrap_or_default(),
            name,
            s.project.clone().unwrap_or_default(),
            of(s.user_messages, "ask"),
            s.badges.first().cloned().unwrap_or_default(),
            s.title.clone().unwrap_or_default(),
        ]);
    }
    if table.is_empty() { "No sessions.\n".to_owned() } else { table.render(width) }
}
