//! Reads a session of the versions before the database: one line with the session's data, then one line for each message.

use std::path::Path;

use serde_json::Value;

use crate::sources::common::files::open_log;
use crate::sources::common::json_fields::{count, non_empty, non_empty_owned};
use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::session_builder::{LoggedRequest, SessionBuilder, request_row};
use crate::sources::goose::AGENT;
use crate::sources::goose::build::{StoredMessage, add_message, tokens};
use crate::sources::{Read, ReadOptions, SourceError};
use crate::trace::{Confidence, Timestamp};

pub(super) fn read(file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
    let id = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut builder = SessionBuilder::new(AGENT, &id);
    let mut totals = Value::Null;
    let mut read = each_line(file, open_log(file)?, opts, |line, scratch| {
        let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
        if record["role"].is_string() {
            let at = record["created"].as_i64().map(|seconds| Timestamp(seconds.saturating_mul(1000)));
            let (role, id) = (record["role"].as_str().unwrap_or_default(), non_empty_owned(&record["id"]));
            let (content, metadata) = (&record["content"], &record["metadata"]);
            add_message(&mut builder, StoredMessage { id, role, content, metadata, at }, None, false);
        } else {
            let s = &mut builder.session;
            s.title = non_empty_owned(&record["description"]).or(s.title.take());
            s.work_in(non_empty(&record["working_dir"]));
            totals = record;
        }
        Ok(repaired)
    })?;
    // The first line has the totals of all requests, or only the tokens of the last one.
    let (name, confidence) = match totals["accumulated_total_tokens"].is_null() {
        false => ("accumulated_", Confidence::Reported),
        true => ("", Confidence::LowerBound),
    };
    let total = |kind: &str| count(&totals[format!("{name}{kind}_tokens")]);
    let tokens = tokens(total("input"), total("output"), 0, 0);
    if !tokens.is_zero() {
        let (key, at) = (builder.session.key.clone(), builder.session.ended);
        let request = LoggedRequest { dedupe_key: key.to_string(), at, model: "", tokens, offset: 0 };
        let mut row = request_row(key, request);
        row.confidence = confidence;
        builder.usage.push(row);
    }
    builder.finish_into(&mut read);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_the_directory_and_the_totals() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("20250901_101112.jsonl");
        let lines = [
            r#"{"working_dir":"/w","description":"Fix it","message_count":2,"total_tokens":30,"input_tokens":20,"output_tokens":10,"accumulated_total_tokens":90,"accumulated_input_tokens":70,"accumulated_output_tokens":20}"#,
            r#"{"role":"user","created":1756721472,"content":[{"type":"text","text":"fix"}]}"#,
            r#"{"role":"assistant","created":1756721475,"content":[{"type":"text","text":"Done."}]}"#,
            "not json\n",
        ];
        let text = lines.join("\n");
        std::fs::write(&file, &text).unwrap();
        let read = super::read(&file, &ReadOptions::default()).unwrap();
        let s = &read.sessions[0];
        assert_eq!((s.key.as_str(), s.title.as_deref()), ("goose:20250901_101112", Some("Fix it")));
        assert_eq!((s.project.as_deref(), s.user_messages(), s.assistant_messages()), (Some("/w"), 1, 1));
        assert_eq!((s.ended, read.skipped_lines.total), (Some(Timestamp(1_756_721_475_000)), 1));
        let [row] = &read.usage[..] else { panic!("{:?}", read.usage) };
        assert_eq!((row.tokens.input, row.tokens.output, row.confidence), (70, 20, Confidence::Reported));
        std::fs::write(&file, text.replace("\"accumulated_", "\"old_")).unwrap();
        let read = super::read(&file, &ReadOptions::default()).unwrap();
        assert_eq!((read.usage[0].tokens.input, read.usage[0].confidence), (20, Confidence::LowerBound));
    }
}
