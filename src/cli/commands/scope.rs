//! `clawgate scope`: which agents and projects may be shared at all.

use crate::app::config::{ScopeParams, ScopeReport};
use crate::cli::face::{End, Face};
use crate::cli::money::count;
use crate::cli::render::{green, yellow};
use crate::cli::table::{Set, Table, one_line};

/// Choose and confirm which projects may be shared at all
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Projects to exclude (names or paths, a,b)
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    exclude: Vec<String>,
    /// Projects to take back in
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    include: Vec<String>,
    /// Agents to put in scope; all where none was ever named
    #[arg(long, visible_alias = "source", value_delimiter = ',', value_name = "A,B")]
    agent: Vec<String>,
    /// Confirm the scope as it then stands
    #[arg(long)]
    confirm: bool,
}

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let params = ScopeParams {
        agents: args.agent,
        exclude: args.exclude,
        include: args.include,
        confirm: args.confirm,
        ..ScopeParams::default()
    };
    let app = face.app()?;
    let edits =
        params.confirm || ![&params.agents, &params.exclude, &params.include].iter().all(|l| l.is_empty());
    let report = if edits { app.set_scope(&params)? } else { app.scope()? };
    let width = face.width();
    face.answer_placed(&report, |r| human(r, width))
}

fn human(r: &ScopeReport, width: usize) -> String {
    let agents = match r.config.scope.agents.as_slice() {
        [] => "all agents".to_owned(),
        named => one_line(&named.join(", ")),
    };
    let state = if r.confirmed { green("confirmed") } else { yellow("not confirmed") };
    let mut table = Table::new(&[
        ("scope", Set::Left),
        ("project", Set::Cut),
        ("agents", Set::Left),
        ("sessions", Set::Right),
        ("path", Set::Cut),
    ]);
    for p in &r.projects {
        let style = if p.excluded { anstyle::Style::new().dimmed() } else { anstyle::Style::new() };
        let scope = if p.excluded { "excluded" } else { "in" };
        table.styled(
            style,
            [scope.to_owned(), p.name.clone(), p.agent.replace(',', ", "), count(p.sessions), p.path.clone()],
        );
    }
    format!("scope {state}: {agents}\n{}", table.render(width))
}
