//! Derives from a regular expression an FTS5 expression that finds all candidates.
//!
//! Uses only words that every match must contain. The expression can find documents that do not match, but it never
//! misses one that does.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// An element of a pattern, as far as it concerns words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    /// A letter or digit of a word.
    Letter(char),
    /// A word boundary, or a character that is in no word.
    Boundary,
    /// Any text, including none.
    Gap,
    /// Text that one of these FTS5 expressions finds.
    Either(String),
}

/// Returns an FTS5 expression that finds every text that the pattern matches, or `None` if no word can be derived.
pub(super) fn candidates(pattern: &Hir) -> Option<String> {
    expression(pattern, Atom::Gap)
}

/// Returns the expression for a part of a pattern. `before` is the element in front of it.
fn expression(hir: &Hir, before: Atom) -> Option<String> {
    let mut atoms = vec![before];
    flatten(hir, &mut atoms);
    atoms.push(Atom::Gap);
    let mut terms: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    // Whether the letters collected in `word` start at a word boundary. Otherwise they can be the end of a longer word,
    // which the index cannot find.
    let mut whole = false;
    for atom in atoms {
        match atom {
            Atom::Letter(c) => word.get_or_insert_default().push(c),
            Atom::Boundary | Atom::Gap | Atom::Either(_) => {
                let closed = atom == Atom::Boundary;
                if let Some(text) = word.take().filter(|w| whole && (closed || w.chars().count() > 1)) {
                    terms.push(format!("\"{text}\"{}", if closed { "" } else { "*" }));
                }
                whole = closed;
                if let Atom::Either(expression) = atom {
                    terms.push(format!("({expression})"));
                }
            }
        }
    }
    terms.sort_unstable();
    terms.dedup();
    // The longest few terms narrow the search about as much as all of them.
    terms.sort_by_key(|t| std::cmp::Reverse(t.len()));
    terms.truncate(8);
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

fn flatten(hir: &Hir, out: &mut Vec<Atom>) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => out.extend(text.chars().map(atom_of_char)),
            Err(_) => out.push(Atom::Gap),
        },
        HirKind::Class(class) => out.push(atom_of_class(class)),
        HirKind::Look(look) => out.push(match look {
            Look::WordAsciiNegate | Look::WordUnicodeNegate => Atom::Gap,
            // An ASCII word boundary can be inside a word that has non-ASCII letters.
            Look::WordAscii
            | Look::WordStartAscii
            | Look::WordEndAscii
            | Look::WordStartHalfAscii
            | Look::WordEndHalfAscii => Atom::Gap,
            _ => Atom::Boundary,
        }),
        HirKind::Repetition(r) => {
            if r.min == 0 {
                out.push(Atom::Gap);
                return;
            }
            let mut inner = Vec::new();
            flatten(&r.sub, &mut inner);
            if inner.iter().all(|a| *a == Atom::Boundary) && !inner.is_empty() {
                out.push(Atom::Boundary);
            } else if r.min == 1 && r.max == Some(1) {
                out.extend(inner);
            } else {
                // The inner pattern occurs at least once, with repetitions before or after it.
                out.push(Atom::Gap);
                out.extend(inner);
                out.push(Atom::Gap);
            }
        }
        HirKind::Capture(c) => flatten(&c.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|p| flatten(p, out)),
        HirKind::Alternation(branches) => {
            // The parser factors out a common prefix of the branches, such as a word boundary.
            let before = if out.last() == Some(&Atom::Boundary) { Atom::Boundary } else { Atom::Gap };
            let each: Option<Vec<String>> = branches.iter().map(|b| expression(b, before.clone())).collect();
            match each.filter(|e| e.len() <= 16) {
                Some(each) => {
                    let each: Vec<String> = each.into_iter().map(|e| format!("({e})")).collect();
                    out.push(Atom::Either(each.join(" OR ")));
                }
                None => out.push(Atom::Gap),
            }
        }
    }
}

/// Classifies a character. The index folds case, and it removes accents in its own way, so that a non-ASCII letter says
/// nothing about the word in the index.
fn atom_of_char(c: char) -> Atom {
    match c {
        c if c.is_ascii_alphanumeric() => Atom::Letter(c.to_ascii_lowercase()),
        c if c.is_ascii() => Atom::Boundary,
        _ => Atom::Gap,
    }
}

fn atom_of_class(class: &Class) -> Atom {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(c) => c.ranges().iter().map(|r| (r.start(), r.end())).collect(),
        Class::Bytes(c) => c.ranges().iter().map(|r| (char::from(r.start()), char::from(r.end()))).collect(),
    };
    if ranges.is_empty() || ranges.iter().any(|(a, b)| u32::from(*b) - u32::from(*a) > 128) {
        return Atom::Gap;
    }
    let mut all = ranges.iter().flat_map(|(a, b)| *a..=*b).map(|c| match c {
        // Kelvin sign and long s, which `(?i)` adds to k and s. The index folds them too.
        '\u{212a}' => Atom::Letter('k'),
        '\u{17f}' => Atom::Letter('s'),
        c if c.is_whitespace() => Atom::Boundary,
        c => atom_of_char(c),
    });
    let Some(first) = all.next() else { return Atom::Gap };
    if all.all(|a| a == first) { first } else { Atom::Gap }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Archive, SearchQuery};

    fn of(pattern: &str) -> Option<String> {
        candidates(&regex_syntax::parse(pattern).unwrap())
    }

    #[test]
    fn the_expression_has_only_words_that_every_match_contains() {
        for (pattern, expression) in [
            ("foo", None),
            ("foo.*bar", None),
            (r"\bfoo\b", Some(r#""foo""#)),
            (r"\bfoo", Some(r#""foo"*"#)),
            ("error: failed", Some(r#""failed"*"#)),
            ("x error: y", Some(r#""error""#)),
            (r"(?i)\bFoo\b", Some(r#""foo""#)),
            (r"(?i)\bsink\b", Some(r#""sink""#)),
            (r"\b(alpha|beta)\b", Some(r#"(("alpha"*) OR ("beta"*))"#)),
            (r"x(alpha|beta)\b", None),
            (r"(\balpha\b|\bbeta\b)", Some(r#"(("alpha") OR ("beta"))"#)),
            (r"\bfoo[-/ ]bar\b", Some(r#""bar" AND "foo""#)),
            (r"\bfoo\s+bar\b", Some(r#""bar" AND "foo""#)),
            (r"\bfoo(-x)?bar\b", Some(r#""foo"*"#)),
            (r"\bfoo+\b", Some(r#""fo"*"#)),
            (r"\bcafé\b", Some(r#""caf"*"#)),
            (r"[0-9]+ passed", Some(r#""passed"*"#)),
        ] {
            assert_eq!(of(pattern).as_deref(), expression, "{pattern}");
        }
    }

    proptest::proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn the_index_never_loses_a_match(
            pattern in "(\\\\b)?[abé ]{1,3}[.*+?|\\-]?[ab _]{0,3}(\\\\b)?",
            text in "[abAéB _.\\-]{0,14}",
        ) {
            let Ok(hir) = regex_syntax::parse(&pattern) else { return Ok(()) };
            let regex = regex::Regex::new(&pattern).unwrap();
            let Some(expression) = candidates(&hir) else { return Ok(()) };
            if !regex.is_match(&text) {
                return Ok(());
            }
            let archive = Archive::in_memory().unwrap();
            archive.index_for_test(std::slice::from_ref(&text));
            let q = SearchQuery { text: expression.clone(), ..SearchQuery::default() };
            proptest::prop_assert_eq!(archive.search(&q).unwrap().len(), 1, "{} {}", pattern, expression);
        }
    }
}
