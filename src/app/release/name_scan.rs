//! The exact-name scan: a person's full name in the sealed bytes, in the forms it takes there.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Text without case and diacritics, every run of anything else than letters and digits one space.
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

/// The forms of a name worth looking for, folded: both orders, and handles such as `first.last` or `flast`.
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

/// Number of places where a form of `name` stands in `text`.
pub(crate) fn count_name(name: &str, text: &str) -> u64 {
    // JSON escapes would hide letters: `\n` would glue an n to the name.
    let plain = text.replace("\\n", " ").replace("\\t", " ").replace("\\r", " ");
    let hay = format!(" {} ", fold(&plain).trim());
    forms(name).iter().map(|f| hay.matches(f.as_str()).count() as u64).sum()
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
