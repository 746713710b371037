//! Linux, macOS and other Unix systems.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::OFlag;

use super::owner::FileOwner;

/// The controlling terminal, for reading and for writing.
pub(crate) const TERMINAL: (&str, &str) = ("/dev/tty", "/dev/tty");

/// A file that is created can be read only by its owner (0600).
pub(crate) fn for_owner_only(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// A directory that is created can be entered only by its owner (0700).
pub(crate) fn for_owner_only_dir(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// A temporary file or directory gets this mode, less the umask for files.
pub(crate) fn with_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    builder.permissions(Permissions::from_mode(mode));
}

/// Returns the permission bits of a file.
pub(crate) fn permission_bits(meta: &Metadata) -> Option<u32> {
    Some(meta.permissions().mode() & 0o777)
}

/// Gives a new file the owner and mode of the file that it replaces. Returns `false` if that belongs to another user.
///
/// # Errors
/// As the file system reports.
pub(crate) fn keep_owner_and_mode(old: &Metadata, new: &File) -> io::Result<bool> {
    let own = new.metadata()?;
    if old.uid() != own.uid() {
        return Ok(false);
    }
    if old.gid() != own.gid() {
        // Not every group may be set. The owner and the mode are what matters.
        let _ = fchown(new, None, Some(old.gid()));
    }
    new.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    Ok(true)
}

/// Why the owner or the permissions of a directory are not safe. `None` if they are.
pub(crate) fn unsafe_directory(meta: &Metadata) -> Option<String> {
    let (user, mode) = (nix::unistd::geteuid().as_raw(), meta.mode() & 0o7777);
    if meta.uid() != user {
        return Some(format!(
            "it belongs to user {} instead of {user}; run `chown {user}` on it",
            meta.uid()
        ));
    }
    (mode & 0o022 != 0).then(|| format!("others may write to it (mode {mode:o}); run `chmod 700` on it"))
}

/// Why the owner, the permissions or the number of names of a file are not safe. `None` if they are.
pub(crate) fn unsafe_file(meta: &Metadata, owner: FileOwner) -> Option<String> {
    let (wanted, forbidden) = match owner {
        FileOwner::User => (nix::unistd::geteuid().as_raw(), 0o077),
        FileOwner::Root => (0, 0o022),
    };
    let mode = meta.mode() & 0o7777;
    if meta.uid() != wanted {
        return Some(format!("it belongs to user {} instead of {wanted}", meta.uid()));
    }
    if mode & forbidden != 0 {
        return Some(format!("its mode is {mode:o}; run `chmod {:o}` on it", mode & !forbidden));
    }
    if meta.nlink() != 1 {
        return Some("it has a second name (a hard link)".to_owned());
    }
    None
}

/// Opens a file without following a link in its last component and without waiting for the other end of a FIFO.
///
/// # Errors
/// As the file system reports, also if the file is a link.
pub(crate) fn open_file_itself(path: &Path) -> io::Result<File> {
    // A FIFO that nobody writes to would block without O_NONBLOCK.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Returns the device and inode of a file, which differ if the file was replaced.
pub(crate) fn file_id(meta: &Metadata) -> Option<(u64, u64)> {
    Some((meta.dev(), meta.ino()))
}

/// Returns the inode of a file.
pub(crate) fn inode(meta: &Metadata) -> u64 {
    meta.ino()
}

/// Returns what changes with every write: unlike the modification time, it cannot be set back.
pub(crate) fn change_stamp(meta: &Metadata) -> String {
    format!("{} {} {}", meta.ctime(), meta.ctime_nsec(), meta.ino())
}

/// Whether a path is a file that can be started.
pub(crate) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// A process of its own group survives Ctrl-C in the terminal and the time limit of a hook.
pub fn detach(command: &mut Command) {
    command.process_group(0);
}

/// Returns the home directory that the system knows for the user.
pub fn account_home() -> Option<PathBuf> {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok()?.map(|user| user.dir)
}

/// Keeps other processes of the same user from reading the memory of this one, and keeps it out of core dumps.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn protect_memory() {
    // A kernel that refuses has no such protection; there is no other way to get it.
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// Only Linux has a call for this that needs no `unsafe` code.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn protect_memory() {}
