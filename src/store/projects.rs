//! Projects: repositories, or directories outside one, with a short, unique name.
//!
//! Each directory that a session names belongs to one project. The path of a directory tells its repository in most cases
//! (see `checkouts`). In the other cases the scan reads the directory's `.git` and stores the answer here.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::usage::NO_PROJECT;

use super::checkouts::{merge_named, move_to_project_of};
use super::project_paths::ProjectPaths;
use super::{Archive, StoreError};

/// A project with the number and size of its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProjectRow {
    /// Short display name, unique in the archive.
    pub name: String,
    /// Path of the repository, or of the directory if it is in none.
    pub path: String,
    /// Agents that worked in it.
    pub agents: Vec<String>,
    pub sessions: u64,
    /// Size of their normal forms in bytes.
    pub bytes: u64,
    /// Whether the configuration excludes it. The archive does not know, so this is false here.
    pub excluded: bool,
    /// Directories that belong to it, its worktrees among them.
    #[serde(skip)]
    pub directories: Vec<String>,
    /// Name of the repository, if only worktrees are known whose paths do not contain the repository's path.
    #[serde(skip)]
    pub repository: Option<String>,
}

/// A directory that belongs to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedDirectory {
    /// The directory as logs record it.
    pub path: String,
    /// The repository that it is a worktree of, or the directory that it is another path to.
    pub target: String,
}

impl Archive {
    /// Returns all projects with sessions, the one with the newest session first.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn projects(&self) -> Result<Vec<ProjectRow>, StoreError> {
        let mut directories: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let mut q = self.conn.prepare_cached("SELECT project_id, path FROM directories ORDER BY path")?;
        for row in q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))? {
            let (id, path): (i64, String) = row?;
            directories.entry(id).or_default().push(path);
        }
        let sql = "SELECT p.id, p.name, p.path, p.repository, group_concat(DISTINCT s.agent ORDER BY s.agent), count(s.id),
               coalesce(sum(s.bytes), 0)
             FROM projects p JOIN sessions s ON s.project_id = p.id
             GROUP BY p.id ORDER BY max(coalesce(s.started, 0)) DESC, p.name";
        self.rows(sql, [], |r| {
            let agents: String = r.get(4)?;
            Ok(ProjectRow {
                name: r.get(1)?,
                path: r.get(2)?,
                repository: r.get(3)?,
                agents: agents.split(',').map(str::to_owned).collect(),
                sessions: r.get::<_, i64>(5)? as u64,
                bytes: r.get::<_, i64>(6)? as u64,
                excluded: false,
                directories: directories.remove(&r.get(0)?).unwrap_or_default(),
            })
        })
    }

    /// Returns the number of sessions of an agent and their size in bytes, by the path of their project.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn project_sizes(&self, agent: &str) -> Result<HashMap<String, (u64, u64)>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT coalesce(p.path, ?2), count(s.id), coalesce(sum(s.bytes), 0)
             FROM sessions s LEFT JOIN projects p ON p.id = s.project_id WHERE s.agent = ?1 GROUP BY 1",
        )?;
        let rows = q.query_map([agent, NO_PROJECT], |r| {
            Ok((r.get(0)?, (r.get::<_, i64>(1)? as u64, r.get::<_, i64>(2)? as u64)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns all projects, and a row [`NO_PROJECT`] at the end if there are sessions without a project. What people choose
    /// from includes these sessions, because they can be shared too.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn projects_to_choose(&self) -> Result<Vec<ProjectRow>, StoreError> {
        let mut projects = self.projects()?;
        let sql = "SELECT group_concat(DISTINCT agent ORDER BY agent), count(id), coalesce(sum(bytes), 0)
             FROM sessions WHERE project_id IS NULL HAVING count(id) > 0";
        let without: Vec<ProjectRow> = self.rows(sql, [], |r| {
            let agents: String = r.get(0)?;
            Ok(ProjectRow {
                name: NO_PROJECT.to_owned(),
                path: NO_PROJECT.to_owned(),
                agents: agents.split(',').map(str::to_owned).collect(),
                sessions: r.get::<_, i64>(1)? as u64,
                bytes: r.get::<_, i64>(2)? as u64,
                ..ProjectRow::default()
            })
        })?;
        projects.extend(without);
        Ok(projects)
    }

    /// Returns the paths of the log files whose sessions have no working directory.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn files_without_project(&self) -> Result<HashSet<String>, StoreError> {
        let sql = "SELECT DISTINCT f.path FROM sessions s JOIN files f ON f.id = s.file_id
             WHERE s.project_id IS NULL AND NOT f.gone";
        self.rows(sql, [], |r| r.get(0))
    }

    /// Returns all working directories and the paths of their projects.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn known_directories(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT path FROM directories UNION SELECT path FROM projects ORDER BY path";
        let mut q = self.conn.prepare_cached(sql)?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Returns the project of each known directory.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn project_paths(&self) -> Result<ProjectPaths, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT d.path, p.path FROM directories d JOIN projects p ON p.id = d.project_id",
        )?;
        let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(ProjectPaths { by_directory: rows.collect::<Result<_, _>>()? })
    }

    /// Returns the directories of which no scan has found yet that they are worktrees, or paths to other directories.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn unlinked_directories(&self) -> Result<Vec<String>, StoreError> {
        let mut q =
            self.conn.prepare_cached("SELECT path FROM directories WHERE NOT checked ORDER BY path")?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Stores where directories belong, and moves their sessions there. Worktrees of which only the repository's name is
    /// known move to the only repository of this name.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails; then nothing is moved.
    pub fn link_directories(&mut self, linked: &[LinkedDirectory]) -> Result<(), StoreError> {
        let tx = self.begin()?;
        for directory in linked {
            tx.execute("UPDATE directories SET checked = 1 WHERE path = ?1", [&directory.path])?;
            move_to_project_of(&tx, &directory.path, &directory.target)?;
        }
        merge_named(&tx)?;
        tx.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::checkouts::{MAX_COMPONENT_CHARS, upsert};
    use crate::trace::Session;

    fn name_of(archive: &Archive, id: i64) -> String {
        archive.conn.query_row("SELECT name FROM projects WHERE id = ?1", [id], |r| r.get(0)).unwrap()
    }

    #[test]
    fn worktrees_are_directories_of_their_repository() {
        let archive = Archive::in_memory().unwrap();
        let id = |path: &str| upsert(&archive.conn, path).unwrap();
        let shop = id("/home/ada/src/shop/.claude/worktrees/calm-heron");
        for same in ["/home/ada/src/shop", "/home/ada/src/shop/", "/home/ada/src/shop.worktrees/feat/menu"] {
            assert_eq!(id(same), shop, "{same}");
        }
        assert_eq!(id("/home/ada/.codex/worktrees/44be/shop"), shop, "the only repository of this name");
        assert_eq!(id(r"c:\work\api\"), id(r"C:\work\api"));
        let kettle = id("/home/ada/.codex/worktrees/44be/kettle");
        assert_eq!(id("/home/ada/.codex/worktrees/9c1d/kettle"), kettle);
        assert_eq!((name_of(&archive, shop), name_of(&archive, kettle)), ("shop".into(), "kettle".into()));
        id("/srv/shop");
        let unclear = id("/home/ada/.codex/worktrees/0a0b/shop");
        assert!(unclear != shop, "two repositories have this name");
        let paths = archive.project_paths().unwrap();
        assert_eq!(paths.project_of("/home/ada/.codex/worktrees/44be/shop/"), "/home/ada/src/shop");
        assert_eq!(paths.project_of("/new/app/.worktrees/x"), "/new/app");
        assert_eq!(paths.project_of("/home/ada/.codex/worktrees/1111/new"), "new");
    }

    #[test]
    fn a_checked_worktree_moves_to_its_repository_with_its_sessions() {
        let mut archive = Archive::in_memory().unwrap();
        archive
            .conn
            .execute_batch(
                "INSERT INTO files(id, path, agent, inode, size, mtime_ns, reader) VALUES(1, '/a', 'claude', 0, 1, 1, 1)",
            )
            .unwrap();
        for (n, directory) in
            ["/x/wild", "/x/wild-2", "/home/ada/.codex/worktrees/44be/tea", "/src/tea"].iter().enumerate()
        {
            let session = Session {
                project: Some((*directory).to_owned()),
                ..Session::empty("claude", &format!("s{n}"))
            };
            let prepared = crate::store::Prepared::of(session, crate::store::Description::default()).unwrap();
            let state = crate::store::FileState { inode: 0, size: 1, mtime_ns: 1, reader: 1 };
            let now = crate::trace::Timestamp(1);
            let sessions = &[prepared];
            let (path, agent, state) = ("/a", "claude", &state);
            let file = crate::store::FileResult {
                path,
                agent,
                state,
                sessions,
                facts: &[],
                usage: &[],
                plan_windows: &[],
                lost_records: 0,
                now,
            };
            archive.put(&[file], &|_| crate::store::Description::default()).unwrap();
        }
        assert_eq!(archive.unlinked_directories().unwrap().len(), 4);
        let linked = ["/x/wild", "/x/wild-2"]
            .map(|path| LinkedDirectory { path: path.to_owned(), target: "/src/tea/".to_owned() });
        archive.link_directories(&linked).unwrap();
        let projects = archive.projects().unwrap();
        assert_eq!(projects.len(), 1, "{projects:?}");
        assert_eq!((projects[0].name.as_str(), projects[0].sessions), ("tea", 4));
        assert_eq!(archive.unlinked_directories().unwrap().len(), 2, "what is linked stays linked");
    }

    #[test]
    fn names_are_short_and_unique() {
        let archive = Archive::in_memory().unwrap();
        let name = |path: &str| -> String {
            let id = upsert(&archive.conn, path).unwrap();
            assert_eq!(upsert(&archive.conn, path).unwrap(), id);
            archive.conn.query_row("SELECT name FROM projects WHERE id = ?1", [id], |r| r.get(0)).unwrap()
        };
        assert_eq!(name("/home/ada/app"), "app");
        assert_eq!(name("/home/ada/work/app"), "work/app");
        assert_eq!(name("/srv/work/app"), "srv/work/app");
        assert_eq!(name("/"), "root");
        assert_eq!(name(r"C:\Users\ada\app"), "ada/app");
    }

    #[test]
    fn different_spellings_of_a_directory_are_one_project() {
        let archive = Archive::in_memory().unwrap();
        let id = |path: &str| upsert(&archive.conn, path).unwrap();
        let name = |path: &str| -> String {
            let id = upsert(&archive.conn, path).unwrap();
            archive.conn.query_row("SELECT name FROM projects WHERE id = ?1", [id], |r| r.get(0)).unwrap()
        };
        for same in ["/home/ada/app/", "//home/ada//app", "/home/ada/./app", "/home/ada/notes/../app"] {
            assert_eq!(id(same), id("/home/ada/app"), "{same}");
        }
        assert_eq!(id("/x/cafe\u{301}"), id("/x/caf\u{e9}"));
        assert_eq!(id(r"C:\work\api\"), id(r"C:\work\api"));
        assert_eq!((name(r"C:\work\api"), name(r"C:\")), ("api".into(), "C:".into()));
        assert_eq!(id("//"), id("/"));
        assert_eq!(name("/home/ada/my app "), "my app");
        assert_eq!(name("/home/ada/my app"), "ada/my app");
        assert_eq!(name("/home/ada/データ 分析"), "データ 分析");
        assert_eq!(name("/x/caf\u{e9}"), "caf\u{e9}");
        assert_eq!(name("/y/cafe\u{301}"), "y/caf\u{e9}", "names that look the same must differ");
        assert_eq!(name(r"/srv/a\b"), r"a\b", "a backslash is part of the name here");
        assert_eq!(name("/a\n/b\u{1b}c"), "bc");
        assert_eq!(name(r"\\server\share\team"), "team");
        let long = name(&format!("/{}", "é".repeat(300)));
        assert_eq!(long.chars().count(), MAX_COMPONENT_CHARS);
        for odd in ["", " ", "///", r"\", "é:", ".", "..", "C:", "a:/"] {
            assert!(!name(odd).is_empty(), "{odd:?}");
            assert_eq!(id(odd), id(odd));
        }
        let (all, unique): (i64, i64) = archive
            .conn
            .query_row("SELECT count(*), count(DISTINCT name) FROM projects", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .unwrap();
        assert_eq!(all, unique);
    }
}
