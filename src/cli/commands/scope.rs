//! `clawgate scope`: chooses which agents and projects may be shared.

use anstyle::Style;

use crate::app::sessions::{ScopeParams, ScopeReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::project_arg::split_projects;
use crate::cli::render::{DIM, green, yellow};
use crate::cli::scan_arg::ScanArg;
use crate::cli::table::{Column, Table, one_line};

use super::list::{AGENTS_WIDTH, MIN_PROJECT_WIDTH};

/// Maximum number of directories outside the projects that the table shows.
const MAX_OTHER_DIRECTORIES: usize = 20;

/// Choose and confirm which projects and agents may be shared
///
/// Without options, shows the current scope. A project can be given by its name in any case, the unique beginning of
/// its name, its path or that of a directory above it, or a glob such as 'client-*'. Worktrees belong to their repository.
/// A confirmation is void when the scope changes, or when a project appears that is not excluded, or a directory outside
/// all projects in which a session worked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exclude these projects: names, paths with everything below them, or globs; write `\,` for a comma in a name
    #[arg(long, value_name = "A,B")]
    exclude: Vec<String>,
    /// Include these projects again, or remove these exclusions
    #[arg(long, value_name = "A,B")]
    include: Vec<String>,
    /// Limit the scope to these agents, in place of those chosen before; "all" for all agents [default: all]
    #[arg(long, visible_alias = "source", value_delimiter = ',', value_name = "A,B")]
    agent: Vec<String>,
    /// Confirm the resulting scope
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    scan: ScanArg,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = ScopeParams {
        agents: args.agent,
        exclude: split_projects(&args.exclude),
        include: split_projects(&args.include),
        confirm: args.confirm,
        at_command_line: true,
        ..ScopeParams::default()
    };
    let has_changes =
        params.confirm || ![&params.agents, &params.exclude, &params.include].iter().all(|l| l.is_empty());
    let report = match has_changes {
        // A scan could find a project that nobody has seen, which would be confirmed with the others.
        true => cli.app()?.set_scope(&params)?,
        false => args.scan.fresh_app(cli)?.scope()?,
    };
    let width = cli.width();
    cli.print_with_status(&report, |r| render(r, width))
}

fn render(r: &ScopeReport, width: usize) -> String {
    let agents = match r.config.scope.agents.as_slice() {
        [] => "all agents".to_owned(),
        named => one_line(&named.join(", ")),
    };
    let state = if r.confirmed { green("confirmed") } else { yellow("not confirmed") };
    let mut table = Table::new([
        Column::left("scope").rank(4),
        Column::left("project").cut_middle(MIN_PROJECT_WIDTH).rank(5),
        Column::left("agents").cut_words(10).want(AGENTS_WIDTH).rank(2),
        Column::right("sessions").optional().rank(3),
        Column::left("path").cut_start(12).want(40).optional().rank(1),
    ]);
    for p in &r.projects {
        let style = if p.excluded { DIM } else { Style::new() };
        let scope = if p.excluded { "excluded" } else { "included" };
        table.styled_row(
            style,
            [scope.to_owned(), p.name.clone(), p.agents.join(", "), format_count(p.sessions), p.path.clone()],
        );
    }
    for d in &r.excluded_directories {
        let name = "(worked in)".to_owned();
        let row = ["excluded".to_owned(), name, String::new(), format_count(d.sessions), d.path.clone()];
        table.styled_row(DIM, row);
    }
    for d in r.other_directories.iter().take(MAX_OTHER_DIRECTORIES) {
        let name = "(worked in)".to_owned();
        let row = ["included".to_owned(), name, String::new(), format_count(d.sessions), d.path.clone()];
        table.row(row);
    }
    let mut out = format!("Scope {state}: {agents}\n{}", table.render(width));
    let more = r.other_directories.len().saturating_sub(MAX_OTHER_DIRECTORIES);
    if more > 0 {
        let more = pluralize(more as u64, "more included directory");
        out.push_str(&format!("{more} in which sessions worked; `clawgate scope --json` lists all.\n"));
    }
    out.push_str(&removed(r.removed.as_deref()));
    out.push_str(&warnings(&r.unmatched));
    out
}

/// Returns a line that names the exclusions that were removed, if the caller wanted to remove some.
pub(super) fn removed(exclusions: Option<&[String]>) -> String {
    match exclusions {
        None => String::new(),
        Some([]) => "No exclusion was removed: none excludes exactly these projects.\n".to_owned(),
        Some(removed) => {
            let removed: Vec<String> = removed.iter().map(|entry| one_line(entry)).collect();
            format!("{} {}\n", yellow("no longer excluded:"), removed.join(", "))
        }
    }
}

/// Returns a line for each exclusion that is unclear.
pub(super) fn warnings(unmatched: &[String]) -> String {
    let line = |entry: &String| {
        format!(
            "{} the exclusion {:?} does not match exactly one project; all that could be meant stay excluded\n",
            yellow("warning:"),
            one_line(entry)
        )
    };
    unmatched.iter().map(line).collect()
}
