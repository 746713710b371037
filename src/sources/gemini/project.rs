//! Finds the working directory of a Gemini CLI session, whose log has only a slug or a hash of it.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sources::common::files::open_log;

/// Maximum size of a project list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 4 << 20;

/// Number of paths in the log's text that are compared with the hash. Bounds the time for a hostile log.
const MAX_HASHED_PATHS: usize = 1 << 14;

/// Maximum length of a path that is compared with the hash, in bytes.
const MAX_PATH_BYTES: usize = 512;

/// Receives a text. Returns true when it needs no more texts.
pub(super) type Stop<'a> = &'a mut dyn FnMut(&str) -> bool;

/// Returns the project's directory below `tmp`, which contains `chats` and is named by a slug or a hash.
fn project_dir(file: &Path) -> Option<&Path> {
    let chats = file.ancestors().skip(1).take(2).find(|p| p.file_name().is_some_and(|n| n == "chats"))?;
    chats.parent()
}

/// Returns the files that name the working directory of a log.
pub(super) fn companions(file: &Path) -> Vec<PathBuf> {
    let Some(dir) = project_dir(file) else { return Vec::new() };
    let list = dir.parent().and_then(Path::parent).map(|home| home.join("projects.json"));
    std::iter::once(dir.join(".project_root")).chain(list).collect()
}

/// Returns the id of the session in whose directory a subagent's log is.
pub(super) fn parent(file: &Path) -> Option<String> {
    let dir = file.parent()?;
    let is_subagent = dir.parent()?.file_name()? == "chats";
    is_subagent.then(|| dir.file_name()?.to_str().map(str::to_owned)).flatten()
}

fn read_list(path: &Path) -> Option<String> {
    let mut text = String::new();
    open_log(path).ok()?.take(MAX_LIST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Returns the SHA-256 of a path as Gemini CLI writes it.
pub(super) fn hash(path: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(path.as_bytes()))
}

/// Finds the working directory of a log.
///
/// Without a hash, it is the directory in `.project_root`, in `projects.json` or in the log's header (`named`), in this
/// order. With a hash, it is the first of these and of the directories in `known` that has the hash. If none has it, it
/// is the directory in `.project_root` or `projects.json`, or else the first path in the log's texts with the hash.
pub(super) fn find(
    file: &Path,
    hashed: Option<&str>,
    named: &[String],
    known: &[String],
    log: &mut dyn FnMut(Stop<'_>),
) -> Option<String> {
    let dir = project_dir(file);
    let slug = dir.and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default();
    let is_hash = |s: &str| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
    let hashed = hashed.filter(|h| is_hash(h)).or_else(|| Some(slug).filter(|s| is_hash(s)));
    let root = dir
        .and_then(|d| read_list(&d.join(".project_root")))
        .map(|t| t.trim().to_owned())
        .filter(|t| !t.is_empty());
    let list = dir.and_then(Path::parent).and_then(Path::parent).map(|home| home.join("projects.json"));
    let list: Value =
        list.and_then(|l| read_list(&l)).and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    let projects = || list.get("projects").and_then(Value::as_object).into_iter().flatten();
    let by_slug = projects().find(|(_, s)| s.as_str() == Some(slug)).map(|(path, _)| path.clone());
    let Some(hashed) = hashed else { return root.or(by_slug).or_else(|| named.first().cloned()) };
    let confirmed = [&root, &by_slug]
        .into_iter()
        .flatten()
        .chain(named)
        .chain(projects().map(|(path, _)| path))
        .chain(known)
        .find(|path| hash(path).eq_ignore_ascii_case(hashed));
    if let Some(path) = confirmed {
        return Some(path.clone());
    }
    if let Some(path) = root.or(by_slug) {
        return Some(path);
    }
    let (mut tried, mut tries, mut found) = (HashSet::new(), 0, None);
    log(&mut |text| {
        for_each_path(text, &mut |path| {
            tries += 1;
            if tries > MAX_HASHED_PATHS {
                return true;
            }
            if tried.insert(path.to_owned()) && hash(path).eq_ignore_ascii_case(hashed) {
                found = Some(path.to_owned());
            }
            found.is_some()
        })
    });
    found
}

/// Calls `stop` for every absolute path in a text and for every directory above it, until it returns true. A path can
/// contain spaces, so every position where it may end is tried.
fn for_each_path(text: &str, stop: &mut dyn FnMut(&str) -> bool) -> bool {
    for line in text.lines() {
        let mut before = ' ';
        for (at, c) in line.char_indices() {
            if c == '/' && (before.is_whitespace() || "\"'`(=[<,".contains(before)) {
                for (n, end) in line[at..].char_indices().skip(1).take_while(|(n, _)| *n <= MAX_PATH_BYTES) {
                    let ends = end == '/' || end.is_whitespace() || "\"'`)]>,;:".contains(end);
                    if ends && stop(&line[at..at + n]) {
                        return true;
                    }
                }
                if line.len() - at <= MAX_PATH_BYTES && stop(line[at..].trim_end()) {
                    return true;
                }
            }
            before = c;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_found_by_a_path_with_spaces_in_the_log() {
        let want = "/home/ána b/my app";
        let text = "see '/home/ána b/my app/src/x.py', please";
        let got = find(Path::new("x"), Some(&hash(want)), &[], &[], &mut |each| {
            each(text);
        });
        assert_eq!(got.as_deref(), Some(want));
        let none = find(Path::new("x"), Some(&hash("/other")), &[], &[], &mut |each| {
            each(text);
        });
        assert_eq!(none, None);
    }

    #[test]
    fn the_number_of_hashed_paths_is_bounded() {
        let text = "/a ".repeat(100_000);
        let got = find(Path::new("x"), Some(&hash("/other")), &[], &[], &mut |each| {
            each(&text);
        });
        assert_eq!(got, None);
    }
}
