//! Paths of projects as a person types them.

use crate::app::fs::normal_path;

/// Makes a path absolute that is relative to the current directory: `.`, `./x`, `../x`. Leaves names and other paths alone.
pub(super) fn absolute_project(text: &str) -> String {
    let relative = matches!(text, "." | "..") || text.starts_with("./") || text.starts_with("../");
    let Ok(absolute) = std::path::absolute(text) else { return text.to_owned() };
    if relative { normal_path(&absolute).display().to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_relative_paths_become_absolute() {
        for text in ["shop", "work/shop", "/srv/shop", "~/shop", "client-*", ""] {
            assert_eq!(absolute_project(text), text);
        }
        let here = absolute_project(".");
        assert!(Path::new(&here).is_absolute() && !here.ends_with('.'), "{here}");
        assert_eq!(absolute_project("./shop"), Path::new(&here).join("shop").display().to_string());
        assert_eq!(Path::new(&absolute_project("..")), Path::new(&here).parent().unwrap());
    }
}
