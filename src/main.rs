//! The process boundary: reads the environment, handles Ctrl-C, runs the command line and exits with its code.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clawgate::cli::{self, ProcessEnv};
use clawgate::mcp;
use clawgate::platform;
use clawgate::trace::{Clock, Env, FixedClock, Timestamp};
use clawgate::web;

/// The clock of the system.
struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "main passes the system time in")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

/// The machine's clock, or the instant that a test sets.
fn clock(env: &Env) -> Arc<dyn Clock> {
    // Receipts, the audit log and budgets depend on the time. Only a build with debug assertions therefore reads this
    // variable: the clock of a release binary cannot be moved.
    if cfg!(debug_assertions)
        && let Some(now) = env.var("CLAWGATE_TEST_NOW").and_then(Timestamp::parse)
    {
        return Arc::new(FixedClock(now));
    }
    Arc::new(WallClock)
}

fn main() -> ExitCode {
    let cancel = Arc::new(AtomicBool::new(false));
    let waiting = Arc::new(AtomicBool::new(false));
    let args: Vec<_> = std::env::args_os().collect();
    // The MCP server exits when its client disconnects or on the first Ctrl-C. It has no unsaved state.
    if args.get(1).is_none_or(|command| command != "mcp") {
        catch_interrupt(Arc::clone(&cancel), Arc::clone(&waiting));
    }
    let handles_secrets = args.iter().any(|arg| SECRET_COMMANDS.iter().any(|command| arg == command));
    if handles_secrets {
        platform::protect_memory();
    }
    let mut env = environment();
    if handles_secrets || args.iter().any(|arg| arg == "doctor" || arg == "preview") {
        env.account_home = account_home(&env);
    }
    let process = ProcessEnv {
        clock: clock(&env),
        env,
        program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("clawgate")),
        cancel,
        waiting,
        serve_mcp: mcp::serve,
        serve_web: web::serve,
        run_command,
        run_in_background,
        run_pager,
    };
    ExitCode::from(cli::run(args, process))
}

/// Commands that ask for the passphrase.
const SECRET_COMMANDS: [&str; 7] = ["sign", "publish", "login", "keys", "confirm", "review", "audit"];

/// Installs the Ctrl-C handler. The first Ctrl-C asks the command to stop at the next safe point. The second one, or one
/// that answers a question, ends the process.
fn catch_interrupt(cancel: Arc<AtomicBool>, waiting: Arc<AtomicBool>) {
    #[expect(clippy::disallowed_methods, reason = "a signal handler cannot return an exit code")]
    let handler = move || {
        // Ctrl-C in a pager is meant for the pager.
        if PAGER_IS_RUNNING.load(Ordering::SeqCst) {
            return;
        }
        if cancel.swap(true, Ordering::SeqCst) || waiting.load(Ordering::SeqCst) {
            platform::restore_echo();
            std::process::exit(130);
        }
    };
    // If the handler cannot be installed, Ctrl-C ends the process, which is the default.
    let _ = ctrlc::set_handler(handler);
}

/// Set while a pager shows text.
static PAGER_IS_RUNNING: AtomicBool = AtomicBool::new(false);

/// Shows text in a pager. It is not an error if the person quits before the end.
#[expect(clippy::disallowed_methods, reason = "only main starts processes")]
fn run_pager(command: &[&str], text: &str) -> io::Result<()> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    // Without these options, less shows escape sequences instead of colours, and clears the screen at its end.
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let mut child = command.args(args).stdin(Stdio::piped()).spawn()?;
    PAGER_IS_RUNNING.store(true, Ordering::SeqCst);
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    let ended = child.wait();
    PAGER_IS_RUNNING.store(false, Ordering::SeqCst);
    ended.map(drop)
}

/// A configured program that runs longer is killed.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a running program is checked.
const COMMAND_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs a configured program, for example the alert command, with `text` on its standard input. Returns whether it
/// succeeded. Kills it after 30 seconds.
#[expect(clippy::disallowed_methods, reason = "only main starts processes")]
fn run_command(command: &[String], text: &str) -> io::Result<bool> {
    let (program, args) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its standard input is not a failure.
        let _ = stdin.write_all(text.as_bytes());
    }
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(COMMAND_POLL_INTERVAL);
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// Starts this program in the background, detached from standard input, output and error.
#[expect(clippy::disallowed_methods, reason = "only main starts processes")]
fn run_in_background(args: &[&str]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    platform::detach(&mut command);
    command.spawn().map(drop)
}

#[expect(clippy::disallowed_methods, reason = "only main reads the environment")]
fn environment() -> Env {
    let mut vars: std::collections::BTreeMap<String, String> = std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect();
    // Shells set HOSTNAME but usually do not export it.
    if !vars.contains_key("HOSTNAME")
        && let Ok(name) = std::fs::read_to_string("/etc/hostname")
    {
        vars.insert("HOSTNAME".to_owned(), name.trim().to_owned());
    }
    if !vars.contains_key("TZ")
        && let Some(zone) = system_time_zone()
    {
        vars.insert("TZ".to_owned(), zone);
    }
    let home = std::env::home_dir().unwrap_or_default();
    let configured = std::env::var_os("CLAWGATE_HOME").filter(|v| !v.is_empty());
    let clawgate_home = configured.map_or_else(|| home.join(".clawgate"), PathBuf::from);
    let executable = std::env::current_exe().unwrap_or_default();
    let system_dir = system_dir(&vars);
    Env { home, clawgate_home, vars, executable, account_home: None, system_dir: Some(system_dir) }
}

/// Returns the directory of the administrator's policy, or the one that a test sets.
fn system_dir(vars: &std::collections::BTreeMap<String, String>) -> PathBuf {
    // Only a build with debug assertions reads this variable: nobody can lead a release binary to another policy.
    let test_dir = vars.get("CLAWGATE_TEST_SYSTEM_DIR").filter(|_| cfg!(debug_assertions));
    test_dir.map_or_else(|| PathBuf::from("/etc/clawgate"), PathBuf::from)
}

/// Returns the home directory that the system knows for the user.
fn account_home(env: &Env) -> Option<PathBuf> {
    // Tests have a home directory of their own, and their output must not depend on the machine.
    if cfg!(debug_assertions) && env.var("CLAWGATE_TEST_NOW").is_some() {
        return None;
    }
    platform::account_home()
}

/// Returns the zone of the system as a value of `TZ`: an IANA name, or the path of the file that describes it.
fn system_time_zone() -> Option<String> {
    const LOCAL: &str = "/etc/localtime";
    if let Some(zone) = platform::time_zone_of_the_system() {
        return zone;
    }
    let target = std::fs::read_link(LOCAL).ok();
    let name =
        target.as_deref().and_then(|t| t.to_str()?.split_once("zoneinfo/").map(|(_, name)| name.to_owned()));
    name.or_else(|| std::path::Path::new(LOCAL).exists().then(|| LOCAL.to_owned()))
}
