//! Pi: `~/.pi/agent/sessions/<folder>/<time>_<id>.jsonl`, in the transcript format that it shares with OpenClaw.
//!
//! `PI_CODING_AGENT_DIR` replaces `~/.pi/agent`, `PI_CODING_AGENT_SESSION_DIR` the directory of the sessions.

use std::path::{Path, PathBuf};

use crate::sources::common::{pi_transcript, walk};
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::Env;

const AGENT: &str = "pi";

pub(crate) struct Pi;

impl Source for Pi {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Pi"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let sessions = match env.var("PI_CODING_AGENT_SESSION_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => env.dir("PI_CODING_AGENT_DIR", ".pi/agent").join("sessions"),
        };
        vec![sessions]
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| native_id(p).is_some(), found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        pi_transcript::read(AGENT, &native_id(file).unwrap_or_default(), file, opts)
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        each(pi_transcript::read_usage(AGENT, &native_id(file).unwrap_or_default(), file, opts, buffer)?);
        Ok(())
    }
}

/// Returns the session id in a file name `<time>_<id>.jsonl`; `None` for other files.
fn native_id(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    Some(stem.rsplit_once('_').map_or(stem, |(_, id)| id).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_replaces_the_default_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("x/sessions")).unwrap();
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        assert!(Pi.roots(&env).is_empty());
        env.vars.insert("PI_CODING_AGENT_DIR".to_owned(), dir.path().join("x").display().to_string());
        assert_eq!(Pi.roots(&env), [dir.path().join("x/sessions")]);
        let name = Path::new("2026-11-20T16-14-54-123Z_01a1.jsonl");
        assert_eq!(native_id(name).as_deref(), Some("01a1"));
    }
}
