//! Opens files that decide about an approval: keys, receipts and policies.
//!
//! Whoever can write to the directory can put something else in the place of such a file. A link would lead to another
//! file, a FIFO would stop the program until its owner lets it continue, and a hard link would let another name change the
//! content. All of them are refused.

use std::io::Read;
use std::path::Path;

use super::GateError;
use crate::platform::{FileOwner, open_file_itself, unsafe_directory, unsafe_file};

/// Key, receipt and policy files are at most this large.
pub const MAX_PRIVATE_FILE_BYTES: u64 = 1 << 20;

/// Reads a file of at most [`MAX_PRIVATE_FILE_BYTES`]. `None` if it does not exist.
///
/// # Errors
/// [`GateError::PrivateFile`] if it is not a regular file of this owner with one name and safe permissions, or if it is too
/// large.
pub fn read_private_file(path: &Path, owner: FileOwner) -> Result<Option<Vec<u8>>, GateError> {
    let refuse = |what: &str| GateError::PrivateFile { path: path.to_path_buf(), what: what.to_owned() };
    let file = match open_file_itself(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) if is_link(path) => return Err(refuse(&format!("it is a symbolic link ({})", e.kind()))),
        Err(source) => return Err(GateError::Io { path: path.to_path_buf(), source }),
    };
    // The open file is checked, because the name can lead to another file at any moment.
    let meta = file.metadata().map_err(|source| GateError::Io { path: path.to_path_buf(), source })?;
    if !meta.is_file() {
        return Err(refuse("it is not a regular file"));
    }
    if let Some(what) = unsafe_file(&meta, owner) {
        return Err(refuse(&what));
    }
    let mut bytes = Vec::new();
    file.take(MAX_PRIVATE_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| GateError::Io { path: path.to_path_buf(), source })?;
    if bytes.len() as u64 > MAX_PRIVATE_FILE_BYTES {
        return Err(refuse("it is larger than 1 MiB"));
    }
    Ok(Some(bytes))
}

/// Checks a directory of private files, if it exists: whoever can write to it can put other files in their place.
///
/// # Errors
/// [`GateError::PrivateFile`] if it is a symbolic link, is not a directory, belongs to another user, or others may write to
/// it.
pub(super) fn check_private_dir(dir: &Path) -> Result<(), GateError> {
    let refuse = |what: String| Err(GateError::PrivateFile { path: dir.to_path_buf(), what });
    let meta = match std::fs::symlink_metadata(dir) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(GateError::Io { path: dir.to_path_buf(), source }),
    };
    if meta.is_symlink() {
        return refuse("it is a symbolic link; put the directory itself in its place".to_owned());
    }
    if !meta.is_dir() {
        return refuse("it is not a directory".to_owned());
    }
    match unsafe_directory(&meta) {
        Some(what) => refuse(what),
        None => Ok(()),
    }
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn why(path: &Path) -> String {
        read_private_file(path, FileOwner::User).unwrap_err().to_string()
    }

    #[test]
    fn only_a_regular_private_file_with_one_name_is_read() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("approver.json");
        assert_eq!(read_private_file(&path, FileOwner::User).unwrap(), None);
        fs::write(&path, b"{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_private_file(&path, FileOwner::User).unwrap().as_deref(), Some(&b"{}"[..]));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(why(&path).contains("644"), "{}", why(&path));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

        let other = tmp.path().join("other");
        fs::hard_link(&path, &other).unwrap();
        assert!(why(&path).contains("hard link"), "{}", why(&path));
        fs::remove_file(&other).unwrap();

        symlink(&path, &other).unwrap();
        assert!(why(&other).contains("symbolic link"), "{}", why(&other));
        assert!(why(tmp.path()).contains("regular"), "{}", why(tmp.path()));

        fs::write(&path, vec![b' '; (MAX_PRIVATE_FILE_BYTES + 1) as usize]).unwrap();
        assert!(why(&path).contains("larger"), "{}", why(&path));
    }

    #[test]
    fn a_directory_is_safe_only_if_nobody_else_can_change_it() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("keys");
        check_private_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        for (mode, safe) in [(0o700, true), (0o500, true), (0o777, false), (0o720, false), (0o702, false)] {
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_private_dir(&dir).is_ok(), safe, "{mode:o}");
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        let link = tmp.path().join("link");
        symlink(&dir, &link).unwrap();
        assert!(check_private_dir(&link).unwrap_err().to_string().contains("symbolic link"));
        let file = tmp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check_private_dir(&file).is_err());
    }

    #[test]
    fn a_fifo_does_not_stop_the_program() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("approvers.json");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(why(&path).contains("regular"), "{}", why(&path));
    }
}
