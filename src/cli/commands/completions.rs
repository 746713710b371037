//! `clawgate completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::context::{CliContext, CommandError};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "clawgate", &mut script);
    cli.print_raw(&script)
}
