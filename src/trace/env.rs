//! The environment of the process, as data. Only the entry point reads the real environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The home directory, clawgate's own directory and the environment variables of one run.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// The directory below which agents keep their logs (`HOME`, or `--home DIR`).
    pub home: PathBuf,
    /// The directory of clawgate's own state (`CLAWGATE_HOME`, by default `~/.clawgate`).
    pub clawgate_home: PathBuf,
    pub vars: BTreeMap<String, String>,
    /// The running program. Empty if it is unknown.
    pub executable: PathBuf,
    /// The home directory of the user's account, whatever `HOME` says.
    pub account_home: Option<PathBuf>,
    /// The administrator's directory with a policy (`/etc/clawgate`).
    pub system_dir: Option<PathBuf>,
}

impl Env {
    /// Creates an environment with only the two directories, for tests and the demo.
    pub fn bare(home: impl Into<PathBuf>, clawgate_home: impl Into<PathBuf>) -> Self {
        Env { home: home.into(), clawgate_home: clawgate_home.into(), ..Env::default() }
    }

    /// Returns the value of a variable; `None` if it is empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Returns the directory that a variable names, or `default` below the home directory if the variable is not set.
    pub fn dir(&self, name: &str, default: impl AsRef<Path>) -> PathBuf {
        match self.var(name) {
            Some(v) => PathBuf::from(v),
            None => self.home.join(default),
        }
    }
}
