//! Reads Goose's database: tables `sessions`, `messages`, and `usage_ledger` with one row for each request. Versions without the
//! ledger have only the totals of a session.

use std::path::Path;

use rusqlite::{Connection, Row};
use serde_json::Value;

use crate::sources::common::database::{each_session, finished};
use crate::sources::common::json_fields::{non_empty_owned, picousd_from_f64};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder, request_row};
use crate::sources::common::sqlite::{self, count, instant, number, text};
use crate::sources::goose::AGENT;
use crate::sources::goose::build::{StoredMessage, add_message, tokens};
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::{Confidence, SessionKey, Timestamp, Tokens};

/// Calls `each` for every session in the database.
pub(super) fn read(file: &Path, opts: &ReadOptions, each: &mut dyn FnMut(Read)) -> Result<(), SourceError> {
    let session = |conn: &Connection, record: &SessionRecord, read: &mut Read| {
        let mut builder = begin_session(record);
        read_messages(conn, record, opts, &mut builder, read)?;
        read_usage(conn, record, &mut builder)?;
        Ok(Some(builder))
    };
    each_session(file, opts, session_records, session, &mut finished(each))
}

/// A row of the table `sessions`.
struct SessionRecord {
    id: String,
    title: Option<String>,
    kind: String,
    directory: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    parent: Option<String>,
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
    totals: Tokens,
    cost: Option<i64>,
}

fn session_records(conn: &Connection) -> rusqlite::Result<Vec<SessionRecord>> {
    let columns = [
        "id",
        "name",
        "description",
        "session_type",
        "working_dir",
        "provider_name",
        "model_config_json",
        "parent_session_id",
        "created_at",
        "updated_at",
        "accumulated_input_tokens",
        "accumulated_output_tokens",
        "accumulated_cache_read_tokens",
        "accumulated_cache_write_tokens",
        "accumulated_cost",
    ];
    let mut query = conn.prepare(&sqlite::select(conn, "sessions", &columns, "ORDER BY created_at, id"))?;
    let rows = query.query_map([], |r| {
        let config: Value = text(r, 6).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        Ok(SessionRecord {
            id: text(r, 0).unwrap_or_default(),
            title: text(r, 1).or(text(r, 2)),
            kind: text(r, 3).unwrap_or_default(),
            directory: text(r, 4),
            provider: text(r, 5),
            model: non_empty_owned(&config["model_name"]).or(non_empty_owned(&config["model"])),
            parent: text(r, 7),
            created: utc(r, 8),
            updated: utc(r, 9),
            totals: tokens(count(r, 10), count(r, 11), count(r, 12), count(r, 13)),
            cost: picousd_from_f64(number(r, 14)),
        })
    })?;
    rows.collect()
}

/// Returns an instant in UTC that SQLite wrote without a zone: `2026-07-09 10:00:00`.
fn utc(row: &Row<'_>, column: usize) -> Option<Timestamp> {
    let stored = text(row, column)?;
    Timestamp::parse(&stored).or_else(|| Timestamp::parse(&format!("{}Z", stored.replacen(' ', "T", 1))))
}

fn begin_session(record: &SessionRecord) -> SessionBuilder {
    let mut builder = SessionBuilder::new(AGENT, &record.id);
    let s = &mut builder.session;
    s.title = record.title.clone();
    s.project = record.directory.clone();
    s.parent = record.parent.as_ref().map(|id| SessionKey::new(AGENT, id));
    s.extend_time_range(record.created);
    builder
}

fn read_messages(
    conn: &Connection,
    record: &SessionRecord,
    opts: &ReadOptions,
    builder: &mut SessionBuilder,
    read: &mut Read,
) -> rusqlite::Result<()> {
    let columns = ["message_id", "role", "content_json", "metadata_json", "created_timestamp"];
    let rest = "WHERE session_id = ?1 ORDER BY created_timestamp, id";
    let mut query = conn.prepare_cached(&sqlite::select(conn, "messages", &columns, rest))?;
    let mut rows = query.query([&record.id])?;
    let is_automatic = record.parent.is_some()
        || !matches!(record.kind.as_str(), "" | "user" | "terminal" | "acp" | "gateway");
    let mut position = 0;
    while let Some(row) = rows.next()? {
        position += 1;
        let content = sqlite::bytes(row, 2).unwrap_or_default();
        let reason = if content.len() > opts.line_limit {
            format!("longer than {} bytes", opts.line_limit)
        } else {
            match serde_json::from_str::<Value>(&String::from_utf8_lossy(content)) {
                Ok(content @ Value::Array(_)) => {
                    let metadata =
                        text(row, 3).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
                    let (id, role) = (text(row, 0), text(row, 1).unwrap_or_default());
                    let at = instant(row, 4);
                    let message =
                        StoredMessage { id, role: &role, content: &content, metadata: &metadata, at };
                    add_message(builder, message, record.model.as_deref(), is_automatic);
                    continue;
                }
                _ => "a message is not a JSON list".to_owned(),
            }
        };
        read.skipped_lines.add(position, format!("session {}: {reason}", record.id));
    }
    Ok(())
}

fn read_usage(
    conn: &Connection,
    record: &SessionRecord,
    builder: &mut SessionBuilder,
) -> rusqlite::Result<()> {
    let key = builder.session.key.clone();
    let mut push = |request: LoggedRequest<'_>, cost: Option<i64>, confidence: Confidence| {
        if request.tokens.is_zero() && cost.is_none() {
            return;
        }
        let mut row = request_row(key.clone(), request);
        row.provider = record.provider.clone();
        row.reported_picousd = cost;
        row.confidence = confidence;
        row.subagent = record.parent.is_some().then(|| "subagent".to_owned());
        builder.usage.push(row);
    };
    let mut has_requests = false;
    if sqlite::has_table(conn, "usage_ledger") {
        let columns = [
            "id",
            "created_timestamp",
            "model",
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "cost",
            "cost_source",
        ];
        let rest = "WHERE session_id = ?1 ORDER BY created_timestamp, id";
        let mut query = conn.prepare_cached(&sqlite::select(conn, "usage_ledger", &columns, rest))?;
        let mut rows = query.query([&record.id])?;
        while let Some(row) = rows.next()? {
            has_requests = true;
            let (id, model) = (count(row, 0), text(row, 2).or(record.model.clone()));
            let request = LoggedRequest {
                dedupe_key: format!("{key}#{id}"),
                at: instant(row, 1).or(record.updated),
                model: model.as_deref().unwrap_or_default(),
                tokens: tokens(count(row, 3), count(row, 4), count(row, 5), count(row, 6)),
                offset: id,
            };
            let confidence = match text(row, 8).as_deref() {
                None | Some("provider_reported") => Confidence::Exact,
                Some(_) => Confidence::Estimated,
            };
            let cost = picousd_from_f64(number(row, 7));
            push(request, cost, if cost.is_some() { confidence } else { Confidence::Exact });
        }
    }
    if !has_requests {
        let request = LoggedRequest {
            dedupe_key: key.to_string(),
            at: record.updated.or(record.created),
            model: record.model.as_deref().unwrap_or_default(),
            tokens: record.totals,
            offset: 0,
        };
        push(request, record.cost, Confidence::Reported);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of schema 17, without indexes.
    const TABLES: &str = "CREATE TABLE sessions (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '',
            description TEXT NOT NULL DEFAULT '', user_set_name BOOLEAN DEFAULT FALSE,
            session_type TEXT NOT NULL DEFAULT 'user', working_dir TEXT NOT NULL,
            created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
            extension_data TEXT DEFAULT '{}', total_tokens INTEGER, input_tokens INTEGER, output_tokens INTEGER,
            cache_read_tokens INTEGER, cache_write_tokens INTEGER, accumulated_total_tokens INTEGER,
            accumulated_input_tokens INTEGER, accumulated_output_tokens INTEGER, accumulated_cache_read_tokens INTEGER,
            accumulated_cache_write_tokens INTEGER, accumulated_cost REAL, schedule_id TEXT, recipe_json TEXT,
            user_recipe_values_json TEXT, provider_name TEXT, model_config_json TEXT,
            goose_mode TEXT NOT NULL DEFAULT 'auto', archived_at TIMESTAMP, project_id TEXT, parent_session_id TEXT);
        CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT, session_id TEXT NOT NULL,
            role TEXT NOT NULL, content_json TEXT NOT NULL, created_timestamp INTEGER NOT NULL,
            timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, tokens INTEGER, metadata_json TEXT);
        CREATE TABLE usage_ledger (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL,
            created_timestamp INTEGER NOT NULL, model TEXT, input_tokens INTEGER, output_tokens INTEGER,
            total_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER, cost REAL, cost_source TEXT,
            is_compaction INTEGER DEFAULT 0);";

    fn read(sql: &str, opts: &ReadOptions) -> Result<Read, SourceError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sessions.db");
        Connection::open(&file).unwrap().execute_batch(&format!("{TABLES}{sql}")).unwrap();
        Read::collect(|each| super::read(&file, opts, each))
    }

    const SESSIONS: &str = r#"INSERT INTO sessions (id, name, session_type, working_dir, created_at, updated_at, provider_name,
            model_config_json, parent_session_id, accumulated_input_tokens, accumulated_output_tokens,
            accumulated_cache_read_tokens, accumulated_cost) VALUES
            ('20260709_1', 'Fix it', 'user', '/w', '2026-07-09 10:00:00', '2026-07-09 10:05:00', 'anthropic',
             '{"model_name":"claude-sonnet-4-5"}', NULL, 300, 30, 100, 0.02),
            ('20260709_2', 'Sub', 'sub_agent', '/w', '2026-07-09 10:01:00', '2026-07-09 10:02:00', 'anthropic',
             '{"model_name":"claude-haiku-4-5"}', '20260709_1', 50, 5, NULL, NULL);
        INSERT INTO messages (message_id, session_id, role, content_json, created_timestamp, metadata_json) VALUES
            ('m1', '20260709_1', 'user', '[{"type":"text","text":"fix"}]', 1783591200, '{"userVisible":true}'),
            ('m2', '20260709_1', 'assistant', '[{"type":"text","text":"Done."}]', 1783591205000, NULL),
            ('m3', '20260709_2', 'user', '[{"type":"text","text":"count"}]', 1783591206, NULL);"#;

    #[test]
    fn requests_of_the_ledger_replace_the_totals_of_a_session() {
        let ledger =
            "INSERT INTO usage_ledger (session_id, created_timestamp, model, input_tokens, output_tokens,
                cache_read_tokens, cache_write_tokens, cost, cost_source) VALUES
                ('20260709_1', 1783591203, 'claude-sonnet-4-5', 100, 10, 60, 20, 0.01, 'provider_reported'),
                ('20260709_1', 1783591204, NULL, 200, 20, NULL, NULL, 0.01, 'estimated');";
        let read = read(&format!("{SESSIONS}{ledger}"), &ReadOptions::default()).unwrap();
        let [s, sub] = &read.sessions[..] else { panic!("{:?}", read.sessions) };
        assert_eq!((s.title.as_deref(), s.project.as_deref()), (Some("Fix it"), Some("/w")));
        assert_eq!((s.user_messages(), s.models()), (1, vec!["claude-sonnet-4-5".to_owned()]));
        assert_eq!(
            (s.started, s.ended),
            (Some(Timestamp(1_783_591_200_000)), Some(Timestamp(1_783_591_205_000)))
        );
        assert_eq!((sub.parent.as_ref(), sub.user_messages()), (Some(&s.key), 0));
        let rows: Vec<_> = read
            .usage
            .iter()
            .map(|r| (r.tokens.input, r.tokens.cache_read, r.reported_picousd, r.confidence))
            .collect();
        let cost = Some(10_000_000_000);
        let expected = [
            (20, 60, cost, Confidence::Exact),
            (200, 0, cost, Confidence::Estimated),
            (50, 0, None, Confidence::Reported),
        ];
        assert_eq!(rows, expected);
        assert!(read.usage.iter().all(|r| r.model.starts_with("claude")));
    }

    #[test]
    fn a_version_without_a_ledger_has_totals_and_broken_rows_are_counted() {
        let older = "DROP TABLE usage_ledger; ALTER TABLE sessions DROP COLUMN parent_session_id;
            INSERT INTO messages (session_id, role, content_json, created_timestamp) VALUES
                ('20260709_1', 'user', '{}', 1), ('20260709_1', 'user', '[', 2), ('20260709_1', 'user', zeroblob(500), 3);";
        let opts = ReadOptions { line_limit: 400, ..ReadOptions::default() };
        let whole = read(&format!("{SESSIONS}{older}"), &opts).unwrap();
        assert_eq!((whole.sessions.len(), whole.skipped_lines.total), (2, 3));
        assert_eq!((whole.usage[0].tokens.input, whole.usage[0].tokens.cache_read), (200, 100));
        assert_eq!(whole.usage[0].reported_picousd, Some(20_000_000_000));
        assert!(read(&format!("{SESSIONS} DROP TABLE messages;"), &opts).is_err());
    }
}
