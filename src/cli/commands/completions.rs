//! `clawgate completions`: prints a shell completion script.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::context::{CliContext, CommandError};

/// Print a shell completion script
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "clawgate", &mut script);
    cli.print_raw(&script)
}
