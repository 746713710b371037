//! Directories that only their owner can enter.

use std::fs;
use std::io;
use std::path::Path;

/// Makes a directory with mode 0700, and its parents. If the directory exists and belongs to clawgate, it loses the
/// permissions of group and others.
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
        let metadata = fs::symlink_metadata(dir)?;
        let mode = metadata.permissions().mode();
        // A shared directory must not be closed by mistake, for instance if `CLAWGATE_HOME` is `/tmp`. The owner's own bits
        // stay as they are: a directory that was made read-only remains read-only.
        if mode & 0o077 != 0 && mode & 0o7000 == 0 && metadata.is_dir() && is_ours(dir) {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode & 0o700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(dir)
}

/// Whether a directory is empty, or is in a directory with an archive or a configuration.
#[cfg(unix)]
fn is_ours(dir: &Path) -> bool {
    let is_empty = || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    // The deepest directory of ours is `releases/<id>/data`.
    let has_state = |d: &Path| ["clawgate.db", "config.toml"].iter().any(|name| d.join(name).is_file());
    dir.ancestors().take(4).any(has_state) || is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_directories_of_clawgate_are_closed() {
        use std::os::unix::fs::PermissionsExt;
        let tmp = tempfile::tempdir().unwrap();
        let open = |name: &str, mode: u32| {
            let dir = tmp.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
            dir
        };
        let mode_after = |dir: &Path| {
            make(dir).unwrap();
            fs::metadata(dir).unwrap().permissions().mode() & 0o7777
        };
        assert_eq!(mode_after(&open("empty", 0o755)), 0o700);
        let home = open("home", 0o755);
        fs::write(home.join("clawgate.db"), "").unwrap();
        assert_eq!(mode_after(&home), 0o700);
        let shared = open("shared", 0o755);
        fs::write(shared.join("a file of somebody"), "").unwrap();
        assert_eq!(mode_after(&shared), 0o755);
        assert_eq!(mode_after(&open("sticky", 0o1777)), 0o1777);
        let link = tmp.path().join("link");
        let target = open("target", 0o755);
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(mode_after(&link), 0o755);
    }
}
