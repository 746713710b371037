//! Claude Code: `~/.claude/projects/<folder>/<session>.jsonl`, formats of 1.0, 2.0 and 2.1.
//!
//! The project comes from the records' `cwd`; the folder name is lossy. Subagents are inline (1.0), in
//! `agent-<id>.jsonl` beside the sessions (2.0) or in `<session>/subagents/agent-<id>.jsonl` with a
//! `.meta.json` (2.1).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::sources::common::line_reader::{each_line, parse};
use crate::sources::common::walk;
use crate::sources::{
    Candidate, OwnTotal, Read, ReadOptions, Skip, Source, SourceError, UsageRead, open_log,
};
use crate::trace::{Env, SessionKey};

mod build;
mod compaction;
mod record;
mod spawned;
mod usage;
mod usage_reader;

/// Agent id.
const AGENT: &str = "claude";

/// The reader of Claude Code's logs.
pub(crate) struct Claude;

impl Source for Claude {
    fn agent(&self) -> &'static str {
        AGENT
    }

    fn name(&self) -> &'static str {
        "Claude Code"
    }

    fn roots(&self, env: &Env) -> Vec<PathBuf> {
        let homes: Vec<PathBuf> = match env.var("CLAUDE_CONFIG_DIR") {
            // A directory's name may hold a comma.
            Some(one) if Path::new(one).is_dir() => vec![PathBuf::from(one)],
            Some(list) => {
                list.split(',').map(str::trim).filter(|d| !d.is_empty()).map(PathBuf::from).collect()
            }
            None => vec![env.home.join(".claude"), env.home.join(".config/claude")],
        };
        let mut roots: Vec<PathBuf> = Vec::new();
        for root in homes.into_iter().map(|home| home.join("projects")).filter(|root| root.is_dir()) {
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }

    fn discover(&self, root: &Path, found: &mut dyn FnMut(Candidate), skip: &mut dyn FnMut(Skip)) {
        walk::files(AGENT, root, &is_log, found, skip);
    }

    fn read(&self, file: &Path, opts: &ReadOptions) -> Result<Read, SourceError> {
        let input = open_log(file)?;
        let mut read = Read::default();
        let mut builder = build::Builder::new(Place::of(file));
        let mut scratch = String::new();
        each_line(file, input, opts, &mut read, |line| builder.line(line, &mut scratch))?;
        let totals = builder.finish(&mut read);
        for session in read.sessions.iter_mut().filter(|s| s.project.is_none()) {
            session.project = directory(file, opts);
        }
        if totals {
            let counted = usage_reader::read(file, opts, &mut Vec::new())?.rows;
            read.usage.extend(
                counted.into_iter().filter(|r| {
                    SessionKey::without_compaction_suffix(r.session.as_str()) != r.session.as_str()
                }),
            );
        }
        Ok(read)
    }

    fn read_usage(
        &self,
        file: &Path,
        opts: &ReadOptions,
        buffer: &mut Vec<u8>,
        piece: &mut dyn FnMut(UsageRead),
    ) -> Result<(), SourceError> {
        piece(usage_reader::read(file, opts, buffer)?);
        Ok(())
    }

    fn own_totals(&self, file: &Path, opts: &ReadOptions) -> Result<Vec<OwnTotal>, SourceError> {
        let place = Place::of(file);
        let session = SessionKey::new(AGENT, &place.native);
        let mut totals = Vec::new();
        let mut scratch = String::new();
        each_line(file, open_log(file)?, opts, &mut Read::default(), |line| {
            if line.bytes.starts_with(b"{\"type\":\"cost-state\"") {
                let (record, repaired) = parse::<record::CostState>(line.bytes, &mut scratch)?;
                // Cumulative: the last one counts.
                totals = compaction::totals(&record);
                return Ok(repaired);
            }
            Ok(false)
        })?;
        let own = |(model, tokens)| OwnTotal { session: session.clone(), model, tokens };
        Ok(totals.into_iter().map(own).collect())
    }
}

/// The working directory of a log whose records name none: the one among the known directories that its folder is
/// named after. Claude Code replaces all but ASCII letters and digits, each UTF-16 unit by a hyphen.
fn directory(file: &Path, opts: &ReadOptions) -> Option<String> {
    let projects = file.ancestors().find(|a| a.file_name() == Some(OsStr::new("projects")))?;
    let folder = file.strip_prefix(projects).ok()?.iter().next()?.to_str()?;
    let units = |c: char| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['-'; c.len_utf16()] };
    let mut named = opts.known_dirs.iter().filter(|d| d.chars().flat_map(units).eq(folder.chars()));
    // Two directories can have the same folder.
    named.next().filter(|_| named.next().is_none()).cloned()
}

/// Whether a path below `projects/` is a session: `<folder>/<id>.jsonl`, or `agent-*.jsonl` below `subagents`
/// (workflows keep a `journal.jsonl` there that is none).
fn is_log(relative: &Path) -> bool {
    if relative.extension() != Some(OsStr::new("jsonl")) {
        return false;
    }
    if relative.components().count() <= 2 {
        return true;
    }
    let agent = relative.file_name().and_then(OsStr::to_str).is_some_and(|n| n.starts_with("agent-"));
    agent && relative.components().any(|c| c.as_os_str() == "subagents")
}

/// What a log's path and the `.meta.json` beside it say.
#[derive(Debug, Default)]
struct Place {
    /// The agent's id of the session in it.
    native: String,
    /// Whether it is a subagent's own file.
    subagent: bool,
    /// The session whose folder it stands in.
    parent: Option<String>,
    /// The `.meta.json` beside it.
    meta: Option<record::Meta>,
    /// Where outputs too large for the log are kept.
    results: PathBuf,
    /// The log of the session whose folder it stands in; may not exist.
    log: PathBuf,
}

impl Place {
    /// Whether it is a log below a session's folder with nothing beside it that says what it is.
    fn bare(&self) -> bool {
        self.parent.is_some() && self.meta.is_none()
    }

    fn of(file: &Path) -> Place {
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(id) = stem.strip_prefix("agent-") else {
            let results = file.with_extension("").join("tool-results");
            return Place { native: stem, results, ..Place::default() };
        };
        let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
        let parent = file.ancestors().find(|a| a.file_name() == Some(OsStr::new("subagents")));
        let meta = std::fs::read(file.with_extension("meta.json"))
            .ok()
            .map(|bytes| serde_json::from_slice::<record::Meta>(&bytes).unwrap_or_default());
        let session = parent.and_then(Path::parent);
        let results = session.map(|s| s.join("tool-results")).unwrap_or_default();
        let log = session.and_then(name).zip(session.and_then(Path::parent));
        let log = log.map(|(id, folder)| folder.join(format!("{id}.jsonl"))).unwrap_or_default();
        Place { results, log, native: id.to_owned(), subagent: true, parent: session.and_then(name), meta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_files_are_told_from_others() {
        for yes in [
            "p/a.jsonl",
            "p/agent-1.jsonl",
            "p/s/subagents/agent-1.jsonl",
            "p/s/subagents/workflows/w/agent-2.jsonl",
        ] {
            assert!(is_log(Path::new(yes)), "{yes}");
        }
        for no in ["p/a.txt", "p/s/tool-results/t.jsonl", "p/s/subagents/journal.jsonl", "p/s/agent-1.jsonl"]
        {
            assert!(!is_log(Path::new(no)), "{no}");
        }
    }

    #[test]
    fn config_dir_may_be_a_list_and_only_existing_roots_count() {
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
    fn a_folder_is_told_by_the_directories_that_are_known() {
        let known = ["/home/Ёж O'N/🍣 a.b_c", "/home/x", "/home/y/a-b", "/home/y/a.b"].map(str::to_owned);
        let opts = ReadOptions { known_dirs: known.to_vec(), ..ReadOptions::default() };
        let of = |folder: &str| directory(&Path::new("/r/projects").join(folder).join("s.jsonl"), &opts);
        assert_eq!(of("-home----O-N----a-b-c").as_deref(), Some("/home/Ёж O'N/🍣 a.b_c"));
        assert_eq!(of("-home-x").as_deref(), Some("/home/x"));
        assert_eq!((of("-home-y-a-b"), of("-home-z")), (None, None));
    }

    #[test]
    fn a_config_dir_may_hold_a_comma() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("Иванов, Пётр/.claude");
        std::fs::create_dir_all(own.join("projects")).unwrap();
        let mut env = Env::bare(dir.path(), dir.path().join("own"));
        env.vars.insert("CLAUDE_CONFIG_DIR".to_owned(), own.display().to_string());
        assert_eq!(Claude.roots(&env), [own.join("projects")]);
    }

    #[test]
    fn a_subagents_place_names_its_parent() {
        let place = Place::of(Path::new("/r/p/s1/subagents/agent-a1.jsonl"));
        assert_eq!(
            (place.native.as_str(), place.subagent, place.parent.as_deref()),
            ("a1", true, Some("s1"))
        );
        assert_eq!(Place::of(Path::new("/r/p/agent-a1.jsonl")).parent, None);
    }
}
