//! Claude Code: `~/.claude/projects/<folder>/<session>.jsonl`, formats of 1.0, 2.0 and 2.1.
//!
//! The project comes from the `cwd` of the records, because the folder name is not unique. Subagents are in the
//! session's own log (1.0), in `agent-<id>.jsonl` next to the sessions (2.0), or in `<session>/subagents/agent-<id>.jsonl`
//! with a `.meta.json` file (2.1).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::sources::common::files::open_log;
use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::walk;
use crate::sources::{OwnTotal, Read, ReadOptions, Skip, Source, SourceError, UsageRead};
use crate::trace::{Env, SessionKey, UsageRow};

mod build;
mod compaction;
mod log_owner;
mod log_path;
mod record;
mod usage;
mod usage_reader;

use log_path::{AGENT, LogPath};

pub(crate) struct Claude;

impl Source for Claude {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Claude Code"
    }

    fn location_vars(&self) -> &'static [&'static str] {
        &["CLAUDE_CONFIG_DIR"]
    }

    fn shell_vars(&self) -> &'static [&'static str] {
        &["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"]
    }

    fn locations(&self, env: &Env) -> Vec<PathBuf> {
        let homes: Vec<PathBuf> = match env.var("CLAUDE_CONFIG_DIR") {
            // The value is a list, but the name of a directory may contain a comma.
            Some(one) if Path::new(one).is_dir() => vec![PathBuf::from(one)],
            Some(list) => {
                list.split(',').map(str::trim).filter(|d| !d.is_empty()).map(PathBuf::from).collect()
            }
            None => vec![env.home.join(".claude"), env.home.join(".config/claude")],
        };
        homes.into_iter().map(|home| home.join("projects")).collect()
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(PathBuf), skip: &mut dyn FnMut(Skip)) {
        walk::files(root, &log_path::is_log, found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let mut builder = build::Builder::new(LogPath::of(file));
        let mut read =
            each_line(file, open_log(file)?, opts, |line, scratch| builder.read_line(line, scratch))?;
        let has_totals = builder.finish_into(&mut read);
        for session in read.sessions.iter_mut().filter(|s| s.project.is_none()) {
            session.project = log_path::directory_of_folder(file, &opts.known_dirs);
        }
        if has_totals {
            let usage = read_usage(file, opts, &mut Vec::new())?.rows;
            read.usage.extend(usage.into_iter().filter(is_compaction));
        }
        Ok(read)
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        each: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        each(read_usage(file, opts, buffer)?);
        Ok(())
    }

    fn own_totals(&self, file: &Path, opts: &ReadOptions) -> Result<Vec<OwnTotal>, SourceError> {
        let session = SessionKey::new(AGENT, &LogPath::of(file).native);
        let mut totals = Vec::new();
        each_line(file, open_log(file)?, opts, |line, scratch| {
            if line.bytes.starts_with(b"{\"type\":\"cost-state\"") {
                let (record, repaired) = parse::<record::CostState>(line.bytes, scratch)?;
                // Totals are cumulative, so the last one replaces the others.
                totals = compaction::totals(&record);
                return Ok(repaired);
            }
            Ok(false)
        })?;
        let own = |(model, tokens)| OwnTotal { session: session.clone(), model, tokens };
        Ok(totals.into_iter().map(own).collect())
    }
}

/// Reads the usage of one log, including the requests of compactions, which only the agent's totals show.
fn read_usage(file: &Path, opts: &ReadOptions, buffer: &mut Vec<u8>) -> Result<UsageRead, SourceError> {
    let usage_reader::LogUsage { mut usage, log, may_miss_compactions, subagent_starts } =
        usage_reader::read(file, opts, buffer)?;
    if may_miss_compactions {
        let intervals = compaction::read_intervals(file, opts, &log)?;
        let requests = compaction::Requests { rows: &usage.rows, subagent_starts: &subagent_starts };
        let rows = compaction::rows(&intervals, &requests, &log, || subagent_rows(file, opts, &usage.rows));
        usage.rows.extend(rows);
    }
    Ok(usage)
}

/// Returns the requests in the logs of a session's subagents that are not in the session's own log, by time.
fn subagent_rows(file: &Path, opts: &ReadOptions, requests: &[UsageRow]) -> Vec<UsageRow> {
    let mut seen: HashSet<String> = requests.iter().map(|r| r.dedupe_key.clone()).collect();
    let mut files: Vec<PathBuf> = Vec::new();
    let is_log = |p: &Path| p.extension().is_some_and(|e| e == "jsonl");
    let dir = file.with_extension("").join("subagents");
    walk::files(&dir, &is_log, &mut |path| files.push(path), &mut |_| ());
    let (mut buffer, mut rows) = (Vec::new(), Vec::new());
    for path in files {
        let Ok(read) = usage_reader::read(&path, opts, &mut buffer) else { continue };
        rows.extend(read.usage.rows.into_iter().filter(|r| seen.insert(r.dedupe_key.clone())));
    }
    rows.sort_by_key(|r| r.at);
    rows
}

/// Whether a row is the request of a compaction, which has a key of its own.
fn is_compaction(row: &UsageRow) -> bool {
    SessionKey::without_compaction_suffix(row.session.as_str()) != row.session.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_existing_directories_of_the_list_in_the_variable_are_roots() {
        let dir = tempfile::tempdir().unwrap();
        for d in ["a/projects", "b/projects", ".claude/projects"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        assert_eq!(Claude.roots(&env), [dir.path().join(".claude/projects")]);
        let at = |d: &str| dir.path().join(d).display().to_string();
        env.vars
            .insert("CLAUDE_CONFIG_DIR".to_owned(), format!("{}, {},{}", at("a"), at("b"), at("missing")));
        assert_eq!(Claude.roots(&env), [dir.path().join("a/projects"), dir.path().join("b/projects")]);
    }

    #[test]
    fn the_name_of_a_config_directory_may_contain_a_comma() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("Иванов, Пётр/.claude");
        std::fs::create_dir_all(config.join("projects")).unwrap();
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        env.vars.insert("CLAUDE_CONFIG_DIR".to_owned(), config.display().to_string());
        assert_eq!(Claude.roots(&env), [config.join("projects")]);
    }
}
