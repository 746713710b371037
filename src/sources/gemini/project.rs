//! The working directory of a Gemini CLI session, which its log names only by slug or hash.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sources::open_log;

/// Larger than any project list.
const MOST: u64 = 4 << 20;

/// Paths that are tried against a hash, from the log's own text; keeps a hostile log cheap.
const TRIES: usize = 1 << 14;

/// Longest path that is tried, in bytes.
const LONGEST: usize = 512;

/// Takes a text; true when it wants no more.
pub(super) type Stop<'a> = &'a mut dyn FnMut(&str) -> bool;

/// The directory of a project below `tmp`, named by slug or by hash: the one that holds `chats`.
fn project_dir(file: &Path) -> Option<&Path> {
    let chats = file.ancestors().skip(1).take(2).find(|p| p.file_name().is_some_and(|n| n == "chats"))?;
    chats.parent()
}

/// The files that name the working directory of a log.
pub(super) fn companions(file: &Path) -> Vec<PathBuf> {
    let Some(dir) = project_dir(file) else { return Vec::new() };
    let list = dir.parent().and_then(Path::parent).map(|home| home.join("projects.json"));
    std::iter::once(dir.join(".project_root")).chain(list).collect()
}

/// The id of the session that a subagent's log lies below.
pub(super) fn parent(file: &Path) -> Option<String> {
    let dir = file.parent()?;
    let below = dir.parent()?.file_name()? == "chats";
    below.then(|| dir.file_name()?.to_str().map(str::to_owned)).flatten()
}

fn small_file(path: &Path) -> Option<String> {
    let mut text = String::new();
    open_log(path).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// SHA-256 of a path as Gemini CLI hashes it.
pub(super) fn hash(path: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(path.as_bytes()))
}

/// The working directory of a log: what the files beside it say, checked by hash where the log has one; else the
/// one among the known directories and the paths in the log that has the hash.
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
        .and_then(|d| small_file(&d.join(".project_root")))
        .map(|t| t.trim().to_owned())
        .filter(|t| !t.is_empty());
    let list = dir.and_then(Path::parent).and_then(Path::parent).map(|home| home.join("projects.json"));
    let list: Value =
        list.and_then(|l| small_file(&l)).and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    let projects = || list.get("projects").and_then(Value::as_object).into_iter().flatten();
    let by_slug = projects().find(|(_, s)| s.as_str() == Some(slug)).map(|(path, _)| path.clone());
    let Some(want) = hashed else { return root.or(by_slug).or_else(|| named.first().cloned()) };
    let sure = [&root, &by_slug]
        .into_iter()
        .flatten()
        .chain(named)
        .chain(projects().map(|(path, _)| path))
        .chain(known)
        .find(|path| hash(path).eq_ignore_ascii_case(want));
    if let Some(path) = sure {
        return Some(path.clone());
    }
    if let Some(path) = root.or(by_slug) {
        return Some(path);
    }
    let (mut tried, mut tries, mut found) = (HashSet::new(), 0, None);
    log(&mut |text| {
        paths(text, &mut |path| {
            tries += 1;
            if tries > TRIES {
                return true;
            }
            if tried.insert(path.to_owned()) && hash(path).eq_ignore_ascii_case(want) {
                found = Some(path.to_owned());
            }
            found.is_some()
        })
    });
    found
}

/// Hands every absolute path in a text and every directory above it to `stop`, until it says so. A path can have
/// spaces, so every place where one could end is tried.
fn paths(text: &str, stop: &mut dyn FnMut(&str) -> bool) -> bool {
    for line in text.lines() {
        let mut before = ' ';
        for (at, c) in line.char_indices() {
            if c == '/' && (before.is_whitespace() || "\"'`(=[<,".contains(before)) {
                for (n, end) in line[at..].char_indices().skip(1).take_while(|(n, _)| *n <= LONGEST) {
                    let ends = end == '/' || end.is_whitespace() || "\"'`)]>,;:".contains(end);
                    if ends && stop(&line[at..at + n]) {
                        return true;
                    }
                }
                if line.len() - at <= LONGEST && stop(line[at..].trim_end()) {
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
    fn a_path_with_spaces_in_the_log_gives_the_directory() {
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
    fn a_hostile_text_stays_cheap() {
        let text = "/a ".repeat(100_000);
        let got = find(Path::new("x"), Some(&hash("/other")), &[], &[], &mut |each| {
            each(&text);
        });
        assert_eq!(got, None);
    }
}
