//! `clawgate cost serve`: the same server as `clawgate serve`, on the port that menu-bar apps of the first cost engine
//! ask.

use std::sync::Arc;

use crate::app::server_token::{ServeOptions, Serving};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{bold, dim};

/// Serve the cost API on loopback (the port of the first cost engine)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 19898)]
    port: u16,
    /// Make a new token; whoever holds the old one is locked out
    #[arg(long)]
    new_token: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    listen(args.port, args.new_token, cli)
}

/// Serves until Ctrl-C.
pub(in crate::cli::commands) fn listen(
    port: u16,
    new_token: bool,
    cli: &mut CliContext,
) -> Result<(), CommandError> {
    let (json, person) = (cli.json, cli.stdout_is_terminal());
    let told = Box::new(move |serving: &Serving| {
        // Only a person is shown the address that lets in: the output of a service ends up in a log.
        let text = match (json, person) {
            (true, _) => format!(
                "{}\n",
                serde_json::json!({ "url": serving.url, "port": serving.port, "token_file": serving.token_file })
            ),
            (false, true) => format!(
                "{}\n{}\n",
                bold(&format!("open {}", serving.entry)),
                dim(&format!("programs send the token in {}; Ctrl-C ends", serving.token_file.display()))
            ),
            (false, false) => {
                format!("listening on {}; the token is in {}\n", serving.url, serving.token_file.display())
            }
        };
        write(&text);
    });
    let process = &cli.process;
    let options =
        ServeOptions { port, cancel: Arc::clone(&process.cancel), run: process.run_command, new_token, told };
    Ok((process.serve_web)(process.env.clone(), Arc::clone(&process.clock), options)?)
}

fn write(text: &str) {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    // A server does not depend on anybody reading its output.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
