//! Whether a value is a placeholder for a secret: `YOUR_API_KEY`, `${TOKEN}`, `<token>`, `changeme`, `sk-xxxxxxxx`.
//!
//! The wording of a placeholder proves nothing beside something random: `todo-9fK2xQ…` is a secret that somebody marked.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::value_shape::{CharCounts, looks_random};
use super::word_lists::{PLACEHOLDER_PARTS, PLACEHOLDER_WORDS, REFERENCE_STARTS};

/// Minimum length of a random part next to a placeholder word: with three character classes, and with two.
const MIN_RANDOM_BYTES: usize = 12;
const MIN_RANDOM_BYTES_OF_TWO: usize = 24;

/// Parts that are patterns and not words: a value that contains one of them is made up, whatever else it contains.
const PATTERNS: &[&str] = &["12345678901", "abc123xyz", "abcdefgh", "deadbeef", "xxxx"];
/// Words of programs that already replaced the value, perhaps by a digest of it.
const REPLACEMENTS: &[&str] = &["redacted", "removed", "masked", "sanitized", "scrubbed"];

/// Whether a value is a placeholder for a secret: `YOUR_API_KEY`, `${VAR}`, `<token>`, `****`, or one that we wrote.
pub fn is_placeholder_value(value: &str) -> bool {
    let v = value.trim();
    if v.is_empty() || is_variable(v) || is_bracketed_placeholder(v) || is_template(v) {
        return true;
    }
    let lower = v.to_ascii_lowercase();
    is_versioned_package(&lower)
        || PLACEHOLDER_WORDS.has(&lower)
        || is_worded_like_placeholder(v, &lower)
        || REFERENCE_STARTS.list().iter().any(|start| lower.starts_with(start))
        || is_repetitive(v.as_bytes())
}

/// Whether a value is a shell variable or command: `$VAR`, `${VAR}`, `$(cmd)`. A crypt hash (`$2b$…`) is not one.
fn is_variable(v: &str) -> bool {
    let Some(name) = v.strip_prefix('$') else { return false };
    name.starts_with(['{', '('])
        || name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
}

/// Whether a value is a name in brackets: `<token>`, `[PASSWORD]`, `[EMAIL_k3f9qa]`.
fn is_bracketed_placeholder(v: &str) -> bool {
    let b = v.as_bytes();
    match b[0] {
        b'<' => b.contains(&b'>') || b.len() < 4,
        b'[' => v.ends_with(']') || is_placeholder_head(b.split(|c| *c == b']').next().unwrap_or(b)),
        _ => false,
    }
}

/// Whether a value has the syntax of a template: `{{ .Values.x }}`, `a${b}`, `#{name}`, `%(name)s`, `%NAME%`.
fn is_template(v: &str) -> bool {
    v.contains("{{")
        || v.contains("${")
        || v.contains("#{")
        || v.starts_with('{')
        || v.contains("%(")
        || v.starts_with("%s")
        || v.starts_with('%') && v.ends_with('%') && v.len() > 2
}

/// Whether this is one of our placeholders without its closing bracket, which was read as syntax: `[EMAIL_k3f9qa`.
fn is_placeholder_head(b: &[u8]) -> bool {
    // A tag may consist of digits and capitals only by chance; without a small letter the last `_` begins the tag.
    let Some(at) =
        b.iter().position(|c| c.is_ascii_lowercase()).map_or(b.iter().rposition(|c| *c == b'_'), |_| {
            [7, 13, 25].iter().filter_map(|n| b.len().checked_sub(*n)).find(|p| b[*p] == b'_')
        })
    else {
        return false;
    };
    at > 1 && b[1..at].iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_')
}

/// Whether a lower-case value is a package at a version: `react-18.2.0`, `lodash@4.17.21`, `redis:7.2`.
fn is_versioned_package(lower: &str) -> bool {
    let version = lower
        .rsplit(['-', ':', '@'])
        .next()
        .is_some_and(|t| t.contains('.') && t.bytes().all(|c| c.is_ascii_digit() || c == b'.'));
    version && lower.starts_with(|c: char| c.is_ascii_lowercase()) && lower.len() < 48
}

/// Whether a value repeats one character, or has very few distinct ones: `xxxxxxxx`, `abababab`.
fn is_repetitive(b: &[u8]) -> bool {
    if b.len() < 4 {
        return false;
    }
    let mut distinct = [false; 256];
    for c in b {
        distinct[usize::from(*c)] = true;
    }
    let n = distinct.iter().filter(|d| **d).count();
    if n <= 2 || (b.len() >= 16 && n <= 3) {
        return true;
    }
    // A long token may contain padding (`AAAAAAAA…`); only a run of a third of it shows an example.
    let max_run = if b.len() >= 40 { b.len() / 3 } else { 8 };
    let mut run = 1;
    for w in b.windows(2) {
        run = if w[0] == w[1] { run + 1 } else { 1 };
        if run >= max_run {
            return true;
        }
    }
    false
}

/// Whether a value contains the wording of a placeholder, such as `changeme` or `your-`, and nothing random beside it. `lower`
/// is the value in lower case.
///
/// A long random value contains a short wording by chance (`…todo…`), so a short one has to be a separate word.
fn is_worded_like_placeholder(value: &str, lower: &str) -> bool {
    static FINDER: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let b = lower.as_bytes();
    let Some(finder) = FINDER.get_or_init(|| AhoCorasick::new(PLACEHOLDER_PARTS.list()).ok()) else {
        return false;
    };
    let word_ends = |c: Option<&u8>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    let mut words: Vec<(usize, usize)> = Vec::new();
    for hit in finder.find_overlapping_iter(b) {
        let (start, end, part) = (hit.start(), hit.end(), PLACEHOLDER_PARTS.list()[hit.pattern().as_usize()]);
        let begins = word_ends(start.checked_sub(1).and_then(|i| b.get(i))) || part.starts_with(['_', '-']);
        let ends = word_ends(b.get(end)) || part.ends_with(['_', '-']);
        let is_pattern = part.starts_with(['*', '.', '<']) || PATTERNS.contains(&part);
        if !(part.len() >= 7 || is_pattern || b.len() < 16 || begins && ends) {
            continue;
        }
        // What follows a wording at the beginning may be joined to it, as in `changeme9fK2…`. Elsewhere it may not: the
        // examples of manuals end in `…EXAMPLE`.
        if is_pattern || REPLACEMENTS.contains(&part) || !(begins && (ends || start == 0)) {
            return true;
        }
        words.push((start, end));
    }
    !words.is_empty() && !has_random_piece(value, words)
}

/// Whether one of the pieces between the words of a value is random. `words` are in the order of their ends.
fn has_random_piece(value: &str, words: Vec<(usize, usize)>) -> bool {
    let mut at = 0;
    let ends = words.into_iter().chain([(value.len(), value.len())]);
    ends.into_iter().any(|(start, end)| {
        let piece = value.get(at..start.max(at)).unwrap_or_default();
        at = at.max(end);
        is_random_piece(piece)
    })
}

fn is_random_piece(piece: &str) -> bool {
    let piece = piece.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let counts = CharCounts::of(piece.as_bytes());
    let of_three = counts.digit > 1 && counts.upper > 1 && counts.lower > 1;
    let least = if of_three { MIN_RANDOM_BYTES } else { MIN_RANDOM_BYTES_OF_TWO };
    counts.letters() + counts.digit >= least
        && counts.digit > 1
        && counts.other == 0
        && counts.symbol * 4 <= piece.len()
        && looks_random(piece)
        && bytes_in_order(piece) * 4 <= piece.len()
}

/// Returns how many bytes are keys in the order of the alphabet, of the digits, or repeated ones, in runs of at least three:
/// 6 of `abc-12x345`.
fn bytes_in_order(piece: &str) -> usize {
    let follows = |a: u8, b: u8| {
        let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        a == b || a + 1 == b || (a, b) == (b'9', b'0')
    };
    let (mut total, mut run) = (0, 1);
    let b = piece.as_bytes();
    for at in 1..=b.len() {
        if at < b.len() && follows(b[at - 1], b[at]) {
            run += 1;
            continue;
        }
        total += if run >= 3 { run } else { 0 };
        run = 1;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_worded(value: &str) -> bool {
        is_worded_like_placeholder(value, &value.to_ascii_lowercase())
    }

    #[test]
    fn placeholders_are_recognized_and_secrets_are_not() {
        for v in [
            "changeme",
            "${TOKEN}",
            "$TOKEN",
            "<token>",
            "YOUR_API_KEY",
            "process.env.X",
            "xxxxxxxxxxxx",
            "[PASSWORD_abc234]",
            "{{ .Values.x }}",
            "string",
        ] {
            assert!(is_placeholder_value(v), "{v}");
        }
        for v in ["copper-lantern-440", "gTq8WvB3rKzmY", "$2b$10$abc"] {
            assert!(!is_placeholder_value(v), "{v}");
        }
    }

    #[test]
    fn a_short_wording_inside_a_long_random_value_proves_nothing() {
        assert!(is_worded("todo-later"));
        assert!(!is_worded("q7todox9m2kz4lr8vb"));
        assert!(is_worded("q7x9m2kz4lr8-todo-vb"));
    }

    #[test]
    fn a_wording_beside_something_random_proves_nothing() {
        let random = ["9fK2xQ", "7vbar81", "LmZz"].concat();
        for value in [
            format!("todo-{random}"),
            format!("TODO_{random}"),
            format!("changeme-{random}"),
            format!("changeme{random}"),
            format!("change_me.{random}"),
            format!("example_{random}"),
            format!("Example-{random}=="),
            format!("dummy:{random}"),
            format!("fake-{random}"),
            format!("placeholder/{random}"),
            format!("your-{random}"),
            format!("{random}-todo"),
            format!("{random}_example"),
            format!("sk-todo-{random}"),
            format!("todo-{random}-fixme"),
            format!("put-your-{random}-here"),
            ["todo-7hwnqdzk41vpbs8", "xtrrcg65mya92fe3u"].concat(),
        ] {
            assert!(!is_worded(&value), "{value}");
        }
    }

    #[test]
    fn made_up_values_are_placeholders() {
        for value in [
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "your-api-key-here",
            "changeme",
            "changeme123",
            "changeme-Passw0rd123!",
            "example_password",
            "Example_Password1",
            "example-SecretKeyForTesting2024",
            "todo-get-this-from-1Password",
            "sk-abcdefghijklmnop1234567890",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-proj-****9fK2xQ7vb81Lm",
            "sk-ant-api03-abc123xyz-456def789ghij-klmnopqrstuvwx-3456yza789bcde-1234fghijklmnopby56aaaogaopaaaabc123xyzBB",
            "ntn_12345678901aBcDeFgHiJkLmNoPqRsT1234567890abcd",
            "example_aBcDeFgHiJkLmNoPqRsT1234567890abcdefghij",
            "fake-token-abc123def456",
            "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx",
            "YOUR_PROJECT_2024_KEY",
            "replace-with-your-own-key-v2",
            "redacted-9fK2xQ7vbar81LmZz",
            "my-password-QWErty123456789",
        ] {
            assert!(is_worded(value), "{value}");
        }
    }
}
