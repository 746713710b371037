//! Projects: working directories with a short, unique name.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use schemars::JsonSchema;
use serde::Serialize;

use unicode_normalization::UnicodeNormalization;

use super::{Archive, StoreError};

/// Maximum length of a component of a display name, in characters.
const MAX_COMPONENT_CHARS: usize = 40;

/// A project with the number and size of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProjectRow {
    /// Short display name, unique in the archive.
    pub name: String,
    /// Working directory, as recorded.
    pub path: String,
    /// Agents that worked in it.
    pub agents: Vec<String>,
    /// Number of sessions.
    pub sessions: u64,
    /// Size of their normal forms in bytes.
    pub bytes: u64,
    /// Whether the configuration excludes it.
    pub excluded: bool,
}

impl Archive {
    /// Returns all projects, the one with the newest session first. `excluded` receives name and path.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn projects(&self, excluded: &dyn Fn(&str, &str) -> bool) -> Result<Vec<ProjectRow>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT p.name, p.path, group_concat(DISTINCT s.agent ORDER BY s.agent), count(s.id), coalesce(sum(s.bytes), 0)
             FROM projects p JOIN sessions s ON s.project_id = p.id
             GROUP BY p.id ORDER BY max(coalesce(s.started, 0)) DESC, p.name",
        )?;
        let rows = q.query_map([], |r| {
            let (name, path): (String, String) = (r.get(0)?, r.get(1)?);
            Ok(ProjectRow {
                excluded: excluded(&name, &path),
                name,
                path,
                agents: r.get::<_, String>(2)?.split(',').map(str::to_owned).collect(),
                sessions: r.get::<_, i64>(3)? as u64,
                bytes: r.get::<_, i64>(4)? as u64,
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Returns the paths of the log files whose sessions have no working directory.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn files_without_project(&self) -> Result<HashSet<String>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT DISTINCT f.path FROM sessions s JOIN files f ON f.id = s.file_id
             WHERE s.project_id IS NULL AND NOT f.gone",
        )?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Returns all working directories.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn project_paths(&self) -> Result<Vec<String>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT path FROM projects ORDER BY path")?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

/// Returns a path without the separators at its end.
fn trim_separators(path: &str) -> &str {
    let separators: &[char] = if is_windows(path) { &['/', '\\'] } else { &['/'] };
    let trimmed = path.trim_end_matches(separators);
    match trimmed.is_empty() || trimmed.ends_with(':') {
        // A root keeps its separator.
        true => path.get(..trimmed.len() + 1).unwrap_or(path),
        false => trimmed,
    }
}

/// Whether a path is a Windows path: `C:\…`, `\\server\…`, or without any slash. In other paths a backslash is part of a name.
fn is_windows(path: &str) -> bool {
    let drive = path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(':');
    drive || path.starts_with("\\\\") || !path.contains('/')
}

/// Returns the components of a path for display: in Unicode form NFC, trimmed, without control characters, and shortened.
fn components(path: &str) -> Vec<String> {
    let windows = is_windows(path);
    path.split(|c| c == '/' || windows && c == '\\')
        .map(|part| {
            let part: String = part.trim().nfc().filter(|c| !c.is_control()).collect();
            match part.chars().count() > MAX_COMPONENT_CHARS {
                true => part.chars().take(MAX_COMPONENT_CHARS - 1).chain(['…']).collect(),
                false => part,
            }
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// Returns the id of the project at `path`. Creates the project with an unused name if it is new. The name of a project never
/// changes, because people exclude projects by name.
pub(super) fn upsert(conn: &Connection, path: &str) -> Result<i64, rusqlite::Error> {
    let directory = trim_separators(path);
    // Older versions stored the path with its separator.
    for known in [directory, path] {
        let known: Option<i64> = conn
            .prepare_cached("SELECT id FROM projects WHERE path = ?1")?
            .query_row([known], |r| r.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
    }
    let parts = components(directory);
    let last = parts.last().map_or("root", String::as_str);
    // The first choice is the last component. If another project has this name, parents are added one by one, then a number.
    let by_length = (1..=parts.len().max(1)).map(|n| match parts.len().checked_sub(n) {
        Some(from) => parts[from..].join("/"),
        None => "root".to_owned(),
    });
    let numbered = (2..).map(|n| format!("{last} ({n})"));
    for name in by_length.chain(numbered) {
        let mut q =
            conn.prepare_cached("INSERT OR IGNORE INTO projects(path, name) VALUES(?1, ?2) RETURNING id")?;
        if let Some(id) = q.query_row(params![directory, name], |r| r.get(0)).optional()? {
            return Ok(id);
        }
    }
    Err(rusqlite::Error::QueryReturnedNoRows)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(id("/home/ada/app/"), id("/home/ada/app"));
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
