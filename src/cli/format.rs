//! Numbers as text: amounts, sizes, counts.

pub(super) use crate::pricing::{format_bytes, format_cost, format_count, format_dollars, pluralize};

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
