//! `clawgate mcp`: serves the tools to an agent over standard input and output.

use std::sync::Arc;

use crate::cli::face::{End, Face};

/// Serve the tools to an agent (MCP over stdio)
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, face: &mut Face) -> Result<(), End> {
    Ok((face.edge.serve_mcp)(face.edge.env.clone(), Arc::clone(&face.edge.clock))?)
}
