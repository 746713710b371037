//! `clawgate cost serve`: the same server as `clawgate serve`, on the port of ClawTrace.

use std::sync::Arc;

use crate::app::server_token::{ServeOptions, Serving};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{bold, dim};

/// Serve the cost API on the port of ClawTrace, for its menu bar apps
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1; 0 chooses a free port
    #[arg(long, default_value_t = 19898)]
    port: u16,
    /// Create a new access token, which invalidates the old one
    #[arg(long)]
    new_token: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    listen(args.port, args.new_token, cli)
}

/// Runs the web server until Ctrl-C.
pub(in crate::cli::commands) fn listen(
    port: u16,
    new_token: bool,
    cli: &mut CliContext,
) -> Result<(), CommandError> {
    let (json, person) = (cli.json, cli.stdout_is_terminal());
    let on_ready = Box::new(move |serving: &Serving| {
        // The entry URL contains the token, so it is printed only on a terminal. Other output often ends up in a log.
        let text = match (json, person) {
            (true, _) => format!(
                "{}\n",
                serde_json::json!({ "url": serving.url, "port": serving.port, "pid": std::process::id(), "token_file": serving.token_file })
            ),
            (false, true) => format!(
                "{}\n{}\n",
                bold(&format!("Open {}", serving.entry)),
                dim(&format!(
                    "API clients send the token from {}. Press Ctrl-C to stop.",
                    serving.token_file.display()
                ))
            ),
            (false, false) => {
                format!("Listening on {}. The token is in {}.\n", serving.url, serving.token_file.display())
            }
        };
        print(&text);
    });
    let process = &cli.process;
    let options = ServeOptions {
        port,
        cancel: Arc::clone(&process.cancel),
        run: process.run_command,
        new_token,
        on_ready,
    };
    Ok((process.serve_web)(process.env.clone(), Arc::clone(&process.clock), options)?)
}

fn print(text: &str) {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    // The server keeps running if nobody reads its output.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
