//! Projects: working directories with a short name that no other project has.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::{Archive, StoreError};

/// A project with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// [`StoreError`] where SQLite refuses.
    pub fn projects(&self, excluded: &dyn Fn(&str, &str) -> bool) -> Result<Vec<ProjectRow>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT p.name, p.path, group_concat(DISTINCT s.agent), count(s.id), coalesce(sum(s.bytes), 0)
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

    /// Every working directory that is known.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn project_paths(&self) -> Result<Vec<String>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT path FROM projects ORDER BY path")?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }
}

/// The id of the project at `path`, making it with a free name where it is new.
pub(super) fn upsert(conn: &Connection, path: &str) -> Result<i64, rusqlite::Error> {
    let known: Option<i64> = conn
        .prepare_cached("SELECT id FROM projects WHERE path = ?1")?
        .query_row([path], |r| r.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|p| !p.is_empty()).collect();
    // The last component; on a clash one more component at a time, then a number.
    let by_length = (1..=parts.len().max(1)).map(|n| match parts.len().checked_sub(n) {
        Some(from) => parts[from..].join("/"),
        None => "root".to_owned(),
    });
    let numbered = (2..).map(|n| format!("{} ({n})", parts.last().unwrap_or(&"root")));
    for name in by_length.chain(numbered) {
        let mut q =
            conn.prepare_cached("INSERT OR IGNORE INTO projects(path, name) VALUES(?1, ?2) RETURNING id")?;
        if let Some(id) = q.query_row(params![path, name], |r| r.get(0)).optional()? {
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
}
