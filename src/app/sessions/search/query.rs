//! Translates a query that a person typed into an FTS5 expression.
//!
//! The syntax has words and `"phrases"` (both can end with `*` to match a prefix), `AND`, `OR` and `NOT` in capitals, and
//! parentheses. A word with punctuation inside (`src/main.rs`, `foo-bar`) is a phrase. Everything is quoted, so that FTS5
//! never interprets a character of the query as its own syntax.

use crate::store::quoted;

use super::Failure;

/// A query, translated for the search index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Expression for `MATCH` of FTS5.
    pub expression: String,
    /// Operands that are not negated; a snippet shows one of them.
    pub operands: Vec<Operand>,
}

/// A word or phrase of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operand {
    pub words: Vec<String>,
    /// Whether the last word is a prefix.
    pub prefix: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text { text: String, prefix: bool },
    Operator(&'static str),
    Open,
    Close,
}

/// Parses a query.
///
/// # Errors
/// A usage [`Failure`] that says what to write instead.
pub(super) fn parse(text: &str) -> Result<Query, Failure> {
    let tokens = tokens(text)?;
    let mut out = Query { expression: String::new(), operands: Vec::new() };
    let (mut depth, mut value, mut negated) = (0usize, false, false);
    for token in tokens {
        match token {
            Token::Text { text, prefix } => {
                let words = words(&text);
                if words.is_empty() {
                    continue;
                }
                join(&mut out.expression, value);
                out.expression.push_str(&quoted(&text));
                out.expression.push_str(if prefix { "*" } else { "" });
                if !std::mem::take(&mut negated) {
                    out.operands.push(Operand { words, prefix });
                }
                value = true;
            }
            Token::Operator(name) => {
                if !value {
                    return Err(bad(
                        &format!("{name} needs an operand on its left."),
                        &format!(
                            "write it between two words (failing {name} flaky), or quote it: \"{name}\""
                        ),
                    ));
                }
                out.expression.push_str(&format!(" {name} "));
                (value, negated) = (false, name == "NOT");
            }
            Token::Open => {
                join(&mut out.expression, value);
                out.expression.push('(');
                (depth, value) = (depth + 1, false);
            }
            Token::Close => {
                if depth == 0 || !value {
                    return Err(bad(
                        "The parentheses do not match.",
                        "quote them to search for words: \"f(x)\"",
                    ));
                }
                out.expression.push(')');
                depth -= 1;
            }
        }
    }
    if depth > 0 {
        return Err(bad("A parenthesis is not closed.", "close it, or quote it: \"f(x)\""));
    }
    if !value {
        return Err(match out.expression.is_empty() {
            true => bad(
                "The query has no letter or digit.",
                "search for a word; the index has no punctuation, but --regex finds it",
            ),
            false => {
                bad("The last operator needs an operand on its right.", "add a word, or quote the operator")
            }
        });
    }
    Ok(out)
}

/// Maximum number of words in a pattern of [`unspaced_pattern`]. It has one alternative for each order of the words, so
/// its size grows with the factorial.
const MAX_UNSPACED_WORDS: usize = 3;

/// Returns a pattern for plain words if one of them is in a script that is written without spaces. The index takes a run
/// of such letters for one word, so it cannot find a word inside the run.
pub(super) fn unspaced_pattern(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = |w: &&str| !w.contains(['"', '(', ')', '*']) && !matches!(*w, "AND" | "OR" | "NOT");
    if words.len() > MAX_UNSPACED_WORDS || !words.iter().all(plain) || !text.chars().any(is_unspaced) {
        return None;
    }
    let mut orders: Vec<Vec<&str>> = vec![Vec::new()];
    for word in words {
        let mut longer = Vec::new();
        for order in &orders {
            for at in 0..=order.len() {
                let mut with = order.clone();
                with.insert(at, word);
                longer.push(with);
            }
        }
        orders = longer;
    }
    let escaped =
        |order: Vec<&str>| order.into_iter().map(regex_syntax::escape).collect::<Vec<_>>().join("(?s:.*)");
    Some(format!("(?i:{})", orders.into_iter().map(escaped).collect::<Vec<_>>().join("|")))
}

/// Returns whether a character is in Han, kana, Thai, Lao, Khmer or Burmese script.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF66..=0xFF9F | 0x2_0000..=0x3_FFFF)
}

fn join(expression: &mut String, value: bool) {
    if value {
        expression.push_str(" AND ");
    }
}

fn bad(message: &str, hint: &str) -> Failure {
    Failure::usage("bad_query", message).hint(hint)
}

fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            '"' => {
                let Some((phrase, after)) = rest[1..].split_once('"') else {
                    return Err(bad("A quote is not closed.", "close the phrase: \"failing test\""));
                };
                let prefix = after.starts_with('*');
                out.push(Token::Text { text: phrase.to_owned(), prefix });
                rest = if prefix { &after[1..] } else { after };
            }
            '(' => {
                out.push(Token::Open);
                rest = &rest[1..];
            }
            ')' => {
                out.push(Token::Close);
                rest = &rest[1..];
            }
            '*' => {
                return Err(bad(
                    "A * must be at the end of a word.",
                    "write the prefix first (migrat*), or use --regex to search inside words",
                ));
            }
            _ => {
                let end = rest.find([' ', '\t', '\n', '\r', '"', '(', ')', '*']).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let prefix = after.starts_with('*');
                rest = if prefix { &after[1..] } else { after };
                out.push(match word {
                    "AND" if !prefix => Token::Operator("AND"),
                    "OR" if !prefix => Token::Operator("OR"),
                    "NOT" if !prefix => Token::Operator("NOT"),
                    // In pasted code such as `main(argc)` the parentheses do not group.
                    _ if after.starts_with('(') => match after.split_once(')') {
                        Some((args, after)) => {
                            rest = after;
                            Token::Text { text: format!("{word}{args}"), prefix: false }
                        }
                        None => Token::Text { text: word.to_owned(), prefix },
                    },
                    _ => Token::Text { text: word.to_owned(), prefix },
                });
            }
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

/// Splits a text into words as the index does.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_scripts_without_spaces_become_a_pattern() {
        assert_eq!(unspaced_pattern("デプロイ").as_deref(), Some("(?i:デプロイ)"));
        assert_eq!(unspaced_pattern("a.b 关闭").as_deref(), Some(r"(?i:关闭(?s:.*)a\.b|a\.b(?s:.*)关闭)"));
        for none in ["größe", "почини тест", "\"关闭\"", "关 OR 闭", "关*", "关 1 2 3"] {
            assert_eq!(unspaced_pattern(none), None, "{none}");
        }
    }

    #[test]
    fn words_phrases_and_prefixes_are_quoted_for_the_index() {
        for (text, expression) in [
            ("refactor auth", r#""refactor" AND "auth""#),
            ("\"failing test\" flak*", r#""failing test" AND "flak"*"#),
            ("foo-bar: baz", r#""foo-bar:" AND "baz""#),
            ("a OR (b NOT c)", r#""a" OR ("b" NOT "c")"#),
            ("one and two", r#""one" AND "and" AND "two""#),
            ("\"AND\" -- x", r#""AND" AND "x""#),
            ("main(argc, argv) x", r#""main(argc, argv" AND "x""#),
            ("\"src/ma\"*", r#""src/ma"*"#),
            ("données 分析", r#""données" AND "分析""#),
            ("text:foo", r#""text:foo""#),
        ] {
            assert_eq!(parse(text).unwrap().expression, expression, "{text}");
        }
        let q = parse("foo-bar NOT baz* qu*").unwrap();
        let operand = |words: &[&str], prefix| Operand {
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            prefix,
        };
        assert_eq!(q.operands, [operand(&["foo", "bar"], false), operand(&["qu"], true)]);
    }

    #[test]
    fn an_invalid_query_is_refused_with_a_hint() {
        for bad in [
            "\"open",
            "AND x",
            "x AND",
            "x NOT",
            "a OR OR b",
            "*foo",
            "(a",
            "a)",
            "()",
            "--",
            "NOT x",
            "( a OR )",
        ] {
            let e = parse(bad).unwrap_err();
            assert_eq!(e.code, "bad_query", "{bad}");
            assert!(!e.hints.is_empty(), "{bad}");
        }
    }

    proptest::proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn every_query_is_refused_or_is_a_valid_expression_for_the_index(text in "[a-zAND OR\"*()'^:+\\-é{}\u{0}]{0,24}") {
            let Ok(query) = parse(&text) else { return Ok(()) };
            let archive = crate::store::Archive::in_memory().unwrap();
            let q = crate::store::SearchQuery { text: query.expression, ..Default::default() };
            proptest::prop_assert!(archive.search(&q).is_ok(), "{:?}", q.text);
        }
    }
}
