//! `clawgate serve`: the local server: pages for people, the cost API, Prometheus metrics.

use crate::cli::context::{CliContext, CommandError};

use super::cost::listen;

/// Serve the local pages, the cost API and metrics on loopback
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8384)]
    port: u16,
    /// Make a new token; whoever holds the old one is locked out
    #[arg(long)]
    new_token: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    listen(args.port, args.new_token, cli)
}
