//! Finds the project of a directory, and creates it.
//!
//! The path of a directory tells its repository in most cases (see [`checkout`]). A worktree in a directory of the agent
//! tells only the repository's name, which decides if exactly one repository has it.

use rusqlite::{Connection, OptionalExtension, params};
use unicode_normalization::UnicodeNormalization;

use crate::sources::{Checkout, checkout, other_repository};
use crate::trace::{is_windows_path, normal_directory, trim_separators};

use super::StoreError;

/// Maximum length of a component of a name, in characters. No file system has longer ones. Tables shorten names as they need.
pub(super) const MAX_COMPONENT_CHARS: usize = 255;

/// Assigns a directory to the project of another directory, which it is a worktree of or another path to.
pub(super) fn move_to_project_of(
    conn: &Connection,
    directory: &str,
    target: &str,
) -> Result<(), rusqlite::Error> {
    let project = project_of(conn, target)?;
    let old: Option<(i64, String)> = conn
        .prepare_cached(
            "SELECT p.id, p.name FROM directories d JOIN projects p ON p.id = d.project_id WHERE d.path = ?1",
        )?
        .query_row([directory], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let Some((old, short)) = old.filter(|(old, _)| *old != project) else { return Ok(()) };
    move_directory(conn, directory, project)?;
    take_name(conn, project, old, &short)
}

/// Assigns a directory, its sessions and no others to a project.
fn move_directory(conn: &Connection, directory: &str, project: i64) -> Result<(), rusqlite::Error> {
    conn.execute("UPDATE directories SET project_id = ?2 WHERE path = ?1", params![directory, project])?;
    conn.execute("UPDATE sessions SET project_id = ?2 WHERE directory = ?1", params![directory, project])?;
    remove_unused(conn)
}

/// Removes the projects that have no directory and no session.
fn remove_unused(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.execute(
        "DELETE FROM projects WHERE id NOT IN (SELECT project_id FROM directories)
           AND id NOT IN (SELECT project_id FROM sessions WHERE project_id IS NOT NULL)",
        [],
    )?;
    Ok(())
}

/// Moves worktrees of which only the repository's name is known to the only repository of this name.
pub(super) fn merge_named(conn: &Connection) -> Result<(), rusqlite::Error> {
    let mut q = conn.prepare_cached(
        "SELECT d.path, p.id, p.name FROM directories d JOIN projects p ON p.id = d.project_id
         WHERE p.repository IS NOT NULL",
    )?;
    let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let named: Vec<(String, i64, String)> = rows.collect::<Result<_, _>>()?;
    for (directory, old, short) in named {
        let normal = normal_directory(&directory);
        let Checkout::Named(names) = checkout(&normal) else { continue };
        for name in names {
            if let Some(project) = only_repository_named(conn, name)? {
                move_directory(conn, &directory, project)?;
                take_name(conn, project, old, &short)?;
                break;
            }
        }
    }
    merge_below_homes(conn)
}

/// Moves worktrees to the only repository of their name if what seemed to be their repository is a directory in which no
/// session began, such as a home directory in an unusual place.
fn merge_below_homes(conn: &Connection) -> Result<(), rusqlite::Error> {
    let mut q = conn.prepare_cached(
        "SELECT d.path, p.id, p.name FROM directories d JOIN projects p ON p.id = d.project_id
         WHERE p.repository IS NULL AND d.path LIKE '%worktrees%'
           AND NOT EXISTS (SELECT 1 FROM directories own WHERE own.path = p.path)",
    )?;
    let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let below: Vec<(String, i64, String)> = rows.collect::<Result<_, _>>()?;
    for (directory, old, short) in below {
        let normal = normal_directory(&directory);
        if let Some(name) = other_repository(&normal)
            && let Some(project) = only_repository_named(conn, name)?.filter(|project| *project != old)
        {
            move_directory(conn, &directory, project)?;
            take_name(conn, project, old, &short)?;
        }
    }
    Ok(())
}

/// Gives a repository the short name that its worktrees had, once their project is gone. Most often the repository is new,
/// so that nobody knows its longer name yet.
fn take_name(conn: &Connection, project: i64, old: i64, short: &str) -> Result<(), rusqlite::Error> {
    conn.execute(
        "UPDATE OR IGNORE projects SET name = ?3 WHERE id = ?1 AND substr(name, -length(?3) - 1) = '/' || ?3
           AND NOT EXISTS (SELECT 1 FROM projects WHERE id = ?2)",
        params![project, old, short],
    )?;
    Ok(())
}

/// Returns the project whose path ends with this component, if there is exactly one.
fn only_repository_named(conn: &Connection, name: &str) -> Result<Option<i64>, rusqlite::Error> {
    let mut q = conn.prepare_cached(
        "SELECT id FROM projects WHERE repository IS NULL AND substr(path, -length(?1) - 1) IN ('/' || ?1, '\\' || ?1)
         LIMIT 2",
    )?;
    let found: Vec<i64> = q.query_map([name], |r| r.get(0))?.collect::<Result<_, _>>()?;
    Ok(match found[..] {
        [only] => Some(only),
        _ => None,
    })
}

/// Returns the components of a path for display: in Unicode form NFC, trimmed, without control characters, at most
/// [`MAX_COMPONENT_CHARS`] long.
fn components(path: &str) -> Vec<String> {
    let windows = is_windows_path(path);
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

/// Returns the project of a directory as a log records it. Stores the directory, and the project if it is new.
pub(super) fn upsert(conn: &Connection, recorded: &str) -> Result<i64, rusqlite::Error> {
    let directory = trim_separators(recorded);
    let known: Option<i64> = conn
        .prepare_cached("SELECT project_id FROM directories WHERE path = ?1")?
        .query_row([directory], |r| r.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = project_of(conn, directory)?;
    conn.prepare_cached("INSERT INTO directories(path, project_id) VALUES(?1, ?2)")?
        .execute(params![directory, id])?;
    Ok(id)
}

/// Returns the project of a directory as its path tells, without regard to what is stored about the directory.
pub(super) fn project_of(conn: &Connection, directory: &str) -> Result<i64, rusqlite::Error> {
    let directory = normal_directory(directory);
    match checkout(&directory) {
        Checkout::At(repository) => project_at(conn, repository),
        Checkout::Named(names) => project_named(conn, &directory, &names),
    }
}

/// Returns the project at a path. Creates it with an unused name if it is new. The name of a project never changes, because
/// people exclude projects by name.
fn project_at(conn: &Connection, path: &str) -> Result<i64, rusqlite::Error> {
    let known: Option<i64> = conn
        .prepare_cached("SELECT id FROM projects WHERE path = ?1")?
        .query_row([path], |r| r.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    create(conn, path, None, &names_of(path))
}

/// Returns the names that the project at a path may have. The first choice is the last component; if another project has this
/// name, parents are added one by one.
fn names_of(path: &str) -> Vec<String> {
    let parts = components(path);
    let name = |n: usize| match parts.len().checked_sub(n) {
        Some(from) => parts[from..].join("/"),
        None => "root".to_owned(),
    };
    (1..=parts.len().max(1)).map(name).collect()
}

/// Returns the project of a worktree that tells only the name of its repository.
fn project_named(conn: &Connection, directory: &str, names: &[&str]) -> Result<i64, rusqlite::Error> {
    for name in names {
        if let Some(id) = only_repository_named(conn, name)? {
            return Ok(id);
        }
    }
    let name = names.first().copied().unwrap_or_default();
    let known: Option<i64> = conn
        .prepare_cached("SELECT id FROM projects WHERE repository = ?1")?
        .query_row([name], |r| r.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => create(conn, directory, Some(name), &[components(name).join("/")]),
    }
}

/// Creates a project under the first name that is not used, or else under the first name and a number.
fn create(
    conn: &Connection,
    path: &str,
    repository: Option<&str>,
    names: &[String],
) -> Result<i64, rusqlite::Error> {
    let last = names.first().map_or("root", String::as_str);
    let numbered = (2..).map(|n| format!("{last} ({n})"));
    for name in names.iter().cloned().chain(numbered) {
        let mut q = conn.prepare_cached(
            "INSERT OR IGNORE INTO projects(path, name, repository) VALUES(?1, ?2, ?3) RETURNING id",
        )?;
        if let Some(id) = q.query_row(params![path, name, repository], |r| r.get(0)).optional()? {
            return Ok(id);
        }
    }
    Err(rusqlite::Error::QueryReturnedNoRows)
}

/// Assigns the directories of an archive in which each directory was a project of its own.
pub(super) fn assign_directories(conn: &Connection) -> Result<(), StoreError> {
    let mut q = conn.prepare("SELECT id, path FROM projects ORDER BY id")?;
    let old: Vec<(i64, String)> =
        q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    // The first project at the path of a repository stays what it is, under its name.
    for (id, recorded) in &old {
        let directory = trim_separators(recorded);
        let path = normal_directory(directory);
        let is_repository = checkout(directory) == Checkout::At(directory);
        let mut taken = conn.prepare_cached("SELECT id FROM projects WHERE path = ?1 AND id <> ?2")?;
        if is_repository && !taken.exists(params![path, id])? {
            conn.execute("UPDATE projects SET path = ?2 WHERE id = ?1", params![id, path])?;
        } else {
            let sql = "UPDATE projects SET path = 'old:' || id, name = 'old:' || id WHERE id = ?1";
            conn.execute(sql, [id])?;
        }
    }
    for (id, recorded) in &old {
        let directory = trim_separators(recorded);
        conn.execute("UPDATE sessions SET directory = ?2 WHERE project_id = ?1", params![id, directory])?;
        let project = upsert(conn, directory)?;
        conn.execute("UPDATE sessions SET project_id = ?2 WHERE project_id = ?1", params![id, project])?;
    }
    merge_named(conn)?;
    remove_unused(conn)?;
    Ok(())
}

/// Assigns the directories of an archive in which every spelling of a path was a project of its own.
pub(super) fn normalize_directories(conn: &Connection) -> Result<(), StoreError> {
    let mut q = conn.prepare("SELECT path FROM directories")?;
    let directories: Vec<String> = q.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?;
    for path in directories.iter().filter(|path| normal_directory(path) != **path) {
        move_to_project_of(conn, path, path)?;
    }
    Ok(())
}

/// Gives projects their whole names, which an earlier version cut after 39 characters. Exclusions contain the path beside the
/// name, and a name in the configuration that ends in an ellipsis means every project that begins with it.
pub(super) fn write_whole_names(conn: &Connection) -> Result<(), StoreError> {
    let mut q = conn
        .prepare("SELECT id, path FROM projects WHERE name LIKE '%…%' AND repository IS NULL ORDER BY id")?;
    let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let cut: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    for (id, path) in cut {
        for name in names_of(&path) {
            let renamed =
                conn.execute("UPDATE OR IGNORE projects SET name = ?2 WHERE id = ?1", params![id, name])?;
            if renamed > 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Reassigns worktrees that an earlier version took for those of another repository, or for a project of their own. An
/// answer that a scan found in a worktree's `.git` stays: it is not the beginning of the worktree's path.
pub(super) fn reassign_worktrees(conn: &Connection) -> Result<(), StoreError> {
    let mut q = conn.prepare(
        "SELECT d.path, p.id, p.path FROM directories d JOIN projects p ON p.id = d.project_id
         WHERE p.repository IS NULL AND substr(d.path, 1, length(p.path)) = p.path ORDER BY d.path",
    )?;
    let rows = q.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    let assigned: Vec<(String, i64, String)> = rows.collect::<Result<_, _>>()?;
    for (directory, old, old_path) in assigned {
        // While the project has the path of the worktree, no other one can be created there.
        let hide = "UPDATE projects SET path = 'old:' || id WHERE id = ?1";
        let normal = normal_directory(&directory);
        let project = match checkout(&normal) {
            Checkout::At(repository) if repository == normal || repository == old_path => continue,
            Checkout::At(repository) => project_at(conn, repository)?,
            Checkout::Named(names) => {
                conn.execute(hide, [old])?;
                project_named(conn, &normal, &names)?
            }
        };
        move_directory(conn, &directory, project)?;
        conn.execute("UPDATE OR IGNORE projects SET path = ?2 WHERE id = ?1", params![old, old_path])?;
    }
    Ok(merge_named(conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Archive;

    const WORKTREES: [&str; 2] =
        ["/home/ada/.codex/worktrees/44be/tea", "/home/ada/.codex/worktrees/9c1d/tea"];

    /// Returns the id and the name of the project of a directory.
    fn project_of(conn: &Connection, directory: &str) -> (i64, String) {
        let sql =
            "SELECT p.id, p.name FROM directories d JOIN projects p ON p.id = d.project_id WHERE d.path = ?1";
        conn.query_row(sql, [directory], |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    }

    #[test]
    fn worktrees_join_the_only_repository_of_their_name_and_give_it_the_name() {
        let archive = Archive::in_memory().unwrap();
        let conn = &archive.conn;
        let named = WORKTREES.map(|directory| upsert(conn, directory).unwrap());
        merge_named(conn).unwrap();
        assert_eq!(project_of(conn, WORKTREES[0]), (named[0], "tea".into()), "no repository is known");
        let repository = upsert(conn, "/src/tea").unwrap();
        assert_eq!(project_of(conn, "/src/tea"), (repository, "src/tea".into()), "the name is in use");
        merge_named(conn).unwrap();
        for directory in [WORKTREES[0], WORKTREES[1], "/src/tea"] {
            assert_eq!(project_of(conn, directory), (repository, "tea".into()), "{directory}");
        }
    }

    #[test]
    fn worktrees_below_a_home_directory_of_any_shape_join_the_only_repository_of_their_name() {
        let archive = Archive::in_memory().unwrap();
        let conn = &archive.conn;
        let tea = upsert(conn, "/src/tea").unwrap();
        let shop = upsert(conn, "/src/shop").unwrap();
        for below in [
            "/srv/dept/u/.claude-worktrees/tea/fix",
            "/tmp/x/home/.claude/worktrees/tea/fix",
            "/h/d/u/.worktrees/tea/x",
        ] {
            upsert(conn, below).unwrap();
            merge_named(conn).unwrap();
            assert_eq!(project_of(conn, below).0, tea, "{below}");
        }
        // A session began in the repository, so it is not a home directory.
        let of_shop = "/src/shop/.claude/worktrees/tea/src";
        upsert(conn, of_shop).unwrap();
        let unknown = "/srv/dept/u/.claude-worktrees/coffee/fix";
        let home = upsert(conn, unknown).unwrap();
        merge_named(conn).unwrap();
        assert_eq!(project_of(conn, of_shop).0, shop);
        assert_eq!(project_of(conn, unknown).0, home);
    }

    #[test]
    fn worktrees_stay_apart_if_several_repositories_have_their_name() {
        let archive = Archive::in_memory().unwrap();
        let conn = &archive.conn;
        let named = WORKTREES.map(|directory| upsert(conn, directory).unwrap());
        for repository in ["/src/tea", "/srv/tea"] {
            upsert(conn, repository).unwrap();
        }
        merge_named(conn).unwrap();
        assert_eq!(project_of(conn, WORKTREES[0]), (named[0], "tea".into()));
        assert_eq!(project_of(conn, WORKTREES[1]), (named[1], "tea".into()));
    }

    #[test]
    fn a_repository_takes_a_short_name_only_if_it_ends_its_own_and_is_free() {
        let archive = Archive::in_memory().unwrap();
        let conn = &archive.conn;
        let first = upsert(conn, "/a/tea").unwrap();
        let second = upsert(conn, "/b/tea").unwrap();
        let gone = second + 1;
        let name = || project_of(conn, "/b/tea").1;
        take_name(conn, second, gone, "tea").unwrap();
        assert_eq!(name(), "b/tea", "another project has the name");
        move_directory(conn, "/a/tea", second).unwrap();
        take_name(conn, second, gone, "ea").unwrap();
        assert_eq!(name(), "b/tea", "not a whole component");
        take_name(conn, second, second, "tea").unwrap();
        assert_eq!(name(), "b/tea", "the worktrees still have their project");
        take_name(conn, second, first, "tea").unwrap();
        assert_eq!(name(), "tea");
    }

    #[test]
    fn projects_of_an_earlier_version_get_their_whole_names() {
        let archive = Archive::in_memory().unwrap();
        let conn = &archive.conn;
        let long = |end: &str| format!("{}-{end}", "customer-portal".repeat(3));
        for (end, cut) in [
            ("north", "customer-portalcustomer-portalcustomer-…"),
            ("south", "src/customer-portalcustomer-portalcustomer-…"),
        ] {
            let id = upsert(conn, &format!("/src/{}", long(end))).unwrap();
            conn.execute("UPDATE projects SET name = ?2 WHERE id = ?1", params![id, cut]).unwrap();
        }
        upsert(conn, "/src/other").unwrap();
        write_whole_names(conn).unwrap();
        for end in ["north", "south"] {
            assert_eq!(project_of(conn, &format!("/src/{}", long(end))).1, long(end));
        }
        assert_eq!(project_of(conn, "/src/other").1, "other");
    }
}
