//! Paths of files and directories as a person types them.

use std::path::{Path, PathBuf};

/// Replaces `~` at the beginning of a path by the home directory: a shell does not do so after `=` or in quotes.
pub(super) fn expand_home(path: PathBuf, home: &Path) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) if rest.as_os_str().is_empty() => home.to_owned(),
        Ok(rest) => home.join(rest),
        Err(_) => path,
    }
}

/// Makes a path absolute: relative to the current directory, or below the home directory if it begins with `~`.
pub(super) fn absolute(path: PathBuf, home: &Path) -> PathBuf {
    let path = expand_home(path, home);
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_at_the_beginning_is_the_home_directory() {
        let expanded = |path: &str| expand_home(path.into(), Path::new("/home/ada")).display().to_string();
        assert_eq!(expanded("~/rel"), "/home/ada/rel");
        assert_eq!(expanded("~"), "/home/ada");
        for path in ["~ada/rel", "a/~/b", "/x/~", "./~"] {
            assert_eq!(expanded(path), path);
        }
        assert_eq!(absolute("~/rel".into(), Path::new("/home/ada")), Path::new("/home/ada/rel"));
        assert!(absolute("rel".into(), Path::new("/home/ada")).is_absolute());
    }
}
