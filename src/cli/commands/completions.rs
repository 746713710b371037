//! `clawgate completions`: prints a shell completion script.

use crate::cli::command_line;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::known_values::with_values;

/// Print a shell completion script
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut script = Vec::new();
    let mut command = with_values(command_line(None));
    clap_complete::generate(args.shell, &mut command, "clawgate", &mut script);
    cli.print_raw(&script)
}
