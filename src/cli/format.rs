//! Numbers as text: amounts, sizes, counts.

pub(super) use crate::pricing::format_count;

/// Formats pico-USD as dollars with two decimals, or four decimals below ten cents. Rounds half away from zero.
pub(super) fn format_dollars(picousd: i64) -> String {
    let small = picousd.unsigned_abs() < 100_000_000_000 && picousd != 0;
    let unit: u128 = if small { 100_000_000 } else { 10_000_000_000 };
    let per_dollar = 1_000_000_000_000 / unit;
    let rounded = (u128::from(picousd.unsigned_abs()) + unit / 2) / unit;
    let digits = if small { 4 } else { 2 };
    let sign = if picousd < 0 { "-" } else { "" };
    let whole = u64::try_from(rounded / per_dollar).unwrap_or(u64::MAX);
    format!("{sign}${}.{:0digits$}", format_count(whole), rounded % per_dollar)
}

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

/// Formats a count with its noun: `1 row`, `3 rows`.
pub(super) fn pluralize(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", format_count(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let money =
            [(0, "$0.00"), (1_234_000_000_000, "$1.23"), (1_235_000_000_000, "$1.24"), (5, "$0.0000")];
        for (pico, text) in money {
            assert_eq!(format_dollars(pico), text);
        }
        assert_eq!(format_dollars(42_400_000_000), "$0.0424");
        assert_eq!(format_dollars(-2_500_000_000_000), "-$2.50");
        assert_eq!(format_dollars(1_234_567_000_000_000_000), "$1,234,567.00");
        assert_eq!(format_dollars(i64::MIN), "-$9,223,372.04");
        assert_eq!(
            [format_count(0), format_count(999), format_count(1000), format_count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [format_bytes(999), format_bytes(1500), format_bytes(999_960), format_bytes(3_000_000_000)],
            ["999 B", "1.5 kB", "1.0 MB", "3.0 GB"]
        );
        assert_eq!((pluralize(1, "row"), pluralize(0, "row")), ("1 row".into(), "0 rows".into()));
    }
}
