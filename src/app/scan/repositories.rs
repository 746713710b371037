//! Finds the repositories of worktrees whose paths do not tell them, from the file `.git` in the worktree.

use std::io::Read;
use std::path::Path;

use crate::app::fs::normal_path;
use crate::app::{App, Failure};
use crate::store::CheckedDirectory;

/// Maximum size of a `.git` file that is read. Git writes one line.
const MAX_GIT_FILE_BYTES: u64 = 16 << 10;

impl App {
    /// Looks for the repository of each directory that no scan has checked yet, and moves its sessions there. A checkout that
    /// was deleted keeps the project that its path tells.
    ///
    /// # Errors
    /// [`Failure`] if the archive cannot be written.
    pub(crate) fn assign_repositories(&mut self) -> Result<(), Failure> {
        let directories = self.archive.unchecked_directories()?;
        if directories.is_empty() {
            return Ok(());
        }
        let check = |path: String| CheckedDirectory { repository: repository_of(&path), path };
        let checked: Vec<CheckedDirectory> = directories.into_iter().map(check).collect();
        Ok(self.archive.assign_repositories(&checked)?)
    }
}

/// Returns the repository that the `.git` file of a directory, or of the nearest directory above it that has a `.git`, names.
/// Returns `None` if the directory is in no worktree.
fn repository_of(directory: &str) -> Option<String> {
    let directory = Path::new(directory);
    // Looking at a network path can send the user's credentials to the server that a log names.
    if !directory.is_absolute() || directory.to_string_lossy().starts_with("\\\\") {
        return None;
    }
    for ancestor in directory.ancestors() {
        let git = ancestor.join(".git");
        let Ok(meta) = std::fs::symlink_metadata(&git) else { continue };
        if !meta.is_file() {
            return None;
        }
        let mut text = String::new();
        std::fs::File::open(&git).ok()?.take(MAX_GIT_FILE_BYTES).read_to_string(&mut text).ok()?;
        let git_dir = text.lines().find_map(|line| line.strip_prefix("gitdir:"))?.trim();
        return repository_of_git_dir(&normal_path(&ancestor.join(git_dir)));
    }
    None
}

/// Returns the repository of a worktree's git directory: `repo/.git/worktrees/x`, or `repo.git/worktrees/x` for a bare
/// repository.
fn repository_of_git_dir(git_dir: &Path) -> Option<String> {
    let worktrees = git_dir.parent().filter(|dir| dir.ends_with("worktrees"))?;
    let common = worktrees.parent()?;
    let name = common.file_name()?.to_str()?;
    let repository = if matches!(name, ".git" | ".bare") { common.parent()? } else { common };
    // A root directory is not a repository.
    repository.parent()?;
    repository.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_git_file_of_a_worktree_names_its_repository() {
        let tmp = tempfile::tempdir().unwrap();
        let tree = tmp.path().join("elsewhere/wild");
        std::fs::create_dir_all(tree.join("src")).unwrap();
        let of = |directory: &Path| repository_of(directory.to_str().unwrap());
        let write = |text: &str| std::fs::write(tree.join(".git"), text).unwrap();
        assert_eq!(of(&tree), None);
        write("gitdir: /src/tea/.git/worktrees/wild\n");
        assert_eq!(of(&tree).as_deref(), Some("/src/tea"));
        assert_eq!(of(&tree.join("src")).as_deref(), Some("/src/tea"), "in a directory below");
        assert_eq!(of(&tree.join("deleted/below")).as_deref(), Some("/src/tea"));
        write("gitdir: ../../tea/.git/worktrees/wild");
        assert_eq!(of(&tree).unwrap(), tmp.path().join("tea").to_str().unwrap());
        write("gitdir: /srv/tea.git/worktrees/wild");
        assert_eq!(of(&tree).as_deref(), Some("/srv/tea.git"));
        write("gitdir: /src/tea/.bare/worktrees/wild");
        assert_eq!(of(&tree).as_deref(), Some("/src/tea"));
        for other in ["gitdir: ../.git/modules/lib", "nonsense", "", "gitdir: /.git/worktrees/x"] {
            write(other);
            assert_eq!(of(&tree), None, "{other}");
        }
        std::fs::create_dir_all(tree.join("src/.git")).unwrap();
        write("gitdir: /src/tea/.git/worktrees/wild\n");
        assert_eq!(of(&tree.join("src")), None, "a repository of its own");
        assert_eq!(repository_of("relative"), None);
    }
}
