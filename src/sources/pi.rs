//! Pi: `~/.pi/agent/sessions/<folder>/<time>_<id>.jsonl`, in the transcript format that it shares with OpenClaw.
//!
//! `PI_CODING_AGENT_DIR` replaces `~/.pi/agent`, `PI_CODING_AGENT_SESSION_DIR` or `sessionDir` in `settings.json` the
//! directory of the sessions. The extension pi-subagents keeps the sessions of subagents in a folder with the name of the
//! session that started them: `<time>_<id>/<run>/run-<number>/session.jsonl`.

use std::path::{Path, PathBuf};

use crate::sources::common::files::small_json;
use crate::sources::common::json_fields::non_empty;
use crate::sources::common::pi_transcript::{Transcript, header_id};
use crate::sources::common::walk;
use crate::sources::{Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::{Env, SessionKey};

const AGENT: &str = "pi";

pub(crate) struct Pi;

impl Source for Pi {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Pi"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        if let Some(dir) = env.var("PI_CODING_AGENT_SESSION_DIR") {
            return vec![PathBuf::from(dir)];
        }
        let home = env.dir("PI_CODING_AGENT_DIR", ".pi/agent");
        let settings = small_json(&home.join("settings.json"));
        let chosen = non_empty(&settings["sessionDir"]).map(|dir| match dir.strip_prefix("~/") {
            Some(below) => env.home.join(below),
            None => home.join(dir),
        });
        // Older sessions stay where they were.
        chosen.into_iter().chain([home.join("sessions")]).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &|p| native_id(p).is_some(), found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        transcript(file).read(opts)
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        each(transcript(file).read_usage(opts, buffer)?);
        Ok(())
    }
}

fn transcript(file: &Path) -> Transcript<'_> {
    let parent = parent_log(file).and_then(|log| header_id(&log).or_else(|| native_id(&log)));
    Transcript {
        file,
        agent: AGENT,
        native: native_id(file).unwrap_or_default(),
        parent: parent.map(|id| SessionKey::new(AGENT, &id)),
        automatic: false,
        is_copy: false,
    }
}

/// Returns the log of the session that started a subagent: `<log>.jsonl` for `<log>/<id>/run-<number>/session.jsonl`. The
/// log may not exist any more.
fn parent_log(file: &Path) -> Option<PathBuf> {
    let run = file.parent()?;
    let number = run.file_name()?.to_str()?.strip_prefix("run-")?;
    let log = run.parent()?.parent()?;
    let name = log.file_name()?.to_str()?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    // The folder of a project is not the folder of a session.
    (is_number && !name.starts_with("--")).then(|| log.with_file_name(format!("{name}.jsonl")))
}

/// Returns the session id in a file name `<time>_<id>.jsonl`; `None` for other files.
fn native_id(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    Some(stem.rsplit_once('_').map_or(stem, |(_, id)| id).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_replaces_the_default_directory() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("x/sessions")).unwrap();
        let mut env = Env::bare(home.path(), home.path().join("own"));
        assert!(Pi.roots(&env).is_empty());
        env.vars.insert("PI_CODING_AGENT_DIR".to_owned(), home.path().join("x").display().to_string());
        assert_eq!(Pi.roots(&env), [home.path().join("x/sessions")]);
        let name = Path::new("2026-11-20T16-14-54-123Z_01a1.jsonl");
        assert_eq!(native_id(name).as_deref(), Some("01a1"));
        for (chosen, dir) in [("logs", "x/logs"), ("~/own", "own"), ("", "x/none")] {
            std::fs::create_dir_all(home.path().join(dir)).unwrap();
            std::fs::write(home.path().join("x/settings.json"), format!(r#"{{"sessionDir":"{chosen}"}}"#))
                .unwrap();
            let expected: &[&str] = if chosen.is_empty() { &["x/sessions"] } else { &[dir, "x/sessions"] };
            assert_eq!(Pi.roots(&env), expected.iter().map(|d| home.path().join(d)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_path_of_a_subagents_session_names_the_log_of_its_parent() {
        for (file, log) in [
            ("/s/--w--/2026_01a1/5f31/run-0/session.jsonl", Some("/s/--w--/2026_01a1.jsonl")),
            ("/s/--w--/2026_01a1/5f31/run-12/2026_77.jsonl", Some("/s/--w--/2026_01a1.jsonl")),
            (
                "/s/--w--/a_1/5f31/run-1/session/77aa/run-0/session.jsonl",
                Some("/s/--w--/a_1/5f31/run-1/session.jsonl"),
            ),
            ("/s/--w--/2026_01a1.jsonl", None),
            ("/s/--w--/5f31/run-0/session.jsonl", None),
            ("/s/--w--/2026_01a1/5f31/run-x/session.jsonl", None),
        ] {
            assert_eq!(parent_log(Path::new(file)).as_deref(), log.map(Path::new), "{file}");
        }
    }
}
