//! What a shell does with a command line: words, and programs that it finds.

use std::path::PathBuf;

use crate::platform::{HAS_POSIX_SHELL, is_executable};
use crate::trace::Env;

/// Returns a text as one word of a shell's command line, quoted if it needs it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-@:+,%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    if HAS_POSIX_SHELL { format!("'{}'", text.replace('\'', r"'\''")) } else { format!("\"{text}\"") }
}

/// Returns names as the value of an option that takes a list, with a backslash before each comma of a name.
pub(crate) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| name.as_ref().replace(',', r"\,")).collect();
    word(&names.join(","))
}

/// Returns the first program of this name in the directories of `PATH`, as a shell would start it.
pub(crate) fn find_on_path(env: &Env, program: &str) -> Option<PathBuf> {
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(env.var("PATH")?).map(|dir| dir.join(&name)).find(|path| is_executable(path))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_if_a_shell_would_change_it() {
        for plain in ["shop-api", "/srv/a+b", "Käse", "a@b.example:1,2", "50%"] {
            assert_eq!(word(plain), plain);
        }
        for (text, quoted) in [
            ("(no project)", "'(no project)'"),
            ("Acme's $HOME", r"'Acme'\''s $HOME'"),
            ("~/x", "'~/x'"),
            ("client-*", "'client-*'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }

    #[test]
    fn a_comma_of_a_name_does_not_separate_names() {
        assert_eq!(list(&["shop", "api"]), "shop,api");
        assert_eq!(list(&["Mill, Tarn", "api"]), r"'Mill\, Tarn,api'");
    }
}
