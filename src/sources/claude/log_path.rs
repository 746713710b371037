//! What the path of a log, and the `.meta.json` file next to it, say about its session.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::sources::common::files::small_file;

pub(super) const AGENT: &str = "claude";

/// The path of a log and the facts that it implies.
#[derive(Debug, Default)]
pub(super) struct LogPath {
    /// The agent's id of the session in the log.
    pub native: String,
    /// Whether the log is that of a subagent.
    pub subagent: bool,
    /// The session in whose folder the log is.
    pub parent: Option<String>,
    /// The content of the `.meta.json` file.
    pub meta: Option<Meta>,
    /// The directory of outputs that are too large for the log.
    pub results: PathBuf,
    /// The log of the parent session, which may not exist.
    pub parent_log: PathBuf,
}

/// Metadata of a subagent, from `agent-<id>.meta.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub agent_type: Option<String>,
    pub description: Option<String>,
}

impl LogPath {
    pub(super) fn of(file: &Path) -> LogPath {
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(id) = stem.strip_prefix("agent-") else {
            let results = file.with_extension("").join("tool-results");
            return LogPath { native: stem, results, ..LogPath::default() };
        };
        let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
        let subagents = file.ancestors().find(|a| a.file_name() == Some(OsStr::new("subagents")));
        let meta = small_file(&file.with_extension("meta.json"))
            .map(|bytes| serde_json::from_slice::<Meta>(&bytes).unwrap_or_default());
        let session = subagents.and_then(Path::parent);
        let results = session.map(|s| s.join("tool-results")).unwrap_or_default();
        let folder_name = session.and_then(name);
        let folder = session.and_then(Path::parent);
        let parent_log =
            folder_name.as_ref().zip(folder).map(|(name, folder)| folder.join(format!("{name}.jsonl")));
        // The folder of a subagent that has subagents is named like its log, `agent-<id>`.
        let parent = folder_name.map(|n| n.strip_prefix("agent-").map(str::to_owned).unwrap_or(n));
        LogPath {
            native: id.to_owned(),
            subagent: true,
            parent,
            meta,
            results,
            parent_log: parent_log.unwrap_or_default(),
        }
    }

    /// Whether the log is in a session's folder, but no `.meta.json` file says that it is a subagent's.
    pub(super) fn has_unclear_owner(&self) -> bool {
        self.parent.is_some() && self.meta.is_none()
    }
}

/// Whether a path below `projects/` is a log: `<folder>/<id>.jsonl`, or `agent-*.jsonl` in a `subagents` directory. The
/// `journal.jsonl` files there, which workflows write, are not logs.
pub(super) fn is_log(relative: &Path) -> bool {
    if relative.extension() != Some(OsStr::new("jsonl")) {
        return false;
    }
    if relative.components().count() <= 2 {
        return true;
    }
    let agent = relative.file_name().and_then(OsStr::to_str).is_some_and(|n| n.starts_with("agent-"));
    agent && relative.components().any(|c| c.as_os_str() == "subagents")
}

/// Finds the working directory of a log whose records have none: the known directory after which its folder is named.
///
/// Claude Code replaces every UTF-16 unit of a directory by a hyphen unless it is an ASCII letter or digit. So several
/// directories can have the same folder; then the result is `None`.
pub(super) fn directory_of_folder(file: &Path, known_dirs: &[String]) -> Option<String> {
    let projects = file.ancestors().find(|a| a.file_name() == Some(OsStr::new("projects")))?;
    let folder = file.strip_prefix(projects).ok()?.iter().next()?.to_str()?;
    let encode = |c: char| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['-'; c.len_utf16()] };
    let mut matching = known_dirs.iter().filter(|d| d.chars().flat_map(encode).eq(folder.chars()));
    matching.next().filter(|_| matching.next().is_none()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_distinguished_from_other_files() {
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
    fn a_folder_is_matched_with_the_known_directories() {
        let known = ["/home/Ёж O'N/🍣 a.b_c", "/home/x", "/home/y/a-b", "/home/y/a.b"].map(str::to_owned);
        let of = |folder: &str| {
            directory_of_folder(&Path::new("/r/projects").join(folder).join("s.jsonl"), &known)
        };
        assert_eq!(of("-home----O-N----a-b-c").as_deref(), Some("/home/Ёж O'N/🍣 a.b_c"));
        assert_eq!(of("-home-x").as_deref(), Some("/home/x"));
        assert_eq!((of("-home-y-a-b"), of("-home-z")), (None, None));
    }

    #[test]
    fn the_path_of_a_subagents_log_names_its_parent() {
        let path = LogPath::of(Path::new("/r/p/s1/subagents/agent-a1.jsonl"));
        assert_eq!((path.native.as_str(), path.subagent, path.parent.as_deref()), ("a1", true, Some("s1")));
        assert_eq!(path.parent_log, Path::new("/r/p/s1.jsonl"));
        assert_eq!(LogPath::of(Path::new("/r/p/agent-a1.jsonl")).parent, None);
        let nested = LogPath::of(Path::new("/r/p/s1/subagents/agent-a1/subagents/w/agent-a3.jsonl"));
        assert_eq!((nested.native.as_str(), nested.parent.as_deref()), ("a3", Some("a1")));
        assert_eq!(nested.parent_log, Path::new("/r/p/s1/subagents/agent-a1.jsonl"));
    }
}
