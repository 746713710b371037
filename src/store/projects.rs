//! Projects: working directories with a short name that no other project has.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};
use schemars::JsonSchema;
use serde::Serialize;

use unicode_normalization::UnicodeNormalization;

use super::{Archive, StoreError};

/// A component of a display name is cut after so many characters.
const LONGEST: usize = 40;

/// A project with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProjectRow {
    /// Short display name, unique in the archive.
    pub name: String,
    /// Working directory, as recorded.
    pub path: String,
    /// Agents that worked in it.
    pub agent: String,
    /// Number of sessions.
    pub sessions: u64,
    /// Size of their normal forms in bytes.
    pub bytes: u64,
    /// Whether the configuration excludes it.
    pub excluded: bool,
}

impl Archive {
    /// All projects, the one with the newest session first. `excluded` judges by (name, path).
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
                agent: r.get(2)?,
                sessions: r.get::<_, i64>(3)? as u64,
                bytes: r.get::<_, i64>(4)? as u64,
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Files of sessions whose working directory is not known, by path.
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

    /// Every working directory that is known.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn project_paths(&self) -> Result<Vec<String>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT path FROM projects ORDER BY path")?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

/// A path as projects are known by: without separators at its end.
fn trimmed(path: &str) -> &str {
    let separators: &[char] = if is_windows(path) { &['/', '\\'] } else { &['/'] };
    let bare = path.trim_end_matches(separators);
    match bare.is_empty() || bare.ends_with(':') {
        // A root keeps its separator.
        true => path.get(..bare.len() + 1).unwrap_or(path),
        false => bare,
    }
}

/// Whether a path is one of Windows: `C:\…`, `\\server\…`, or without any slash. Elsewhere a backslash is a letter.
fn is_windows(path: &str) -> bool {
    let drive = path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(':');
    drive || path.starts_with("\\\\") || !path.contains('/')
}

/// The components of a path as they are shown: one form of each accented letter, no blanks at the ends, not long.
fn components(path: &str) -> Vec<String> {
    let windows = is_windows(path);
    path.split(|c| c == '/' || windows && c == '\\')
        .map(|part| {
            let part: String = part.trim().nfc().filter(|c| !c.is_control()).collect();
            match part.chars().count() > LONGEST {
                true => part.chars().take(LONGEST - 1).chain(['…']).collect(),
                false => part,
            }
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// The id of the project at `path`, making it with a free name where it is new. A name that was given stays: people
/// exclude projects by it.
pub(super) fn upsert(conn: &Connection, path: &str) -> Result<i64, rusqlite::Error> {
    let bare = trimmed(path);
    // An older clawgate kept the separator.
    for known in [bare, path] {
        let known: Option<i64> = conn
            .prepare_cached("SELECT id FROM projects WHERE path = ?1")?
            .query_row([known], |r| r.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
    }
    let parts = components(bare);
    let last = parts.last().map_or("root", String::as_str);
    // The last component; on a clash one more component at a time, then a number.
    let by_length = (1..=parts.len().max(1)).map(|n| match parts.len().checked_sub(n) {
        Some(from) => parts[from..].join("/"),
        None => "root".to_owned(),
    });
    let numbered = (2..).map(|n| format!("{last} ({n})"));
    for name in by_length.chain(numbered) {
        let mut q =
            conn.prepare_cached("INSERT OR IGNORE INTO projects(path, name) VALUES(?1, ?2) RETURNING id")?;
        if let Some(id) = q.query_row(params![bare, name], |r| r.get(0)).optional()? {
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
    fn one_directory_is_one_project_however_it_is_written() {
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
        assert_eq!(name("/y/cafe\u{301}"), "y/caf\u{e9}", "what looks the same is not the same name");
        assert_eq!(name(r"/srv/a\b"), r"a\b", "a backslash is a letter here");
        assert_eq!(name("/a\n/b\u{1b}c"), "bc");
        assert_eq!(name(r"\\server\share\team"), "team");
        let long = name(&format!("/{}", "é".repeat(300)));
        assert_eq!(long.chars().count(), LONGEST);
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
