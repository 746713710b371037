//! `clawgate cost serve`: the same server as `clawgate serve`, on the port of ClawTrace.

use std::sync::Arc;

use crate::app::server_token::{ServeOptions, Serving};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{bold, dim};
use crate::cli::table::one_line;
use crate::cli::wrap::wrap;
use crate::trace::Env;

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
    listen(args.port, args.new_token, false, cli)
}

/// Runs the web server until Ctrl-C.
pub(in crate::cli::commands) fn listen(
    port: u16,
    new_token: bool,
    remote: bool,
    cli: &mut CliContext,
) -> Result<(), CommandError> {
    let (json, width) = (cli.json, cli.terminal_width());
    let login = remote.then(|| ssh_login(&cli.process.env));
    let on_ready = Box::new(move |serving: &Serving| {
        // The entry URL contains the token, so it is printed only on a terminal. Other output often ends up in a log.
        let tunnel = login.map(|login| format!("ssh -N -L {0}:127.0.0.1:{0} {login}", serving.port));
        let text = match (json, width.is_some()) {
            (true, _) => {
                let mut started = serde_json::json!({
                    "url": serving.url, "port": serving.port, "pid": std::process::id(), "token_file": serving.token_file
                });
                if let Some(tunnel) = &tunnel {
                    started["tunnel"] = tunnel.as_str().into();
                }
                format!("{started}\n")
            }
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
        if let Some(tunnel) = tunnel.filter(|_| !json) {
            print(&format!("On your own computer, first run: {}\n", bold(&tunnel)), width);
        }
        print(&text, width);
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

/// Returns how ssh reaches this machine: the user, and the address that the current ssh connection came to.
fn ssh_login(env: &Env) -> String {
    let user = env.var("USER").or_else(|| env.var("LOGNAME")).unwrap_or("USER");
    // The variable has the addresses and ports of the client and the server.
    let host = env.var("SSH_CONNECTION").and_then(|c| c.split_whitespace().nth(2)).unwrap_or("HOST");
    format!("{}@{}", one_line(user), one_line(host))
}

fn print(text: &str, width: Option<usize>) {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    // The server keeps running if nobody reads its output.
    let _ = out.write_all(wrap(text, width).as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_is_the_user_at_the_address_of_the_ssh_connection() {
        let mut env = Env::bare("/home/ada", "/home/ada/.clawgate");
        assert_eq!(ssh_login(&env), "USER@HOST");
        env.vars.insert("USER".into(), "ada".into());
        env.vars.insert("SSH_CONNECTION".into(), "203.0.113.7 50212 192.0.2.10 22".into());
        assert_eq!(ssh_login(&env), "ada@192.0.2.10");
    }
}
