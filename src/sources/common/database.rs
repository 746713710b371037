//! Reads the sessions of an agent's SQLite database one after the other.

use std::path::Path;

use rusqlite::Connection;

use crate::sources::common::files::SourceError;
use crate::sources::common::read::{Read, ReadOptions};
use crate::sources::common::session_builder::SessionBuilder;
use crate::sources::common::sqlite;

/// Opens a database, lists its sessions with `records` and calls `each` for every session that `session` reads. `session` returns
/// `None` for a record that is left out. The first session carries the size of the database and what was skipped before it.
///
/// # Errors
/// [`SourceError`] if the database cannot be opened, or if a query of `records` or `session` fails. Sessions that were passed to
/// `each` before remain valid.
pub(crate) fn each_session<R>(
    file: &Path,
    opts: &ReadOptions,
    records: impl FnOnce(&Connection) -> rusqlite::Result<Vec<R>>,
    mut session: impl FnMut(&Connection, &R, &mut Read) -> rusqlite::Result<Option<SessionBuilder>>,
    each: &mut dyn FnMut(SessionBuilder, Read),
) -> Result<(), SourceError> {
    let snapshot = sqlite::open(file, opts)?;
    let fail = |e: rusqlite::Error| sqlite::error(file, &e);
    let mut next = Read { bytes_read: snapshot.bytes, ..Read::default() };
    for record in records(&snapshot.conn).map_err(fail)? {
        if let Some(builder) = session(&snapshot.conn, &record, &mut next).map_err(fail)? {
            each(builder, std::mem::take(&mut next));
        }
    }
    Ok(())
}

/// Returns a function for [`each_session`] that finishes a session before it calls `each`.
pub(crate) fn finished(each: &mut dyn FnMut(Read)) -> impl FnMut(SessionBuilder, Read) {
    move |builder, mut read| {
        builder.finish_into(&mut read);
        each(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Origin;

    #[test]
    fn the_first_session_that_is_read_carries_the_size_of_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.db");
        Connection::open(&file).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
        let size = std::fs::metadata(&file).unwrap().len();
        let opts = ReadOptions::default();
        let mut reads = Vec::new();
        let session = |_: &Connection, record: &&str, _: &mut Read| {
            let mut builder = SessionBuilder::new("x", record);
            builder.push_user(
                None,
                Origin::Human,
                None,
                vec![crate::trace::Part::Text { text: "go".to_owned() }],
            );
            Ok((*record != "skipped").then_some(builder))
        };
        let mut collect = |read| reads.push(read);
        each_session(&file, &opts, |_| Ok(vec!["skipped", "a", "b"]), session, &mut finished(&mut collect))
            .unwrap();
        let found: Vec<_> = reads.iter().map(|r: &Read| (r.sessions[0].key.as_str(), r.bytes_read)).collect();
        assert_eq!(found, [("x:a", size), ("x:b", 0)]);
        let error = each_session(
            &file,
            &opts,
            |_| Err::<Vec<&str>, _>(rusqlite::Error::InvalidQuery),
            session,
            &mut |_, _| panic!("no session"),
        );
        assert!(matches!(error, Err(SourceError::Database { .. })));
    }
}
