//! Reading and writing of agents' configuration files: links are followed, the mode is kept, and a file is replaced in
//! one step and only if nobody else has changed it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::app::Failure;
use crate::app::fs::io_failure;
use crate::platform;

/// Larger files are not configuration files.
const MAX_CONFIG_BYTES: u64 = 64 << 20;

/// Returns the file that a path leads to: the path itself, or the target of symbolic links.
///
/// # Errors
/// [`Failure`] if a link leads to nothing.
pub(super) fn target(path: &Path) -> Result<PathBuf, Failure> {
    match fs::canonicalize(path) {
        Ok(target) => Ok(target),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if let Some(link) = path.ancestors().find(|p| p.is_symlink() && !p.exists()) {
                let message =
                    format!("{} is a symbolic link to something that does not exist.", link.display());
                return Err(
                    Failure::failed("broken_link", message).hint("create its target, or delete the link")
                );
            }
            // A directory above the file can be a link.
            let parent = path.ancestors().skip(1).find(|p| p.exists()).unwrap_or(path);
            let real = fs::canonicalize(parent).map_err(|e| io_failure("cannot read", parent, &e))?;
            Ok(path.strip_prefix(parent).map_or_else(|_| path.to_owned(), |below| real.join(below)))
        }
        Err(e) => Err(io_failure("cannot read", path, &e)),
    }
}

/// Fails if a path leads out of a project. A link in a repository that somebody else made must not edit files of the user.
///
/// # Errors
/// [`Failure`] if the file that the path leads to is not below `project`, or if a link leads to nothing.
pub(super) fn require_inside(path: &Path, project: &Path) -> Result<(), Failure> {
    let root = fs::canonicalize(project).map_err(|e| io_failure("cannot read", project, &e))?;
    let real = target(path)?;
    if real.starts_with(&root) {
        return Ok(());
    }
    let message =
        format!("{} leads out of the project, to {}. Nothing was changed.", path.display(), real.display());
    Err(Failure::failed("outside_of_project", message)
        .hint("replace the link by a file of the project, or run it without --project"))
}

/// Reads a file as text. `None` if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<String>, Failure> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_failure("cannot read", path, &e)),
    };
    if !metadata.is_file() || metadata.len() > MAX_CONFIG_BYTES {
        let message =
            format!("{} is not a configuration file: not a file, or larger than 64 MiB.", path.display());
        return Err(Failure::failed("bad_config_file", message));
    }
    let bytes = fs::read(path).map_err(|e| io_failure("cannot read", path, &e))?;
    String::from_utf8(bytes).map(Some).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        let message = format!("{}, line {line}: not UTF-8 text. Nothing was changed.", path.display());
        Failure::failed("bad_config_file", message)
    })
}

/// Makes the directories above a file. Returns those that did not exist, the outermost first.
pub(super) fn make_parents(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut missing: Vec<PathBuf> =
        parent.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
    missing.reverse();
    fs::create_dir_all(parent).map_err(|e| io_failure("cannot create", parent, &e))?;
    Ok(missing)
}

/// Replaces a file in one step. `before` is the content that the new one was made of. An existing file keeps its mode; a
/// new one that is private is readable only for its owner.
///
/// # Errors
/// [`Failure`] if the content is another one by now, if the file belongs to another user, or if it cannot be written.
pub(super) fn replace(
    path: &Path,
    before: Option<&str>,
    after: &str,
    is_private: bool,
) -> Result<(), Failure> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let io = |e: &io::Error| io_failure("cannot write", path, e);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".clawgate-");
    platform::with_mode(&mut builder, if is_private { 0o600 } else { 0o666 });
    let mut new = builder.tempfile_in(dir).map_err(|e| io(&e))?;
    new.write_all(after.as_bytes()).map_err(|e| io(&e))?;
    keep_owner_and_mode(path, new.as_file())?;
    new.as_file().sync_all().map_err(|e| io(&e))?;
    check_unchanged(path, before)?;
    new.persist(path).map_err(|e| io(&e.error))?;
    Ok(())
}

/// Deletes a file whose content is still `before`.
pub(super) fn delete(path: &Path, before: &str) -> Result<(), Failure> {
    check_unchanged(path, Some(before))?;
    fs::remove_file(path).map_err(|e| io_failure("cannot delete", path, &e))
}

fn check_unchanged(path: &Path, before: Option<&str>) -> Result<(), Failure> {
    if read(path)?.as_deref() == before {
        return Ok(());
    }
    let message =
        format!("{} was changed by another program at this moment. It was left as it is.", path.display());
    Err(Failure::failed("changed_meanwhile", message).hint("run the same command again"))
}

fn keep_owner_and_mode(path: &Path, new: &fs::File) -> Result<(), Failure> {
    let Ok(old) = fs::metadata(path) else { return Ok(()) };
    if platform::keep_owner_and_mode(&old, new).map_err(|e| io_failure("cannot write", path, &e))? {
        return Ok(());
    }
    let message = format!("{} belongs to another user. It was left as it is.", path.display());
    Err(Failure::failed("not_owner", message).hint("run the command as the owner of the file"))
}
