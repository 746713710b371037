//! `clawgate serve`: runs the local web server.

use crate::cli::context::{CliContext, CommandError};

use super::cost::listen;

/// Serve the web page, the cost API and Prometheus metrics on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1; 0 chooses a free port
    #[arg(long, default_value_t = 8384)]
    port: u16,
    /// Create a new access token, which invalidates the old one
    #[arg(long)]
    new_token: bool,
    /// Also print the ssh command that forwards the port to another computer
    #[arg(long)]
    remote: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    listen(args.port, args.new_token, args.remote, cli)
}
