//! Codex CLI: `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`, formats of 0.29, 0.55–0.113 and 0.169. Also reads
//! `archived_sessions/` and rollouts compressed with zstd. A rollout is the log of one session ("thread").
//!
//! Text is read from `response_item` records, whose format is stable across versions. `item_completed` events have the
//! status of tool calls. 0.29 writes items without an envelope, and neither times nor usage.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::files::open_log;
use crate::sources::common::line_reader::{each_line, filter_lines};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::Env;

mod build;
mod record;
mod usage;
mod usage_reader;

const AGENT: &str = "codex";

pub(crate) struct Codex;

impl Source for Codex {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Codex"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["CODEX_HOME"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "CODEX_THREAD_ID", "CODEX_CI"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let home = env.dir("CODEX_HOME", ".codex");
        ["sessions", "archived_sessions"].map(|d| home.join(d)).to_vec()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| native_id(p).is_some(), found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut builder = build::Builder::new(native_id(file).unwrap_or_default());
        let mut read = each_line(file, open(file)?, opts, |line, scratch| builder.read_line(line, scratch))?;
        builder.finish_into(&mut read);
        Ok(read)
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        let mut reader = usage_reader::UsageReader::new(native_id(file).unwrap_or_default());
        let lost_records = filter_lines(file, open(file)?, opts, buffer, &mut reader)?;
        each(UsageRead { lost_records, ..reader.finish() });
        Ok(())
    }
}

/// Opens a rollout, and decompresses it if needed.
fn open(file: &Path) -> Result<Box<dyn std::io::Read>, SourceError> {
    let input = open_log(file)?;
    if file.extension() != Some(OsStr::new("zst")) {
        return Ok(Box::new(input));
    }
    let io = |source| SourceError::Io { path: file.to_owned(), source };
    Ok(Box::new(zstd::stream::read::Decoder::new(input).map_err(io)?))
}

/// Returns the thread id in the name of a rollout; `None` for other files.
fn native_id(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".jsonl")?.strip_prefix("rollout-")?;
    // The id is the UUID at the end. It follows a time stamp that contains dashes as well.
    let id = stem.len().checked_sub(36).and_then(|at| stem.get(at..)).unwrap_or(stem);
    Some(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollouts_are_distinguished_from_other_files() {
        let id = "01a1f9bd-4a97-7050-95bd-b178b09f500a";
        for end in [".jsonl", ".jsonl.zst"] {
            let name = format!("2026/11/20/rollout-2026-11-20T16-14-54-{id}{end}");
            assert_eq!(native_id(Path::new(&name)).as_deref(), Some(id));
        }
        for no in ["history.jsonl", "rollout-x.json", "session_index.jsonl", "rollout-1.jsonl.gz"] {
            assert_eq!(native_id(Path::new(no)), None, "{no}");
        }
    }

    #[test]
    fn codex_home_replaces_the_default_directory() {
        let dir = tempfile::tempdir().unwrap();
        for d in [".codex/sessions", "other/archived_sessions"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        assert_eq!(Codex.roots(&env), [dir.path().join(".codex/sessions")]);
        env.vars.insert("CODEX_HOME".to_owned(), dir.path().join("other").display().to_string());
        assert_eq!(Codex.roots(&env), [dir.path().join("other/archived_sessions")]);
    }
}
