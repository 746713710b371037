//! Divides one request among the tools whose results fill its prompt, so that the parts sum to the whole.

use crate::trace::Tokens;

use super::pricer::Costed;
use super::row::CountedRow;

/// One part of a divided request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The tool; `None` is what no tool caused.
    pub tool: Option<&'a str>,
    /// 1 in the largest part, else 0.
    pub requests: u64,
    pub tokens: Tokens,
    pub picousd: i64,
}

/// Divides the prompt and its cost in the proportion of the tools' shares; the answer, its searches, and the
/// rest of the prompt stay with no tool. Shares that exceed the prompt are scaled down to it.
pub(super) fn by_tool<'a>(row: &CountedRow<'a>, costed: &Costed<'_>) -> Vec<Part<'a>> {
    let t = row.tokens;
    let prompt = [t.input, t.cache_read, t.cache_write_5m, t.cache_write_1h]
        .iter()
        .fold(0u128, |a, b| a + u128::from(*b));
    let named: u128 = row.tools.iter().map(|s| u128::from(s.tokens)).sum();
    let whole = prompt.max(named);
    let cost = costed.picousd.unwrap_or_default();
    let prompt_cost = match &costed.charge {
        Some(c) => cost.saturating_sub(c.output).saturating_sub(c.web_search).max(0),
        // A reported cost is not divided by kind: by tokens.
        None => share(
            u128::try_from(cost).unwrap_or_default(),
            prompt,
            prompt.saturating_add(u128::from(t.output)),
        )
        .try_into()
        .unwrap_or(cost),
    };
    let mut parts = Vec::with_capacity(row.tools.len() + 1);
    let mut rest = Part { tool: None, requests: 0, tokens: t, picousd: cost };
    let mut done = 0u128;
    let mut largest = (whole - named.min(whole), row.tools.len());
    for (i, s) in row.tools.iter().enumerate() {
        let next = done + u128::from(s.tokens);
        // Cumulative rounding: the parts of each kind sum exactly.
        let cut = |v: u64| {
            let part = share(v.into(), next, whole) - share(v.into(), done, whole);
            u64::try_from(part).unwrap_or(v)
        };
        let pc = u128::try_from(prompt_cost).unwrap_or_default();
        let picousd = i64::try_from(share(pc, next, whole) - share(pc, done, whole)).unwrap_or_default();
        let tokens = Tokens {
            input: cut(t.input),
            cache_read: cut(t.cache_read),
            cache_write_5m: cut(t.cache_write_5m),
            cache_write_1h: cut(t.cache_write_1h),
            ..Tokens::default()
        };
        rest.tokens.input -= tokens.input;
        rest.tokens.cache_read -= tokens.cache_read;
        rest.tokens.cache_write_5m -= tokens.cache_write_5m;
        rest.tokens.cache_write_1h -= tokens.cache_write_1h;
        rest.picousd -= picousd;
        if u128::from(s.tokens) > largest.0 {
            largest = (s.tokens.into(), i);
        }
        parts.push(Part { tool: Some(s.tool), requests: 0, tokens, picousd });
        done = next;
    }
    parts.push(rest);
    if let Some(p) = parts.get_mut(largest.1) {
        p.requests = 1;
    }
    parts
}

/// `value × part / whole`, rounded down; zero of nothing. Values fit u64, so the product fits or saturates.
fn share(value: u128, part: u128, whole: u128) -> u128 {
    if whole == 0 { 0 } else { value.checked_mul(part).map_or(value, |p| p / whole).min(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Overrides, PriceTable};
    use crate::trace::Timestamp;
    use crate::usage::{Pricer, ToolShare};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_sum_to_the_whole(
            tokens in prop::array::uniform6(prop_oneof![0u64..10_000, Just(u64::MAX), any::<u64>()]),
            shares in prop::collection::vec(prop_oneof![0u64..5_000, Just(u64::MAX)], 0..5),
            reported in prop::option::of(1i64..i64::MAX),
        ) {
            let [input, output, cache_read, a, b, web_search] = tokens;
            let t = Tokens { input, output, reasoning: 0, cache_read, cache_write_5m: a, cache_write_1h: b, web_search };
            let tools: Vec<_> = shares.iter().map(|n| ToolShare { tool: "Bash", tokens: *n }).collect();
            let mut row = CountedRow::new("claude", "claude:s", Timestamp(1_790_000_000_000), "claude-opus-5", t);
            row.tools = &tools;
            row.reported_picousd = reported;
            let none = Overrides::default();
            let costed = Pricer::new(PriceTable::builtin(), &none).cost(&row);
            let parts = by_tool(&row, &costed);
            let sum = |f: fn(&Part<'_>) -> i128| parts.iter().map(f).sum::<i128>();
            prop_assert_eq!(sum(|p| p.tokens.input.into()), i128::from(input));
            prop_assert_eq!(sum(|p| p.tokens.cache_read.into()), i128::from(cache_read));
            prop_assert_eq!(sum(|p| p.tokens.output.into()), i128::from(output));
            prop_assert_eq!(sum(|p| p.picousd.into()), i128::from(costed.picousd.unwrap()));
            prop_assert_eq!(sum(|p| p.requests.into()), 1);
            prop_assert!(parts.iter().all(|p| p.picousd >= 0));
        }
    }

    #[test]
    fn a_tool_is_charged_for_its_part_of_the_prompt() {
        let t = Tokens { input: 100, output: 10, cache_read: 300, ..Tokens::default() };
        let tools = [ToolShare { tool: "Read", tokens: 300 }];
        let mut row = CountedRow::new("claude", "s", Timestamp(1_790_000_000_000), "claude-opus-5", t);
        row.tools = &tools;
        let none = Overrides::default();
        let costed = Pricer::new(PriceTable::builtin(), &none).cost(&row);
        let parts = by_tool(&row, &costed);
        assert_eq!(parts[0].tokens, Tokens { input: 75, cache_read: 225, ..Tokens::default() });
        assert_eq!(parts[0].picousd, (100 * 5_000_000 + 300 * 500_000) * 3 / 4);
        assert_eq!((parts[0].requests, parts[1].requests), (1, 0));
        assert_eq!(parts[1].tokens.output, 10);
    }
}
