//! `clawgate mcp`: serves the tools to an agent over standard input and output.

use std::sync::Arc;

use crate::cli::context::{CliContext, CommandError};

/// Serve the tools to an agent (MCP over stdio)
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    Ok((cli.process.serve_mcp)(cli.process.env.clone(), Arc::clone(&cli.process.clock))?)
}
