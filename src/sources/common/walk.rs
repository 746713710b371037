//! Finds log files below a root directory without leaving it.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Deepest directory that is searched. No agent nests its logs as deep; the limit bounds a hostile tree.
const MAX_DEPTH: usize = 16;

/// A file that can contain sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub path: PathBuf,
    /// Agent id.
    pub agent: &'static str,
    /// The root that the file was found below.
    pub root: PathBuf,
}

/// A file or directory that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub path: PathBuf,
    /// The reason, for a person; contains no session text.
    pub reason: String,
}

/// Returns the existing directories among `dirs`, each once.
pub(crate) fn existing_dirs(dirs: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut existing: Vec<PathBuf> = Vec::new();
    for dir in dirs {
        if dir.is_dir() && !existing.contains(&dir) {
            existing.push(dir);
        }
    }
    existing
}

/// Reports every regular file below `root` if `is_log` accepts its path relative to `root`.
///
/// Symbolic links are never followed, so there can be no loop. A link inside the root points to a file that is found
/// anyway. A link out of the root is reported to `skip`.
pub(crate) fn files(
    agent: &'static str,
    root: &Path,
    is_log: &dyn Fn(&Path) -> bool,
    found: &mut dyn FnMut(Candidate),
    skip: &mut dyn FnMut(Skip),
) {
    let inside = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut skip =
        |path: &Path, reason: &str| skip(Skip { path: path.to_owned(), reason: reason.to_owned() });
    let mut entries = WalkDir::new(root).max_depth(MAX_DEPTH).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let why = error.io_error().map_or_else(
                    || "cannot be listed".to_owned(),
                    |e| format!("cannot be read: {}", e.kind()),
                );
                skip(error.path().unwrap_or(root), &why);
                continue;
            }
        };
        let path = entry.path();
        let Ok(relative) = path.strip_prefix(root) else { continue };
        if relative.as_os_str().is_empty() {
            continue;
        }
        let kind = entry.file_type();
        if kind.is_symlink() {
            match path.canonicalize() {
                Ok(target) if target.starts_with(&inside) => {}
                Ok(_) => skip(path, "symbolic link out of the log directory"),
                Err(_) if is_log(relative) => skip(path, "symbolic link to nothing"),
                Err(_) => {}
            }
        } else if kind.is_dir() {
            if is_log(relative) {
                skip(path, "a directory with the name of a log file");
                entries.skip_current_dir();
            }
        } else if is_log(relative) {
            if kind.is_file() {
                found(Candidate { path: path.to_owned(), agent, root: root.to_owned() });
            } else {
                skip(path, "not a regular file");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(root: &Path) -> (Vec<String>, Vec<(String, String)>) {
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        let name = |p: &Path| p.strip_prefix(root).unwrap().display().to_string();
        files(
            "test",
            root,
            &|p| p.extension().is_some_and(|e| e == "jsonl"),
            &mut |c| found.push(name(&c.path)),
            &mut |s| skipped.push((name(&s.path), s.reason)),
        );
        (found, skipped)
    }

    #[test]
    fn files_are_found_and_a_directory_with_a_log_name_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("a/dir.jsonl")).unwrap();
        std::fs::write(root.join("a/one.jsonl"), "").unwrap();
        std::fs::write(root.join("a/dir.jsonl/inner.jsonl"), "").unwrap();
        std::fs::write(root.join("a/other.txt"), "").unwrap();
        let (found, skipped) = walk(&root);
        assert_eq!(found, ["a/one.jsonl"]);
        assert_eq!(
            skipped,
            [("a/dir.jsonl".to_owned(), "a directory with the name of a log file".to_owned())]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_root_are_reported_and_loops_end() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(dir.path().join("outside.jsonl"), "").unwrap();
        std::fs::write(root.join("a/one.jsonl"), "").unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside.jsonl"), root.join("a/link.jsonl")).unwrap();
        std::os::unix::fs::symlink(dir.path(), root.join("out")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("a/loop")).unwrap();
        std::os::unix::fs::symlink("one.jsonl", root.join("a/again.jsonl")).unwrap();
        let (found, skipped) = walk(&root);
        assert_eq!(found, ["a/one.jsonl"]);
        let names: Vec<_> = skipped.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["a/link.jsonl", "out"]);
    }
}
