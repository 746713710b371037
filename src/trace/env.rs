//! What the process was started with, as data: only the edge reads the real environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The surroundings of one run: home directory, our own directory, and the environment variables.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// Where agents' logs are looked for (`HOME`, or `--home DIR`).
    pub home: PathBuf,
    /// Where our own state lives (`CLAWGATE_HOME`, default `~/.clawgate`).
    pub clawgate_home: PathBuf,
    /// Environment variables, as the edge read them.
    pub vars: BTreeMap<String, String>,
}

impl Env {
    /// An environment with nothing but the two directories; for tests and the demo.
    pub fn bare(home: impl Into<PathBuf>, clawgate_home: impl Into<PathBuf>) -> Self {
        Env { home: home.into(), clawgate_home: clawgate_home.into(), vars: BTreeMap::new() }
    }

    /// The value of a variable; an empty value counts as absent.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// The directory a variable names, or `default` below the home directory.
    pub fn dir(&self, name: &str, default: impl AsRef<Path>) -> PathBuf {
        match self.var(name) {
            Some(v) => PathBuf::from(v),
            None => self.home.join(default),
        }
    }
}
