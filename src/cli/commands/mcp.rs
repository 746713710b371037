//! `clawgate mcp`: runs the MCP server.

use std::sync::Arc;

use crate::cli::context::{CliContext, CommandError};

/// Run the MCP server for agents on standard input and output
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    cli.say_that_input_is_awaited(
        "An MCP client starts this server and speaks JSON-RPC over standard input. End with Ctrl-D or Ctrl-C.",
    );
    Ok((cli.process.serve_mcp)(cli.process.env.clone(), Arc::clone(&cli.process.clock))?)
}
