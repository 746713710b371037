//! Codex CLI: `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`, formats of 0.29, 0.55–0.113 and 0.169, also
//! `archived_sessions/` and zstd-compressed rollouts.
//!
//! Text is read from `response_item`s, which are stable across versions; `item_completed` events give the status
//! of tool calls. 0.29 writes bare items without envelope, times or usage.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::line_reader::{each_line, sift};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, UsageRead, open_log};
use crate::trace::Env;

mod build;
mod record;
mod usage;
mod usage_reader;

/// Agent id.
const AGENT: &str = "codex";

/// The reader of Codex's rollouts.
pub(crate) struct Codex;

impl Source for Codex {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Codex"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let home = env.dir("CODEX_HOME", ".codex");
        ["sessions", "archived_sessions"].map(|d| home.join(d)).into_iter().filter(|d| d.is_dir()).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| native_id(p).is_some(), found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut read = Read::default();
        let mut builder = build::Builder::new(native_id(file).unwrap_or_default());
        let mut scratch = String::new();
        each_line(file, open(file)?, opts, &mut read, |line| builder.line(line, &mut scratch))?;
        builder.finish(&mut read);
        Ok(read)
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        piece: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        let builder = build::Builder::of_usage(native_id(file).unwrap_or_default());
        let mut quick = usage_reader::Quick::new(builder);
        sift(file, open(file)?, opts, buffer, &mut quick)?;
        piece(quick.finish());
        Ok(())
    }
}

/// Opens a rollout, compressed or not.
fn open(file: &Path) -> Result<Box<dyn std::io::Read>, SourceError> {
    let input = open_log(file)?;
    if file.extension() != Some(OsStr::new("zst")) {
        return Ok(Box::new(input));
    }
    let io = |source| SourceError::Io { path: file.to_owned(), source };
    Ok(Box::new(zstd::stream::read::Decoder::new(input).map_err(io)?))
}

/// The thread id in a rollout's name; `None` for other files.
fn native_id(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".jsonl")?.strip_prefix("rollout-")?;
    // The id is a UUID after a time stamp whose parts are joined by the same dash.
    let id = stem.len().checked_sub(36).and_then(|at| stem.get(at..)).unwrap_or(stem);
    Some(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollouts_are_told_from_other_files() {
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
    fn codex_home_replaces_the_default() {
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
