//! The command line as clap parses it.

use clap::Parser;

use super::commands::Command;

/// Scan, redact, review and publish the sessions of coding agents, and report what they cost
///
/// clawgate keeps an archive of the logs that coding agents write on this machine. It redacts secrets and personal data,
/// records the review, and publishes only files that a person has signed. Without a command, it prints the current
/// status and the next step.
#[derive(Debug, Parser)]
#[command(name = "clawgate", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Print JSON to standard output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}
