//! The kinds of values that columns contain, and whether a value is of one.

use serde::Deserialize;

use super::words::WORDS;
use crate::rules::placeholder_value;
use crate::rules::validate::is_label;
use crate::rules::value_shape::{self, CharCounts};
use crate::rules::word_lists::{COMMON_WORDS, NOT_NAMES};

/// The kind of value that a column contains, by its name in the rule data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CellShape {
    Date,
    /// Letters and digits of a document: passports, national ids.
    Identifier,
    Phone,
    Coordinate,
    /// A latitude or longitude under a header such as `lat`, which counts only beside the other one.
    Degree,
    Account,
    /// The number of a bank or of its branch.
    SortCode,
    Card,
    Address,
    /// The name of a person under a header that says so.
    Name,
    /// The full name of a person under a header such as `assignee`.
    FullName,
    /// The full name of a person under a header such as `client`, which means a program beside a header such as `version`.
    ClientName,
    /// The name of a person under a header that may also mean a product or a company. It counts only beside another column
    /// about persons, and means the surname beside a column of first names: `nom`, `prénom`.
    MaybeName,
    Password,
    /// A password or secret under a header that also means something else: `pass`, `pin`, `secret`. It counts only beside
    /// the column of an account or person.
    MaybePassword,
    /// A key under a header that says so.
    Key,
    /// A token under a header that may also mean a word of a text.
    Token,
}

impl CellShape {
    /// Whether a single field `header: value` is judged like a column. Other rules judge passwords, tokens and names there.
    pub fn applies_to_fields(self) -> bool {
        !matches!(
            self,
            CellShape::Degree
                | CellShape::Name
                | CellShape::FullName
                | CellShape::ClientName
                | CellShape::MaybeName
                | CellShape::Password
                | CellShape::MaybePassword
                | CellShape::Key
                | CellShape::Token
                | CellShape::Account
                | CellShape::Address
        )
    }
}

/// Whether a cell contains no value: `NULL`, `-`, `n/a`.
pub(super) fn is_null(value: &str) -> bool {
    let v = value.trim();
    v.is_empty() || WORDS.voids.has(v)
}

/// Whether a value shows that its column is of the kind that the header promises. Some values only [`matches`]: in a column
/// of persons, the name of one may read like a product. If the line is `certain` to be a header, it says enough that a
/// password may be an ordinary word.
pub(super) fn is_evidence(value: &str, shape: CellShape, certain: bool) -> bool {
    match shape {
        CellShape::FullName | CellShape::ClientName | CellShape::MaybeName => {
            matches(value, shape)
                && !is_label(value)
                && !value
                    .split([' ', ',', '\u{a0}'])
                    .any(|w| NOT_NAMES.has(w.to_lowercase().trim_matches('.')))
        }
        CellShape::Degree => matches(value, shape) && is_coordinate(value.trim()),
        CellShape::Password if certain => {
            matches(value, shape) || is_plain_password(value.trim()) || is_plain_phrase(value.trim())
        }
        CellShape::Name if certain => matches(value, shape) || is_name_in_small_letters(value.trim()),
        _ => matches(value, shape),
    }
}

/// Whether a value of a column that is known to be of a kind is one of that kind too, although it alone would not show
/// it: a password of several words, a name in lowercase. Remarks such as `unknown` are not.
pub(super) fn is_plausible(value: &str, shape: CellShape) -> bool {
    let v = value.trim();
    let counts = CharCounts::of(v.as_bytes());
    let words = v.split_whitespace().count();
    if is_null(v) || v.len() > 200 || v.starts_with('[') && v.ends_with(']') || is_state(v) {
        return false;
    }
    match shape {
        CellShape::Name | CellShape::FullName | CellShape::ClientName | CellShape::MaybeName => {
            words <= 6
                && counts.digit * 2 < v.len()
                && v.chars().filter(|c| c.is_alphabetic()).count() >= 2
                && !v.contains(['{', '}', '=', '<', '>', '$', '/', '\\', '@', ':'])
                && !placeholder_value::is_placeholder_value(v)
        }
        CellShape::Password | CellShape::MaybePassword => {
            v.chars().count() >= 3 && words <= 6 && !placeholder_value::is_placeholder_value(v)
        }
        CellShape::Key => v.len() >= 6 && words == 1 && !placeholder_value::is_placeholder_value(v),
        CellShape::Date => (2..=20).contains(&counts.digit) && words <= 5,
        CellShape::Phone | CellShape::Card => counts.digit >= 5 && words <= 8,
        CellShape::Identifier | CellShape::Account => counts.digit >= 4 && words <= 8,
        CellShape::Coordinate => counts.digit >= 3 && words <= 8,
        CellShape::SortCode => counts.digit >= 4 && words <= 3,
        CellShape::Address => v.len() >= 6 && words >= 2,
        CellShape::Degree | CellShape::Token => false,
    }
}

/// Whether a word says something about a value, or is one that all examples use.
fn is_state(v: &str) -> bool {
    let lower = v.to_lowercase();
    WORDS.states.has(lower.split('(').next().unwrap_or(&lower))
}

/// Whether one word without spaces could be a password under a header that says so.
fn is_plain_password(v: &str) -> bool {
    v.chars().count() >= 4
        && !v.contains(char::is_whitespace)
        && v.chars().any(char::is_alphanumeric)
        && !v.ends_with(['(', ',', ';', ':', '{'])
        && !v.starts_with(['(', '{'])
        && !v.contains("()")
        && !placeholder_value::is_placeholder_value(v)
        && !is_state(v)
        && !is_amount(v)
        && !looks_like_time(v)
}

/// Whether a value is a password of two to six words in lowercase, none of which occurs in a remark.
fn is_plain_phrase(v: &str) -> bool {
    let words: Vec<&str> = v.split([' ', '-']).collect();
    (2..=6).contains(&words.len())
        && words
            .iter()
            .all(|w| w.chars().count() >= 3 && w.chars().all(|c| c.is_lowercase() || c.is_numeric()))
        && !words.iter().any(|w| COMMON_WORDS.has(w) || WORDS.remarks.has(w))
}

/// Whether a value consists of two to four words of lowercase letters.
fn is_name_in_small_letters(v: &str) -> bool {
    let words: Vec<&str> = v.split(' ').collect();
    (2..=4).contains(&words.len())
        && words.iter().all(|w| w.chars().all(char::is_alphabetic) && w.chars().count() >= 2)
        && !words.iter().any(|w| NOT_NAMES.has(&w.to_lowercase()) || is_state(w))
}

/// Whether a value is of the kind that its header promises.
pub(super) fn matches(value: &str, shape: CellShape) -> bool {
    let v = value.trim();
    let counts = CharCounts::of(v.as_bytes());
    let only = |extra: &str| v.chars().all(|c| c.is_ascii_digit() || extra.contains(c));
    if v.is_empty() || v.len() > 200 || v.starts_with('[') && v.ends_with(']') {
        return false;
    }
    match shape {
        CellShape::Date => is_date(v, counts.digit),
        CellShape::Identifier => {
            (5..=30).contains(&v.len())
                && counts.digit >= 4
                && counts.digit * 3 >= v.len()
                && v.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'.' | b'/' | b'+'))
                && !is_amount(v)
        }
        CellShape::Phone => {
            (6..=17).contains(&counts.digit)
                && only("+()-./ xX\u{a0}ext#")
                && !is_amount(v)
                && !looks_like_time(v)
        }
        CellShape::Coordinate => is_coordinate(v),
        CellShape::Degree => v.contains('.') && v.parse::<f64>().is_ok_and(|d| d.abs() <= 180.0),
        CellShape::Account => {
            (6..=34).contains(&counts.digit)
                && counts.letters() <= 8
                && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'/'))
                && !looks_like_time(v)
        }
        CellShape::SortCode => (5..=9).contains(&counts.digit) && only(" -") && !looks_like_time(v),
        CellShape::Card => (12..=19).contains(&counts.digit) && only(" -"),
        CellShape::Address => {
            v.len() >= 8
                && counts.digit > 0
                && (counts.letters() + counts.other) >= 4
                && v.contains(' ')
                && !v.contains(['=', '{', '<', '@', '_'])
                && !v.starts_with("http")
        }
        CellShape::Name | CellShape::FullName | CellShape::ClientName | CellShape::MaybeName => {
            is_name(v, shape == CellShape::Name)
        }
        CellShape::Password => {
            v.len() >= 5
                && counts.space == 0
                && !placeholder_value::is_placeholder_value(v)
                && counts.digit > 0
                && (counts.letters() > 0 || counts.symbol > 0)
                && !is_amount(v)
                && is_date_free(v)
        }
        CellShape::MaybePassword => {
            // `my-app-secret` is where the secret is stored.
            let reference = counts.upper == 0
                && counts.digit <= 2
                && v.contains(['-', '_', '/', '.', ':'])
                && value_shape::looks_wordy(v);
            is_plain_password(v) && !reference
        }
        CellShape::Key => {
            v.len() >= 8
                && counts.space == 0
                && counts.digit > 0
                && counts.letters() > 0
                && v.bytes().all(|b| b.is_ascii_graphic())
                && !v.contains(['(', '{', ',', ';'])
                && !placeholder_value::is_placeholder_value(v)
                && !looks_like_time(v)
        }
        CellShape::Token => {
            counts.space == 0
                && counts.digit > 0
                && value_shape::looks_random(v)
                && !placeholder_value::is_placeholder_value(v)
        }
    }
}

/// Whether a value is an amount of money or a decimal: `1,234.50`, `68000.0`.
fn is_amount(v: &str) -> bool {
    let tail = v.rsplit(['.', ',']).next().unwrap_or_default();
    (1..=2).contains(&tail.len())
        && tail.len() < v.len()
        && v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
        && v.bytes().filter(|b| matches!(b, b'.' | b',')).count() <= 2
        && !(v.matches('.').count() == 2 && v.len() >= 8)
}

/// Whether a value is a time such as `2026-03-16 10:00` or a Unix time.
fn looks_like_time(v: &str) -> bool {
    let b = v.as_bytes();
    let dated = b.len() >= 10 && b[4] == b'-' && b[7] == b'-' && b[..4].iter().all(u8::is_ascii_digit);
    dated && (v.starts_with("19") || v.starts_with("20"))
}

fn is_date_free(v: &str) -> bool {
    !(looks_like_time(v)
        || v.len() <= 10 && v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'.')))
}

/// Whether a value is a date in any usual order, with or without a time.
fn is_date(v: &str, digits: usize) -> bool {
    if digits == v.len() {
        return digits == 8
            && (v.starts_with("19") || v.starts_with("20") || &v[4..6] == "19" || &v[4..6] == "20");
    }
    let separators =
        v.chars().filter(|c| matches!(c, '-' | '/' | '.' | ' ' | '年' | '月' | '년' | '월')).count();
    let months = v.split(|c: char| !c.is_alphabetic()).filter(|w| w.chars().count() > 4).count();
    (4..=20).contains(&digits)
        && v.len() <= 40
        && separators >= 2
        && months <= 1
        && v.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '/' | '.' | ' ' | ',' | ':' | '+'))
        && v.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty()).take(3).all(|g| g.len() <= 4)
}

/// Whether a value is a decimal degree with at least two digits after the point, or a pair of them, or has the signs of
/// degrees and minutes.
fn is_coordinate(v: &str) -> bool {
    let degrees = |part: &str| {
        let part = part.trim().trim_end_matches(['N', 'S', 'E', 'W', 'O', '°', ' ']);
        let part = part.trim_start_matches(['-', '+', '(']).trim_end_matches(')');
        part.split_once('.').is_some_and(|(whole, rest)| {
            (1..=3).contains(&whole.len())
                && rest.len() >= 3
                && whole.bytes().chain(rest.bytes()).all(|b| b.is_ascii_digit())
        })
    };
    if v.contains('°') {
        return v.bytes().filter(u8::is_ascii_digit).count() >= 3 && v.len() <= 60;
    }
    let v = v.trim_start_matches("POINT").trim().trim_start_matches('(').trim_end_matches(')');
    let parts: Vec<&str> = v.split([',', ';', ' ', '/']).filter(|p| !p.is_empty()).collect();
    (1..=2).contains(&parts.len()) && parts.iter().all(|p| degrees(p))
}

/// Whether a value reads as the name of a person: words with capitals, or two to six characters of Chinese, Japanese or
/// Korean.
fn is_name(v: &str, one_word: bool) -> bool {
    let cjk = |c: char| ('\u{3040}'..='\u{9fff}').contains(&c) || ('\u{ac00}'..='\u{d7af}').contains(&c);
    let chars = v.chars().filter(|c| !c.is_whitespace()).count();
    if v.chars().any(cjk) {
        return (2..=8).contains(&chars) && v.chars().all(|c| cjk(c) || matches!(c, ' ' | '\u{3000}' | '・'));
    }
    let words: Vec<&str> = v.split([' ', ',', '\u{a0}']).filter(|w| !w.is_empty()).collect();
    let particle = |w: &&str| WORDS.particles.has(w);
    let capital = |w: &&str| w.chars().next().is_some_and(char::is_uppercase);
    let good =
        v.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | ',' | '-' | '\'' | '’' | '.' | '\u{a0}'))
            && words.iter().all(|w| capital(w) || particle(w));
    let capitals = words.iter().filter(|w| capital(w)).count();
    good && words.len() <= 6 && (capitals >= 2 || one_word && capitals == 1 && chars >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_the_kind_of_its_column() {
        use CellShape as S;
        for (shape, good, bad) in [
            (
                S::Date,
                &[
                    "1944-05-14",
                    "02.11.1987",
                    "5/14/44",
                    "14 May 1944",
                    "19440514",
                    "1944年5月14日",
                    "May 14, 1944",
                    "1944-05-14T00:00:00",
                ][..],
                &["string", "2", "1.2.3 beta", "date", "44"][..],
            ),
            (
                S::Identifier,
                &["ZS0000177", "44051401359", "219-09-9999", "QQ 12 34 56 C", "RSSMRA80A01H501U"],
                &["varchar", "12", "yes", "68000.50"],
            ),
            (
                S::Phone,
                &["(22) 555 01 43", "600 555 014", "+44 20 7946 0958", "06-12345678"],
                &["string", "yes", "12", "2026-03-16 10:00:00"],
            ),
            (
                S::Coordinate,
                &["50.0719, 19.9412", "60.1699", "50°04'19\"N 19°56'28\"E", "-33.8688"],
                &["12.5", "3", "high", "1.2.3"],
            ),
            (
                S::Account,
                &["00887421963", "4471 0098 2210", "PL61109010140000071219812874"],
                &["admin", "savings", "1,234.50"],
            ),
            (
                S::MaybeName,
                &["Marja Koskinen", "Koskinen, Marja", "Ana de Souza", "山田太郎", "Анна Орлова"],
                &["react", "left-pad", "Postgres"],
            ),
            (S::Password, &["Winter2026!", "hunter22x"], &["yes", "required", "8", "varchar"]),
        ] {
            for v in good {
                assert!(matches(v, shape), "{shape:?} {v}");
            }
            for v in bad {
                assert!(!matches(v, shape), "{shape:?} {v}");
            }
        }
    }
}
