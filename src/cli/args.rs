//! The command line as a whole.

use clap::Parser;

use super::commands::Command;

/// The gate between your coding-agent traces and the world.
///
/// Scans the logs that coding agents keep, redacts them, has them reviewed, and publishes only the bytes that a
/// person approved. Without a command it prints where you stand and what is next.
#[derive(Debug, Parser)]
#[command(name = "clawgate", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Answer in JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}
