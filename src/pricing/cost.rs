//! What one request costs under one price row.

use crate::trace::Tokens;

use super::money::Fraction;
use super::table::{PriceRow, Rates};

/// What of a request bears on its price.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Tokens by kind.
    pub tokens: Tokens,
    /// Whether fast mode was used.
    pub fast: bool,
    /// `inference_geo`.
    pub geo: Option<&'a str>,
    /// Service tier, where not the standard one.
    pub service_tier: Option<&'a str>,
}

/// A request's cost by kind, in pico-USD; the total is their sum, saturating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charge {
    /// Uncached input.
    pub input: i64,
    /// Output.
    pub output: i64,
    /// Cache reads.
    pub cache_read: i64,
    /// Five-minute cache writes.
    pub cache_write_5m: i64,
    /// One-hour cache writes.
    pub cache_write_1h: i64,
    /// Web searches.
    pub web_search: i64,
    /// A price that the row does not state was derived from its others.
    pub approximate: bool,
}

impl Charge {
    /// The whole cost, pico-USD.
    pub fn total(&self) -> i64 {
        [self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.web_search]
            .iter()
            .fold(self.input, |a, b| a.saturating_add(*b))
    }
}

/// Rates with every gap filled, and the multiplier of the whole request.
struct Effective {
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
}

/// Prices one request.
///
/// A context tier is chosen by the whole prompt (input, cache reads and writes) and holds for the whole
/// request. Missing prices: five-minute writes and cache reads cost as input, one-hour writes as five-minute
/// ones. Fast mode and geography multiply the tokens' cost, not the web searches. Integer arithmetic, rounded
/// half up where a multiplier leaves a fraction of a pico-USD; saturates and never panics.
pub fn charge(row: &PriceRow, request: &Request<'_>) -> Charge {
    let t = &request.tokens;
    let prompt = t.prompt();
    let mut rates = row.rates;
    for tier in row.tiers.iter().filter(|tier| prompt > tier.above) {
        rates = Rates {
            input: tier.rates.input.or(rates.input),
            output: tier.rates.output.or(rates.output),
            cache_read: tier.rates.cache_read.or(rates.cache_read),
            cache_write_5m: tier.rates.cache_write_5m.or(rates.cache_write_5m),
            cache_write_1h: tier.rates.cache_write_1h.or(rates.cache_write_1h),
        };
    }
    let mut approximate = t.cache_read > 0 && rates.cache_read.is_none()
        || t.cache_write_5m > 0 && rates.cache_write_5m.is_none()
        || t.cache_write_1h > 0 && rates.cache_write_1h.is_none()
        || t.reasoning > 0 && row.reasoning.is_some();

    // Codex calls its fast mode a service tier; both names mean the one multiplier.
    let tier_name = request.service_tier.filter(|s| !matches!(*s, "" | "standard" | "default" | "auto"));
    let fast = (request.fast || tier_name == Some("fast")).then_some(row.fast).flatten();
    approximate |= (request.fast || tier_name == Some("fast")) && fast.is_none();
    if fast.is_none()
        && let Some(name) = tier_name.filter(|n| *n != "fast")
    {
        let name = if name == "batches" { "batch" } else { name };
        match row.service.iter().find(|s| s.name == name) {
            Some(s) => {
                approximate |= rates != row.rates;
                rates = in_service(&rates, &row.rates, &s.rates);
            }
            None => approximate = true,
        }
    }
    let geo = (request.geo == Some("us")).then_some(row.geo_us).flatten();
    approximate |= t.web_search > 0 && row.web_search.is_none();

    let rates = filled(&rates);
    let (f, g) = (fast.unwrap_or(Fraction::ONE), geo.unwrap_or(Fraction::ONE));
    let num = i128::from(f.num).saturating_mul(i128::from(g.num));
    let den = i128::from(f.den).saturating_mul(i128::from(g.den)).max(1);
    let cost = |tokens: u64, rate: i64| -> i64 {
        let plain = i128::from(tokens) * i128::from(rate);
        // Nearly every request has no multiplier, and a wide division is the dearest step here.
        if (num, den) == (1, 1) {
            return clamp(plain);
        }
        let base = plain.saturating_mul(num);
        clamp(base.saturating_add(den / 2) / den)
    };
    Charge {
        input: cost(t.input, rates.input),
        output: cost(t.output, rates.output),
        cache_read: cost(t.cache_read, rates.cache_read),
        cache_write_5m: cost(t.cache_write_5m, rates.cache_write_5m),
        cache_write_1h: cost(t.cache_write_1h, rates.cache_write_1h),
        web_search: clamp(
            i128::from(t.web_search).saturating_mul(i128::from(row.web_search.unwrap_or_default())),
        ),
        approximate,
    }
}

fn filled(r: &Rates) -> Effective {
    let input = r.input.unwrap_or_default();
    let five = r.cache_write_5m.unwrap_or(input);
    Effective {
        input,
        output: r.output.unwrap_or_default(),
        cache_read: r.cache_read.unwrap_or(input),
        cache_write_5m: five,
        cache_write_1h: r.cache_write_1h.unwrap_or(five),
    }
}

/// Rates of a service tier: what the source states at the base context; a kind or a context tier that it does
/// not state keeps its relation to the standard price of the same kind, else of input.
fn in_service(now: &Rates, base: &Rates, service: &Rates) -> Rates {
    let relation = |kind: fn(&Rates) -> Option<i64>| match (kind(service), kind(base)) {
        (Some(s), Some(b)) if b > 0 => Some((s, b)),
        _ => None,
    };
    let input = relation(|r| r.input);
    let rate = |kind: fn(&Rates) -> Option<i64>| match (kind(now), relation(kind).or(input)) {
        (Some(n), Some((s, b))) => {
            let (n, s, b) = (i128::from(n), i128::from(s), i128::from(b));
            Some(clamp((n * s + b / 2) / b))
        }
        (Some(n), None) => Some(n),
        (None, _) => kind(service),
    };
    Rates {
        input: rate(|r| r.input),
        output: rate(|r| r.output),
        cache_read: rate(|r| r.cache_read),
        cache_write_5m: rate(|r| r.cache_write_5m),
        cache_write_1h: rate(|r| r.cache_write_1h),
    }
}

fn clamp(v: i128) -> i64 {
    i64::try_from(v).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Lookup, Overrides, PriceTable};
    use crate::trace::Timestamp;

    fn price(model: &str, request: &Request<'_>) -> Charge {
        let at = Timestamp::parse("2026-11-01T00:00:00Z").unwrap();
        match PriceTable::builtin().lookup(model, None, at, &Overrides::default()) {
            Lookup::Priced(p) => charge(p.row, request),
            other => panic!("{model}: {other:?}"),
        }
    }

    fn tokens(input: u64, output: u64, cache_read: u64, five: u64, hour: u64) -> Tokens {
        Tokens { input, output, cache_read, cache_write_5m: five, cache_write_1h: hour, ..Tokens::default() }
    }

    #[test]
    fn plain_cache_and_hour_writes() {
        // 3×5 + 200×25 + 1000×0.5 + 400×6.25 + 100×10 USD per million
        let r = Request { tokens: tokens(3, 200, 1000, 400, 100), ..Request::default() };
        let c = price("claude-opus-5", &r);
        assert_eq!(c.total(), (15 + 5000 + 500 + 2500 + 1000) * 1_000_000);
        assert!(!c.approximate);
    }

    #[test]
    fn a_tier_holds_for_the_whole_request_and_only_above_its_threshold() {
        let at = |cache_read| {
            let r = Request { tokens: tokens(10, 100, cache_read, 0, 50), ..Request::default() };
            price("claude-haiku-5-5", &r).total()
        };
        assert_eq!(at(99_940), 10 * 100_000 + 100 * 500_000 + 99_940 * 10_000 + 50 * 200_000);
        assert_eq!(at(99_941), 10 * 500_000 + 100 * 2_500_000 + 99_941 * 50_000 + 50 * 1_000_000);
        // several tiers: the highest that is passed
        let r = Request { tokens: tokens(300_000, 1, 0, 0, 0), ..Request::default() };
        assert_eq!(price("qwen3-coder-plus", &r).total(), 300_000 * 6_000_000 + 60_000_000);
    }

    #[test]
    fn fast_and_geography_multiply_tokens_but_not_searches() {
        let mut t = tokens(3, 7, 0, 0, 0);
        t.web_search = 2;
        let r = Request { tokens: t, fast: true, geo: Some("us"), service_tier: None };
        // (3×5 + 7×25) × 6 × 1.1 + 2 × $0.01
        assert_eq!(price("claude-opus-4-6", &r).total(), 190 * 66 * 100_000 + 20_000_000_000);
        let r = Request { tokens: t, geo: Some("global"), ..Request::default() };
        assert_eq!(price("claude-opus-4-6", &r).total(), 190 * 1_000_000 + 20_000_000_000);
        // fast on a model that has no fast mode costs as usual, and says that it is not sure
        let r = Request { tokens: t, fast: true, ..Request::default() };
        assert!(price("claude-sonnet-5", &r).approximate);
    }

    #[test]
    fn missing_cache_prices_fall_back_and_say_so() {
        // gpt-6-sol has no one-hour price: as five-minute writes, 2.5
        let r = Request { tokens: tokens(0, 0, 0, 0, 10), ..Request::default() };
        let c = price("gpt-6-sol", &r);
        assert_eq!((c.total(), c.approximate), (25_000_000, true));
        // kimi-k2.5 has no write price at all: as input, 0.6
        let r = Request { tokens: tokens(0, 0, 0, 10, 10), ..Request::default() };
        assert_eq!(price("kimi-k2.5", &r).total(), 12_000_000);
    }

    #[test]
    fn service_tiers_use_stated_prices_and_keep_relations() {
        let r = |tier| Request {
            tokens: tokens(10, 10, 10, 0, 10),
            service_tier: Some(tier),
            ..Request::default()
        };
        // batch of opus-5: 2.5, 12.5, 0.25 stated; one-hour writes keep half
        let half = (25 + 125) * 1_000_000 + 2_500_000 + 50_000_000;
        assert_eq!(price("claude-opus-5", &r("batch")).total(), half);
        assert_eq!(price("claude-opus-5", &r("batches")).total(), half);
        let whole = price("claude-opus-5", &r("standard"));
        assert_eq!((whole.total(), whole.approximate), (half * 2, false));
        // a tier that the row does not know: standard price, said to be uncertain
        let odd = price("claude-opus-5", &r("tuesday"));
        assert_eq!((odd.total(), odd.approximate), (half * 2, true));
        let long = Request { tokens: tokens(280_000, 0, 0, 0, 0), service_tier: Some("flex"), ..r("flex") };
        assert_eq!(price("gpt-6-sol", &long).total(), 280_000 * 2_000_000);
    }

    #[test]
    fn absurd_counts_saturate() {
        let t = Tokens {
            input: u64::MAX,
            output: u64::MAX,
            reasoning: u64::MAX,
            cache_read: u64::MAX,
            cache_write_5m: u64::MAX,
            cache_write_1h: u64::MAX,
            web_search: u64::MAX,
        };
        let r = Request { tokens: t, fast: true, geo: Some("us"), service_tier: Some("batch") };
        for row in PriceTable::builtin().rows() {
            assert!(charge(row, &r).total() >= 0);
        }
        assert_eq!(price("claude-opus-5", &r).total(), i64::MAX);
        assert_eq!(price("claude-opus-5", &Request::default()).total(), 0);
    }
}
