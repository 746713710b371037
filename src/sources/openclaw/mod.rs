//! OpenClaw: `~/.openclaw/agents/<agent>/`. Up to 2026.7.1 a session is a JSONL file (`sessions/<id>.jsonl`); later
//! versions keep all sessions of an agent in one SQLite database (`agent/openclaw-agent.sqlite`). Both can exist.
//!
//! Archived transcripts (`.jsonl.reset.<time>`, `.jsonl.deleted.<time>`) are read as well. `*.trajectory.jsonl` files
//! repeat the sessions and are not read. Of `<id>.checkpoint.<uuid>.jsonl`, the copy of a session before its compaction,
//! only the requests are read, because some versions remove compacted messages from the session.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::pi_transcript::{Transcript, native_id};
use crate::sources::common::{sqlite, walk};
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::{Env, SessionKey};

use session_list::SessionOrigin;

mod session_list;
mod store;

const AGENT: &str = "openclaw";

/// File name of the agent's database. Other databases in the same directory have longer names.
const DATABASE: &str = "openclaw-agent.sqlite";

/// Part of the name of a copy, between the id of the session and that of the copy.
const CHECKPOINT: &str = ".checkpoint.";

pub(crate) struct OpenClaw;

impl Source for OpenClaw {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "OpenClaw"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["OPENCLAW_HOME", "OPENCLAW_PROFILE", "OPENCLAW_STATE_DIR"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["OPENCLAW_SHELL"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let mut states: Vec<PathBuf> = Vec::new();
        match env.var("OPENCLAW_STATE_DIR") {
            Some(dir) => states.push(PathBuf::from(dir)),
            None => {
                let home = env.var("OPENCLAW_HOME").map_or_else(|| env.home.clone(), PathBuf::from);
                states.push(home.join(".openclaw"));
                if let Some(profile) = env.var("OPENCLAW_PROFILE").filter(|p| !p.contains(['/', '\\'])) {
                    states.push(home.join(format!(".openclaw-{profile}")));
                }
                // Every profile has its own directory next to the default one.
                let profiles = std::fs::read_dir(&home).into_iter().flatten().flatten();
                let is_profile = |name: &OsStr| name.to_string_lossy().starts_with(".openclaw-");
                let mut found: Vec<_> =
                    profiles.filter(|e| is_profile(&e.file_name())).map(|e| e.path()).collect();
                found.sort();
                states.extend(found);
            }
        }
        states.into_iter().map(|s| s.join("agents")).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &|p| is_database(p) || native_id(p).is_some(), found, skip);
    }

    fn companions(&self, file: &Path) -> Vec<PathBuf> {
        if is_database(file) { sqlite::companions(file) } else { Vec::new() }
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        Read::collect(|each| self.read_each(file, opts, each))
    }

    fn read_each(
        &self,
        file: &Path,
        opts: &ReadOptions,
        each: &mut dyn FnMut(Read),
    ) -> Result<(), SourceError> {
        if is_database(file) {
            return store::read(file, opts, each);
        }
        each(transcript(file).read(opts)?);
        Ok(())
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        if is_database(file) {
            return self.read_each(file, opts, &mut |read| each(UsageRead::of(read)));
        }
        each(transcript(file).read_usage(opts, buffer)?);
        Ok(())
    }
}

fn transcript(file: &Path) -> Transcript<'_> {
    let name = native_id(file).unwrap_or_default();
    let copied = name.split_once(CHECKPOINT).map(|(session, _)| session.to_owned());
    let is_copy = copied.is_some();
    let native = copied.unwrap_or(name);
    let SessionOrigin { parent, automatic } = session_list::origin(file, &native);
    let parent = parent.map(|id| SessionKey::new(AGENT, &id));
    Transcript { file, agent: AGENT, native, parent, automatic, is_copy }
}

fn is_database(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new(DATABASE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_in_a_copy_of_a_session_are_those_of_the_session() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s1.checkpoint.7f0e9f1c-0f53-4a39-8b3c-6a3b8a5ad001.jsonl");
        let log = [
            r#"{"type":"session","version":3,"id":"7f0e","timestamp":"2026-11-20T10:00:00.000Z","cwd":"/w","parentSession":"/x/s1.jsonl"}"#,
            r#"{"type":"message","id":"u1","timestamp":"2026-11-20T10:00:01.000Z","message":{"role":"user","content":"boil"}}"#,
            r#"{"type":"message","id":"a1","timestamp":"2026-11-20T10:00:02.000Z","message":{"role":"assistant","provider":"anthropic","model":"claude-opus-5","content":[],"usage":{"input":10,"output":2}}}"#,
        ];
        std::fs::write(&file, log.join("\n") + "\n").unwrap();
        let read = OpenClaw.read(&file, &ReadOptions::default()).unwrap();
        let mut usage = Vec::new();
        let mut each = |read: UsageRead| usage.extend(read.rows);
        OpenClaw.read_usage(&file, &ReadOptions::default(), &mut Vec::new(), &mut each).unwrap();
        assert_eq!(read.usage, usage);
        let sessions: Vec<_> = usage.iter().map(|row| (row.session.as_str(), row.copied)).collect();
        assert_eq!(sessions, [("openclaw:s1", false)]);
        assert!(read.sessions.is_empty() && read.is_bookkeeping);
    }

    #[test]
    fn all_profiles_and_overridden_directories_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for d in [".openclaw/agents", ".openclaw-work/agents", "state/agents", "other/.openclaw/agents"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        let roots = |env: &Env| -> Vec<String> {
            let relative = |p: PathBuf| p.strip_prefix(dir.path()).unwrap().display().to_string();
            OpenClaw.roots(env).into_iter().map(relative).collect()
        };
        assert_eq!(roots(&env), [".openclaw/agents", ".openclaw-work/agents"]);
        env.vars.insert("OPENCLAW_HOME".to_owned(), dir.path().join("other").display().to_string());
        assert_eq!(roots(&env), ["other/.openclaw/agents"]);
        env.vars.insert("OPENCLAW_STATE_DIR".to_owned(), dir.path().join("state").display().to_string());
        assert_eq!(roots(&env), ["state/agents"]);
    }
}
