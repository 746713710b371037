//! Globs over names and paths of projects.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use unicode_normalization::UnicodeNormalization;

use crate::trace::{is_absolute, is_windows_path};

/// A pattern with `*`, `**`, `?` and `[…]`. A pattern with a separator is matched with paths, and selects everything below a
/// match. If it does not start at a root, it can begin anywhere in the path, and it is matched with names too, as a pattern
/// without a separator is.
pub(super) struct Glob {
    names: Option<GlobSet>,
    paths: Option<GlobSet>,
}

/// Returns whether a text contains characters that make it a glob.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Returns the form of a text in which case and Unicode form do not matter.
pub(super) fn fold(text: &str) -> String {
    let lower: String = text.nfc().flat_map(char::to_lowercase).collect();
    let lower: String = lower.nfc().collect();
    if is_absolute(text) && is_windows_path(text) { lower.replace('\\', "/") } else { lower }
}

impl Glob {
    /// Returns `None` if the pattern is not a valid glob.
    pub fn new(pattern: &str) -> Option<Self> {
        let is_absolute = is_absolute(pattern);
        let pattern = fold(pattern);
        let pattern = pattern.trim_end_matches('/');
        let names = [pattern.to_owned(), format!("**/{pattern}")];
        let paths = match is_absolute {
            true => Some([pattern.to_owned(), format!("{pattern}/**")]),
            false => pattern.contains('/').then(|| [format!("**/{pattern}"), format!("**/{pattern}/**")]),
        };
        let names = if is_absolute { None } else { Some(set(&names)?) };
        let paths = match paths {
            Some(paths) => Some(set(&paths)?),
            None => None,
        };
        Some(Glob { names, paths })
    }

    pub fn matches_name(&self, name: &str) -> bool {
        self.names.as_ref().is_some_and(|set| set.is_match(fold(name)))
    }

    pub fn matches_path(&self, path: &str) -> bool {
        self.paths.as_ref().is_some_and(|set| set.is_match(fold(path)))
    }
}

fn set(patterns: &[String]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).backslash_escape(false).build().ok()?);
    }
    set.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).is_some_and(|glob| glob.matches_name(text) || glob.matches_path(text))
    }

    #[test]
    fn a_glob_matches_names_or_paths() {
        for (pattern, text) in [
            ("client-*", "client-a"),
            ("CLIENT-*", "client-\u{c4}"),
            ("app*", "deep/App"),
            ("[pq]uarterly-?i", "quarterly-ui"),
            ("[!a-c]x", "dx"),
            ("*caf\u{e9}", "le-cafe\u{301}"),
            ("/home/*/work", "/home/ada/work/api"),
            ("/**/api", "/home/ada/work/api"),
            ("**/work/**", "/home/ada/work/api"),
            ("work/*", "/home/ada/work/api"),
            ("*/WORK/*", "/home/ada/work/api/src"),
            ("work/a*", "work/api"),
            (r"C:\Users\*\shop", "c:/users/ada/shop/src"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("client-*", "client-a/b"),
            ("/home/*", "/srv/home/ada"),
            ("/home/*/work", "/home/ada/deep/work"),
            ("work/*", "/home/ada/work"),
            ("wor/*", "/home/ada/work/api"),
            ("[", "["),
            ("x?", "x"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_is_an_invalid_or_a_quick_one() {
        let text = "a".repeat(4000);
        for (pattern, may_match) in [("*a", true), ("[a-z]", false), ("**/", true), ("?", false)]
            .map(|(p, m)| (p.repeat(4096 / p.len()), m))
        {
            assert!(may_match || !matches(&pattern, &text), "{}", &pattern[..10]);
        }
    }
}
