//! File operations with errors that name the path.

use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use super::Failure;

/// The failure of a file operation, for instance `cannot read` a path.
pub(crate) fn io_failure(what: &str, path: &Path, e: &io::Error) -> Failure {
    Failure::failed("io", format!("{what} {}: {e}", path.display()))
}

/// Resolves `.` and `..` without looking at the disk.
pub(crate) fn normal_path(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// Makes a directory that only its owner can enter (0700), and restricts one that exists already.
pub(crate) fn make_private_dir(dir: &Path) -> Result<(), Failure> {
    crate::private_dir::make(dir).map_err(|e| io_failure("cannot create", dir, &e))
}

/// Writes a file that only its owner can read (0600). The file is replaced in one step, or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let io = |e: &io::Error| io_failure("cannot write", path, e);
    // A NamedTempFile has the mode 0600.
    let mut tmp = tempfile::NamedTempFile::new_in(dir).map_err(|e| io(&e))?;
    tmp.write_all(bytes).and_then(|()| tmp.as_file().sync_all()).map_err(|e| io(&e))?;
    tmp.persist(path).map_err(|e| io(&e.error))?;
    Ok(())
}

/// Reads a text file. Returns `None` if it does not exist.
pub(crate) fn read_if_exists(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_failure("cannot read", path, &e)),
    }
}

/// Reads a file of at most `max_mib` MiB.
pub(crate) fn read_bounded(path: &Path, max_mib: u64) -> Result<Vec<u8>, Failure> {
    let io = |e: &io::Error| io_failure("cannot read", path, e);
    let size = std::fs::metadata(path).map_err(|e| io(&e))?.len();
    if size > max_mib << 20 {
        let message = format!("{} is larger than {max_mib} MiB.", path.display());
        return Err(Failure::usage("too_large", message));
    }
    std::fs::read(path).map_err(|e| io(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn directories_and_files_are_private_even_if_they_existed_before() {
        use std::os::unix::fs::PermissionsExt;
        let tmp = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = tmp.path().join("receipts");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        make_private_dir(&dir).unwrap();
        make_private_dir(&tmp.path().join("a/b")).unwrap();
        let file = dir.join("r.json");
        std::fs::write(&file, "open to everybody").unwrap();
        write_private(&file, b"{}").unwrap();
        assert_eq!((mode(&dir), mode(&tmp.path().join("a/b")), mode(&file)), (0o700, 0o700, 0o600));
        assert_eq!(std::fs::read(&file).unwrap(), b"{}");
    }

    #[test]
    fn dots_are_resolved_in_a_path() {
        for (path, want) in [("/a/./b/../c", "/a/c"), ("/../a/", "/a"), ("./a", "a"), ("/a/b", "/a/b")] {
            assert_eq!(normal_path(Path::new(path)), Path::new(want), "{path}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("large");
        std::fs::write(&path, vec![0; (1 << 20) + 1]).unwrap();
        assert_eq!(read_bounded(&path, 1).unwrap_err().code, "too_large");
        assert_eq!(read_bounded(&path, 2).unwrap().len(), (1 << 20) + 1);
        assert_eq!(read_bounded(&tmp.path().join("none"), 1).unwrap_err().code, "io");
    }
}
