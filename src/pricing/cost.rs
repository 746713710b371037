//! The cost of a request under a price row.

use serde::Serialize;

use crate::trace::Tokens;

use super::money::Fraction;
use super::row::{PriceRow, Rates};

/// The geography with a multiplier.
const GEO_US: &str = "us";

/// The properties of a request that determine its cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub tokens: Tokens,
    /// Tokens in the largest prompt, if `tokens` is the sum of several requests.
    pub largest_prompt: Option<u64>,
    /// Whether fast mode was used.
    pub fast: bool,
    /// Region in which the provider computed the answer (`inference_geo`).
    pub geo: Option<&'a str>,
    /// The service tier, unless it is the standard one.
    pub service_tier: Option<&'a str>,
}

impl Request<'_> {
    /// Returns whether the price may have a multiplier or be that of a service tier. Otherwise the cost of several requests with
    /// the same rates is the cost of the sum of their tokens; with a multiplier, the cost of each one is rounded.
    pub fn may_have_multiplier(&self) -> bool {
        self.fast || self.geo == Some(GEO_US) || self.service_tier.is_some()
    }
}

/// Cost of a request by kind, in pico-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Charge {
    pub input: i64,
    pub output: i64,
    pub cache_read: i64,
    /// Writes to the five-minute cache.
    pub cache_write_5m: i64,
    /// Writes to the one-hour cache.
    pub cache_write_1h: i64,
    pub web_search: i64,
    /// Whether the row does not state a price that was needed, so that it was derived from other prices.
    #[serde(skip)]
    pub approximate: bool,
}

impl Charge {
    /// Returns the total cost in pico-USD. The sum saturates.
    pub fn total(&self) -> i64 {
        [self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.web_search]
            .iter()
            .fold(self.input, |a, b| a.saturating_add(*b))
    }
}

/// The rates of a request, with the rates that the table lacks derived from others.
struct Effective {
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
}

/// Computes the cost of a request.
///
/// The length of the prompt (input, cache reads and writes) selects a context tier, which applies to the entire
/// request. If a price is missing, cache reads and five-minute writes cost as much as input, and one-hour writes as
/// much as five-minute writes. Fast mode and geography multiply the cost of tokens, but not of web searches. The
/// arithmetic uses integers and saturates. If a multiplier yields a fraction of a pico-USD, it is rounded half up.
pub fn charge(row: &PriceRow, request: &Request<'_>) -> Charge {
    let t = &request.tokens;
    let prompt = request.largest_prompt.unwrap_or_else(|| t.prompt());
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

    // Codex logs its fast mode as a service tier. Both use the same multiplier.
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
    let geo = (request.geo == Some(GEO_US)).then_some(row.geo_us).flatten();
    approximate |= t.web_search > 0 && row.web_search.is_none();

    let rates = filled(&rates);
    let (f, g) = (fast.unwrap_or(Fraction::ONE), geo.unwrap_or(Fraction::ONE));
    let num = i128::from(f.num).saturating_mul(i128::from(g.num));
    let den = i128::from(f.den).saturating_mul(i128::from(g.den)).max(1);
    let cost = |tokens: u64, rate: i64| -> i64 {
        let plain = i128::from(tokens) * i128::from(rate);
        // Nearly every request has no multiplier. The 128-bit division is the slowest operation here.
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

/// Returns the rates of a service tier. The price table states them for the base context only. A rate that it does not
/// state is scaled like the standard rate of the same kind, or else like the rate of input.
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
    fn every_kind_of_tokens_has_its_rate() {
        // 3×5 + 200×25 + 1000×0.5 + 400×6.25 + 100×10 USD per million
        let r = Request { tokens: tokens(3, 200, 1000, 400, 100), ..Request::default() };
        let c = price("claude-opus-5", &r);
        assert_eq!(c.total(), (15 + 5000 + 500 + 2500 + 1000) * 1_000_000);
        assert!(!c.approximate);
    }

    #[test]
    fn a_context_tier_applies_to_the_entire_request_above_its_threshold() {
        let at = |cache_read| {
            let r = Request { tokens: tokens(10, 100, cache_read, 0, 50), ..Request::default() };
            price("claude-haiku-5-5", &r).total()
        };
        assert_eq!(at(99_940), 10 * 100_000 + 100 * 500_000 + 99_940 * 10_000 + 50 * 200_000);
        assert_eq!(at(99_941), 10 * 500_000 + 100 * 2_500_000 + 99_941 * 50_000 + 50 * 1_000_000);
        // Of several tiers, the highest exceeded one applies.
        let r = Request { tokens: tokens(300_000, 1, 0, 0, 0), ..Request::default() };
        assert_eq!(price("qwen3-coder-plus", &r).total(), 300_000 * 6_000_000 + 60_000_000);
    }

    #[test]
    fn fast_and_geography_multiply_tokens_but_not_searches() {
        let mut t = tokens(3, 7, 0, 0, 0);
        t.web_search = 2;
        let r = Request { tokens: t, fast: true, geo: Some("us"), ..Request::default() };
        // (3×5 + 7×25) × 6 × 1.1 + 2 × $0.01
        assert_eq!(price("claude-opus-4-6", &r).total(), 190 * 66 * 100_000 + 20_000_000_000);
        let r = Request { tokens: t, geo: Some("global"), ..Request::default() };
        assert_eq!(price("claude-opus-4-6", &r).total(), 190 * 1_000_000 + 20_000_000_000);
        // Fast mode of a model without a fast price costs as usual and is marked as approximate.
        let r = Request { tokens: t, fast: true, ..Request::default() };
        assert!(price("claude-sonnet-5", &r).approximate);
    }

    #[test]
    fn a_missing_cache_price_falls_back_and_is_approximate() {
        // gpt-6-sol has no one-hour price: as five-minute writes, 2.5
        let r = Request { tokens: tokens(0, 0, 0, 0, 10), ..Request::default() };
        let c = price("gpt-6-sol", &r);
        assert_eq!((c.total(), c.approximate), (25_000_000, true));
        // kimi-k2.5 has no write price at all: as input, 0.6
        let r = Request { tokens: tokens(0, 0, 0, 10, 10), ..Request::default() };
        assert_eq!(price("kimi-k2.5", &r).total(), 12_000_000);
    }

    #[test]
    fn a_service_tier_scales_the_rates_that_it_does_not_state() {
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
        // A tier that the row does not have costs the standard price and is marked as approximate.
        let unknown = price("claude-opus-5", &r("tuesday"));
        assert_eq!((unknown.total(), unknown.approximate), (half * 2, true));
        let long = Request { tokens: tokens(280_000, 0, 0, 0, 0), service_tier: Some("flex"), ..r("flex") };
        assert_eq!(price("gpt-6-sol", &long).total(), 280_000 * 2_000_000);
    }

    #[test]
    fn large_counts_saturate() {
        let t = Tokens {
            input: u64::MAX,
            output: u64::MAX,
            reasoning: u64::MAX,
            cache_read: u64::MAX,
            cache_write_5m: u64::MAX,
            cache_write_1h: u64::MAX,
            web_search: u64::MAX,
        };
        let r = Request {
            tokens: t,
            fast: true,
            geo: Some("us"),
            service_tier: Some("batch"),
            largest_prompt: None,
        };
        for row in PriceTable::builtin().rows() {
            assert!(charge(row, &r).total() >= 0);
        }
        assert_eq!(price("claude-opus-5", &r).total(), i64::MAX);
        assert_eq!(price("claude-opus-5", &Request::default()).total(), 0);
    }
}
