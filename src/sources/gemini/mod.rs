//! Gemini CLI: `~/.gemini/tmp/<project>/chats/`. Up to 0.36 a session is one JSON document, later an event log.
//!
//! `<project>` is the SHA-256 of the working directory. Later versions use a slug, which `~/.gemini/projects.json` and
//! `.project_root` map to the directory. The logs of subagents are `chats/<parent>/<id>.jsonl`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::files::open_log;
use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError};
use crate::trace::{Env, Part, Session};

mod build;
mod project;

use build::Builder;

const AGENT: &str = "gemini";

pub(crate) struct Gemini;

impl Source for Gemini {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Gemini CLI"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["GEMINI_CLI_HOME"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["GEMINI_CLI"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        // The variable names the directory that contains `.gemini`.
        let home = env.var("GEMINI_CLI_HOME").map_or_else(|| env.home.clone(), PathBuf::from);
        vec![home.join(".gemini/tmp")]
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &is_log, found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        project::companions(file)
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut builder = Builder::default();
        let mut read = if file.extension().is_some_and(|e| e == "json") {
            read_document(file, opts, &mut builder)?
        } else {
            each_line(file, open_log(file)?, opts, |line, scratch| {
                let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
                builder.read_record(&record, line.offset);
                Ok(repaired)
            })?
        };
        let (hash, directories) = (builder.hash.take(), std::mem::take(&mut builder.directories));
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        // A session that is resumed begins a new file, which may stay empty.
        read.is_bookkeeping = builder.has_only_header();
        let (session, usage) = builder.finish(stem, project::parent(file));
        read.usage = usage;
        read.sessions.extend(session.map(|mut session| {
            session.project =
                project::find(file, hash.as_deref(), &directories, &opts.known_dirs, &mut |each| {
                    for_each_text(&session, each);
                });
            session
        }));
        Ok(read)
    }
}

/// Reads a session that is one JSON document.
fn read_document(file: &Path, opts: &ReadOptions, builder: &mut Builder) -> Result<Read, SourceError> {
    let io = |source| SourceError::Io { path: file.to_owned(), source };
    let mut bytes = Vec::new();
    let max_bytes = opts.line_limit as u64;
    open_log(file)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    let mut read = Read { bytes_read: bytes.len() as u64, ..Read::default() };
    if read.bytes_read > max_bytes {
        read.skipped_lines.add(1, format!("longer than {max_bytes} bytes"));
    } else if !bytes.iter().all(u8::is_ascii_whitespace) {
        match parse::<Value>(&bytes, &mut String::new()) {
            Ok((document, repaired)) => {
                read.repaired_lines += u64::from(repaired);
                builder.read_record(&document, 0);
            }
            // The agent is still writing this document.
            Err(_) if is_incomplete(&bytes) => read.truncated_tail = true,
            Err(reason) => read.skipped_lines.add(1, reason),
        }
    }
    Ok(read)
}

/// Whether a path below `tmp` is the log of a session: `<project>/chats/<file>` or `<project>/chats/<parent>/<file>`.
fn is_log(path: &Path) -> bool {
    let depth = path.components().count();
    let chats = path.components().nth(1).is_some_and(|c| c.as_os_str() == "chats");
    chats && (3..=4).contains(&depth) && path.extension().is_some_and(|e| e == "json" || e == "jsonl")
}

fn is_incomplete(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err_and(|e| e.is_eof())
}

/// Calls `stop` for the texts of a session, tool inputs first, until it returns true.
fn for_each_text(session: &Session, stop: &mut dyn FnMut(&str) -> bool) {
    for call in session.tool_calls() {
        let inputs = call.input.as_object().into_iter().flat_map(|o| o.values()).filter_map(Value::as_str);
        if inputs.chain(call.output.as_deref()).any(&mut *stop) {
            return;
        }
    }
    for part in session.messages.iter().flat_map(|m| &m.parts) {
        if let Part::Text { text } = part
            && stop(text)
        {
            return;
        }
    }
}
