//! Floor 7: the command line. Parses, calls `app`, renders; one file per verb in `commands`.

mod args;
mod commands;
mod demo;
mod face;
mod glance;
mod money;
mod progress;
mod prompt;
mod render;
mod reviewing;
mod session;
mod table;
mod times;
mod triage;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use crate::app::Failure;
use crate::app::cost::RunCommand;
use crate::app::server_token::ServeOptions;
use crate::trace::{Clock, Env};

pub use args::Cli;
use face::{End, Face};

/// What only the process's edge knows.
pub struct Edge {
    /// Surroundings.
    pub env: Env,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Set by the first Ctrl-C.
    pub cancel: Arc<AtomicBool>,
    /// Set by us while a question waits for its answer: then one Ctrl-C is enough.
    pub waiting: Arc<AtomicBool>,
    /// Serves MCP over stdio: the other face, which this one may not import.
    pub serve_mcp: fn(Env, Arc<dyn Clock>) -> Result<(), Failure>,
    /// Serves HTTP on loopback: the third face.
    pub serve_web: fn(Env, Arc<dyn Clock>, ServeOptions) -> Result<(), Failure>,
    /// Starts a program the person configured, with text on its standard input.
    pub run_command: RunCommand,
    /// Starts this program again with these arguments, and does not wait for it.
    pub background: fn(&[&str]) -> std::io::Result<()>,
    /// Shows a text page by page with this command and these arguments; an error where it cannot be started.
    pub pager: fn(&[&str], &str) -> std::io::Result<()>,
}

/// Runs one command line; returns the exit code: 0 done, 1 failed, 2 usage, 3 refused by the workflow, 4 a human is
/// needed, 130 interrupted.
pub fn run(args: Vec<OsString>, edge: Edge) -> u8 {
    // Exit code 2 of a hook tells the agent that its step is denied: a mistyped command line must not.
    let verb = args.iter().skip(1).map(|a| a.to_string_lossy()).find(|a| !a.starts_with('-'));
    let usage_code = if verb.is_some_and(|verb| verb == "hook") { 1 } else { 2 };
    let wants_json = args.iter().skip(1).take_while(|a| *a != "--").any(|a| a == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) if !e.use_stderr() => return face::end_of_pipe(e.print()),
        Err(e) if wants_json => {
            let text = e.render().to_string();
            let message = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
            let failure = Failure::usage("usage", message.trim()).hint("clawgate --help");
            return Face::new(edge, true).failed(&failure).min(usage_code);
        }
        Err(e) => {
            let _ = e.print();
            return usage_code;
        }
    };
    let mut face = Face::new(edge, cli.json);
    match commands::run(cli.command, &mut face) {
        Ok(()) => 0,
        Err(End::Pipe) => 0,
        Err(End::Code(code)) => code,
        Err(End::Failure(failure)) => face.failed(&failure),
    }
}
