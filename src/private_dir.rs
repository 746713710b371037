//! Layer 0: directories that only their owner can enter.

use std::fs;
use std::io;
use std::path::Path;

/// Makes a directory with mode 0700, and its parents. A directory that exists already loses the permissions of group
/// and others.
///
/// # Errors
/// As the file system reports.
pub(crate) fn make(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(dir)?;
        let mode = fs::metadata(dir)?.permissions().mode();
        // The owner's own bits stay as they are: a directory that was made read-only remains read-only.
        if mode & 0o077 != 0 {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode & 0o700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(dir)
}
