//! Numbers as text: amounts, sizes, counts.

pub(super) use crate::pricing::{format_count, format_dollars, pluralize};

/// Formats a size in bytes with a decimal unit: `1.4 MB`.
pub(super) fn format_bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thousands_separators() {
        let texts = [0, 999, 1000, 1_234_567].map(format_count);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn sizes_have_the_largest_unit_below_a_thousand() {
        let texts = [999, 1500, 999_960, 3_000_000_000].map(format_bytes);
        assert_eq!(texts, ["999 B", "1.5 kB", "1.0 MB", "3.0 GB"]);
    }

    #[test]
    fn nouns_agree_with_their_counts() {
        let texts = [0, 1, 2000].map(|n| pluralize(n, "row"));
        assert_eq!(texts, ["0 rows", "1 row", "2,000 rows"]);
        let texts = ["entry", "day"].map(|noun| [pluralize(1, noun), pluralize(2, noun)]);
        assert_eq!(texts, [["1 entry", "2 entries"], ["1 day", "2 days"]]);
    }
}
