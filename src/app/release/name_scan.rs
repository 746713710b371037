//! The exact-name scan: searches the sealed bytes for the forms of a person's full name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::app::{App, Failure};

use super::secrets::value_id;

/// The text in lower case and without diacritics. Every run of characters other than letters and digits becomes one
/// space.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = true;
    for c in text.nfd().filter(|c| !is_combining_mark(*c)) {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
            gap = false;
        } else if !gap {
            out.push(' ');
            gap = true;
        }
    }
    out
}

/// The folded forms of a name: both orders, and handles such as `first.last` or `flast`.
fn forms(name: &str) -> Vec<String> {
    let folded = fold(name);
    let parts: Vec<&str> = folded.split_whitespace().collect();
    let mut forms = Vec::new();
    match parts.as_slice() {
        [] => {}
        [one] => forms.push(format!(" {one} ")),
        [first, .., last] => {
            forms.push(format!(" {} ", parts.join(" ")));
            forms.push(format!(" {first} {last} "));
            forms.push(format!(" {last} {first} "));
            for (a, b) in [(first, last), (last, first)] {
                forms.push(format!(" {a}{b} "));
            }
            let initial: String = first.chars().take(1).collect();
            if last.chars().count() >= 4 {
                forms.push(format!(" {initial}{last} "));
                forms.push(format!(" {initial} {last} "));
            }
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

/// Number of places in `text` that contain a form of `name`.
pub(crate) fn count_name(name: &str, text: &str) -> u64 {
    // The text is JSON. Without this, the `n` of an escape `\n` would become a part of the name that follows it.
    let plain = text.replace("\\n", " ").replace("\\t", " ").replace("\\r", " ");
    let hay = format!(" {} ", fold(&plain).trim());
    forms(name).iter().map(|f| hay.matches(f.as_str()).count() as u64).sum()
}

impl App {
    /// Keyed hash of a name, which is the same for every spelling and order of its words. The name itself is not stored.
    pub(super) fn name_id(&self, name: &str) -> Result<String, Failure> {
        let folded = fold(name);
        let mut words: Vec<&str> = folded.split_whitespace().collect();
        words.sort_unstable();
        Ok(value_id(&self.local_key()?, "FULL_NAME", &words.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_every_form() {
        let name = "Zoë Müller-Lüdenscheidt";
        for text in [
            "by Zoe Muller-Ludenscheidt.",
            "MÜLLER LÜDENSCHEIDT and zoë müller lüdenscheidt",
            "mail zoe.ludenscheidt@example.org",
            "Ludenscheidt, Zoë",
            "login zludenscheidt",
            "line\\nZoë Lüdenscheidt\\n",
        ] {
            assert!(count_name(name, text) > 0, "{text}");
        }
        assert_eq!(count_name(name, "Zoe said that muller is a job"), 0);
        assert_eq!(count_name("Ada", "adamant"), 0);
        assert_eq!(count_name("", "anything"), 0);
    }
}
