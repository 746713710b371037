//! Pi: `~/.pi/agent/sessions/<folder>/<time>_<id>.jsonl`, in the transcript format that it shares with OpenClaw.
//!
//! `PI_CODING_AGENT_DIR` replaces `~/.pi/agent`, `PI_CODING_AGENT_SESSION_DIR` the directory of the sessions.

use std::path::{Path, PathBuf};

use crate::sources::common::files::open_log;
use crate::sources::common::line_reader::{each_line, filter_lines};
use crate::sources::common::pi_transcript::{TranscriptBuilder, TranscriptUsageReader};
use crate::sources::common::walk;
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

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let sessions = match env.var("PI_CODING_AGENT_SESSION_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => env.dir("PI_CODING_AGENT_DIR", ".pi/agent").join("sessions"),
        };
        if sessions.is_dir() { vec![sessions] } else { Vec::new() }
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| native_id(p).is_some(), found, skip);
    }

    fn read_each(
        &self,
        file: &Path,
        opts: &ReadOptions,
        each: &mut dyn FnMut(Read),
    ) -> Result<(), SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let mut builder = TranscriptBuilder::new(AGENT, &native_id(file).unwrap_or_default());
        let mut scratch = String::new();
        each_line(file, input, opts, &mut read, |line| builder.read_line(line, &mut scratch))?;
        builder.finish_into(&mut read);
        each(read);
        Ok(())
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        let mut reader = TranscriptUsageReader::new(AGENT, &native_id(file).unwrap_or_default());
        filter_lines(file, open_log(file)?, opts, buffer, &mut reader)?;
        each(reader.finish());
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
