//! Reads a chat of the command line: the table `meta` with hexadecimal JSON, and the table `blobs` with values by their hash.
//!
//! The newest root is a Protocol Buffers message that lists the hashes of the messages (field 1) and the addresses of the
//! workspace (field 9). Messages are JSON. A chat records no times of messages and no tokens.

use std::path::Path;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use crate::sources::common::database::{each_session, finished};
use crate::sources::common::json_fields::{
    block_part, content_parts, local_path, millis_timestamp, non_empty, non_empty_owned, number_after,
    text_part, tool_status,
};
use crate::sources::common::session_builder::SessionBuilder;
use crate::sources::common::sqlite;
use crate::sources::cursor::AGENT;
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::{Origin, Part};

/// Fields of a root.
const MESSAGE: u64 = 1;
const WORKSPACE: u64 = 9;

/// Length of the hash of a value in bytes.
const HASH_BYTES: usize = 32;

/// Begins the result of a command.
const EXIT_CODE: &str = "Exit code: ";

/// Begins and ends what a person typed, if the agent added other text.
const QUERY: [&str; 2] = ["<user_query>", "</user_query>"];

/// Calls `each` for the session in the database.
pub(super) fn read(file: &Path, opts: &ReadOptions, each: &mut dyn FnMut(Read)) -> Result<(), SourceError> {
    let directory = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let session = |conn: &Connection, meta: &Value, read: &mut Read| {
        let id = non_empty(&meta["agentId"]).unwrap_or(&directory);
        let mut chat = ChatReader::new(id, meta);
        let root = meta["latestRootBlobId"].as_str().unwrap_or_default();
        let root = blob(conn, root)?.unwrap_or_default();
        for (number, (field, bytes)) in (1..).zip(fields(&root)) {
            let name = || String::from_utf8_lossy(bytes).into_owned();
            match field {
                WORKSPACE => chat.builder.session.work_in(Some(&local_path(&name()))),
                MESSAGE if bytes.len() == HASH_BYTES => {
                    let json = blob(conn, &HEXLOWER.encode(bytes))?.unwrap_or_default();
                    match json.len() <= opts.line_limit {
                        true => match serde_json::from_slice(&json) {
                            Ok(message) => chat.read_message(&message),
                            Err(_) => read.skipped_lines.add(number, "a message is not JSON".to_owned()),
                        },
                        false => {
                            let reason = format!("longer than {} bytes", opts.line_limit);
                            read.skipped_lines.add(number, reason);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Some(chat.builder))
    };
    each_session(file, opts, meta, session, &mut finished(each))
}

/// Returns the description of the chat; none if the table has no usable one.
fn meta(conn: &Connection) -> rusqlite::Result<Vec<Value>> {
    let mut query = conn.prepare("SELECT value FROM meta WHERE key = '0'")?;
    let value = query.query_row([], |r| Ok(sqlite::bytes(r, 0).map(<[u8]>::to_vec))).optional()?.flatten();
    let json = value.and_then(|hex| HEXLOWER_PERMISSIVE.decode(&hex).ok());
    Ok(json.and_then(|json| serde_json::from_slice(&json).ok()).into_iter().collect())
}

fn blob(conn: &Connection, id: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut query = conn.prepare_cached("SELECT data FROM blobs WHERE id = ?1")?;
    Ok(query.query_row([id], |r| Ok(sqlite::bytes(r, 0).map(<[u8]>::to_vec))).optional()?.flatten())
}

/// Returns the fields of a Protocol Buffers message that contain bytes, with their numbers. Ends at the first byte that cannot be
/// a field.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            let tag = varint(&mut message)?;
            match tag & 7 {
                0 => drop(varint(&mut message)?),
                1 => message = message.get(8..)?,
                5 => message = message.get(4..)?,
                2 => {
                    let length = usize::try_from(varint(&mut message)?).ok()?;
                    let (bytes, rest) = message.split_at_checked(length)?;
                    message = rest;
                    return Some((tag >> 3, bytes));
                }
                _ => return None,
            }
        }
    })
}

/// Reads a number of seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Reads the messages of a chat.
struct ChatReader {
    builder: SessionBuilder,
    model: Option<String>,
}

impl ChatReader {
    fn new(id: &str, meta: &Value) -> Self {
        let mut builder = SessionBuilder::new(AGENT, id);
        builder.session.title = non_empty_owned(&meta["name"]).filter(|name| name != "New Agent");
        builder.extend_time_range(millis_timestamp(&meta["createdAt"]).filter(|at| at.millis() > 0));
        ChatReader { builder, model: non_empty_owned(&meta["lastUsedModel"]) }
    }

    fn read_message(&mut self, message: &Value) {
        let id = non_empty_owned(&message["id"]);
        match message["role"].as_str().unwrap_or_default() {
            "user" => {
                for part in content_parts(&message["content"]) {
                    let (part, origin) = typed(part);
                    self.builder.push_user(id.clone(), origin, None, part.into_iter().collect());
                }
            }
            "assistant" => {
                let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
                let named =
                    blocks.iter().find_map(|b| non_empty_owned(&b["providerOptions"]["cursor"]["modelName"]));
                self.builder.begin_assistant_message(id, None, named.or_else(|| self.model.clone()));
                if let Some(text) = message["content"].as_str() {
                    text_part(text).into_iter().for_each(|part| self.builder.push_part(None, part));
                }
                for block in blocks {
                    match block["type"].as_str().unwrap_or_default() {
                        "reasoning" => {
                            if let Some(text) = non_empty_owned(&block["text"]) {
                                self.builder.push_part(None, Part::Thinking { text });
                            }
                        }
                        "tool-call" => {
                            let (id, name) = (block["toolCallId"].as_str(), block["toolName"].as_str());
                            let input = block.get("args").or(block.get("input")).cloned().unwrap_or_default();
                            let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                            self.builder.push_call(None, id, name, input);
                        }
                        _ => {
                            block_part(block).into_iter().for_each(|part| self.builder.push_part(None, part))
                        }
                    }
                }
                self.builder.close_assistant_message();
            }
            "tool" => {
                for block in message["content"].as_array().into_iter().flatten() {
                    self.add_result(block, message);
                }
            }
            _ => {}
        }
    }

    fn add_result(&mut self, block: &Value, message: &Value) {
        let Some(call) = self.builder.call_mut(block["toolCallId"].as_str().unwrap_or_default()) else {
            return;
        };
        let result = non_empty_owned(&block["result"]).or_else(|| non_empty_owned(&block["output"]["value"]));
        let output = result.unwrap_or_default();
        let details = &message["providerOptions"]["cursor"]["highLevelToolCallResult"];
        let failed = block["isError"] == true || details["isError"] == true;
        call.exit_code = output
            .lines()
            .next()
            .filter(|line| line.starts_with(EXIT_CODE))
            .and_then(|line| number_after(line, EXIT_CODE));
        call.status = tool_status(failed, call.exit_code);
        call.output = Some(output);
    }
}

/// Returns what a person typed. Text without the marks is the agent's if it begins with another one.
fn typed(part: Part) -> (Option<Part>, Origin) {
    let Part::Text { text } = part else { return (Some(part), Origin::Human) };
    if let Some((_, rest)) = text.split_once(QUERY[0]) {
        let query = rest.split_once(QUERY[1]).map_or(rest, |(query, _)| query);
        return (text_part(query.trim()), Origin::Human);
    }
    let origin = if text.trim_start().starts_with('<') { Origin::Injected } else { Origin::Human };
    (Some(Part::Text { text }), origin)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::trace::{Timestamp, ToolStatus};

    fn put(conn: &Connection, data: &[u8]) -> Vec<u8> {
        let hash = Sha256::digest(data).to_vec();
        conn.execute("INSERT OR IGNORE INTO blobs VALUES (?1, ?2)", (HEXLOWER.encode(&hash), data)).unwrap();
        hash
    }

    fn chat(dir: &Path, messages: &[&[u8]]) -> Read {
        let file = dir.join("36e6/f1ff7b74/store.db");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let conn = Connection::open(&file).unwrap();
        conn.execute_batch("CREATE TABLE blobs (id TEXT PRIMARY KEY, data BLOB); CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);").unwrap();
        // A number, then the messages, then a workspace.
        let mut root = vec![0x10, 0x96, 0x01];
        for message in messages {
            root.extend([0x0a, 32]);
            root.extend(put(&conn, message));
        }
        let workspace = b"file:///home/m/my%20app";
        root.extend([0x4a, u8::try_from(workspace.len()).unwrap()]);
        root.extend(workspace);
        let root = HEXLOWER.encode(&put(&conn, &root));
        let meta = json!({"agentId": "f1ff7b74", "latestRootBlobId": root, "name": "Fix it", "createdAt": 1_767_396_459_642_i64, "lastUsedModel": "gpt-5"});
        conn.execute("INSERT INTO meta VALUES ('0', ?1)", [HEXLOWER.encode(meta.to_string().as_bytes())])
            .unwrap();
        drop(conn);
        Read::collect(|each| read(&file, &ReadOptions::default(), each)).unwrap()
    }

    #[test]
    fn a_chat_with_tools_is_read_in_the_order_of_its_root() {
        let dir = tempfile::tempdir().unwrap();
        let messages = [
            json!({"role": "system", "content": "You are an agent."}),
            json!({"role": "user", "content": [{"type": "text", "text": "<user_info>\nOS: linux\n</user_info>"}]}),
            json!({"role": "user", "content": [{"type": "text", "text": "<open_files>a</open_files>\n<user_query>\nfix it\n</user_query>"}]}),
            json!({"id": "1", "role": "assistant", "content": [
                {"type": "reasoning", "text": "hm", "providerOptions": {"cursor": {"modelName": "claude-4.5-opus"}}},
                {"type": "text", "text": "I look."},
                {"type": "tool-call", "toolCallId": "t1", "toolName": "Shell", "args": {"command": "make"}},
                {"type": "tool-call", "toolCallId": "t2", "toolName": "Read", "args": {"path": "a"}}]}),
            json!({"role": "tool", "id": "t1", "content": [{"type": "tool-result", "toolName": "Shell", "toolCallId": "t1", "result": "Exit code: 2\n\nCommand output:\nboom"}]}),
            json!({"role": "tool", "id": "t2", "content": [{"type": "tool-result", "toolName": "Read", "toolCallId": "t2", "result": "Exit codes are numbers"}]}),
            json!({"id": "2", "role": "assistant", "content": "Done."}),
        ];
        let mut bytes: Vec<Vec<u8>> = messages.iter().map(|m| m.to_string().into_bytes()).collect();
        bytes.push(b"{broken".to_vec());
        let read = chat(dir.path(), &bytes.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let s = &read.sessions[0];
        assert_eq!((s.key.as_str(), s.project.as_deref()), ("cursor:f1ff7b74", Some("/home/m/my app")));
        assert_eq!((s.title.as_deref(), s.started), (Some("Fix it"), Some(Timestamp(1_767_396_459_642))));
        assert_eq!((s.user_messages(), s.assistant_messages(), s.messages.len()), (1, 2, 4));
        assert_eq!(s.models(), ["claude-4.5-opus", "gpt-5"]);
        assert_eq!(s.messages[1].parts, [Part::Text { text: "fix it".to_owned() }]);
        let calls: Vec<_> = s.tool_calls().map(|c| (c.name.as_str(), c.status, c.exit_code)).collect();
        assert_eq!(calls, [("Shell", ToolStatus::Error, Some(2)), ("Read", ToolStatus::Success, None)]);
        assert_eq!((read.usage.len(), read.skipped_lines.total), (0, 1));
    }

    #[test]
    fn broken_messages_of_protocol_buffers_end_the_list() {
        assert_eq!(fields(&[0x0a, 2, 1, 2, 0x0a, 9, 1]).collect::<Vec<_>>(), [(1, &[1, 2][..])]);
        assert_eq!(fields(&[0x09, 1, 2]).count(), 0);
        assert_eq!(fields(&[0xff; 40]).count(), 0);
        assert_eq!(fields(&[0x0d, 0, 0, 0, 0, 0x12, 1, 7]).collect::<Vec<_>>(), [(2, &[7][..])]);
    }
}
