//! OpenCode: `~/.local/share/opencode/` (or below `XDG_DATA_HOME`), one SQLite database with its log (1.2 and later),
//! JSON files in `storage/` (to 1.1) or in `project/<folder>/storage/` (0.5).
//!
//! The three hold the same records. `step-finish` parts repeat the usage of their message; the `event` table and
//! `snapshot/` repeat everything and are not read. 0.5.29 and 1.0.185 were proved on prompts only: their agents got
//! no answer without a network.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::sqlite;
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::Env;

mod build;
mod database;
mod files;

/// Agent id.
const AGENT: &str = "opencode";

/// The reader of OpenCode's sessions.
pub(crate) struct OpenCode;

impl Source for OpenCode {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "OpenCode"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let data = env.dir("XDG_DATA_HOME", ".local/share").join("opencode");
        if data.is_dir() { vec![data] } else { Vec::new() }
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        // Beside the stores lie git objects and a file for each part: they are not walked.
        let listed = |dir: &Path| -> Vec<PathBuf> {
            let mut all: Vec<PathBuf> =
                std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
            all.sort();
            all
        };
        for path in listed(root).into_iter().filter(|p| is_database(p)) {
            match std::fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_file() => {
                    found(Candidate { path, agent: AGENT, root: root.to_owned() });
                }
                _ => skip(Skip { path, reason: "not a regular file".to_owned() }),
            }
        }
        let projects = listed(&root.join("project"));
        let older = projects.into_iter().map(|p| p.join("storage/session/info"));
        for dir in std::iter::once(root.join("storage/session")).chain(older).filter(|d| d.is_dir()) {
            walk::files(AGENT, &dir, &|p| p.extension() == Some(OsStr::new("json")), found, skip);
        }
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        if is_database(file) { sqlite::companions(file) } else { files::companions(file) }
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut whole = Read::default();
        self.read_each(file, opts, &mut |piece| whole.append(piece))?;
        Ok(whole)
    }

    fn read_each(
        &self,
        file: &Path,
        opts: &ReadOptions,
        piece: &mut dyn FnMut(Read),
    ) -> Result<(), SourceError> {
        if is_database(file) {
            return database::read(file, opts, true, &mut |draft, mut read| {
                draft.finish(&mut read);
                piece(read);
            });
        }
        let (draft, mut read) = files::read(file, opts, true)?;
        draft.finish(&mut read);
        piece(read);
        Ok(())
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        _buffer: &mut Vec<u8>,
        piece: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        if is_database(file) {
            return database::read(file, opts, false, &mut |draft, _| piece(draft.usage_only()));
        }
        let (draft, _) = files::read(file, opts, false)?;
        piece(draft.usage_only());
        Ok(())
    }
}

fn is_database(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    // Development channels keep `opencode-<channel>.db`.
    name.strip_prefix("opencode").and_then(|n| n.strip_suffix(".db")).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_session_files_are_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("x d/opencode");
        for f in [
            "opencode.db",
            "opencode.db-wal",
            "other.db",
            "storage/session/p/ses_1.json",
            "storage/message/ses_1/msg_1.json",
            "project/a/storage/session/info/ses_2.json",
            "snapshot/p/objects/1.json",
        ] {
            std::fs::create_dir_all(data.join(f).parent().unwrap()).unwrap();
            std::fs::write(data.join(f), "").unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        assert!(OpenCode.roots(&env).is_empty());
        env.vars.insert("XDG_DATA_HOME".to_owned(), dir.path().join("x d").display().to_string());
        let mut found = Vec::new();
        let name = |p: PathBuf| p.strip_prefix(&data).unwrap().display().to_string();
        OpenCode
            .discover(&OpenCode.roots(&env)[0], &mut |c| found.push(name(c.path)), &mut |s| panic!("{s:?}"));
        assert_eq!(
            found,
            ["opencode.db", "storage/session/p/ses_1.json", "project/a/storage/session/info/ses_2.json"]
        );
    }
}
