//! The directories in which a session worked after it began in another one.
//!
//! They are only added to: what was typed in a directory stays in the session, even if a later reading of the log names fewer
//! directories.

use rusqlite::{Connection, params};

use crate::trace::{Session, SessionKey, normal_directory};

use super::{Archive, StoreError};

/// Stores the directories of a session.
pub(super) fn put(conn: &Connection, session: &Session) -> Result<(), StoreError> {
    if session.other_directories.is_empty() {
        return Ok(());
    }
    let mut insert =
        conn.prepare_cached("INSERT OR IGNORE INTO session_directories(key, path) VALUES(?1, ?2)")?;
    let is_project = |directory: &&String| session.project.as_ref() == Some(*directory);
    for directory in session.other_directories.iter().filter(|directory| !is_project(directory)) {
        insert.execute(params![session.key.as_str(), normal_directory(directory)])?;
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
