//! Append-only migrations. `PRAGMA user_version` is the number of those that were applied.

use rusqlite::Connection;

use super::ledger::migrate;
use super::{StoreError, checkouts};

/// A migration: its SQL, and code for what SQL cannot do.
struct Migration {
    sql: &'static str,
    then: Option<Then>,
}

type Then = fn(&Connection) -> Result<(), StoreError>;

const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("migrations/0001_archive.sql"), then: None },
    Migration { sql: include_str!("migrations/0002_releases.sql"), then: None },
    Migration {
        sql: include_str!("migrations/0003_ledger.sql"),
        then: Some(migrate::pack_rows_of_first_schema),
    },
    Migration { sql: include_str!("migrations/0004_forgotten.sql"), then: None },
    Migration { sql: include_str!("migrations/0005_alerts.sql"), then: None },
    Migration { sql: include_str!("migrations/0006_review.sql"), then: None },
    Migration { sql: include_str!("migrations/0007_spans.sql"), then: Some(migrate::add_time_spans) },
    Migration { sql: include_str!("migrations/0008_spent.sql"), then: None },
    Migration { sql: include_str!("migrations/0009_drop_spent.sql"), then: None },
    Migration { sql: include_str!("migrations/0010_lost_records.sql"), then: None },
    Migration { sql: include_str!("migrations/0011_plan_windows.sql"), then: None },
    Migration {
        sql: include_str!("migrations/0012_checkouts.sql"),
        then: Some(checkouts::assign_directories),
    },
    Migration {
        sql: include_str!("migrations/0013_look_again.sql"),
        then: Some(checkouts::normalize_directories),
    },
    Migration { sql: "", then: Some(checkouts::reassign_worktrees) },
    Migration { sql: include_str!("migrations/0015_scores.sql"), then: None },
    Migration { sql: include_str!("migrations/0016_session_parts.sql"), then: None },
    Migration { sql: include_str!("migrations/0017_rollup.sql"), then: None },
    Migration {
        sql: include_str!("migrations/0018_parts_without_badges.sql"),
        // More paths of worktrees are known.
        then: Some(checkouts::reassign_worktrees),
    },
    Migration {
        sql: include_str!("migrations/0019_session_directories.sql"),
        // More spellings of Windows paths are one.
        then: Some(checkouts::normalize_directories),
    },
    Migration { sql: "", then: Some(checkouts::write_whole_names) },
];

impl Migration {
    fn run(&self, conn: &Connection) -> Result<(), StoreError> {
        conn.execute_batch(self.sql)?;
        self.then.map_or(Ok(()), |then| then(conn))
    }
}

/// Applies the missing migrations, each in its own transaction.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    if version(conn)? == known {
        return Ok(());
    }
    for _ in 0..=MIGRATIONS.len() {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found = version(&tx)?;
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
        let Some(next) = usize::try_from(found).ok().and_then(|n| MIGRATIONS.get(n)) else { return Ok(()) };
        next.run(&tx)?;
        tx.pragma_update(None, "user_version", found + 1)?;
        tx.commit()?;
    }
    Ok(())
}

fn version(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_version_reaches_the_newest_schema() {
        let schema = |c: &Connection| -> Vec<String> {
            let mut q =
                c.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
            q.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let mut fresh = Connection::open_in_memory().unwrap();
        migrate(&mut fresh).unwrap();
        for from in 0..MIGRATIONS.len() {
            let mut old = Connection::open_in_memory().unwrap();
            for step in &MIGRATIONS[..from] {
                step.run(&old).unwrap();
            }
            old.pragma_update(None, "user_version", from as i64).unwrap();
            migrate(&mut old).unwrap();
            assert_eq!(schema(&old), schema(&fresh), "from {from}");
            assert_eq!(version(&old).unwrap(), MIGRATIONS.len() as i64);
        }
    }

    #[test]
    fn requests_of_the_first_ledger_format_stay_counted() {
        let mut conn = Connection::open_in_memory().unwrap();
        MIGRATIONS[..2].iter().for_each(|step| step.run(&conn).unwrap());
        conn.pragma_update(None, "user_version", 2).unwrap();
        conn.execute_batch(
            "INSERT INTO files(id, path, agent, inode, size, mtime_ns, reader) VALUES(1, '/a', 'claude', 0, 1, 1, 1);
             INSERT INTO usage(file_id, dedupe_key, session, agent, project, at, model, input, output, reasoning,
               cache_read, cache_write_5m, cache_write_1h, web_search, fast, offset, copied, confidence)
             VALUES(1, 'claude:k', 'claude:s', 'claude', '/w', 5, 'm', 1, 2, 0, 3, 4, 5, 6, 0, 7, 0, 3)",
        )
        .unwrap();
        migrate(&mut conn).unwrap();
        let archive = crate::store::Archive { conn };
        let mut rows = Vec::new();
        let mut each = |r: &crate::usage::CountedRow<'_>| {
            let request = r.request;
            rows.push((
                r.session().to_owned(),
                r.project.map(str::to_owned),
                request.tokens,
                request.confidence,
            ));
        };
        archive.for_each_request(crate::store::UsageFilter::default(), &mut each).unwrap();
        let tokens = crate::trace::Tokens {
            input: 1,
            output: 2,
            reasoning: 0,
            cache_read: 3,
            cache_write_5m: 4,
            cache_write_1h: 5,
            web_search: 6,
        };
        let lower = crate::trace::Confidence::LowerBound;
        assert_eq!(rows, [("claude:s".to_owned(), Some("/w".to_owned()), tokens, lower)]);
    }

    #[test]
    fn sessions_of_worktrees_move_to_the_repository() {
        let mut conn = Connection::open_in_memory().unwrap();
        MIGRATIONS[..9].iter().for_each(|step| step.run(&conn).unwrap());
        conn.pragma_update(None, "user_version", 9).unwrap();
        let old = [
            ("/home/ada/.codex/worktrees/44be/kettle", "kettle"),
            ("/src/tea/.claude/worktrees/calm-heron", "calm-heron"),
            ("/src/tea.worktrees/menu", "menu"),
            ("/src/tea/", "tea"),
            ("/src/kettle", "src/kettle"),
            ("c:\\work\\api", "api"),
        ];
        conn.execute("INSERT INTO files(id, path, agent, inode, size, mtime_ns, reader) VALUES(1, '/a', 'x', 0, 1, 1, 1)", [])
            .unwrap();
        for (id, (path, name)) in (1..).zip(old) {
            conn.execute("INSERT INTO projects(id, path, name) VALUES(?1, ?2, ?3)", (id, path, name))
                .unwrap();
            conn.execute(
                "INSERT INTO sessions(key, agent, project_id, user_messages, assistant_messages, tool_calls,
                   failed_tool_calls, bytes, models, badges, version, file_id, updated)
                 VALUES('x:' || ?1, 'x', ?1, 0, 0, 0, 0, 0, '[]', '[]', '', 1, 0)",
                [id],
            )
            .unwrap();
        }
        migrate(&mut conn).unwrap();
        let archive = crate::store::Archive { conn };
        let mut projects: Vec<(String, String, u64)> =
            archive.projects().unwrap().into_iter().map(|p| (p.path, p.name, p.sessions)).collect();
        projects.sort();
        let want = [("/src/kettle", "src/kettle", 2), ("/src/tea", "tea", 3), ("C:\\work\\api", "api", 1)];
        assert_eq!(projects, want.map(|(path, name, n)| (path.to_owned(), name.to_owned(), n)));
        assert_eq!(archive.project_paths().unwrap().project_of("/src/tea/"), "/src/tea");
        assert_eq!(archive.unlinked_directories().unwrap().len(), 6);
    }

    #[test]
    fn a_newer_archive_is_refused_and_not_changed() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut conn), Err(StoreError::Newer { found: 99, .. })));
        assert_eq!(version(&conn).unwrap(), 99);
    }

    #[test]
    fn worktrees_that_an_earlier_version_took_for_others_move_as_new_scans_assign_them() {
        for version in [12, 17] {
            worktrees_move(version);
        }
    }

    /// Upgrades an archive of a version that assigned some worktrees to others.
    fn worktrees_move(version: usize) {
        let mut conn = Connection::open_in_memory().unwrap();
        MIGRATIONS[..version].iter().for_each(|step| step.run(&conn).unwrap());
        conn.pragma_update(None, "user_version", version as i64).unwrap();
        conn.execute("INSERT INTO files(id, path, agent, inode, size, mtime_ns, reader) VALUES(1, '/a', 'x', 0, 1, 1, 1)", [])
            .unwrap();
        // The project of each worktree in an archive of that version.
        let old = [
            (r"D:\GIT\copilot-worktrees\kettle\calm-heron", r"D:\GIT\copilot", "copilot"),
            (
                "/home/ada/.local/share/crew/worktrees/tea/fix",
                "/home/ada/.local/share/crew/worktrees/tea/fix",
                "fix",
            ),
            ("/src/tea.worktrees/menu", "/src/tea", "tea"),
            ("/x/wild", "/x", "x"),
            (r"D:\GIT\copilot-worktrees\pot\otter", r"E:\pot", "pot"),
            ("/src/cup__worktrees/fix", "/src/cup_", "cup_"),
            ("/src/cup/.trees/fix", "/src/cup/.trees/fix", "trees/fix"),
            ("/home/ada/conductor/workspaces/cup/lima", "/home/ada/conductor/workspaces/cup/lima", "lima"),
        ];
        for (n, (directory, path, name)) in old.iter().enumerate() {
            let id = n as i64 + 1;
            conn.execute("INSERT INTO projects(id, path, name) VALUES(?1, ?2, ?3)", (id, path, name))
                .unwrap();
            conn.execute("INSERT INTO directories(path, project_id) VALUES(?1, ?2)", (directory, id))
                .unwrap();
            let sql =
                "INSERT INTO sessions(key, agent, project_id, directory, user_messages, assistant_messages, tool_calls,
                   failed_tool_calls, bytes, models, badges, version, file_id, updated)
                 VALUES('x:' || ?1, 'x', ?1, ?2, 0, 0, 0, 0, 0, '[]', '[]', '', 1, 0)";
            conn.execute(sql, (id, directory)).unwrap();
        }
        migrate(&mut conn).unwrap();
        let archive = crate::store::Archive { conn };
        let mut projects: Vec<(String, u64)> =
            archive.projects().unwrap().into_iter().map(|p| (p.name, p.sessions)).collect();
        projects.sort();
        let expected = [("cup", 3), ("kettle", 1), ("pot", 1), ("tea", 2), ("x", 1)];
        assert_eq!(
            projects,
            expected.map(|(name, n)| (name.to_owned(), n)),
            "found in `.git` or by the path"
        );
    }
}
