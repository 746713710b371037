//! The edge: reads the environment, parses arguments, maps a failure to an exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clawgate::trace::{Clock, Env, Timestamp};

/// The machine's clock.
struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the edge passes the real time in")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("mcp") {
        return ExitCode::from(2);
    }
    match clawgate::mcp::serve(environment(), Arc::new(WallClock)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(f) => ExitCode::from(f.exit_code()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment() -> Env {
    let vars = std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect();
    let home = std::env::home_dir().unwrap_or_default();
    let own = std::env::var_os("CLAWGATE_HOME").filter(|v| !v.is_empty());
    let clawgate_home = own.map_or_else(|| home.join(".clawgate"), PathBuf::from);
    Env { home, clawgate_home, vars }
}
