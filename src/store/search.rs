//! Full-text search: one document a message and kind of text; the text itself stays in the body.

use rusqlite::{Connection, params};
use serde::Serialize;

use crate::trace::{Role, SessionKey, Timestamp};

use super::{Archive, StoreError};

/// Kind of text a document holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocKind {
    /// What a person or the agent in their place wrote.
    Prompt,
    /// What a model answered.
    Answer,
    /// A model's reasoning.
    Thinking,
    /// What a tool was given.
    ToolInput,
    /// What a tool gave back.
    ToolOutput,
    /// Notices and instructions.
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

    /// The kind of a name such as `tool_output`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "prompt" | "user" => Some(DocKind::Prompt),
            "answer" | "assistant" => Some(DocKind::Answer),
            "thinking" => Some(DocKind::Thinking),
            "tool_input" => Some(DocKind::ToolInput),
            "tool_output" => Some(DocKind::ToolOutput),
            "notice" | "system" => Some(DocKind::Notice),
            _ => None,
        }
    }
}

/// One document to be indexed.
pub(super) struct Doc {
    pub message: u32,
    pub kind: DocKind,
    pub text: String,
}

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    /// FTS5 expression: words, `"phrases"`, `prefix*`, AND OR NOT.
    pub text: String,
    /// Agent id.
    pub agent: Option<String>,
    /// Project name or path.
    pub project: Option<String>,
    /// Kind of text.
    pub kind: Option<DocKind>,
    /// Only sessions that ended at or after this instant.
    pub since: Option<Timestamp>,
    /// At most so many hits.
    pub limit: u64,
    /// Skip so many hits.
    pub offset: u64,
}

/// One hit, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Session.
    pub key: SessionKey,
    /// Index of the message in the session.
    pub message: u32,
    /// Kind of text.
    pub kind: DocKind,
    /// Title of the session, redacted.
    pub title: Option<String>,
    /// Project's display name.
    pub project: Option<String>,
    /// When the session started.
    pub started: Option<Timestamp>,
}

/// Appends the string leaves of a JSON value, a line each.
pub(super) fn json_text(value: &serde_json::Value, out: &mut String) {
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

/// Replaces the documents of the messages from `from` on.
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
    /// Sets the index up for loading much at once, or for everyday use again.
    ///
    /// # Errors
    /// [`StoreError`] where SQLite refuses.
    pub fn bulk_indexing(&self, on: bool) -> Result<(), StoreError> {
        let (hash, merge) = if on { (48 << 20, 0) } else { (1 << 20, 4) };
        let set = "INSERT INTO docs_fts(docs_fts, rank) VALUES(?1, ?2)";
        self.conn.execute(set, params!["hashsize", hash])?;
        self.conn.execute(set, params!["automerge", merge])?;
        Ok(())
    }

    /// Documents that match, best first.
    ///
    /// # Errors
    /// [`StoreError::Query`] where the expression does not parse; [`StoreError`] where SQLite refuses.
    pub fn search(&self, q: &SearchQuery) -> Result<Vec<Hit>, StoreError> {
        let sql = "SELECT s.key, d.message, d.kind, s.title, p.name, s.started
             FROM docs_fts f JOIN docs d ON d.id = f.rowid JOIN sessions s ON s.id = d.session_id
             LEFT JOIN projects p ON p.id = s.project_id
             WHERE docs_fts MATCH ?1 AND (?2 IS NULL OR s.agent = ?2)
               AND (?3 IS NULL OR p.name = ?3 OR p.path = ?3) AND (?4 IS NULL OR d.kind = ?4)
               AND (?5 IS NULL OR coalesce(s.ended, s.started, 0) >= ?5)
             ORDER BY f.rank, f.rowid LIMIT ?6 OFFSET ?7";
        let mut stmt = self.conn.prepare_cached(sql)?;
        let kind = q.kind.map(DocKind::code);
        let since = q.since.map(Timestamp::millis);
        let rows = stmt.query_map(
            params![q.text, q.agent, q.project, kind, since, q.limit as i64, q.offset as i64],
            |r| {
                Ok(Hit {
                    key: SessionKey(r.get(0)?),
                    message: r.get(1)?,
                    kind: DocKind::decode(r.get(2)?),
                    title: r.get(3)?,
                    project: r.get(4)?,
                    started: r.get::<_, Option<i64>>(5)?.map(Timestamp),
                })
            },
        )?;
        rows.collect::<Result<_, _>>().map_err(|e| match e {
            rusqlite::Error::SqliteFailure(_, Some(ref m))
                if ["fts5", "no such column", "unterminated string", "unknown special query"]
                    .iter()
                    .any(|w| m.contains(w)) =>
            {
                StoreError::Query(m.clone())
            }
            e => e.into(),
        })
    }
}
