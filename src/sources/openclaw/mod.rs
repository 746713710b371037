//! OpenClaw: `~/.openclaw/agents/<agent>/`. Up to 2026.7.1 a session is a JSONL file (`sessions/<id>.jsonl`); later
//! versions keep all sessions of an agent in one SQLite database (`agent/openclaw-agent.sqlite`). Both can exist.
//!
//! Archived transcripts (`.jsonl.reset.<time>`, `.jsonl.deleted.<time>`) are read as well. `*.trajectory.jsonl` files
//! repeat the sessions and are not read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::pi_transcript::{self, native_id};
use crate::sources::common::{sqlite, walk};
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::Env;

mod store;

const AGENT: &str = "openclaw";

/// File name of the agent's database. Other databases in the same directory have longer names.
const DATABASE: &str = "openclaw-agent.sqlite";

pub(crate) struct OpenClaw;

impl Source for OpenClaw {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "OpenClaw"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["OPENCLAW_HOME", "OPENCLAW_PROFILE", "OPENCLAW_STATE_DIR"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["OPENCLAW_SHELL"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let mut states: Vec<PathBuf> = Vec::new();
        match env.var("OPENCLAW_STATE_DIR") {
            Some(dir) => states.push(PathBuf::from(dir)),
            None => {
                let home = env.var("OPENCLAW_HOME").map_or_else(|| env.home.clone(), PathBuf::from);
                states.push(home.join(".openclaw"));
                if let Some(profile) = env.var("OPENCLAW_PROFILE").filter(|p| !p.contains(['/', '\\'])) {
                    states.push(home.join(format!(".openclaw-{profile}")));
                }
                // Every profile has its own directory next to the default one.
                let profiles = std::fs::read_dir(&home).into_iter().flatten().flatten();
                let is_profile = |name: &OsStr| name.to_string_lossy().starts_with(".openclaw-");
                let mut found: Vec<_> =
                    profiles.filter(|e| is_profile(&e.file_name())).map(|e| e.path()).collect();
                found.sort();
                states.extend(found);
            }
        }
        states.into_iter().map(|s| s.join("agents")).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| is_database(p) || native_id(p).is_some(), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        if is_database(file) { sqlite::companions(file) } else { Vec::new() }
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        Read::collect(|each| self.read_each(file, opts, each))
    }

    fn read_each(
        &self,
        file: &Path,
        opts: &ReadOptions,
        each: &mut dyn FnMut(Read),
    ) -> Result<(), SourceError> {
        if is_database(file) {
            return store::read(file, opts, each);
        }
        each(pi_transcript::read(AGENT, &native_id(file).unwrap_or_default(), file, opts)?);
        Ok(())
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        if is_database(file) {
            return self.read_each(file, opts, &mut |read| each(UsageRead::of(read)));
        }
        each(pi_transcript::read_usage(AGENT, &native_id(file).unwrap_or_default(), file, opts, buffer)?);
        Ok(())
    }
}

fn is_database(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(DATABASE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_profiles_and_overridden_directories_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for d in [".openclaw/agents", ".openclaw-work/agents", "state/agents", "other/.openclaw/agents"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        let roots = |env: &Env| -> Vec<String> {
            let relative = |p: PathBuf| p.strip_prefix(dir.path()).unwrap().display().to_string();
            OpenClaw.roots(env).into_iter().map(relative).collect()
        };
        assert_eq!(roots(&env), [".openclaw/agents", ".openclaw-work/agents"]);
        env.vars.insert("OPENCLAW_HOME".to_owned(), dir.path().join("other").display().to_string());
        assert_eq!(roots(&env), ["other/.openclaw/agents"]);
        env.vars.insert("OPENCLAW_STATE_DIR".to_owned(), dir.path().join("state").display().to_string());
        assert_eq!(roots(&env), ["state/agents"]);
    }
}
