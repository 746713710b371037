//! Cline: sessions of 3.x (`~/.cline/data/sessions/<id>/*.messages.json`) and tasks of 2.x and of the VS Code extension
//! (`<data>/tasks/<id>/`).
//!
//! `CLINE_DIR` replaces `~/.cline`, `CLINE_DATA_DIR` the data directory. The extension keeps its data in the editor's
//! `globalStorage`; no fixture was recorded there. `settings/` contains keys, so it is never read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::files::open_log;
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::Env;

pub(super) mod extension;
mod session;
mod task;
mod tools;

const AGENT: &str = "cline";

/// Names of the configuration directories of the editors that can run the extension.
const EDITORS: [&str; 6] = ["Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Code - OSS"];

pub(crate) struct Cline;

impl Source for Cline {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Cline"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["CLINE_DATA_DIR", "CLINE_DIR", "CLINE_SESSION_DATA_DIR", "XDG_CONFIG_HOME"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["CLINE_ACTIVE"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let mut data = vec![match env.var("CLINE_DATA_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => env.dir("CLINE_DIR", ".cline").join("data"),
        }];
        data.extend(env.var("CLINE_SESSION_DATA_DIR").map(PathBuf::from));
        data.extend(extension_storage(env, env.var("XDG_CONFIG_HOME"), "saoudrizwan.claude-dev"));
        data
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        let name = |p: &Path| p.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        let (sessions, tasks) = (root.join("sessions"), root.join("tasks"));
        // `CLINE_SESSION_DATA_DIR` is the directory of the sessions itself.
        let sessions = if sessions.is_dir() || tasks.is_dir() { sessions } else { root.to_owned() };
        if sessions.is_dir() {
            walk::files(&sessions, &|p| name(p).ends_with(".messages.json"), found, skip);
        }
        if tasks.is_dir() {
            walk::files(&tasks, &|p| name(p) == task::SCREEN, found, skip);
        }
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        if is_task(file) {
            task::COMPANIONS.map(|name| file.with_file_name(name)).to_vec()
        } else {
            session::description(file).into_iter().collect()
        }
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        drop(open_log(file)?);
        let mut read = Read::default();
        if is_task(file) {
            task::read(AGENT, file, opts, &mut read)?;
        } else {
            session::read(file, opts, &mut read)?;
        }
        Ok(read)
    }
}

fn is_task(file: &Path) -> bool {
    file.file_name() == Some(OsStr::new(task::SCREEN))
}

/// Returns the directories in which an extension of VS Code and of its forks keeps its data.
fn extension_storage(env: &Env, xdg: Option<&str>, extension: &str) -> Vec<PathBuf> {
    let storage = |user: PathBuf| user.join("User/globalStorage").join(extension);
    let configs = [".config", "Library/Application Support", "AppData/Roaming"].map(|d| env.home.join(d));
    let configs = configs.into_iter().chain(xdg.map(PathBuf::from));
    let editors = configs.flat_map(|config| EDITORS.map(|editor| config.join(editor)));
    let servers = [".vscode-server", ".vscode-server-insiders", ".cursor-server"]
        .map(|d| env.home.join(d).join("data"));
    editors.chain(servers).map(storage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_and_overridden_directories_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let storage = "User/globalStorage/saoudrizwan.claude-dev";
        for d in [".cline/data", "x/data", "y", &format!(".config/Code/{storage}")] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        let roots = |env: &Env| -> Vec<String> {
            let relative = |p: PathBuf| p.strip_prefix(dir.path()).unwrap().display().to_string();
            Cline.roots(env).into_iter().map(relative).collect()
        };
        let code = format!(".config/Code/{storage}");
        assert_eq!(roots(&env), [".cline/data", code.as_str()]);
        env.vars.insert("CLINE_DIR".to_owned(), dir.path().join("x").display().to_string());
        assert_eq!(roots(&env), ["x/data", code.as_str()]);
        env.vars.insert("CLINE_DATA_DIR".to_owned(), dir.path().join("y").display().to_string());
        assert_eq!(roots(&env), ["y", code.as_str()]);
        let session = dir.path().join("own-sessions/1_a/1_a.messages.json");
        std::fs::create_dir_all(session.parent().unwrap()).unwrap();
        std::fs::write(&session, "{}").unwrap();
        env.vars.insert(
            "CLINE_SESSION_DATA_DIR".to_owned(),
            dir.path().join("own-sessions").display().to_string(),
        );
        assert_eq!(roots(&env), ["y", "own-sessions", code.as_str()]);
        let mut found = Vec::new();
        Cline.discover(&dir.path().join("own-sessions"), &mut |path| found.push(path), &mut |s| {
            panic!("{s:?}")
        });
        assert_eq!(found, [session]);
    }
}
