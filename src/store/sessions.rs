//! Sessions: the compressed normal form, its versions, and the triage marks.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trace::{
    PlanWindow, Session, SessionFacts, SessionKey, Timestamp, UsageRow, Version, trim_separators, words,
};

use super::forget::ForgottenSessions;
use super::prepared::{Description, HASH_BYTES, Prepared, decompress};
use super::search;
use super::session_directories;
use super::session_parts::{self, FileRead, PartStored};
use super::{Archive, FileState, StoreError, checkouts, files, ledger, plan_windows};

/// The result of storing a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The session was not in the archive.
    New,
    /// The archive had another version of it.
    Updated,
    /// The archive had this version, or a longer copy from another file.
    Unchanged,
    /// A person had it forgotten, so it was left out.
    Forgotten,
}

/// A person's decision about sharing a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    #[default]
    New,
    /// To be triaged again later.
    Shortlisted,
    /// A person agreed that it may be shared.
    Approved,
    /// Must not be shared.
    Blocked,
}

impl Mark {
    /// Returns whether the mark decides about publication. Subagents without such a mark follow their parent.
    pub fn decides(self) -> bool {
        matches!(self, Mark::Approved | Mark::Blocked)
    }
}

/// The sessions that are approved or blocked themselves or by their nearest ancestor with such a mark, as a common table
/// expression of SQL.
pub(super) const DECIDED: &str = "WITH RECURSIVE decided(key, mark) AS (
  SELECT key, status FROM sessions WHERE status IN ('approved', 'blocked')
  UNION SELECT s.key, d.mark FROM decided d JOIN sessions s ON s.parent = d.key
    WHERE s.status NOT IN ('approved', 'blocked'))";

words!(Mark, "new, shortlisted, approved or blocked", {
    New => "new",
    Shortlisted => "shortlisted",
    Approved => "approved",
    Blocked => "blocked",
});

/// A session as lists show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionRow {
    pub id: i64,
    pub key: SessionKey,
    pub agent: String,
    /// Parent, if the session is a subagent.
    pub parent: Option<SessionKey>,
    /// The session whose history this one starts with (a fork or a resumed session).
    pub forked_from: Option<SessionKey>,
    /// Display name of the project.
    pub project: Option<String>,
    /// Working directory of the project.
    pub project_path: Option<String>,
    /// Redacted title.
    pub title: Option<String>,
    pub git_branch: Option<String>,
    /// Time of the first message.
    pub started: Option<Timestamp>,
    /// Time of the last message.
    pub ended: Option<Timestamp>,
    /// Number of human prompts.
    pub user_messages: u64,
    /// Model answers with text.
    pub assistant_messages: u64,
    pub tool_calls: u64,
    /// Tool calls that failed.
    pub failed_tool_calls: u64,
    /// Size of the normal form in bytes.
    pub bytes: u64,
    pub models: Vec<String>,
    pub badges: Vec<String>,
    pub version: Version,
    /// The session's own mark, or that of the nearest marked ancestor if the session is a subagent without a decision.
    pub status: Mark,
    /// Whether `status` is the mark of an ancestor.
    pub status_inherited: bool,
    /// Reason given with the mark.
    pub status_reason: Option<String>,
    /// Whether the session changed since it was marked.
    pub changed_since: bool,
    /// Quality score 1 to 5.
    pub score: Option<i64>,
    /// Whether the agent's log was deleted.
    pub gone: bool,
}

pub(super) const COLUMNS: &str =
    "s.id, s.key, s.agent, s.parent, p.name, p.path, s.title, s.git_branch, s.started, s.ended,
  s.user_messages, s.assistant_messages, s.tool_calls, s.failed_tool_calls, s.bytes, s.models, s.badges,
  s.version, s.status, s.status_reason, s.status_version, s.score, s.gone, s.forked_from";

pub(super) fn session_row(r: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let list = |text: String| serde_json::from_str::<Vec<String>>(&text).unwrap_or_default();
    let count = |i: usize| r.get::<_, i64>(i).map(|n| n as u64);
    let version = Version(r.get(17)?);
    let status = r.get::<_, String>(18)?.parse().unwrap_or(Mark::New);
    let marked: Option<String> = r.get(20)?;
    Ok(SessionRow {
        id: r.get(0)?,
        key: SessionKey(r.get(1)?),
        agent: r.get(2)?,
        parent: r.get::<_, Option<String>>(3)?.map(SessionKey),
        project: r.get(4)?,
        project_path: r.get(5)?,
        title: r.get(6)?,
        git_branch: r.get(7)?,
        started: r.get::<_, Option<i64>>(8)?.map(Timestamp),
        ended: r.get::<_, Option<i64>>(9)?.map(Timestamp),
        user_messages: count(10)?,
        assistant_messages: count(11)?,
        tool_calls: count(12)?,
        failed_tool_calls: count(13)?,
        bytes: count(14)?,
        models: list(r.get(15)?),
        badges: list(r.get(16)?),
        changed_since: status != Mark::New && marked.is_some_and(|m| m != version.0),
        version,
        status,
        status_inherited: false,
        status_reason: r.get(19)?,
        score: r.get(21)?,
        gone: r.get(22)?,
        forked_from: r.get::<_, Option<String>>(23)?.map(SessionKey),
    })
}

/// A file that was read, ready to be stored.
pub struct FileResult<'a> {
    pub path: &'a str,
    pub agent: &'a str,
    /// Metadata, taken before the file was read.
    pub state: &'a FileState,
    pub sessions: &'a [Prepared],
    /// Facts of its sessions without messages.
    pub facts: &'a [SessionFacts],
    /// The requests of the session.
    pub usage: &'a [UsageRow],
    /// What it says about the limits of the user's plan.
    pub plan_windows: &'a [PlanWindow],
    /// Number of its records that were lost.
    pub lost_records: u64,
    pub now: Timestamp,
}

impl Archive {
    /// Stores files in one transaction and returns the result for each session. `describe` is called for sessions that are
    /// joined from several files.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails; then nothing of the batch is stored.
    pub fn put(
        &mut self,
        files: &[FileResult<'_>],
        describe: &dyn Fn(&Session) -> Description,
    ) -> Result<Vec<Stored>, StoreError> {
        let tx = self.begin()?;
        let left = ForgottenSessions::load(&tx)?;
        let mut done = Vec::new();
        for file in files {
            let (state, lost) = (file.state, file.lost_records);
            let file_id = files::upsert(&tx, files::FILE_READ, file.path, file.agent, state, lost)?;
            for p in file.sessions {
                if left.as_ref().is_some_and(|l| l.session(&p.session)) {
                    done.push(Stored::Forgotten);
                    continue;
                }
                session_directories::put(&tx, &p.session)?;
                let read_by = FileRead { id: file_id, path: file.path };
                let stored = match session_parts::put(&tx, &read_by, p, describe)? {
                    PartStored::NotInParts => put_session(&tx, file_id, file, p)?,
                    PartStored::Superseded => Stored::Unchanged,
                    PartStored::Joined { session, file_id } => put_version(&tx, file_id, file, &session)?,
                };
                done.push(stored);
            }
            let of_sessions = file.sessions.iter().map(|p| SessionFacts::of(&p.session));
            let facts: Vec<SessionFacts> = of_sessions.chain(file.facts.iter().cloned()).collect();
            ledger::put(&tx, file_id, &facts, file.usage, left.as_ref())?;
            plan_windows::put(&tx, file.plan_windows)?;
        }
        tx.commit()?;
        Ok(done)
    }

    /// Returns a session.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn session(&self, key: &str) -> Result<Option<SessionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s LEFT JOIN projects p ON p.id = s.project_id WHERE s.key = ?1"
        );
        let mut found = self.conn.prepare_cached(&sql)?.query_row([key], session_row).optional()?;
        self.inherit_marks(found.as_mut_slice())?;
        Ok(found)
    }

    /// Gives subagents without a decision the mark of their nearest ancestor that is approved or blocked, because they follow
    /// it into or out of a release.
    pub(super) fn inherit_marks(&self, rows: &mut [SessionRow]) -> Result<(), StoreError> {
        for row in rows.iter_mut().filter(|row| !row.status.decides()) {
            let parent = row.parent.as_ref().map(|parent| parent.0.clone());
            if let Some(mark) = self.mark_of_ancestors(parent)? {
                (row.status, row.status_inherited) = (mark, true);
            }
        }
        Ok(())
    }

    /// Returns the mark of the nearest ancestor that is approved or blocked.
    fn mark_of_ancestors(&self, parent: Option<String>) -> Result<Option<Mark>, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT parent, status FROM sessions WHERE key = ?1")?;
        let mut next = parent;
        // Damaged logs can name parents in a circle.
        let mut seen = HashSet::new();
        while let Some(key) = next.take().filter(|key| seen.insert(key.clone())) {
            let found: Option<(Option<String>, String)> =
                q.query_row([&key], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
            let Some((parent, status)) = found else { return Ok(None) };
            match status.parse::<Mark>() {
                Ok(mark) if mark.decides() => return Ok(Some(mark)),
                _ => next = parent,
            }
        }
        Ok(None)
    }

    /// Returns the keys before and after a key in the order of all keys, those of sessions of which only usage is known
    /// included.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn neighbours(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT (SELECT key FROM sessions WHERE key < ?1 ORDER BY key DESC LIMIT 1)
             UNION ALL SELECT (SELECT key FROM sessions WHERE key > ?1 ORDER BY key LIMIT 1)
             UNION ALL SELECT (SELECT session FROM segments WHERE session < ?1 ORDER BY session DESC LIMIT 1)
             UNION ALL SELECT (SELECT session FROM segments WHERE session > ?1 ORDER BY session LIMIT 1)",
        )?;
        let rows = q.query_map([key], |r| r.get::<_, Option<String>>(0))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Returns the number of keys that start with `prefix`, or whose native id does.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn count_keys_like(&self, prefix: &str) -> Result<u64, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT count(*) FROM sessions WHERE substr(key, 1, length(?1)) = ?1
               OR substr(key, instr(key, ':') + 1, length(?1)) = ?1",
        )?;
        Ok(q.query_row([prefix], |r| r.get::<_, i64>(0))? as u64)
    }

    /// Returns up to `limit` keys that start with `prefix`, or whose native id does.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn keys_like(&self, prefix: &str, limit: u64) -> Result<Vec<SessionKey>, StoreError> {
        let sql = "SELECT key FROM sessions WHERE substr(key, 1, length(?1)) = ?1
               OR substr(key, instr(key, ':') + 1, length(?1)) = ?1 ORDER BY key LIMIT ?2";
        self.keys(sql, params![prefix, limit as i64])
    }

    /// Returns those of `keys` whose session is blocked, itself or by its parent.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn blocked(&self, keys: &[&str]) -> Result<Vec<SessionKey>, StoreError> {
        // Approved sessions cannot be blocked, so that only the others and their ancestors are read.
        let mut q = self.conn.prepare_cached(
            "SELECT key, parent, status FROM sessions
             WHERE key IN (SELECT value FROM json_each(?1)) AND status <> 'approved'",
        )?;
        let keys = serde_json::to_string(keys).unwrap_or_default();
        let mut out = Vec::new();
        for row in q.query_map([keys], |r| Ok((r.get(0)?, r.get(1)?, r.get::<_, String>(2)?)))? {
            let (key, parent, status) = row?;
            let own: Mark = status.parse().unwrap_or_default();
            let mark = if own.decides() { Some(own) } else { self.mark_of_ancestors(parent)? };
            if mark == Some(Mark::Blocked) {
                out.push(SessionKey(key));
            }
        }
        Ok(out)
    }

    /// Returns the number of sessions by mark. Subagents without a decision have the mark of their parent.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn marks(&self) -> Result<Vec<(Mark, u64)>, StoreError> {
        let mut q = self.conn.prepare_cached(&format!(
            "{DECIDED} SELECT coalesce(d.mark, s.status) AS mark, count(*) FROM sessions s
             LEFT JOIN decided d ON d.key = s.key GROUP BY 1"
        ))?;
        let rows = q.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)? as u64)))?;
        let mut out = Vec::new();
        for row in rows {
            let (name, n) = row?;
            out.push((name.parse().unwrap_or(Mark::New), n));
        }
        Ok(out)
    }

    /// Marks the current version of a session. Returns false if the session is unknown.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn mark(&self, key: &str, mark: Mark, reason: Option<&str>) -> Result<bool, StoreError> {
        let n = self.conn.execute(
            "UPDATE sessions SET status = ?2, status_reason = ?3, status_version = version WHERE key = ?1",
            params![key, mark.as_str(), reason],
        )?;
        Ok(n > 0)
    }

    /// Loads the normal form of a session, in the given version or the current one.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails or the stored form cannot be read.
    pub fn load(&self, key: &str, version: Option<&str>) -> Result<Option<Session>, StoreError> {
        let Some(json) = self.session_json(key, version)? else { return Ok(None) };
        serde_json::from_slice(&json).map(Some).map_err(StoreError::json("session"))
    }

    /// Loads the normal form of a session as JSON, in the given version or the current one.
    pub(super) fn session_json(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT b.body, b.raw_bytes FROM sessions s JOIN bodies b ON b.session_id = s.id
             WHERE s.key = ?1 AND b.version = coalesce(?2, s.version)",
        )?;
        let found: Option<(Vec<u8>, i64)> =
            q.query_row(params![key, version], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        let Some((body, raw)) = found else { return Ok(None) };
        decompress(&body, raw).map(Some)
    }

    /// Returns the current versions of the given sessions. A session that is no longer in the archive is left out.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn versions_of(&self, keys: &[&str]) -> Result<BTreeMap<SessionKey, Version>, StoreError> {
        let keys = serde_json::to_string(keys).unwrap_or_default();
        let sql = "SELECT key, version FROM sessions WHERE key IN (SELECT value FROM json_each(?1))";
        self.rows(sql, [keys], |r| Ok((SessionKey(r.get(0)?), Version(r.get(1)?))))
    }

    /// Returns whether the archive contains no session.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        let mut q = self.conn.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM sessions)")?;
        Ok(q.query_row([], |r| r.get(0))?)
    }

    /// Returns the number of sessions by agent.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn agents(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.rows("SELECT agent, count(*) FROM sessions GROUP BY agent ORDER BY agent", [], |r| {
            Ok((r.get(0)?, r.get::<_, i64>(1)? as u64))
        })
    }
}

/// The stored state of a session.
struct StoredSession {
    id: i64,
    version: String,
    file_id: i64,
    file_gone: bool,
    path: String,
    ended: Option<i64>,
    hashes: Vec<u8>,
}

fn stored_session(conn: &Connection, key: &str) -> Result<Option<StoredSession>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT s.id, s.version, s.file_id, f.gone, f.path, s.ended, b.hashes FROM sessions s
         JOIN files f ON f.id = s.file_id JOIN bodies b ON b.session_id = s.id AND b.version = s.version
         WHERE s.key = ?1",
    )?
    .query_row([key], |r| {
        Ok(StoredSession {
            id: r.get(0)?,
            version: r.get(1)?,
            file_id: r.get(2)?,
            file_gone: r.get(3)?,
            path: r.get(4)?,
            ended: r.get(5)?,
            hashes: r.get(6)?,
        })
    })
    .optional()
}

fn put_session(
    conn: &Connection,
    file_id: i64,
    file: &FileResult<'_>,
    p: &Prepared,
) -> Result<Stored, StoreError> {
    if let Some(old) = stored_session(conn, p.session.key.as_str())? {
        // Two files may contain the same session, for instance an archived copy. The longer one wins, in whichever order
        // they are read.
        let from_other_file = old.file_id != file_id && !old.file_gone;
        let ended = p.session.ended.map(Timestamp::millis);
        let rank = (p.hashes.len(), ended, std::cmp::Reverse(file.path));
        if from_other_file && rank < (old.hashes.len(), old.ended, std::cmp::Reverse(old.path.as_str())) {
            return Ok(Stored::Unchanged);
        }
    }
    put_version(conn, file_id, file, p)
}

/// Makes this the current version of a session.
fn put_version(
    conn: &Connection,
    file_id: i64,
    file: &FileResult<'_>,
    p: &Prepared,
) -> Result<Stored, StoreError> {
    let s = &p.session;
    let list = |v: &[String]| serde_json::to_string(v).map_err(StoreError::json("session"));
    let old = stored_session(conn, s.key.as_str())?;
    if let Some(old) = old.as_ref().filter(|old| old.version == p.version.0) {
        // A newer clawgate may compute other badges from the same text.
        let sql = "UPDATE sessions SET file_id = ?2, gone = 0, badges = ?3
            WHERE id = ?1 AND (file_id <> ?2 OR gone OR badges <> ?3)";
        conn.prepare_cached(sql)?.execute(params![old.id, file_id, list(&p.badges)?])?;
        return Ok(Stored::Unchanged);
    }
    let project = s.project.as_deref().map(|path| checkouts::upsert(conn, path)).transpose()?;
    let id: i64 = conn
        .prepare_cached(
            "INSERT INTO sessions(key, agent, parent, forked_from, project_id, directory, title, git_branch, started,
               ended, user_messages, assistant_messages, tool_calls, failed_tool_calls, bytes, models, badges, version,
               file_id, updated)
             VALUES(:key, :agent, :parent, :forked_from, :project_id, :directory, :title, :git_branch, :started, :ended,
               :user_messages, :assistant_messages, :tool_calls, :failed_tool_calls, :bytes, :models, :badges, :version,
               :file_id, :updated)
             ON CONFLICT(key) DO UPDATE SET parent = excluded.parent, forked_from = excluded.forked_from,
               project_id = excluded.project_id, directory = excluded.directory, title = excluded.title, git_branch = excluded.git_branch,
               started = excluded.started, ended = excluded.ended, user_messages = excluded.user_messages,
               assistant_messages = excluded.assistant_messages, tool_calls = excluded.tool_calls,
               failed_tool_calls = excluded.failed_tool_calls, bytes = excluded.bytes, models = excluded.models,
               badges = excluded.badges, version = excluded.version, file_id = excluded.file_id, gone = 0,
               updated = excluded.updated
             RETURNING id",
        )?
        .query_row(
            named_params! {
                ":key": s.key.as_str(),
                ":agent": s.agent,
                ":parent": s.parent.as_ref().map(SessionKey::as_str),
                ":forked_from": s.forked_from.as_ref().map(SessionKey::as_str),
                ":project_id": project,
                ":directory": s.project.as_deref().map(trim_separators),
                ":title": p.title,
                ":git_branch": s.git_branch,
                ":started": s.started.map(Timestamp::millis),
                ":ended": s.ended.map(Timestamp::millis),
                ":user_messages": s.user_messages() as i64,
                ":assistant_messages": s.assistant_messages() as i64,
                ":tool_calls": s.tool_calls().count() as i64,
                ":failed_tool_calls": s.failed_tool_calls() as i64,
                ":bytes": p.raw_bytes as i64,
                ":models": list(&p.models)?,
                ":badges": list(&p.badges)?,
                ":version": p.version.0,
                ":file_id": file_id,
                ":updated": file.now.millis(),
            },
            |r| r.get(0),
        )?;
    let same = match &old {
        Some(old) => {
            let pairs = old.hashes.chunks(HASH_BYTES).zip(p.hashes.chunks(HASH_BYTES));
            let same = pairs.take_while(|(a, b)| a == b).count();
            // A session that has only grown replaces its old version. A rewritten one keeps it, so that it stays readable.
            // The last message may have changed while it was being written.
            let grown = (same + 1) * HASH_BYTES >= old.hashes.len() && p.hashes.len() >= old.hashes.len();
            if grown {
                conn.prepare_cached("DELETE FROM bodies WHERE session_id = ?1 AND version = ?2")?
                    .execute(params![id, old.version])?;
            }
            same
        }
        None => 0,
    };
    conn.prepare_cached(
        "INSERT OR REPLACE INTO bodies(session_id, version, stored, raw_bytes, body, hashes) VALUES(?1,?2,?3,?4,?5,?6)",
    )?
    .execute(params![id, p.version.0, file.now.millis(), p.raw_bytes as i64, p.body, p.hashes])?;
    search::replace(conn, id, same as u32, old.is_some(), &p.docs)?;
    Ok(if old.is_some() { Stored::Updated } else { Stored::New })
}

impl Archive {
    /// Returns the approved sessions that make a row, in the order of their keys. Subagents of approved sessions are among
    /// them.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn approved(&self) -> Result<Vec<(SessionKey, Version)>, StoreError> {
        let mut q = self.conn.prepare_cached(&format!(
            "{DECIDED} SELECT s.key, s.version FROM decided d JOIN sessions s ON s.key = d.key
             WHERE d.mark = 'approved' AND s.user_messages + s.assistant_messages + s.tool_calls > 0 ORDER BY s.key"
        ))?;
        let rows = q.query_map([], |r| Ok((SessionKey(r.get(0)?), Version(r.get(1)?))))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Returns the models that answered in any session.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn models(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT m.value FROM sessions s, json_each(s.models) m ORDER BY m.value";
        let mut q = self.conn.prepare_cached(sql)?;
        let rows = q.query_map([], |r| r.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    }

    /// Returns the sessions in which a scan found secrets.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn with_secrets(&self) -> Result<Vec<SessionKey>, StoreError> {
        let sql = "SELECT key FROM sessions WHERE badges LIKE '%\"secrets:%' ORDER BY key";
        self.keys(sql, [])
    }

    /// Returns all descendants of these sessions.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn descendants(&self, roots: &[SessionKey]) -> Result<Vec<SessionKey>, StoreError> {
        let mut q = self.conn.prepare_cached(
            "WITH RECURSIVE below(key) AS (
               SELECT key FROM sessions WHERE parent = ?1
               UNION SELECT s.key FROM sessions s JOIN below b ON s.parent = b.key)
             SELECT key FROM below",
        )?;
        let mut out = Vec::new();
        for root in roots {
            for key in q.query_map([root.as_str()], |r| r.get(0).map(SessionKey))? {
                let key = key?;
                if !roots.contains(&key) && !out.contains(&key) {
                    out.push(key);
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Message, Origin, Part, Role};

    const KEY: &str = "claude:s1";

    fn put(archive: &mut Archive, path: &str, texts: &[&str]) -> (Stored, Version) {
        let mut session = Session::empty("claude", "s1");
        let message = |text: &&str| Message {
            id: None,
            role: Role::User,
            origin: Origin::Human,
            at: None,
            model: None,
            parts: vec![Part::Text { text: (*text).to_owned() }],
        };
        session.messages = texts.iter().map(message).collect();
        let sessions = [Prepared::of(session, Description::default()).unwrap()];
        let version = sessions[0].version.clone();
        let state = FileState { inode: 1, size: 1, mtime_ns: 1, reader: 1 };
        let now = Timestamp(0);
        let file = FileResult {
            path,
            agent: "claude",
            state: &state,
            sessions: &sessions,
            facts: &[],
            usage: &[],
            lost_records: 0,
            plan_windows: &[],
            now,
        };
        (archive.put(&[file], &|_| Description::default()).unwrap()[0], version)
    }

    #[test]
    fn a_session_that_grew_replaces_its_version_and_a_rewritten_one_keeps_it() {
        let mut archive = Archive::in_memory().unwrap();
        let (first, short) = put(&mut archive, "a", &["one"]);
        let (second, grown) = put(&mut archive, "a", &["one", "two", "three"]);
        assert_eq!((first, second), (Stored::New, Stored::Updated));
        assert_eq!(archive.load(KEY, Some(&short.0)).unwrap(), None);
        let (third, rewritten) = put(&mut archive, "a", &["other", "text", "and", "more"]);
        assert_eq!(third, Stored::Updated);
        assert_eq!(archive.load(KEY, Some(&grown.0)).unwrap().unwrap().messages.len(), 3);
        assert_eq!(archive.session(KEY).unwrap().unwrap().version, rewritten);
    }

    #[test]
    fn of_two_files_with_the_same_session_the_longer_one_counts() {
        let mut archive = Archive::in_memory().unwrap();
        let (_, version) = put(&mut archive, "a", &["one", "two"]);
        assert_eq!(put(&mut archive, "b", &["one"]).0, Stored::Unchanged);
        assert_eq!(archive.session(KEY).unwrap().unwrap().version, version);
        assert_eq!(put(&mut archive, "b", &["one", "two", "three"]).0, Stored::Updated);
    }

    #[test]
    fn a_mark_says_whether_the_session_changed_since() {
        let mut archive = Archive::in_memory().unwrap();
        put(&mut archive, "a", &["one"]);
        assert!(archive.mark(KEY, Mark::Approved, None).unwrap());
        assert!(!archive.session(KEY).unwrap().unwrap().changed_since);
        put(&mut archive, "a", &["one", "two"]);
        assert!(archive.session(KEY).unwrap().unwrap().changed_since);
        assert_eq!(archive.marks().unwrap(), [(Mark::Approved, 1)]);
    }
}
