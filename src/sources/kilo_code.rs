//! Kilo Code before 7: tasks in the storage of the VS Code extension or in `~/.kilocode/cli/global/tasks/<id>/`, in the format of Roo
//! Code, from which it was copied.
//!
//! Later versions are a copy of OpenCode and are not read. No fixture was recorded. `settings/` is never read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::cline::{extension_storage, task};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::Env;

const AGENT: &str = "kilo-code";

/// Id of the extension.
const EXTENSION: &str = "kilocode.kilo-code";

pub(crate) struct KiloCode;

impl Source for KiloCode {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Kilo Code"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["XDG_CONFIG_HOME"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let xdg = env.var("XDG_CONFIG_HOME");
        let command_line = env.home.join(".kilocode/cli/global");
        let storage = extension_storage(env, xdg, EXTENSION).into_iter().chain([command_line]);
        storage.map(|dir| dir.join("tasks")).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &|p| p.file_name() == Some(OsStr::new(task::SCREEN)), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        task::COMPANIONS.map(|name| file.with_file_name(name)).to_vec()
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut read = Read::default();
        task::read(AGENT, file, opts, &mut read)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_the_extension_and_of_the_command_line_are_found() {
        let home = tempfile::tempdir().unwrap();
        let task = |storage: &str| home.path().join(storage).join("tasks/1756721472000/ui_messages.json");
        let files = [
            task("Library/Application Support/Code/User/globalStorage/kilocode.kilo-code"),
            task(".kilocode/cli/global"),
        ];
        for file in &files {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, r#"[{"ts":1756721472000,"type":"say","say":"text","text":"fix it"}]"#)
                .unwrap();
        }
        let env = Env::bare(home.path(), home.path().join("own"));
        let mut found = Vec::new();
        for root in KiloCode.roots(&env) {
            KiloCode.discover(&root, &mut |path| found.push(path), &mut |s| panic!("{s:?}"));
        }
        assert_eq!(found, files);
        let read = KiloCode.read(&files[1], &ReadOptions::default()).unwrap();
        assert_eq!(read.sessions[0].key.as_str(), "kilo-code:1756721472000");
        assert_eq!(read.sessions[0].user_messages(), 1);
    }
}
