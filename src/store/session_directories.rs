//! The directories in which a session worked after it began in another one.
//!
//! They are only added to: what was typed in a directory stays in the session, even if a later reading of the log names fewer
//! directories. Those of one session are at most [`MAX_DIRECTORIES`]; [`MORE_DIRECTORIES`] is the placeholder for the others.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use crate::trace::{MAX_DIRECTORIES, MORE_DIRECTORIES, Session, SessionKey, normal_directory};

use super::{Archive, StoreError};

/// Stores the directories of a session.
pub(super) fn put(conn: &Connection, session: &Session) -> Result<(), StoreError> {
    if session.other_directories.is_empty() {
        return Ok(());
    }
    let mut insert =
        conn.prepare_cached("INSERT OR IGNORE INTO session_directories(key, path) VALUES(?1, ?2)")?;
    let mut stored = conn.prepare_cached("SELECT path FROM session_directories WHERE key = ?1")?;
    let mut kept: BTreeSet<String> =
        stored.query_map([session.key.as_str()], |r| r.get(0))?.collect::<Result<_, _>>()?;
    let is_project = |directory: &&String| session.project.as_ref() == Some(*directory);
    for directory in session.other_directories.iter().filter(|directory| !is_project(directory)) {
        let directory = normal_directory(directory);
        if kept.contains(&directory) {
            continue;
        }
        let directory = if kept.len() < MAX_DIRECTORIES { directory } else { MORE_DIRECTORIES.to_owned() };
        insert.execute(params![session.key.as_str(), directory])?;
        kept.insert(directory);
    }
    Ok(())
}

impl Archive {
    /// Returns each session that worked in a directory other than its project's, with these directories in their normal
    /// spelling.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn session_directories(&self) -> Result<Vec<(SessionKey, String)>, StoreError> {
        let sql = "SELECT key, path FROM session_directories ORDER BY key, path";
        self.rows(sql, [], |r| Ok((SessionKey(r.get(0)?), r.get(1)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_a_bounded_number_of_directories_and_says_that_there_are_more() {
        let archive = Archive::in_memory().unwrap();
        let mut session = Session::empty("claude", "s");
        session.work_in(Some("/w/app"));
        for n in 0..MAX_DIRECTORIES {
            session.work_in(Some(&format!("/w/{n}")));
        }
        put(&archive.conn, &session).unwrap();
        let paths = || -> Vec<String> {
            archive.session_directories().unwrap().into_iter().map(|(_, path)| path).collect()
        };
        assert!(paths().len() == MAX_DIRECTORIES && !paths().contains(&MORE_DIRECTORIES.to_owned()));
        // More in the same reading of the log, and in a later one.
        session.visit(Some("/x"));
        session.visit(Some(&"/long".repeat(1000)));
        assert_eq!(session.other_directories.len(), MAX_DIRECTORIES + 1);
        session.other_directories.retain(|d| d == MORE_DIRECTORIES);
        session.other_directories.extend((0..2 * MAX_DIRECTORIES).map(|n| format!("/later/{n}")));
        put(&archive.conn, &session).unwrap();
        put(&archive.conn, &session).unwrap();
        assert_eq!(paths().len(), MAX_DIRECTORIES + 1);
        assert!(paths().contains(&MORE_DIRECTORIES.to_owned()) && paths().contains(&"/w/7".to_owned()));
    }

    #[test]
    fn directories_are_added_and_kept() {
        let archive = Archive::in_memory().unwrap();
        let mut session = Session::empty("claude", "s");
        session.work_in(Some("/w/app"));
        session.work_in(Some("/w/app"));
        put(&archive.conn, &session).unwrap();
        assert_eq!(archive.session_directories().unwrap(), []);
        session.work_in(Some("/w/client/"));
        put(&archive.conn, &session).unwrap();
        session.other_directories = ["/w/client".to_owned(), "/w/z".to_owned()].into();
        put(&archive.conn, &session).unwrap();
        let found = archive.session_directories().unwrap();
        let paths: Vec<&str> = found.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(paths, ["/w/client", "/w/z"]);
    }
}
