//! What precedes each line of a table that another program shows: `users.csv:12:` of grep, `> ` of a quotation, `+` of a
//! difference, the time of a log, indentation.

/// Maximum length of a prefix, in bytes.
const MAX_PREFIX_BYTES: usize = 160;

/// Returns the length of the prefix of the header line `line`, whose first cell begins at `cell`, if the line below has it
/// too.
pub(super) fn of_header(line: &str, cell: &str, below: &str) -> usize {
    let offset = cell.as_ptr() as usize - line.as_ptr() as usize;
    let ends = [':', '>', '+', '-', '|', ' ', '\t'];
    let inside = cell.trim_end().rfind(ends).map_or(0, |n| n + 1);
    let has = |len: usize| len > 0 && len <= MAX_PREFIX_BYTES && length(&line[..len], below).is_some();
    // `Full name` is a header of two words, unless the rows begin with `Full ` as well.
    [offset + inside, offset].into_iter().find(|len| has(*len)).unwrap_or(0)
}

/// Returns the length of the prefix of a row if it is like that of the header: diff prefixes are alike, and so
/// are numbers.
pub(super) fn length(header: &str, row: &str) -> Option<usize> {
    let (h, r) = (header.as_bytes(), row.as_bytes());
    let digits = |b: &[u8]| b.iter().take_while(|c| c.is_ascii_digit()).count();
    let (mut i, mut j) = (0, 0);
    while i < h.len() {
        let theirs = *r.get(j)?;
        let is_diff_prefix = |b: u8| matches!(b, b'+' | b'-' | b' ');
        if h[i].is_ascii_digit() {
            let run = digits(&r[j..]);
            (i, j) = (i + digits(&h[i..]), j + run);
            if run == 0 {
                return None;
            }
            continue;
        }
        if h[i] != theirs && !(i == 0 && is_diff_prefix(h[i]) && is_diff_prefix(theirs)) {
            return None;
        }
        (i, j) = (i + 1, j + 1);
    }
    row.is_char_boundary(j).then_some(j)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_header_is_that_of_the_rows_too() {
        for (prefix, below) in [
            ("users.csv:1:", "users.csv:12:Maren"),
            ("12:", "13:Maren"),
            ("> ", "> Maren"),
            ("+", "+Maren"),
            (" ", "-Maren"),
            ("    ", "    Maren"),
            ("2026-01-01 10:00:00 INFO out: ", "2026-01-01 10:00:07 INFO out: Maren"),
        ] {
            let line = format!("{prefix}name,password");
            let cell = line.split(',').next().unwrap_or_default().trim_start();
            assert_eq!(of_header(&line, cell, below), prefix.len(), "{line}");
        }
        for (line, below) in
            [("Full name,password", "Maren Tolliver,x"), ("name,password", "Maren,x"), (" name,x", "Maren,x")]
        {
            let cell = line.split(',').next().unwrap_or_default().trim_start();
            assert_eq!(of_header(line, cell, below), 0, "{line}");
        }
    }
}
