//! OpenCode's JSON stores: a file a session, a file a message, a file a part.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::line_reader::parse;
use crate::sources::common::session_builder::{Draft, millis, text};
use crate::sources::opencode::build::{Info, Whole, add, begin, end, light};
use crate::sources::{Read, ReadOptions, SourceError, open_log};

/// Where the messages and parts of a session file stand.
struct Places {
    session: String,
    messages: PathBuf,
    parts: PathBuf,
}

impl Places {
    fn of(file: &Path) -> Option<Places> {
        let session = file.file_stem()?.to_str()?.to_owned();
        let above = file.parent()?;
        let store = above.parent()?;
        if above.file_name()? == "info" {
            // 0.5: …/storage/session/info/<session>.json; parts stand by session, then by message.
            return Some(Places {
                messages: store.join("message").join(&session),
                parts: store.join("part").join(&session),
                session,
            });
        }
        // …/storage/session/<project>/<session>.json
        let storage = store.parent()?;
        Some(Places {
            messages: storage.join("message").join(&session),
            parts: storage.join("part"),
            session,
        })
    }

    fn parts_of(&self, message: &str) -> PathBuf {
        // Ids become directory names: one that is no plain name must not lead out of the store.
        let plain = !message.is_empty() && !message.contains(['/', '\\']) && message != "..";
        self.parts.join(if plain { message } else { "-" })
    }
}

/// What changes when a session goes on: the list of its messages, the newest of them, and the list of its parts.
/// Older messages are finished.
pub(super) fn companions(file: &Path) -> Vec<PathBuf> {
    let Some(places) = Places::of(file) else { return Vec::new() };
    let mut out = vec![places.messages.clone()];
    if let Some(newest) = json_files(&places.messages).pop() {
        let id = newest.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let parts = places.parts_of(&id);
        out.extend(json_files(&parts).pop());
        out.push(parts);
        out.push(newest);
    }
    out
}

/// Reads one session; of its parts only the names of tools where only usage is asked for.
pub(super) fn read(file: &Path, opts: &ReadOptions, parts: bool) -> Result<(Draft, Read), SourceError> {
    drop(open_log(file)?);
    let mut reader = Reader { opts, out: Read::default(), number: 0 };
    let Some(places) = Places::of(file) else { return Ok((begin(&Info::default()), reader.out)) };
    let record = reader.json(file, "session").unwrap_or_default();
    let own = |v: &Value| text(v).map(str::to_owned);
    let info = Info {
        id: own(&record["id"]).unwrap_or_else(|| places.session.clone()),
        parent: own(&record["parentID"]),
        directory: own(&record["directory"]),
        title: own(&record["title"]),
        version: own(&record["version"]),
        updated: millis(&record["time"]["updated"]),
    };
    let mut draft = begin(&info);
    let mut messages: Vec<Whole> = Vec::new();
    for path in json_files(&places.messages) {
        let Some(data) = reader.json(&path, "message") else { continue };
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let id = own(&data["id"]).unwrap_or(name);
        let mut all = Vec::new();
        for part in json_files(&places.parts_of(&id)) {
            match parts {
                true => all.extend(reader.json(&part, "part")),
                false => all.extend(reader.light(&part)),
            }
        }
        messages.push(Whole { id, data, parts: all });
    }
    messages.sort_by(|a, b| {
        let at = |m: &Whole| millis(&m.data["time"]["created"]);
        (at(a), &a.id).cmp(&(at(b), &b.id))
    });
    for (place, message) in (1..).zip(messages) {
        add(&mut draft, message, place);
    }
    end(&mut draft, &info);
    Ok((draft, reader.out))
}

struct Reader<'a> {
    opts: &'a ReadOptions,
    out: Read,
    number: u64,
}

impl Reader<'_> {
    /// A record; one that cannot be used is counted.
    fn json(&mut self, path: &Path, what: &str) -> Option<Value> {
        self.number += 1;
        let reason = match std::fs::symlink_metadata(path) {
            Ok(meta) if !meta.is_file() => format!("a {what} that is not a regular file"),
            Ok(meta) if meta.len() > self.opts.line_limit as u64 => {
                format!("a {what} longer than {} bytes", self.opts.line_limit)
            }
            _ => match std::fs::read(path) {
                Ok(bytes) => {
                    self.out.bytes_read += bytes.len() as u64;
                    match serde_json::from_str::<Value>(&String::from_utf8_lossy(&bytes)) {
                        Ok(value @ Value::Object(_)) => return Some(value),
                        Err(e) if e.is_eof() => {
                            self.out.truncated_tail = true;
                            return None;
                        }
                        Err(_) if let Ok((value, _)) = parse::<Value>(&bytes, &mut String::new()) => {
                            self.out.repaired_lines += 1;
                            return Some(value);
                        }
                        _ => format!("a {what} that is no JSON object"),
                    }
                }
                Err(e) => format!("a {what} that cannot be read: {}", e.kind()),
            },
        };
        self.out.skipped_lines.add(self.number, reason);
        None
    }
}

impl Reader<'_> {
    /// The name of a tool that a part called.
    fn light(&self, path: &Path) -> Option<Value> {
        let meta = std::fs::symlink_metadata(path).ok()?;
        if !meta.is_file() || meta.len() > self.opts.line_limit as u64 {
            return None;
        }
        light(&std::fs::read(path).ok()?, self.opts)
    }
}

/// The JSON files of a directory, by name; ids rise with time.
fn json_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut all: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_never_leads_out_of_the_store() {
        let places = Places::of(Path::new("/s/storage/session/p/ses_1.json")).unwrap();
        assert_eq!(places.parts_of("msg_1"), Path::new("/s/storage/part/msg_1"));
        for id in ["../../x", "..", "", "a\\b"] {
            assert_eq!(places.parts_of(id), Path::new("/s/storage/part/-"));
        }
        let old = Places::of(Path::new("/p/storage/session/info/ses_1.json")).unwrap();
        assert_eq!(old.messages, Path::new("/p/storage/session/message/ses_1"));
        assert_eq!(old.parts_of("m"), Path::new("/p/storage/session/part/ses_1/m"));
    }
}
