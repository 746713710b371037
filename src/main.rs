//! The edge: reads the environment, catches Ctrl-C, runs the command line, and ends with its exit code.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clawgate::cli::{self, Edge};
use clawgate::mcp;
use clawgate::trace::{Clock, Env, Timestamp};
use clawgate::web;

/// The machine's clock.
struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the edge passes the real time in")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

fn main() -> ExitCode {
    let cancel = Arc::new(AtomicBool::new(false));
    let waiting = Arc::new(AtomicBool::new(false));
    let args: Vec<_> = std::env::args_os().collect();
    // The server ends with its client or on the first Ctrl-C; it holds nothing that an end could harm.
    if args.get(1).is_none_or(|verb| verb != "mcp") {
        catch_interrupt(Arc::clone(&cancel), Arc::clone(&waiting));
    }
    let edge = Edge {
        env: environment(),
        clock: Arc::new(WallClock),
        cancel,
        waiting,
        serve_mcp: mcp::serve,
        serve_web: web::serve,
        run_command,
        background,
        pager,
    };
    ExitCode::from(cli::run(args, edge))
}

/// The first Ctrl-C asks the work to stop at the next safe point; the second, or one at a question, ends the
/// process.
fn catch_interrupt(cancel: Arc<AtomicBool>, waiting: Arc<AtomicBool>) {
    #[expect(clippy::disallowed_methods, reason = "there is nobody left to hand an exit code to")]
    let handler = move || {
        if cancel.swap(true, Ordering::SeqCst) || waiting.load(Ordering::SeqCst) {
            std::process::exit(130);
        }
    };
    // Where no handler can be set, Ctrl-C ends the process as it always does.
    let _ = ctrlc::set_handler(handler);
}

/// Runs a pager over a text. That the reader leaves early is no error.
#[expect(clippy::disallowed_methods, reason = "only the edge starts processes")]
fn pager(command: &[&str], text: &str) -> io::Result<()> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut child = Command::new(program).args(args).stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait().map(drop)
}

/// Runs the command that the person configured for alerts; ended where it takes longer than half a minute.
#[expect(clippy::disallowed_methods, reason = "only the edge starts processes")]
fn run_command(command: &[String], text: &str) -> io::Result<bool> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input is free to.
        let _ = stdin.write_all(text.as_bytes());
    }
    for _ in 0..300 {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// Starts this program again, apart from our input and output.
#[expect(clippy::disallowed_methods, reason = "only the edge starts processes")]
fn background(args: &[&str]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // In a group of its own it outlives the terminal's Ctrl-C and the hook's time limit.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Env {
    let mut vars: std::collections::BTreeMap<String, String> = std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect();
    // Shells know the machine's name without exporting it.
    if !vars.contains_key("HOSTNAME")
        && let Ok(name) = std::fs::read_to_string("/etc/hostname")
    {
        vars.insert("HOSTNAME".to_owned(), name.trim().to_owned());
    }
    let home = std::env::home_dir().unwrap_or_default();
    let own = std::env::var_os("CLAWGATE_HOME").filter(|v| !v.is_empty());
    let clawgate_home = own.map_or_else(|| home.join(".clawgate"), PathBuf::from);
    Env { home, clawgate_home, vars }
}
