//! Gemini CLI: `~/.gemini/tmp/<project>/chats/`, one JSON document a session up to 0.36, an event log since.
//!
//! `<project>` is the SHA-256 of the working directory, later a slug that `~/.gemini/projects.json` and
//! `.project_root` resolve. Subagents lie below, in `chats/<parent>/<id>.jsonl`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, open_log};
use crate::trace::{Env, Part, Session};

mod build;
mod project;

use build::Builder;

const AGENT: &str = "gemini";

/// The reader of Gemini CLI's chats.
pub(crate) struct Gemini;

impl Source for Gemini {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Gemini CLI"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        // The variable stands for the home directory, not for `.gemini` in it.
        let home = env.var("GEMINI_CLI_HOME").map_or_else(|| env.home.clone(), PathBuf::from);
        let tmp = home.join(".gemini").join("tmp");
        if tmp.is_dir() { vec![tmp] } else { Vec::new() }
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &is_chat, found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        project::companions(file)
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let mut builder = Builder::default();
        let mut scratch = String::new();
        if file.extension().is_some_and(|e| e == "json") {
            let io = |source| SourceError::Io { path: file.to_owned(), source };
            let mut bytes = Vec::new();
            let most = opts.line_limit as u64;
            input.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
            read.bytes_read = bytes.len() as u64;
            if read.bytes_read > most {
                read.skipped_lines.add(1, format!("longer than {most} bytes"));
            } else if !bytes.iter().all(u8::is_ascii_whitespace) {
                match parse::<Value>(&bytes, &mut scratch) {
                    Ok((document, repaired)) => {
                        read.repaired_lines += u64::from(repaired);
                        builder.record(&document, 0);
                    }
                    // A document that ends early is being written.
                    Err(_) if cut_off(&bytes) => read.truncated_tail = true,
                    Err(reason) => read.skipped_lines.add(1, reason),
                }
            }
        } else {
            each_line(file, input, opts, &mut read, |line| {
                let (record, repaired) = parse::<Value>(line.bytes, &mut scratch)?;
                builder.record(&record, line.offset);
                Ok(repaired)
            })?;
        }
        let (hash, directories) = (builder.hash.take(), std::mem::take(&mut builder.directories));
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let (session, usage) = builder.finish(stem, project::parent(file));
        read.usage = usage;
        read.sessions.extend(session.map(|mut session| {
            session.project =
                project::find(file, hash.as_deref(), &directories, &opts.known_dirs, &mut |each| {
                    texts(&session, each);
                });
            session
        }));
        Ok(read)
    }
}

/// Whether a path below `tmp` is a chat: `<project>/chats/<file>` or `<project>/chats/<parent>/<file>`.
fn is_chat(path: &Path) -> bool {
    let depth = path.components().count();
    let chats = path.components().nth(1).is_some_and(|c| c.as_os_str() == "chats");
    chats && (3..=4).contains(&depth) && path.extension().is_some_and(|e| e == "json" || e == "jsonl")
}

fn cut_off(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err_and(|e| e.is_eof())
}

/// Hands the texts of a session to `stop`, inputs of tools first, until it says so.
fn texts(session: &Session, stop: &mut dyn FnMut(&str) -> bool) {
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
