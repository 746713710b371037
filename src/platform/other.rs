//! Windows. Files of a user's profile are readable for that user, for administrators and for the system by default, so that
//! modes are neither set nor checked.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::owner::FileOwner;

/// The controlling terminal, for reading and for writing.
pub(crate) const TERMINAL: (&str, &str) = ("CONIN$", "CONOUT$");

/// There are no modes to set.
pub(crate) fn for_owner_only(_options: &mut OpenOptions) {}

/// There are no modes to set.
pub(crate) fn for_owner_only_dir(_builder: &mut DirBuilder) {}

/// There are no modes to set.
pub(crate) fn with_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// There are no permission bits, so that `doctor` says that it does not check them.
pub(crate) fn permission_bits(_meta: &Metadata) -> Option<u32> {
    None
}

/// There is nothing to keep: the new file inherits the permissions of its directory.
///
/// # Errors
/// None.
pub(crate) fn keep_owner_and_mode(_old: &Metadata, _new: &File) -> io::Result<bool> {
    Ok(true)
}

/// Owner and permissions are not checked.
pub(crate) fn unsafe_directory(_meta: &Metadata) -> Option<String> {
    None
}

/// Owner and permissions are not checked.
pub(crate) fn unsafe_file(_meta: &Metadata, _owner: FileOwner) -> Option<String> {
    None
}

/// Opens a file that is not a symbolic link. Between the check and the opening, it could be replaced by one.
///
/// # Errors
/// As the file system reports, also if the file is a link.
pub(crate) fn open_file_itself(path: &Path) -> io::Result<File> {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    File::open(path)
}

/// The standard library does not report file ids.
pub(crate) fn file_id(_meta: &Metadata) -> Option<(u64, u64)> {
    None
}

/// The standard library does not report file ids.
pub(crate) fn inode(_meta: &Metadata) -> u64 {
    0
}

/// Only the size and the modification time are known.
pub(crate) fn change_stamp(_meta: &Metadata) -> String {
    String::new()
}

/// Whether a path is a file. Its name has the extension of a program.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// Ctrl-C reaches the process too.
pub fn detach(_command: &mut Command) {}

/// The directory is not looked up.
pub fn account_home() -> Option<PathBuf> {
    None
}

/// The memory is not protected.
pub fn protect_memory() {}

/// The echo is off only while a question is asked.
pub(crate) struct EchoOff;

impl EchoOff {
    pub(crate) fn new() -> Self {
        EchoOff
    }
}

/// The echo is off only while a question is asked.
pub fn restore_echo() {}
