//! The sealed files of a release: written once, read back only whole and only as they were sealed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::{ClearedFile, GateError};
use crate::workflow::FileEntry;

/// Folders inside a release may not nest deeper than this.
const MAX_DEPTH: usize = 8;

/// Reads exactly the expected files of a release's folder.
///
/// Refuses symbolic links and other special files anywhere in the folder, paths that lead out of it, files that
/// were never sealed, and any byte that differs. Answers in the order of `expected`.
pub fn read_sealed(dir: &Path, expected: &[FileEntry]) -> Result<Vec<ClearedFile>, GateError> {
    let mut by_path: BTreeMap<&str, &FileEntry> = BTreeMap::new();
    for entry in expected {
        check_path(&entry.path)?;
        if by_path.insert(&entry.path, entry).is_some() {
            return Err(GateError::BadPath(entry.path.clone()));
        }
    }
    require_dir(dir, ".")?;
    let mut found = Vec::new();
    walk(dir, "", 0, &mut found)?;
    if let Some(stray) = found.iter().find(|p| !by_path.contains_key(p.as_str())) {
        return Err(GateError::FileUnexpected(stray.clone()));
    }
    expected.iter().map(|entry| read_sealed_file(dir, entry)).collect()
}

/// Reads one sealed file, byte for byte as it was sealed.
pub fn read_sealed_file(dir: &Path, entry: &FileEntry) -> Result<ClearedFile, GateError> {
    check_path(&entry.path)?;
    let mut path = dir.to_path_buf();
    require_dir(&path, ".")?;
    let parts: Vec<&str> = entry.path.split('/').collect();
    for part in &parts[..parts.len() - 1] {
        path.push(part);
        require_dir(&path, &entry.path)?;
    }
    path.push(parts[parts.len() - 1]);
    let meta = fs::symlink_metadata(&path).map_err(|e| missing_or_io(&path, &entry.path, e))?;
    if !meta.is_file() {
        return Err(GateError::NotAFile(entry.path.clone()));
    }
    if meta.len() != entry.bytes {
        return Err(GateError::FileChanged(entry.path.clone()));
    }
    let file = File::open(&path).map_err(|e| missing_or_io(&path, &entry.path, e))?;
    let opened = file.metadata().map_err(|source| GateError::Io { path: path.clone(), source })?;
    if !same_file(&meta, &opened) {
        return Err(GateError::NotAFile(entry.path.clone()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(entry.bytes).unwrap_or(0));
    // One byte more than expected tells a file that grew since, without reading whatever it grew to.
    file.take(entry.bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| GateError::Io { path: path.clone(), source })?;
    if FileEntry::of(&entry.path, &bytes) != *entry {
        return Err(GateError::FileChanged(entry.path.clone()));
    }
    Ok(ClearedFile { path: entry.path.clone(), sha256: entry.sha256.clone(), bytes })
}

/// Seals files under `dir` in place of what stood there; answers their entries, in order of path.
///
/// The files are written beside `dir` first, so that a crash or a full disk leaves the former folder whole. Files
/// are 0600, folders 0700.
pub fn write_sealed(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<FileEntry>, GateError> {
    let parent = dir.parent().ok_or_else(|| GateError::BadPath(dir.display().to_string()))?;
    let mut entries = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        check_path(path)?;
        entries.push(FileEntry::of(path, bytes));
    }
    entries.sort();
    if let Some(twice) = entries.windows(2).find(|w| w[0].path == w[1].path) {
        return Err(GateError::BadPath(twice[0].path.clone()));
    }
    make_dir(parent)?;
    let fresh = tempfile::Builder::new()
        .prefix(".sealing-")
        .tempdir_in(parent)
        .map_err(|source| GateError::Io { path: parent.to_path_buf(), source })?;
    for (path, bytes) in files {
        let full = fresh.path().join(path);
        if let Some(folder) = full.parent() {
            make_dir(folder)?;
        }
        write_private(&full, bytes)?;
    }
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| GateError::Io { path, source }
    };
    if fs::symlink_metadata(dir).is_ok() {
        // The former folder goes aside first: rename does not replace a folder that is not empty.
        let aside = tempfile::Builder::new()
            .prefix(".unsealed-")
            .tempdir_in(parent)
            .map_err(|source| GateError::Io { path: parent.to_path_buf(), source })?;
        fs::rename(dir, aside.path().join("old")).map_err(io(dir))?;
        let moved = fs::rename(fresh.path(), dir);
        if let Err(e) = moved {
            fs::rename(aside.path().join("old"), dir).map_err(io(dir))?;
            return Err(io(dir)(e));
        }
    } else {
        fs::rename(fresh.path(), dir).map_err(io(dir))?;
    }
    // The folder has its place; there is nothing left under the temporary name to remove.
    let _ = fresh.keep();
    Ok(entries)
}

/// A plain relative path: `/`-separated names, none of them empty, `.`, `..` or holding odd bytes.
fn check_path(path: &str) -> Result<(), GateError> {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.chars().any(|c| c == '\\' || c == ':' || c.is_control())
    };
    if path.split('/').all(plain) && path.split('/').count() <= MAX_DEPTH {
        Ok(())
    } else {
        Err(GateError::BadPath(path.to_owned()))
    }
}

fn require_dir(path: &Path, name: &str) -> Result<(), GateError> {
    let meta = fs::symlink_metadata(path).map_err(|e| missing_or_io(path, name, e))?;
    if meta.is_dir() { Ok(()) } else { Err(GateError::NotAFile(name.to_owned())) }
}

fn missing_or_io(path: &Path, name: &str, source: std::io::Error) -> GateError {
    if source.kind() == std::io::ErrorKind::NotFound {
        GateError::FileMissing(name.to_owned())
    } else {
        GateError::Io { path: path.to_path_buf(), source }
    }
}

fn walk(dir: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) -> Result<(), GateError> {
    let io = |source| GateError::Io { path: dir.to_path_buf(), source };
    for item in fs::read_dir(dir).map_err(io)? {
        let item = item.map_err(io)?;
        let name = item.file_name();
        let Some(name) = name.to_str() else {
            return Err(GateError::FileUnexpected(name.to_string_lossy().into_owned()));
        };
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let kind = item.file_type().map_err(io)?;
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&item.path(), &path, depth + 1, found)?;
        } else if kind.is_file() {
            found.push(path);
        } else {
            return Err(GateError::NotAFile(path));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    a.dev() == b.dev() && a.ino() == b.ino()
}

#[cfg(not(unix))]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    a.len() == b.len() && b.is_file()
}

/// Makes a folder and its parents, 0700.
pub(super) fn make_dir(path: &Path) -> Result<(), GateError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|source| GateError::Io { path: path.to_path_buf(), source })
}

/// Writes a new file, 0600, and waits until it is on the disk.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), GateError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let io = |source| GateError::Io { path: PathBuf::from(path), source };
    let mut file = options.open(path).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)
}
