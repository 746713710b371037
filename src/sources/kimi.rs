//! kimi-cli (1.51): `~/.kimi/sessions/<md5 of the directory>/<id>/wire.jsonl`, subagents in `subagents/<id>/`.
//!
//! `KIMI_SHARE_DIR` names the directory. `context.jsonl` beside the wire log repeats it without times and usage and
//! is not read. The model is recorded nowhere in a session.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::Value;

use crate::sources::common::line_reader::{Line, Used, each_line, parse};
use crate::sources::common::session_builder::{Draft, content, count, ended, exit_code, flat, text};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, open_log, small_json};
use crate::trace::{Env, Origin, SessionKey, Timestamp, Tokens};

/// Agent id.
const AGENT: &str = "kimi";

/// The reader of kimi-cli's sessions.
pub(crate) struct Kimi;

impl Source for Kimi {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Kimi CLI"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let sessions = env.dir("KIMI_SHARE_DIR", ".kimi").join("sessions");
        if sessions.is_dir() { vec![sessions] } else { Vec::new() }
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        let wanted = |p: &Path| {
            let name = p.file_name().and_then(OsStr::to_str);
            name == Some("wire.jsonl")
                || (name == Some("context.jsonl") && !root.join(p.with_file_name("wire.jsonl")).exists())
        };
        let mut older = Vec::new();
        let mut sort = |c: Candidate| {
            if c.path.file_name() == Some(OsStr::new("wire.jsonl")) { found(c) } else { older.push(c.path) }
        };
        walk::files(AGENT, root, &wanted, &mut sort, skip);
        for path in older {
            skip(Skip { path, reason: "a session without its wire log (an older kimi-cli)".to_owned() });
        }
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        vec![file.with_file_name("state.json"), file.with_file_name("meta.json")]
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let mut wire = Wire::new(file, opts);
        let mut scratch = String::new();
        each_line(file, input, opts, &mut read, |line| wire.line(line, &mut scratch))?;
        wire.draft.finish(&mut read);
        Ok(read)
    }
}

/// Reads one wire log.
struct Wire {
    draft: Draft,
    subagent: Option<String>,
}

impl Wire {
    fn new(file: &Path, opts: &ReadOptions) -> Self {
        let dir = file.parent().unwrap_or(Path::new(""));
        let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut draft = Draft::new(AGENT, &name(dir));
        let inside = dir.parent().filter(|p| p.file_name() == Some(OsStr::new("subagents")));
        let own = inside.and_then(Path::parent).unwrap_or(dir);
        let mut subagent = None;
        if inside.is_some() {
            draft.session.parent = Some(SessionKey::new(AGENT, &name(own)));
            let meta = small_json(&dir.join("meta.json"));
            subagent = Some(text(&meta["subagent_type"]).unwrap_or("subagent").to_owned());
        } else {
            let state = small_json(&dir.join("state.json"));
            draft.session.title = text(&state["custom_title"]).map(str::to_owned);
        }
        draft.session.project = project(own, opts);
        Wire { draft, subagent }
    }

    fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        let (record, repaired) = parse::<Value>(line.bytes, scratch)?;
        let at = record["timestamp"].as_f64().filter(|s| s.abs() < 9e12);
        let at = at.map(|s| Timestamp((s * 1000.0).round() as i64));
        self.draft.tick(at);
        let payload = &record["message"]["payload"];
        match record["message"]["type"].as_str().unwrap_or_default() {
            "TurnBegin" | "SteerInput" => {
                let origin = if self.subagent.is_some() { Origin::Injected } else { Origin::Human };
                self.draft.user(None, origin, at, content(&payload["user_input"]));
            }
            "StepBegin" => self.draft.begin(None, at, None),
            "StepInterrupted" | "TurnEnd" => self.draft.close(),
            "ContentPart" => {
                for part in content(&Value::Array(vec![payload.clone()])) {
                    self.draft.part(at, part);
                }
            }
            "ToolCall" => {
                let function = &payload["function"];
                let arguments = function["arguments"].as_str().unwrap_or_default();
                let input = serde_json::from_str(arguments).unwrap_or_else(|_| Value::from(arguments));
                let (id, name) = (payload["id"].as_str(), function["name"].as_str());
                self.draft.call(at, id.unwrap_or_default(), name.unwrap_or_default(), input);
            }
            "ToolResult" => self.result(payload),
            "StatusUpdate" => self.usage(payload, at, line.offset),
            // `SubagentEvent` repeats the subagent's own wire log.
            _ => {}
        }
        Ok(repaired)
    }

    fn result(&mut self, payload: &Value) {
        let Some(call) = self.draft.called(payload["tool_call_id"].as_str().unwrap_or_default()) else {
            return;
        };
        let value = &payload["return_value"];
        let (mut output, bytes) = flat(&value["output"]);
        let message = value["message"].as_str().unwrap_or_default();
        let failed = value["is_error"].as_bool().unwrap_or(false);
        call.exit_code = exit_code(message, "exit code: ").filter(|_| failed);
        if failed || output.is_empty() {
            if !output.is_empty() && !output.ends_with('\n') {
                output.push('\n');
            }
            output.push_str(message);
        }
        call.status = ended(failed, call.exit_code);
        call.output = Some(output);
        call.media_bytes = bytes;
    }

    fn usage(&mut self, payload: &Value, at: Option<Timestamp>, offset: u64) {
        let usage = &payload["token_usage"];
        if !usage.is_object() {
            return;
        }
        let tokens = Tokens {
            input: count(&usage["input_other"]),
            output: count(&usage["output"]),
            cache_read: count(&usage["input_cache_read"]),
            cache_write_5m: count(&usage["input_cache_creation"]),
            ..Tokens::default()
        };
        let native = self.draft.session.key.native();
        let key = match text(&payload["message_id"]) {
            Some(id) => format!("{AGENT}:{id}"),
            None => format!("{AGENT}:{native}#{}", self.draft.usage.len()),
        };
        if self.draft.usage.iter().rev().any(|r| r.dedupe_key == key) {
            return;
        }
        self.draft.request(key, at, "", tokens, offset);
        if let (Some(kind), Some(row)) = (&self.subagent, self.draft.usage.last_mut()) {
            row.subagent = Some(kind.clone());
        }
    }
}

/// The directory a session ran in: its folder is named by the MD5 of the path, which `kimi.json` lists.
fn project(session: &Path, opts: &ReadOptions) -> Option<String> {
    let folder = session.parent()?;
    let hash = folder.file_name()?.to_str()?;
    // Directories on another machine are `<kind>_<md5>`.
    let hash = hash.rsplit_once('_').map_or(hash, |(_, h)| h);
    let share = folder.parent()?.parent()?;
    let known = small_json(&share.join("kimi.json"));
    let listed = known["work_dirs"].as_array().into_iter().flatten().filter_map(|d| d["path"].as_str());
    listed
        .chain(opts.known_dirs.iter().map(String::as_str))
        .find(|path| data_encoding::HEXLOWER.encode(&Md5::digest(path.as_bytes())) == hash)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Part;

    #[test]
    fn a_session_without_a_wire_log_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = dir.path().join("s p/sessions");
        for (d, f) in [("h/1", "wire.jsonl"), ("h/1", "context.jsonl"), ("h/2", "context.jsonl")] {
            std::fs::create_dir_all(sessions.join(d)).unwrap();
            std::fs::write(sessions.join(d).join(f), "").unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        env.vars.insert("KIMI_SHARE_DIR".to_owned(), dir.path().join("s p").display().to_string());
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        let roots = Kimi.roots(&env);
        Kimi.discover(&roots[0], &mut |c| found.push(c.path), &mut |s| skipped.push(s.path));
        assert_eq!(
            (found, skipped),
            (vec![sessions.join("h/1/wire.jsonl")], vec![sessions.join("h/2/context.jsonl")])
        );
    }

    #[test]
    fn what_a_turn_holds_is_part_of_it() {
        let parts = content(
            &serde_json::json!([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]),
        );
        assert_eq!(parts[1], Part::Media { media_type: "image/png".to_owned(), bytes: 2 });
    }
}
