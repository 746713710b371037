//! GitHub Copilot CLI (1.0): `~/.copilot/session-state/<id>/events.jsonl`, `workspace.yaml` beside it.
//!
//! `COPILOT_HOME` names the directory, `XDG_STATE_HOME` the one above `.copilot`. `session.shutdown` repeats the
//! totals of the usage records; `detailedContent` repeats a result. Copilot masks some tokens when it writes: masks
//! stay as they are. The cost it records is in premium requests, not in money.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sources::common::line_reader::{Line, Used, each_line, parse};
use crate::sources::common::session_builder::{Draft, count, ended, media, text, text_part};
use crate::sources::common::walk;
use crate::sources::{Candidate, Read, ReadOptions, Skip, Source, SourceError, open_log, small_file};
use crate::trace::{Env, Origin, Part, Timestamp, Tokens, ToolStatus};

/// Agent id.
const AGENT: &str = "copilot";

/// The reader of Copilot CLI's sessions.
pub(crate) struct Copilot;

impl Source for Copilot {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "GitHub Copilot CLI"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let mut homes = vec![env.dir("COPILOT_HOME", ".copilot")];
        homes.extend(env.var("XDG_STATE_HOME").map(|dir| Path::new(dir).join(".copilot")));
        homes.dedup();
        homes.into_iter().map(|h| h.join("session-state")).filter(|d| d.is_dir()).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &|p| p.file_name() == Some(OsStr::new("events.jsonl")), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        vec![file.with_file_name("workspace.yaml")]
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let dir = file.parent().and_then(Path::file_name);
        let native = dir.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut events = Events { draft: Draft::new(AGENT, &native), native, counted: HashSet::new() };
        let workspace = small_file(&file.with_file_name("workspace.yaml")).unwrap_or_default();
        let workspace = String::from_utf8_lossy(&workspace);
        let s = &mut events.draft.session;
        (s.title, s.project) = (scalar(&workspace, "name"), scalar(&workspace, "cwd"));
        s.git_branch = scalar(&workspace, "branch");
        let mut scratch = String::new();
        each_line(file, input, opts, &mut read, |line| events.line(line, &mut scratch))?;
        events.draft.finish(&mut read);
        Ok(read)
    }
}

/// Reads one event log.
struct Events {
    draft: Draft,
    native: String,
    /// Keys of the requests so far.
    counted: HashSet<String>,
}

impl Events {
    fn line(&mut self, line: &Line<'_>, scratch: &mut String) -> Used {
        let (event, repaired) = parse::<Value>(line.bytes, scratch)?;
        let at = Timestamp::parse(event["timestamp"].as_str().unwrap_or_default());
        self.draft.tick(at);
        let data = &event["data"];
        let own = |v: &Value| text(v).map(str::to_owned);
        match event["type"].as_str().unwrap_or_default() {
            "session.start" | "session.resume" => {
                let s = &mut self.draft.session;
                s.agent_version = own(&data["copilotVersion"]).or(s.agent_version.take());
                s.project = own(&data["context"]["cwd"]).or(s.project.take());
                s.git_branch = own(&data["context"]["branch"]).or(s.git_branch.take());
            }
            "user.message" => {
                let mut parts: Vec<Part> =
                    text_part(data["content"].as_str().unwrap_or_default()).into_iter().collect();
                parts.extend(data["attachments"].as_array().into_iter().flatten().map(attachment));
                // Messages of other sources (`system`, a skill) name it.
                let source = text(&data["source"]).filter(|s| *s != "user");
                let origin = if source.is_none() { Origin::Human } else { Origin::Injected };
                self.draft.user(own(&data["messageId"]), origin, at, parts);
            }
            "assistant.message" => {
                self.draft.begin(own(&data["messageId"]), at, own(&data["model"]));
                if let Some(t) = text(&data["reasoningText"]) {
                    self.draft.part(at, Part::Thinking { text: t.to_owned() });
                }
                if let Some(part) = text_part(data["content"].as_str().unwrap_or_default()) {
                    self.draft.part(at, part);
                }
            }
            "tool.execution_start" => {
                let (id, name) = (data["toolCallId"].as_str(), data["toolName"].as_str());
                let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                self.draft.call(at, id, name, data["arguments"].clone());
            }
            "tool.execution_complete" => self.result(data),
            "session.usage_record" => self.usage(&data["usage"], &event, at, line.offset),
            "session.compaction_complete" => {
                let parts = text_part(data["summaryContent"].as_str().unwrap_or_default());
                self.draft.user(None, Origin::Compaction, at, parts.into_iter().collect());
            }
            "session.error" => {
                if let Some(why) = text(&data["message"]) {
                    self.draft.notice(at, None, why);
                }
            }
            _ => {}
        }
        Ok(repaired)
    }

    fn result(&mut self, data: &Value) {
        let Some(call) = self.draft.called(data["toolCallId"].as_str().unwrap_or_default()) else { return };
        call.exit_code = data["shellExecution"]["exitCode"].as_i64();
        let failed = !data["success"].as_bool().unwrap_or(true);
        let code = data["error"]["code"].as_str().unwrap_or_default();
        call.status = match code {
            "denied" | "rejected" | "permission_denied" => ToolStatus::Denied,
            _ => ended(failed, call.exit_code),
        };
        let result = &data["result"];
        let output = text(&result["content"]).or(text(&data["error"]["message"]));
        call.output = output.map(str::to_owned);
        let images = result["contents"].as_array().into_iter().flatten();
        call.media_bytes = images.filter_map(|c| c["data"].as_str()).map(|d| d.len() as u64).sum();
    }

    /// Input here is the whole prompt, cache included.
    fn usage(&mut self, usage: &Value, event: &Value, at: Option<Timestamp>, offset: u64) {
        if !usage.is_object() {
            return;
        }
        let (cache_read, written) = (count(&usage["cacheReadTokens"]), count(&usage["cacheWriteTokens"]));
        let tokens = Tokens {
            input: count(&usage["inputTokens"]).saturating_sub(cache_read.saturating_add(written)),
            output: count(&usage["outputTokens"]),
            reasoning: count(&usage["reasoningTokens"]),
            cache_read,
            cache_write_5m: written,
            ..Tokens::default()
        };
        let id = text(&usage["apiCallId"]).or(text(&event["id"]));
        let key = match id {
            Some(id) => format!("{AGENT}:{id}"),
            None => format!("{AGENT}:{}#{offset}", self.native),
        };
        if !self.counted.insert(key.clone()) {
            return;
        }
        self.draft.request_before_calls(key, at, usage["model"].as_str().unwrap_or_default(), tokens, offset);
        let source = text(&usage["accounting"]["sourceSessionId"]);
        if let Some(row) = self.draft.usage.last_mut() {
            row.copied = source.is_some_and(|s| s != self.native);
        }
    }
}

fn attachment(value: &Value) -> Part {
    if let Some(data) = text(&value["data"]) {
        return media(value["mimeType"].as_str().unwrap_or_default(), data);
    }
    let name = text(&value["path"]).or(text(&value["filePath"])).or(text(&value["displayName"]));
    Part::Attachment {
        name: name.unwrap_or_default().to_owned(),
        text: value["text"].as_str().unwrap_or_default().to_owned(),
    }
}

/// A top-level scalar of a small YAML file: plain, in single or in double quotes.
fn scalar(yaml: &str, key: &str) -> Option<String> {
    let line = yaml.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?.trim();
    let value = if let Some(inner) = line.strip_prefix('\'').and_then(|l| l.strip_suffix('\'')) {
        inner.replace("''", "'")
    } else if line.starts_with('"') {
        serde_json::from_str(line).ok()?
    } else {
        line.to_owned()
    };
    let block = matches!(value.as_str(), "|" | "|-" | ">" | ">-" | "null" | "~");
    Some(value).filter(|v| !v.is_empty() && !block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_read_in_every_quoting() {
        let yaml = "id: 1\nname: a: b # c\ncwd: '/it''s'\nbranch: \"x\\ty\"\nempty:\nnested:\n  name: no\n";
        assert_eq!(scalar(yaml, "name").as_deref(), Some("a: b # c"));
        assert_eq!(scalar(yaml, "cwd").as_deref(), Some("/it's"));
        assert_eq!(scalar(yaml, "branch").as_deref(), Some("x\ty"));
        assert_eq!((scalar(yaml, "empty"), scalar(yaml, "none")), (None, None));
    }

    #[test]
    fn both_homes_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        for d in ["own/session-state", "state/.copilot/session-state"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("cg"));
        assert!(Copilot.roots(&env).is_empty());
        env.vars.insert("COPILOT_HOME".to_owned(), dir.path().join("own").display().to_string());
        env.vars.insert("XDG_STATE_HOME".to_owned(), dir.path().join("state").display().to_string());
        assert_eq!(Copilot.roots(&env).len(), 2);
    }
}
