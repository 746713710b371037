//! Full-text search with FTS5: one document for each message and kind of text. The index stores no text; the text is in
//! the session's normal form.

use rusqlite::{Connection, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trace::{Message, Part, Role, SessionKey, Timestamp};

use super::sql::json_list;
use super::{Archive, StoreError};

/// The kind of text in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocKind {
    /// A prompt of a person, or of the agent in their place.
    Prompt,
    /// An answer of a model.
    Answer,
    /// Reasoning of a model.
    Thinking,
    /// Input of a tool call.
    ToolInput,
    /// Output of a tool call.
    ToolOutput,
    /// A notice or an instruction.
    Notice,
}

const KINDS: [DocKind; 6] = [
    DocKind::Prompt,
    DocKind::Answer,
    DocKind::Thinking,
    DocKind::ToolInput,
    DocKind::ToolOutput,
    DocKind::Notice,
];

impl DocKind {
    pub(super) fn of_text(role: Role) -> Self {
        match role {
            Role::User => DocKind::Prompt,
            Role::Assistant => DocKind::Answer,
            Role::System => DocKind::Notice,
        }
    }

    fn code(self) -> i64 {
        KINDS.iter().position(|k| *k == self).unwrap_or(0) as i64
    }

    fn decode(code: i64) -> Self {
        usize::try_from(code).ok().and_then(|i| KINDS.get(i)).copied().unwrap_or(DocKind::Prompt)
    }
}

/// A set of kinds of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocKinds(u8);

impl DocKinds {
    pub const ALL: DocKinds = DocKinds(0x3F);

    pub fn of(kinds: &[DocKind]) -> Self {
        DocKinds(kinds.iter().fold(0, |set, k| set | 1 << k.code()))
    }

    pub fn has(self, kind: DocKind) -> bool {
        self.0 & 1 << kind.code() != 0
    }

    /// Returns the intersection of two sets.
    #[must_use]
    pub fn and(self, other: DocKinds) -> Self {
        DocKinds(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = DocKind> {
        KINDS.into_iter().filter(move |k| self.has(*k))
    }
}

/// A document to be indexed.
pub(super) struct Doc {
    pub message: u32,
    pub kind: DocKind,
    pub text: String,
}

/// Number of matches that are ranked together: the latest thousand first, then the thousand before them. Ranking reads a
/// row for each match, and a common word matches most of the archive.
const RANKING_WINDOW: u64 = 1000;

/// The words to find, and the filters of sessions and texts.
#[derive(Debug, Clone)]
pub struct SearchQuery {
    /// FTS5 expression: words, `"phrases"`, `prefix*`, AND OR NOT.
    pub text: String,
    pub agent: Option<String>,
    /// Names of projects. `None` for all.
    pub projects: Option<Vec<String>>,
    pub kinds: DocKinds,
    /// Messages that call this tool.
    pub tool: Option<String>,
    /// Sessions that ended at or after this time.
    pub since: Option<Timestamp>,
    /// Sessions that started before this time.
    pub until: Option<Timestamp>,
    /// Maximum number of hits.
    pub limit: u64,
    /// Number of hits to skip.
    pub offset: u64,
}

impl Default for SearchQuery {
    fn default() -> Self {
        SearchQuery {
            text: String::new(),
            agent: None,
            projects: None,
            kinds: DocKinds::ALL,
            tool: None,
            since: None,
            until: None,
            limit: 10,
            offset: 0,
        }
    }
}

impl SearchQuery {
    fn narrows_sessions(&self) -> bool {
        self.agent.is_some() || self.projects.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// A match of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub key: SessionKey,
    /// Index of the message in the session.
    pub message: u32,
    pub kind: DocKind,
    /// Title of the session, redacted.
    pub title: Option<String>,
    /// Display name of the project.
    pub project: Option<String>,
    /// When the session started.
    pub started: Option<Timestamp>,
    /// The session that started this one, if it is a subagent.
    pub parent: Option<SessionKey>,
}

/// Returns the text of a message that a document of this kind indexes. If `tool` is given, only calls of that tool count.
pub fn doc_text(message: &Message, kind: DocKind, tool: Option<&str>) -> String {
    let mut out = String::new();
    let mut add = |text: &str| {
        if !text.trim().is_empty() {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(text);
        }
    };
    for part in &message.parts {
        match (part, kind) {
            (Part::Text { text }, k) if k == DocKind::of_text(message.role) => add(text),
            (Part::Thinking { text }, DocKind::Thinking) => add(text),
            (Part::Tool(call), _) if tool.is_some_and(|t| !t.eq_ignore_ascii_case(&call.name)) => {}
            (Part::Tool(call), DocKind::ToolInput) => {
                let mut input = call.name.clone();
                json_text(&call.input, &mut input);
                add(&input);
            }
            (Part::Tool(call), DocKind::ToolOutput) => call.output.iter().for_each(|o| add(o)),
            (Part::Attachment { name, text }, DocKind::Prompt) => {
                add(name);
                add(text);
            }
            _ => {}
        }
    }
    out
}

/// Appends the strings in a JSON value, each on its own line.
pub fn json_text(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::String(s) => {
            out.push('\n');
            out.push_str(s);
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| json_text(v, out)),
        serde_json::Value::Object(map) => map.values().for_each(|v| json_text(v, out)),
        _ => {}
    }
}

/// Replaces the documents of all messages from index `from`.
pub(super) fn replace(
    conn: &Connection,
    session: i64,
    from: u32,
    had_docs: bool,
    docs: &[Doc],
) -> Result<(), rusqlite::Error> {
    if had_docs {
        let sql = "DELETE FROM docs_fts WHERE rowid IN (SELECT id FROM docs WHERE session_id = ?1 AND message >= ?2)";
        conn.prepare_cached(sql)?.execute(params![session, from])?;
        conn.prepare_cached("DELETE FROM docs WHERE session_id = ?1 AND message >= ?2")?
            .execute(params![session, from])?;
    }
    let mut doc = conn.prepare_cached("INSERT INTO docs(session_id, message, kind) VALUES(?1, ?2, ?3)")?;
    let mut fts = conn.prepare_cached("INSERT INTO docs_fts(rowid, text) VALUES(?1, ?2)")?;
    for d in docs.iter().filter(|d| d.message >= from) {
        doc.execute(params![session, d.message, d.kind.code()])?;
        fts.execute(params![conn.last_insert_rowid(), d.text])?;
    }
    Ok(())
}

impl Archive {
    /// Switches the index to bulk loading, or back to normal use. Bulk loading collects more in memory and merges nothing.
    ///
    /// # Errors
    /// [`StoreError`] if SQLite fails.
    pub fn bulk_indexing(&self, on: bool) -> Result<(), StoreError> {
        let (hash, merge) = if on { (48 << 20, 0) } else { (1 << 20, 4) };
        let set = "INSERT INTO docs_fts(docs_fts, rank) VALUES(?1, ?2)";
        self.conn.execute(set, params!["hashsize", hash])?;
        self.conn.execute(set, params!["automerge", merge])?;
        Ok(())
    }

    /// Returns the matches: the latest `RANKING_WINDOW` matches with the best first, then the ones before them, and so
    /// on.
    ///
    /// # Errors
    /// [`StoreError::Query`] if the expression cannot be parsed; [`StoreError`] if SQLite fails.
    pub fn search(&self, q: &SearchQuery) -> Result<Vec<Hit>, StoreError> {
        let mut out = Vec::new();
        let (mut window, mut skip) = (q.offset / RANKING_WINDOW, (q.offset % RANKING_WINDOW) as usize);
        while (out.len() as u64) < q.limit {
            let mut found = self.window(q, window * RANKING_WINDOW).map_err(|e| match e {
                rusqlite::Error::SqliteFailure(_, Some(ref m))
                    if ["fts5", "no such column", "unterminated string", "unknown special query"]
                        .iter()
                        .any(|w| m.contains(w)) =>
                {
                    StoreError::Query(m.clone())
                }
                e => e.into(),
            })?;
            let last = (found.len() as u64) < RANKING_WINDOW;
            // In FTS5 a lower rank is a better match.
            found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            let room = q.limit as usize - out.len();
            for (id, _) in found.into_iter().skip(skip).take(room) {
                out.push(self.hit(id)?);
            }
            if last {
                break;
            }
            (window, skip) = (window + 1, 0);
        }
        Ok(out)
    }

    /// Returns a window of matching documents, the latest first, with their ranks.
    fn window(&self, q: &SearchQuery, offset: u64) -> Result<Vec<(i64, f64)>, rusqlite::Error> {
        let mut sql = "SELECT f.rowid, f.rank FROM docs_fts f".to_owned();
        let narrow_docs = q.narrows_sessions() || q.tool.is_some() || q.kinds != DocKinds::ALL;
        if narrow_docs {
            sql.push_str(" CROSS JOIN docs d ON d.id = f.rowid");
        }
        sql.push_str(" WHERE docs_fts MATCH :text");
        if narrow_docs {
            sql.push_str(" AND (:kinds >> d.kind) & 1");
        }
        if q.narrows_sessions() {
            sql.push_str(
                " AND d.session_id IN (SELECT s.id FROM sessions s LEFT JOIN projects p ON p.id = s.project_id
                   WHERE (:agent IS NULL OR s.agent = :agent)
                     AND (:projects IS NULL OR coalesce(p.name, '(no project)') IN (SELECT value FROM json_each(:projects)))
                     AND (:since IS NULL OR coalesce(s.ended, s.started, 0) >= :since)
                     AND (:until IS NULL OR coalesce(s.started, s.ended, 0) < :until))",
            );
        }
        if q.tool.is_some() {
            // The name of a tool is part of the text of its inputs. The caller checks that the match is the name.
            sql.push_str(
                " AND EXISTS (SELECT 1 FROM docs t WHERE t.session_id = d.session_id AND t.message = d.message
                   AND t.kind = :input AND t.id IN (SELECT rowid FROM docs_fts WHERE docs_fts MATCH :tool))",
            );
        }
        sql.push_str(" ORDER BY f.rowid DESC LIMIT :limit OFFSET :offset");
        let mut stmt = self.conn.prepare_cached(&sql)?;
        let tool = q.tool.as_deref().map(quoted);
        let (since, until) = (q.since.map(Timestamp::millis), q.until.map(Timestamp::millis));
        let mut bind = |name: &str, value: &dyn rusqlite::ToSql| match stmt.parameter_index(name)? {
            Some(i) => stmt.raw_bind_parameter(i, value),
            None => Ok(()),
        };
        bind(":text", &q.text)?;
        bind(":kinds", &q.kinds.0)?;
        bind(":agent", &q.agent)?;
        bind(":projects", &json_list(q.projects.as_deref()))?;
        bind(":since", &since)?;
        bind(":until", &until)?;
        bind(":input", &DocKind::ToolInput.code())?;
        bind(":tool", &tool)?;
        bind(":limit", &(RANKING_WINDOW as i64))?;
        bind(":offset", &(offset as i64))?;
        let mut rows = stmt.raw_query();
        let mut out = Vec::new();
        while let Some(r) = rows.next()? {
            out.push((r.get(0)?, r.get(1)?));
        }
        Ok(out)
    }

    fn hit(&self, doc: i64) -> Result<Hit, StoreError> {
        let mut q = self.conn.prepare_cached(
            "SELECT s.key, d.message, d.kind, s.title, p.name, s.started, s.parent FROM docs d
             JOIN sessions s ON s.id = d.session_id LEFT JOIN projects p ON p.id = s.project_id WHERE d.id = ?1",
        )?;
        Ok(q.query_row([doc], |r| {
            Ok(Hit {
                key: SessionKey(r.get(0)?),
                message: r.get(1)?,
                kind: DocKind::decode(r.get(2)?),
                title: r.get(3)?,
                project: r.get(4)?,
                started: r.get::<_, Option<i64>>(5)?.map(Timestamp),
                parent: r.get::<_, Option<String>>(6)?.map(SessionKey),
            })
        })?)
    }
}

#[cfg(test)]
impl Archive {
    /// Indexes texts as the prompts of a session.
    pub(crate) fn index_for_test(&self, texts: &[String]) {
        let sql = "INSERT INTO files(id, path, agent, inode, size, mtime_ns, reader) VALUES(1, 'f', 'a', 0, 0, 0, 0);
             INSERT INTO sessions(id, key, agent, user_messages, assistant_messages, tool_calls,
               failed_tool_calls, bytes, models, badges, version, file_id, updated)
             VALUES(1, 'a:1', 'a', 0, 0, 0, 0, 0, '[]', '[]', '', 1, 0);";
        self.conn.execute_batch(sql).unwrap();
        let doc = |(i, text): (usize, &String)| Doc {
            message: i as u32,
            kind: DocKind::Prompt,
            text: text.clone(),
        };
        let docs: Vec<Doc> = texts.iter().enumerate().map(doc).collect();
        replace(&self.conn, 1, 0, false, &docs).unwrap();
    }
}

/// Returns the text as an FTS5 phrase.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace(['"', '\0'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_kinds_has_its_members_and_no_others() {
        let set = DocKinds::of(&[DocKind::ToolInput, DocKind::Notice]);
        assert!(set.has(DocKind::Notice) && !set.has(DocKind::Prompt));
        assert_eq!(set.iter().collect::<Vec<_>>(), [DocKind::ToolInput, DocKind::Notice]);
        assert_eq!(DocKinds::ALL.iter().count(), KINDS.len());
        assert_eq!(set.and(DocKinds::of(&[DocKind::Notice])), DocKinds::of(&[DocKind::Notice]));
    }

    #[test]
    fn a_common_word_is_paged_window_by_window_without_repeats() {
        let archive = Archive::in_memory().unwrap();
        let many = RANKING_WINDOW as u32 + 500;
        let texts: Vec<String> = (0..many).map(|i| format!("common {i}")).collect();
        archive.index_for_test(&texts);
        let ask = |limit, offset| {
            let q = SearchQuery { text: quoted("common"), limit, offset, ..SearchQuery::default() };
            archive.search(&q).unwrap().into_iter().map(|h| h.message).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        while let page @ [_, ..] = &ask(700, all.len() as u64)[..] {
            all.extend_from_slice(page);
        }
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..many).collect::<Vec<_>>());
        assert!(all[..RANKING_WINDOW as usize].iter().all(|m| *m >= 500), "the latest are ranked first");
        assert_eq!(ask(u64::MAX, 0), all);
        let none = SearchQuery {
            text: quoted("common"),
            kinds: DocKinds::of(&[DocKind::Answer]),
            ..SearchQuery::default()
        };
        assert!(archive.search(&none).unwrap().is_empty());
    }
}
