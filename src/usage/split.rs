//! Divides one request among the tools whose results are in its prompt. The parts sum to the whole.
//!
//! The result of a tool is paid for several times: as input or a cache write when it enters the prompt, and with every
//! later request as a cache read, as long as the cache is valid. So fresh tokens are taken from the tokens that were not
//! read from the cache, and carried ones from those that were. What does not fit there is taken from the other kind.

use crate::trace::Tokens;

use super::dimension::NONE_KEY;
use super::pricer::PricedRow;
use super::row::CountedRow;

/// One part of a divided request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToolPart<'a> {
    /// The tool; `None` for the part that no tool caused.
    pub tool: Option<&'a str>,
    /// 1 for the largest part, else 0.
    pub requests: u64,
    pub tokens: Tokens,
    pub picousd: i64,
}

/// Divides the prompt and its cost among the tools. The last part belongs to no tool: the answer, its searches and the
/// rest of the prompt. Shares that exceed the prompt are scaled down to it.
pub(super) fn split_by_tool<'a>(row: &CountedRow<'a>, priced: &PricedRow<'_>) -> Vec<ToolPart<'a>> {
    let t = row.request.tokens;
    let cost = priced.picousd.unwrap_or_default();
    let sum = |n: &[u64]| n.iter().map(|n| u128::from(*n)).sum::<u128>();
    let new = sum(&[t.input, t.cache_write_5m, t.cache_write_1h]);
    let old = u128::from(t.cache_read);
    let (new_cost, old_cost) = match &priced.charge {
        Some(c) => (c.input.saturating_add(c.cache_write_5m).saturating_add(c.cache_write_1h), c.cache_read),
        // A reported cost does not tell its kinds, so it is divided by tokens.
        None => {
            let all = new + old + u128::from(t.output);
            let of = |part| signed(share(unsigned(cost), part, all));
            (of(new), of(old))
        }
    };
    // A saturated sum must not be divided into more than there is.
    let new_cost = new_cost.clamp(0, cost.max(0));
    let old_cost = old_cost.clamp(0, cost.max(0) - new_cost);

    let (fresh, carried) =
        row.tools.iter().fold((0, 0), |(f, c), s| (f + u128::from(s.fresh), c + u128::from(s.carried)));
    let (fresh_new, carried_old) = (fresh.min(new), carried.min(old));
    let fresh_old = (fresh - fresh_new).min(old - carried_old);
    let carried_new = (carried - carried_old).min(new - fresh_new);

    let mut parts = Vec::with_capacity(row.tools.len() + 1);
    let mut rest = ToolPart { tool: None, requests: 0, tokens: t, picousd: cost };
    let (mut fresh_done, mut carried_done) = (0, 0);
    let (mut new_done, mut old_done) = (0, 0);
    let mut largest = (0, row.tools.len());
    for (i, s) in row.tools.iter().enumerate() {
        fresh_done += u128::from(s.fresh);
        carried_done += u128::from(s.carried);
        // Rounding the cumulative sums makes the parts of each kind sum exactly.
        let new_next = share(fresh_new, fresh_done, fresh) + share(carried_new, carried_done, carried);
        let old_next = share(fresh_old, fresh_done, fresh) + share(carried_old, carried_done, carried);
        let cut = |v: u64, done, next, whole| {
            u64::try_from(share(v.into(), next, whole) - share(v.into(), done, whole)).unwrap_or(v)
        };
        let tokens = Tokens {
            input: cut(t.input, new_done, new_next, new),
            cache_write_5m: cut(t.cache_write_5m, new_done, new_next, new),
            cache_write_1h: cut(t.cache_write_1h, new_done, new_next, new),
            cache_read: cut(t.cache_read, old_done, old_next, old),
            ..Tokens::default()
        };
        let money = |cost: i64, done, next, whole| {
            share(unsigned(cost), next, whole) - share(unsigned(cost), done, whole)
        };
        let picousd =
            signed(money(new_cost, new_done, new_next, new) + money(old_cost, old_done, old_next, old));
        rest.tokens.input -= tokens.input;
        rest.tokens.cache_write_5m -= tokens.cache_write_5m;
        rest.tokens.cache_write_1h -= tokens.cache_write_1h;
        rest.tokens.cache_read -= tokens.cache_read;
        rest.picousd -= picousd;
        let taken = new_next + old_next - new_done - old_done;
        if taken > largest.0 {
            largest = (taken, i);
        }
        parts.push(ToolPart { tool: Some(s.tool), requests: 0, tokens, picousd });
        (new_done, old_done) = (new_next, old_next);
    }
    if new + old - new_done - old_done >= largest.0 {
        largest.1 = row.tools.len();
    }
    parts.push(rest);
    if let Some(p) = parts.get_mut(largest.1) {
        p.requests = 1;
    }
    parts
}

/// Returns the part of a request that is charged to a tool, or to none for `NONE_KEY`: tokens and pico-USD.
pub fn tool_part(row: &CountedRow<'_>, priced: &PricedRow<'_>, tool: &str) -> (Tokens, i64) {
    if row.tools.is_empty() {
        return (row.request.tokens, priced.picousd.unwrap_or_default());
    }
    let (mut tokens, mut picousd) = (Tokens::default(), 0i64);
    for part in split_by_tool(row, priced).into_iter().filter(|p| p.tool.unwrap_or(NONE_KEY) == tool) {
        tokens += part.tokens;
        picousd = picousd.saturating_add(part.picousd);
    }
    (tokens, picousd)
}

fn unsigned(n: i64) -> u128 {
    u128::try_from(n).unwrap_or_default()
}

fn signed(n: u128) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Returns `value × part / whole`, rounded down and never more than `value`; zero if `whole` is zero.
fn share(value: u128, part: u128, whole: u128) -> u128 {
    if whole == 0 { 0 } else { value.checked_mul(part).map_or(value, |p| p / whole).min(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Overrides, PriceTable};
    use crate::trace::{SessionKey, Timestamp, UsageRow};
    use crate::usage::{Pricer, ToolShare};
    use proptest::prelude::*;

    fn opus_request(tokens: Tokens) -> UsageRow<&'static str> {
        UsageRow {
            session: SessionKey("claude:s"),
            at: Timestamp(1_790_000_000_000),
            model: "claude-opus-5",
            tokens,
            ..UsageRow::default()
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn parts_sum_to_the_whole(
            tokens in prop::array::uniform6(prop_oneof![0u64..10_000, Just(u64::MAX), any::<u64>()]),
            shares in prop::collection::vec(prop::array::uniform2(prop_oneof![0u64..5_000, Just(u64::MAX)]), 0..5),
            reported in prop::option::of(1i64..i64::MAX),
        ) {
            let [input, output, cache_read, a, b, web_search] = tokens;
            let t = Tokens { input, output, reasoning: 0, cache_read, cache_write_5m: a, cache_write_1h: b, web_search };
            let tools: Vec<_> =
                shares.iter().map(|[fresh, carried]| ToolShare { tool: "Bash", fresh: *fresh, carried: *carried }).collect();
            let request = UsageRow { reported_picousd: reported, ..opus_request(t) };
            let row = CountedRow { tools: &tools, ..CountedRow::of(&request) };
            let none = Overrides::default();
            let priced = Pricer::new(PriceTable::builtin(), &none).price(&row);
            let parts = split_by_tool(&row, &priced);
            let sum = |f: fn(&ToolPart<'_>) -> i128| parts.iter().map(f).sum::<i128>();
            prop_assert_eq!(sum(|p| p.tokens.input.into()), i128::from(input));
            prop_assert_eq!(sum(|p| p.tokens.cache_read.into()), i128::from(cache_read));
            prop_assert_eq!(sum(|p| p.tokens.cache_write_5m.into()), i128::from(a));
            prop_assert_eq!(sum(|p| p.tokens.cache_write_1h.into()), i128::from(b));
            prop_assert_eq!(sum(|p| p.tokens.output.into()), i128::from(output));
            prop_assert_eq!(sum(|p| p.picousd.into()), i128::from(priced.picousd.unwrap()));
            prop_assert_eq!(sum(|p| p.requests.into()), 1);
            prop_assert!(parts.iter().all(|p| p.picousd >= 0));
        }
    }

    #[test]
    fn fresh_results_cost_as_cache_writes_and_carried_ones_as_cache_reads() {
        let t = Tokens { input: 4, output: 10, cache_read: 300, cache_write_5m: 96, ..Tokens::default() };
        let tools = [
            ToolShare { tool: "Read", fresh: 50, carried: 0 },
            ToolShare { tool: "Bash", fresh: 0, carried: 120 },
        ];
        let request = opus_request(t);
        let row = CountedRow { tools: &tools, ..CountedRow::of(&request) };
        let none = Overrides::default();
        let priced = Pricer::new(PriceTable::builtin(), &none).price(&row);
        let parts = split_by_tool(&row, &priced);
        assert_eq!(parts[0].tokens, Tokens { input: 2, cache_write_5m: 48, ..Tokens::default() });
        assert_eq!(parts[0].picousd, (4 * 5_000_000 + 96 * 6_250_000) / 2);
        assert_eq!(parts[1].tokens, Tokens { cache_read: 120, ..Tokens::default() });
        assert_eq!(parts[1].picousd, 120 * 500_000);
        assert_eq!((parts[2].tokens.output, parts[2].requests), (10, 1));
        // the cache expired, so carried results are written again
        let request = opus_request(Tokens { input: 400, ..Tokens::default() });
        let row = CountedRow { tools: &tools, ..CountedRow::of(&request) };
        let priced = Pricer::new(PriceTable::builtin(), &none).price(&row);
        let parts = split_by_tool(&row, &priced);
        assert_eq!(parts.iter().map(|p| p.tokens.input).collect::<Vec<_>>(), [50, 120, 230]);
    }
}
