//! Cutting sealed rows into chunks, and the order in which they are read: what is likeliest to hurt first.
//!
//! A chunk is one message of a row (long messages are cut), so that a change elsewhere in the row leaves it the chunk
//! it was. Chunks with the same bytes are one chunk, wherever in the release they stand.

use std::collections::BTreeSet;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::app::release::RowKeep;

/// A long row is read at its beginning, middle and end, so many bytes each.
const STRETCH: usize = 16 << 10;
/// A message longer than this is cut.
const PIECE: usize = 4 << 10;

/// One stretch of a sealed row that has to be read.
pub(in crate::app) struct Chunk<'a> {
    /// The row it was first met in.
    pub row: &'a RowKeep,
    /// Its bytes in that row.
    pub range: Range<usize>,
    /// The bytes.
    pub text: &'a str,
    /// Their SHA-256, lower-case hex.
    pub sha256: String,
    /// 0 what people wrote, 1 where identities tend to stand, 2 the rest.
    pub risk: u8,
    /// Bytes of the chunk before which a reader would take a further sentence for part of it.
    pub spots: Vec<Spot>,
}

/// A place inside a chunk, and what kind of text is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) struct Spot {
    pub at: usize,
    pub prose: bool,
    /// Whether a line begins here; else a text ends.
    pub line: bool,
}

/// What must be read of these rows, each chunk once, in reading order; and the chunks of each row.
pub(in crate::app) fn chunks(rows: &[(RowKeep, String)]) -> (Vec<Chunk<'_>>, Vec<Vec<String>>) {
    let (mut out, mut of_rows): (Vec<Chunk<'_>>, Vec<Vec<String>>) = (Vec::new(), Vec::new());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (row, text) in rows {
        let spots = spots(text);
        let mut of_row = Vec::new();
        for piece in required(text) {
            let bytes = text.get(piece.range.clone()).unwrap_or_default();
            let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
            of_row.push(sha256.clone());
            if !seen.insert(sha256.clone()) {
                continue;
            }
            let message = text.get(piece.message.clone()).unwrap_or_default();
            let first = spots.partition_point(|s| s.at <= piece.range.start);
            out.push(Chunk {
                row,
                text: bytes,
                sha256,
                risk: risk(message, bytes),
                spots: spots[first..]
                    .iter()
                    .take_while(|s| s.at < piece.range.end)
                    .map(|s| Spot { at: s.at - piece.range.start, ..*s })
                    .collect(),
                range: piece.range,
            });
        }
        of_rows.push(of_row);
    }
    // The sort is stable: inside a risk the rows keep the sample's order, and a row its own.
    out.sort_by_key(|c| c.risk);
    (out, of_rows)
}

/// Commands and marks whose output names people, accounts and machines.
const TELLING: &[&str] = &[
    "git log",
    "git show",
    "git blame",
    "git remote",
    "git config",
    "git shortlog",
    "git push",
    "git clone",
    "Author:",
    "Co-authored-by",
    "ssh ",
    "scp ",
    "ssh-",
    "sendmail",
    "Subject:",
    "printenv",
    "\"env\"",
    "env |",
    "whoami",
    "hostname",
    "/etc/passwd",
    "gcloud ",
    "aws sts",
    "kubectl config",
];

fn risk(message: &str, chunk: &str) -> u8 {
    let injected =
        ["\"origin\":\"injected\"", "\"origin\":\"compaction\""].iter().any(|o| message.contains(o));
    if message.starts_with("{\"role\":\"user\"") && !injected {
        0
    } else if chunk.contains('@') || TELLING.iter().any(|t| message.contains(t)) {
        1
    } else {
        2
    }
}

struct Piece {
    range: Range<usize>,
    message: Range<usize>,
}

/// The pieces of a row that must be read: all of a short one, beginning, middle and end of a long one.
fn required(row: &str) -> Vec<Piece> {
    let pieces = pieces(row);
    if row.len() <= 3 * STRETCH {
        return pieces;
    }
    let middle = row.len() / 2;
    let stretches = [0..STRETCH, middle - STRETCH / 2..middle + STRETCH / 2, row.len() - STRETCH..row.len()];
    let meets = |p: &Piece| stretches.iter().any(|s| p.range.start < s.end && s.start < p.range.end);
    pieces.into_iter().filter(meets).collect()
}

/// Cuts a sealed row at its messages, and long messages at field borders.
fn pieces(row: &str) -> Vec<Piece> {
    let mut starts = vec![0];
    starts.extend(row.match_indices("{\"role\":").map(|(i, _)| i).filter(|i| *i > 0));
    starts.push(row.len());
    let mut out = Vec::new();
    for pair in starts.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        let message = from..to;
        while to - from > PIECE {
            let mut cut = from + PIECE;
            while !row.is_char_boundary(cut) {
                cut -= 1;
            }
            // Preferably after a line or a field, else in the middle of the text.
            let window = &row[from..cut];
            let nice = window.rfind("\\n").map(|i| i + 2).or_else(|| window.rfind(',').map(|i| i + 1));
            let cut = nice.filter(|i| *i > PIECE / 2).map_or(cut, |i| from + i);
            out.push(Piece { range: from..cut, message: message.clone() });
            from = cut;
        }
        out.push(Piece { range: from..to, message });
    }
    out
}

/// Texts shorter than this stay as they are.
const LEAST_TEXT: usize = 12;

/// Where a sentence could be put into the texts of a row: at their line starts and ends. In order.
fn spots(row: &str) -> Vec<Spot> {
    let bytes = row.as_bytes();
    let mut out = Vec::new();
    let mut key: &[u8] = b"";
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] != b'"' {
            i += 1;
            continue;
        }
        let start = i + 1;
        let mut lines = Vec::new();
        let mut end = start;
        while end < bytes.len() && bytes[end] != b'"' {
            if bytes[end] == b'\\' {
                end += 1;
                if bytes.get(end) == Some(&b'n') {
                    lines.push(end + 1);
                }
            }
            end += 1;
        }
        let text = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
        if bytes.get(end + 1) == Some(&b':') {
            key = text;
        } else {
            let prose = matches!(key, b"content" | b"thinking");
            if (prose || key == b"text") && text.len() >= LEAST_TEXT {
                out.extend(lines.into_iter().map(|at| Spot { at, prose, line: true }));
                out.push(Spot { at: end, prose, line: false });
            }
        }
        i = end + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::SessionKey;

    fn keep(n: usize) -> RowKeep {
        RowKeep {
            key: SessionKey::new("claude", &format!("s{n}")),
            sha256: String::new(),
            file: String::new(),
            offset: 0,
            bytes: 0,
            facts: crate::export::RowFacts::default(),
            redactions: std::collections::BTreeMap::new(),
            examples: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn pieces_cover_every_byte_once() {
        let long = "é\\n".repeat(5000);
        let row = format!(
            "{{\"id\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}},{{\"role\":\"assistant\",\"content\":\"{long}\"}}]}}"
        );
        let pieces = pieces(&row);
        assert!(pieces.len() > 5);
        assert_eq!(pieces.iter().map(|p| &row[p.range.clone()]).collect::<String>(), row);
        assert!(pieces.iter().all(|p| p.range.len() <= PIECE));
    }

    #[test]
    fn a_long_row_is_read_at_both_ends_and_in_the_middle() {
        let row = "{\"role\":\"x\",\"content\":\"abc\"},".repeat(10_000);
        let read = required(&row);
        let bytes: usize = read.iter().map(|p| p.range.len()).sum();
        assert!((3 * STRETCH..4 * STRETCH).contains(&bytes), "{bytes}");
        assert_eq!((read[0].range.start, read[read.len() - 1].range.end), (0, row.len()));
        assert!(read.iter().any(|p| p.range.contains(&(row.len() / 2))));
    }

    #[test]
    fn what_people_wrote_comes_first_and_the_same_bytes_once() {
        let message = |role: &str, rest: &str| format!("{{\"role\":\"{role}\",{rest}}},");
        let log = "\"tool_uses\":[{\"tool\":\"Bash\",\"input\":{\"command\":\"git log\"},\"output\":{\"text\":\"x\"}}]";
        let row = |own: &str| {
            [
                "{\"session_id\":\"".to_owned() + own + "\",\"messages\":[",
                message("assistant", "\"content\":\"plain work\""),
                message("user", "\"origin\":\"injected\",\"content\":\"a reminder\""),
                message("assistant", log),
                message("assistant", "\"content\":\"mail me @ home\""),
                message("user", &format!("\"content\":\"{own} asks\"")),
            ]
            .concat()
        };
        let rows = [(keep(0), row("first")), (keep(1), row("second"))];
        let (chunks, of_rows) = chunks(&rows);
        let order: Vec<(u8, &str)> = chunks.iter().map(|c| (c.risk, c.row.key.native())).collect();
        assert_eq!(
            order,
            [(0, "s0"), (0, "s1"), (1, "s0"), (1, "s0"), (2, "s0"), (2, "s0"), (2, "s0"), (2, "s1")],
            "four chunks of the second row stand in the first already"
        );
        assert!(chunks[0].text.contains("first asks"));
        assert_eq!(of_rows.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6]);
        assert!(of_rows.iter().flatten().all(|sha| chunks.iter().any(|c| c.sha256 == *sha)));
    }

    #[test]
    fn sentences_fit_only_into_texts() {
        let row = r#"{"id":"abcdefghijklmnop","messages":[{"role":"user","content":"line one \\n\nline \"two\""},{"role":"assistant","content":"short","tool_uses":[{"input":{"command":"one\ntwo and three"},"output":{"text":"a\nlonger output"}}]}]}"#;
        let spots = spots(row);
        let seen: Vec<(&str, bool, bool)> =
            spots.iter().map(|s| (&row[s.at..(s.at + 6).min(row.len())], s.prose, s.line)).collect();
        assert_eq!(
            seen,
            [
                ("line \\", true, true),
                ("\"},{\"r", true, false),
                ("longer", false, true),
                ("\"}}]}]", false, false)
            ]
        );
        // Whatever is put there leaves JSON.
        for s in spots {
            let words = if s.line { "Ask Bo.\\n" } else { " Ask Bo." };
            let json = format!("{}{words}{}", &row[..s.at], &row[s.at..]);
            assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        }
    }

    #[test]
    fn broken_text_is_no_reason_to_panic() {
        for row in
            ["", "\"", "\"\\", "{\"content\":\"", "\"content\":\"a long text\\n", "\\\"\\\"\"", "é\"é\\é"]
        {
            spots(row);
            required(row);
        }
    }
}
