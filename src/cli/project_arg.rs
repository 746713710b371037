//! Paths of projects as a person types them.

use crate::app::fs::normal_path;

/// Makes a path absolute that is relative to the current directory: `.`, `./x`, `../x`. Leaves names and other paths alone.
pub(super) fn absolute_project(text: &str) -> String {
    let relative = matches!(text, "." | "..") || text.starts_with("./") || text.starts_with("../");
    let Ok(absolute) = std::path::absolute(text) else { return text.to_owned() };
    if relative { normal_path(&absolute).display().to_string() } else { text.to_owned() }
}

/// Splits a list of names at its commas, except at those after a backslash.
pub(super) fn split_names(list: &str) -> Vec<String> {
    let (mut names, mut name) = (Vec::new(), String::new());
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next_if_eq(&',').is_some() => name.push(','),
            ',' => names.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    names.push(name);
    names
}

/// Splits lists of projects as [`split_names`] does, and makes relative paths absolute.
pub(super) fn split_projects(lists: &[String]) -> Vec<String> {
    lists.iter().flat_map(|list| split_names(list)).map(|name| absolute_project(&name)).collect()
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

    #[test]
    fn a_comma_separates_names_unless_a_backslash_is_before_it() {
        for (list, want) in [
            ("a", vec!["a"]),
            ("a, b", vec!["a", " b"]),
            ("Mill\\, Tarn,b", vec!["Mill, Tarn", "b"]),
            ("C:\\x", vec!["C:\\x"]),
            ("", vec![""]),
            ("a,", vec!["a", ""]),
        ] {
            assert_eq!(split_names(list), want, "{list}");
        }
        let here = absolute_project(".");
        assert_eq!(split_projects(&["a,.".to_owned(), "b\\,c".to_owned()]), ["a", &here, "b,c"]);
    }
}
