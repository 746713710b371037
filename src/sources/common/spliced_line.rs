//! Finds the records in a line that is not one record.
//!
//! If two processes write to one log, a line break can be missing between two records, or a record can be cut by the
//! next one. The whole records of such a line are still used.

use std::ops::Range;

use serde::de::IgnoredAny;

/// Maximum number of bytes that are parsed to find the records of one line, in lengths of the line. A hostile line could
/// otherwise contain a beginning of a record at each of its bytes.
const MAX_PASSES: usize = 8;

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A whole JSON object.
    Record(Range<usize>),
    /// Bytes that are not a whole record: the rest of a record that was cut, or text between two records.
    Lost(Range<usize>),
}

/// The result of parsing the beginning of some bytes as a JSON object.
enum Object {
    /// An object of this length.
    Whole(usize),
    /// An object without its end.
    Unfinished,
    /// No object; the byte at which the error is.
    Broken(usize),
}

/// Splits a line that could not be parsed as one record. Returns nothing if the line is a single record, or if no whole
/// record is in it.
///
/// `ended` says whether a line break ends the line. Without one, a record that is only unfinished is not searched for
/// others, because its end may still be written.
pub(crate) fn split(line: &[u8], ended: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut budget = line.len().saturating_mul(MAX_PASSES);
    let mut at = if line.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    while let Some(blank) = line[at..].iter().position(|b| !b.is_ascii_whitespace()) {
        at += blank;
        let (error, unfinished) = match object(&line[at..]) {
            Object::Whole(len) => {
                pieces.push(Piece::Record(at..at + len));
                at += len;
                continue;
            }
            Object::Unfinished => (line.len(), true),
            Object::Broken(error) => ((at + error).min(line.len()), false),
        };
        let next = match (unfinished, ended) {
            (true, false) => None,
            (true, true) => next_record(line, at, None, &mut budget),
            (false, _) => next_record(line, at, Some(error), &mut budget),
        };
        pieces.push(Piece::Lost(at..next.unwrap_or(line.len())));
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    let is_record = |p: &&Piece| matches!(p, Piece::Record(_));
    if pieces.len() < 2 || !pieces.iter().any(|p| is_record(&p)) {
        return Vec::new();
    }
    pieces
}

/// Whether a line is exactly one JSON object, without reading more of it than necessary if it is long.
pub(crate) fn is_single(line: &[u8]) -> bool {
    const MAX_PARSED_BYTES: usize = 16 << 10;
    if line.len() <= MAX_PARSED_BYTES {
        return matches!(object(line), Object::Whole(len) if line[len..].iter().all(u8::is_ascii_whitespace));
    }
    // Inside a JSON text the quote would be escaped, so this almost always is the border of two records.
    memchr::memmem::find(line, b"}{\"").is_none()
}

/// Finds the record that begins after the broken one at `from`. `error` is the position at which parsing failed; `None`
/// if the bytes end before the object does.
///
/// A cut inside a text makes the text end at the first quote of the next record, so that the error is right after the
/// beginning of that record. Any other object can be a part of the cut record, and counts only if it begins like it.
fn next_record(line: &[u8], from: usize, error: Option<usize>, budget: &mut usize) -> Option<usize> {
    let is_record = |start: usize, budget: &mut usize| {
        if *budget == 0 {
            return false;
        }
        let rest = &line[start..];
        match object(rest) {
            Object::Whole(len) => {
                *budget = budget.saturating_sub(len);
                rest[len..].iter().find(|b| !b.is_ascii_whitespace()).is_none_or(|b| *b == b'{')
            }
            Object::Unfinished => {
                *budget = budget.saturating_sub(rest.len());
                false
            }
            Object::Broken(at) => {
                *budget = budget.saturating_sub(at + 1);
                false
            }
        }
    };
    let mut begins_like: Vec<&[u8]> = first_key(&line[from..]).into_iter().collect();
    let mut after = from + 1;
    if let Some(error) = error {
        let before = line.get(after..(error + 2).min(line.len())).unwrap_or_default();
        // A record after a colon or a comma is a valid part of the cut one, so that the error can be further on.
        for start in memchr::memchr_iter(b'{', before).map(|n| after + n) {
            let like = first_key(&line[start..]).is_some_and(|key| begins_like.contains(&key));
            if like && is_record(start, budget) {
                return Some(start);
            }
        }
        if let Some(start) = memchr::memrchr(b'{', before).map(|n| after + n) {
            if is_record(start, budget) {
                return Some(start);
            }
            begins_like.extend(first_key(&line[start..]));
        }
        after = error.max(after);
    }
    let any = line.get(from) != Some(&b'{');
    while let Some(start) = line.get(after..).and_then(|rest| memchr::memchr(b'{', rest)).map(|n| after + n) {
        let like = first_key(&line[start..]).is_some_and(|key| any || begins_like.contains(&key));
        if like && is_record(start, budget) {
            return Some(start);
        }
        after = start + 1;
    }
    None
}

/// Returns the first key of an object, if it has no escapes.
fn first_key(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    rest.get(..memchr::memchr(b'"', rest.get(..256).unwrap_or(rest))?)
}

fn object(bytes: &[u8]) -> Object {
    if bytes.first() != Some(&b'{') {
        return Object::Broken(0);
    }
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    match stream.next() {
        Some(Ok(_)) => Object::Whole(stream.byte_offset()),
        Some(Err(error)) if !error.is_eof() => Object::Broken(error.column().saturating_sub(1)),
        _ => Object::Unfinished,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = r#"{"parentUuid":null,"type":"user","message":{"role":"user","content":"one"}}"#;
    const B: &str =
        r#"{"parentUuid":"1","type":"assistant","message":{"content":[{"type":"text","text":"two"}]}}"#;

    /// Returns the records in a line, and the number of lost pieces.
    fn pieces(line: &str) -> (Vec<&str>, usize) {
        let (mut records, mut lost) = (Vec::new(), 0);
        let mut end = 0;
        for piece in split(line.as_bytes(), true) {
            let range = match piece {
                Piece::Record(range) => {
                    records.push(&line[range.clone()]);
                    range
                }
                Piece::Lost(range) => {
                    lost += 1;
                    range
                }
            };
            assert!(range.start >= end && range.end > range.start && range.end <= line.len(), "{line}");
            end = range.end;
        }
        (records, lost)
    }

    #[test]
    fn records_without_a_line_break_between_them_are_separated() {
        assert_eq!(pieces(&format!("{A}{B}")), (vec![A, B], 0));
        assert_eq!(pieces(&format!("{A} {B}\t{A} ")), (vec![A, B, A], 0));
        assert_eq!(pieces(&format!("\u{FEFF}{A}{B}")), (vec![A, B], 0));
        assert_eq!(pieces(A), (vec![], 0), "one record is not split");
    }

    #[test]
    fn a_whole_record_after_a_cut_one_is_found_wherever_the_cut_is() {
        for cut in 1..B.len() {
            let line = format!("{}{A}", &B[..cut]);
            assert_eq!(pieces(&line), (vec![A], 1), "{line}");
            let line = format!("{A}{}{A}{B}", &B[..cut]);
            assert_eq!(pieces(&line), (vec![A, A, B], 1), "{line}");
            let spaced = A.replace(':', ": ").replace("{\"p", "{ \"p");
            let line = format!("{}{spaced}", &B[..cut]);
            assert_eq!(pieces(&line), (vec![spaced.as_str()], 1), "{line}");
        }
        assert_eq!(pieces(&format!("{}{}{A}", &B[..70], &A[..30])).0, [A], "two cut records");
        assert_eq!(pieces(&format!("{A}{}", &B[..70])), (vec![A], 1), "the cut record is the last one");
        assert_eq!(pieces(&format!("\0\0\0{A}")), (vec![A], 1));
        assert_eq!(pieces(&format!("{}{A}", &B[40..])), (vec![A], 1), "the end of a record");
    }

    #[test]
    fn a_part_of_a_cut_record_is_not_a_record() {
        for cut in 1..B.len() {
            assert_eq!(pieces(&B[..cut]), (vec![], 0), "{}", &B[..cut]);
        }
        assert_eq!(pieces(&format!("{}{}", &A[..40], &B[..B.len() - 1])), (vec![], 0));
        // A nested object that begins like the record, at the end of what is written so far.
        let nested = r#"{"id":"a","calls":[{"id":"b"}"#;
        assert_eq!(split(nested.as_bytes(), false), []);
        assert_eq!(split(format!("{A}{nested}").as_bytes(), false).len(), 2);
    }

    #[test]
    fn a_long_hostile_line_is_given_up() {
        for unit in ["{\"a\":", "{\"a\":\"{", "{\"a\":1}x", "{"] {
            let line = unit.repeat((1 << 20) / unit.len());
            split(line.as_bytes(), true);
        }
    }

    #[test]
    fn a_line_with_two_records_is_not_single() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(20 << 10));
        for one in [A, &long, &format!("{A}\r")] {
            assert!(is_single(one.as_bytes()));
        }
        for other in [format!("{A}{B}"), format!("{long}{A}"), A[..9].to_owned(), format!("{}{B}", &A[..50])]
        {
            assert!(!is_single(other.as_bytes()), "{other}");
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn the_pieces_of_any_line_are_in_order_and_within_it(line in "[{}\":,\\[\\]a1 \\\\]{0,60}") {
            pieces(&line);
        }
    }
}
