//! `clawgate mcp`: serves the tools to an agent over standard input and output.

use crate::app::Actor;
use crate::cli::face::{End, Face};

/// Serve the tools to an agent (MCP over stdio)
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, face: &mut Face) -> Result<(), End> {
    let mut ctx = face.context();
    ctx.actor = Actor::Agent;
    ctx.progress = std::sync::Arc::new(crate::app::Quiet);
    Ok((face.edge.serve_mcp)(ctx)?)
}
