//! Amounts as integers in pico-USD, and their parsing and formatting.
//!
//! Prices are parsed from decimal text into integers or fractions of integers, without floating point. Only figures for other
//! programs are floating-point numbers: those of ClawTrace's cost API and of metrics.

/// Pico-USD in one USD.
pub const PICO_PER_USD: i64 = 1_000_000_000_000;

/// A non-negative decimal as an exact fraction, for multipliers such as 1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    pub num: i64,
    /// A power of ten, never zero.
    pub den: i64,
}

impl Fraction {
    pub const ONE: Fraction = Fraction { num: 1, den: 1 };

    /// Parses a decimal such as `1.1`. Returns `None` if the text is not a decimal or has more than nine decimal
    /// places.
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, exp) = decimal(text)?;
        let den = 10i64.checked_pow(u32::try_from(-exp).ok()?)?;
        (den <= 1_000_000_000)
            .then(|| Some(Fraction { num: i64::try_from(digits).ok().filter(|n| *n >= 0)?, den }))?
    }
}

/// Splits a decimal without exponent into its digits and a power of ten, which is zero or negative.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (negative, body) = text.strip_prefix('-').map_or((false, text), |b| (true, b));
    let (whole, frac) = body.split_once('.').unwrap_or((body, ""));
    if whole.is_empty() && frac.is_empty() || whole.len() + frac.len() > 36 {
        return None;
    }
    let mut value: i128 = 0;
    for c in whole.bytes().chain(frac.bytes()) {
        if !c.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i128::from(c - b'0');
    }
    Some((if negative { -value } else { value }, -i32::try_from(frac.len()).ok()?))
}

/// Parses a price in USD per million tokens into pico-USD per token.
///
/// Returns `None` if the text is not a non-negative decimal, is too large, or is not a multiple of a pico-USD per
/// token.
pub fn rate_per_token(usd_per_mtok: &str) -> Option<i64> {
    let (digits, exp) = decimal(usd_per_mtok)?;
    let pico = scale(digits, exp + 6)?;
    // A price above a thousand USD per token is an error in the price file, and products with it could overflow i128.
    (pico.1 && (0..=i128::from(PICO_PER_USD) * 1000).contains(&pico.0)).then(|| i64::try_from(pico.0).ok())?
}

/// Parses an amount in USD, written like a JSON number (`0.0123`, `1.2e-05`), into pico-USD.
///
/// Fractions of a pico-USD are truncated. Returns `None` if the text is not a number or the amount is too large.
pub fn parse_usd(text: &str) -> Option<i64> {
    let text = text.trim();
    let (mantissa, exp) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.strip_prefix('+').unwrap_or(e).parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (digits, places) = decimal(mantissa)?;
    i64::try_from(scale(digits, places.checked_add(exp)?.checked_add(12)?)?.0).ok()
}

/// Returns `digits × 10^exp`, truncated towards zero, and whether the result is exact.
fn scale(digits: i128, exp: i32) -> Option<(i128, bool)> {
    if digits == 0 {
        return Some((0, true));
    }
    match u32::try_from(exp) {
        Ok(up) => Some((digits.checked_mul(10i128.checked_pow(up)?)?, true)),
        Err(_) => match 10i128.checked_pow(exp.unsigned_abs()) {
            Some(p) => Some((digits / p, digits % p == 0)),
            None => Some((0, false)),
        },
    }
}

/// Formats a count with separators: `1,234,567`.
pub fn format_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Formats a count with its noun in English: `1 row`, `3 rows`, `2 entries`.
pub fn pluralize(n: u64, noun: &str) -> String {
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o']));
    let plural = match (n, stem) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{noun}s"),
    };
    format!("{} {plural}", format_count(n))
}

/// Formats a count with its noun and its verb in English: `1 row is`, `3 rows are`.
pub fn pluralize_with_verb(n: u64, noun: &str, (singular, plural): (&str, &str)) -> String {
    format!("{} {}", pluralize(n, noun), if n == 1 { singular } else { plural })
}

/// Formats a size in bytes with a decimal unit: `1.4 MB`.
pub fn format_bytes(n: u64) -> String {
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

/// Formats pico-USD as USD with 0 to 12 decimals, rounded half away from zero: `12.35`.
pub fn format_usd(picousd: i64, decimals: u32) -> String {
    let decimals = decimals.min(12);
    let unit = 10i128.pow(12 - decimals);
    let v = i128::from(picousd);
    let rounded = (v.abs() + unit / 2) / unit;
    let sign = if v < 0 && rounded > 0 { "-" } else { "" };
    let per = 10i128.pow(decimals);
    if decimals == 0 {
        return format!("{sign}{rounded}");
    }
    format!("{sign}{}.{:0width$}", rounded / per, rounded % per, width = decimals as usize)
}

/// Formats pico-USD as dollars and cents: `$12.35`.
pub fn format_cents(picousd: i64) -> String {
    with_dollar_sign(&format_usd(picousd, 2))
}

/// Formats pico-USD as dollars with six decimals, for programs: `$1.234568`.
pub fn format_microdollars(picousd: i64) -> String {
    with_dollar_sign(&format_usd(picousd, 6))
}

fn with_dollar_sign(amount: &str) -> String {
    match amount.strip_prefix('-') {
        Some(amount) => format!("-${amount}"),
        None => format!("${amount}"),
    }
}

/// Formats pico-USD as dollars with separators and two decimals, or four decimals below ten cents: `$1,234.50`.
pub fn format_dollars(picousd: i64) -> String {
    let is_small = picousd.unsigned_abs() < PICO_PER_USD.unsigned_abs() / 10 && picousd != 0;
    let text = format_usd(picousd, if is_small { 4 } else { 2 });
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if picousd < 0 { "-" } else { "" };
    let whole = whole.trim_start_matches('-').parse().unwrap_or_default();
    format!("{sign}${}.{decimals}", format_count(whole))
}

/// Formats the cost of requests of which some may have no price: `no price` if none has one, `$0.12+` if some have one.
pub fn format_cost(picousd: i64, unpriced_tokens: u64) -> String {
    match unpriced_tokens {
        0 => format_dollars(picousd),
        _ if picousd == 0 => "no price".to_owned(),
        _ => format!("{}+", format_dollars(picousd)),
    }
}

/// Formats an amount of ClawTrace's cost API in USD as dollars and cents: `no price` if only requests without a price were
/// counted, `$0.12+` if some of them have none, `<$0.01` for less than half a cent.
pub fn format_clawtrace_usd(usd: f64, unpriced_tokens: u64) -> String {
    let plus = if unpriced_tokens > 0 { "+" } else { "" };
    if usd == 0.0 && unpriced_tokens > 0 {
        return "no price".to_owned();
    }
    if usd > 0.0 && usd < 0.005 {
        return format!("<$0.01{plus}");
    }
    let cents = (usd.abs() * 100.0).round() as u64;
    let sign = if usd < 0.0 && cents > 0 { "-" } else { "" };
    format!("{sign}${}.{:02}{plus}", format_count(cents / 100), cents % 100)
}

/// Converts pico-USD to USD as a floating-point number, which is not exact.
pub fn approximate_usd(picousd: i128) -> f64 {
    picousd as f64 / PICO_PER_USD as f64
}

/// Converts pico-USD to USD, rounded half away from zero to four decimals.
pub fn rounded_usd(picousd: i128) -> f64 {
    const UNIT: i128 = 100_000_000;
    let half = if picousd < 0 { -UNIT / 2 } else { UNIT / 2 };
    ((picousd + half) / UNIT) as f64 / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_requests_without_a_price_is_never_zero_dollars() {
        let cent = PICO_PER_USD / 100;
        let shown =
            [(20 * cent, 0), (20 * cent, 5), (0, 5), (0, 0)].map(|(cost, tokens)| format_cost(cost, tokens));
        assert_eq!(shown, ["$0.20", "$0.20+", "no price", "$0.00"]);
    }

    #[test]
    fn figures_for_other_programs_are_formatted() {
        let shown = [(0.0, 0), (0.0, 7), (1234.5, 7), (0.004, 0), (0.005, 0), (-2.5, 0)]
            .map(|(usd, tokens)| format_clawtrace_usd(usd, tokens));
        assert_eq!(shown, ["$0.00", "no price", "$1,234.50+", "<$0.01", "$0.01", "-$2.50"]);
        let shown = [1_234_567_890_123, -500_000_000_000, 0].map(format_microdollars);
        assert_eq!(shown, ["$1.234568", "-$0.500000", "$0.000000"]);
    }

    #[test]
    fn a_verb_agrees_with_its_count() {
        let kept = |n| pluralize_with_verb(n, "entry", ("is", "are"));
        assert_eq!([kept(0), kept(1), kept(2)], ["0 entries are", "1 entry is", "2 entries are"]);
    }

    #[test]
    fn a_rate_is_exact_or_invalid() {
        assert_eq!(rate_per_token("5"), Some(5_000_000));
        assert_eq!(rate_per_token("0.125"), Some(125_000));
        assert_eq!(rate_per_token("0"), Some(0));
        assert_eq!(rate_per_token("0.000001"), Some(1));
        for bad in ["", ".", "-1", "0.0000001", "1e3", "NaN", "1,5", "99999999999999999999"] {
            assert_eq!(rate_per_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_json_notation_of_an_amount_parses() {
        assert_eq!(parse_usd("0.00123456"), Some(1_234_560_000));
        assert_eq!(parse_usd("1.234e-05"), Some(12_340_000));
        assert_eq!(parse_usd("2E+0"), Some(2 * PICO_PER_USD));
        assert_eq!(parse_usd("0.19411440000000002"), Some(194_114_400_000));
        assert_eq!(parse_usd("0.0"), Some(0));
        assert_eq!(parse_usd("-0.5"), Some(-PICO_PER_USD / 2));
        for bad in ["", "x", "1e999", "1e", "9e18", "--1"] {
            assert_eq!(parse_usd(bad), None, "{bad}");
        }
        assert_eq!(parse_usd("1e-999"), Some(0));
    }

    #[test]
    fn fractions_parse_and_dollars_are_rounded() {
        assert_eq!(Fraction::parse("1.1"), Some(Fraction { num: 11, den: 10 }));
        assert_eq!(Fraction::parse("6"), Some(Fraction { num: 6, den: 1 }));
        assert_eq!(Fraction::parse("-1"), None);
        assert_eq!(format_usd(12_345_000_000_000, 2), "12.35");
        assert_eq!(format_usd(-4_000_000_000, 2), "0.00");
        assert_eq!(format_usd(-1_500_000_000_000, 0), "-2");
        assert_eq!(format_usd(i64::MAX, 4), "9223372.0369");
        assert_eq!(format_usd(1_234_567_890_123, 6), "1.234568");
        assert_eq!(format_usd(-500_000_000_000, 6), "-0.500000");
        assert_eq!(format_usd(0, 6), "0.000000");
        assert_eq!(format_usd(i64::MIN, 12), "-9223372.036854775808");
    }

    #[test]
    fn dollars_have_two_decimals_or_four_below_ten_cents() {
        let amounts = [
            (0, "$0.00"),
            (1_234_000_000_000, "$1.23"),
            (1_235_000_000_000, "$1.24"),
            (42_400_000_000, "$0.0424"),
            (5, "$0.0000"),
            (-2_500_000_000_000, "-$2.50"),
            (1_234_567_000_000_000_000, "$1,234,567.00"),
            (i64::MIN, "-$9,223,372.04"),
        ];
        for (picousd, text) in amounts {
            assert_eq!(format_dollars(picousd), text);
        }
    }

    #[test]
    fn dollars_have_four_decimals() {
        assert_eq!(rounded_usd(1_234_549_999_999), 1.2345);
        assert_eq!(rounded_usd(1_234_550_000_000), 1.2346);
        assert_eq!(rounded_usd(-1_234_550_000_000), -1.2346);
        assert_eq!(rounded_usd(0), 0.0);
    }
}
