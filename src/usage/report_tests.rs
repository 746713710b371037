//! Partition property, contract shape, order, saturation.

use proptest::prelude::*;

use super::*;
use crate::pricing::{Overrides, PriceTable};
use crate::trace::{SessionKey, UsageRow};
use crate::usage::{ToolShare, test_row};

fn report(rows: &[CountedRow<'_>], by: Dimension, zone: &str) -> Report {
    let none = Overrides::default();
    let tz = TimeZone::get(zone).unwrap();
    aggregate(rows.iter().copied(), by, &tz, Pricer::new(PriceTable::builtin(), &none))
}

const MODELS: [&str; 7] = [
    "claude-opus-5",
    "claude-haiku-5-5",
    "gpt-6-sol",
    "acme-coder-9",
    "minimaxai/minimax-m2.1",
    "<synthetic>",
    "claude-sonnet-4-5-20250929[1m]",
];
const TOOLS: [ToolShare<'static>; 3] = [
    ToolShare { tool: "Bash", fresh: 700, carried: 0 },
    ToolShare { tool: "Read", fresh: 9_000, carried: 90_000 },
    ToolShare { tool: "Bash", fresh: 0, carried: 1 },
];

prop_compose! {
    fn any_row()(
        model in 0usize..7,
        session in 0usize..5,
        ms in 1_790_900_000_000i64..1_794_900_000_000,
        n in prop::array::uniform7(0u64..400_000),
        reported in prop::option::of(-5i64..1_000_000_000),
        flags in any::<u8>(),
    ) -> CountedRow<'static> {
        let t = Tokens {
            input: n[0], output: n[1], reasoning: n[2].min(n[1]), cache_read: n[3],
            cache_write_5m: n[4], cache_write_1h: n[5], web_search: n[6] % 4,
        };
        let sessions = ["claude:a", "claude:b", "codex:a", "codex:c", "openclaw:d"];
        let request = UsageRow {
            session: SessionKey(sessions[session]),
            at: Timestamp(ms),
            model: MODELS[model],
            provider: (flags & 12 == 4).then_some("anthropic"),
            tokens: t,
            reported_picousd: reported,
            fast: flags & 1 > 0,
            geo: (flags & 2 > 0).then_some("us"),
            service_tier: (flags & 64 > 0).then_some("flex"),
            subagent: (flags & 8 > 0).then_some("Explore"),
            skill: (flags & 16 > 0).then_some("review"),
            ..UsageRow::default()
        };
        CountedRow {
            project: (flags & 4 > 0).then_some("/home/dev/clawgate"),
            device: (flags & 3 == 1).then_some("laptop"),
            tools: if flags & 32 > 0 { &TOOLS } else { &[] },
            ..test_row(request)
        }
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(256))]

    #[test]
    fn every_partition_sums_to_the_total(rows in prop::collection::vec(any_row(), 0..60)) {
        let total = report(&rows, Dimension::Total, "UTC").total;
        let billable = rows.iter().filter(|r| r.request.model != "<synthetic>").count();
        prop_assert_eq!(total.requests, billable as u64);
        for (_, by) in Dimension::ALL {
            for zone in ["UTC", "America/New_York", "Asia/Kolkata"] {
                let r = report(&rows, *by, zone);
                prop_assert_eq!(&r.total, &total);
                let mut sum = ReportRow { key: "total".into(), ..ReportRow::default() };
                for x in &r.rows {
                    sum.requests += x.requests;
                    sum.tokens += x.tokens;
                    sum.cost_picousd += x.cost_picousd;
                    sum.unpriced_tokens += x.unpriced_tokens;
                    sum.confidence = sum.confidence.max(x.confidence);
                }
                if sum.confidence == Confidence::Unpriced && sum.cost_picousd > 0 {
                    sum.confidence = Confidence::LowerBound;
                }
                if *by == Dimension::Tool {
                    sum.confidence = total.confidence;
                }
                prop_assert_eq!(&sum, &total, "{:?}", by);
            }
        }
    }
}

fn row(model: &'static str, at: &str, input: u64) -> CountedRow<'static> {
    let t = Tokens { input, ..Tokens::default() };
    let at = Timestamp::parse(at).unwrap();
    test_row(UsageRow { session: SessionKey("claude:s"), at, model, tokens: t, ..UsageRow::default() })
}

#[test]
fn days_are_sorted_by_key_and_the_rest_by_cost() {
    let rows = [
        row("claude-opus-5", "2026-11-02T12:00:00Z", 1),
        row("claude-haiku-4-5", "2026-10-31T12:00:00Z", 100),
        row("acme-coder-9", "2026-11-01T02:00:00Z", 1000),
        row("acme-coder-8", "2026-11-01T02:00:00Z", 2000),
    ];
    let keys =
        |by, zone: &str| -> Vec<String> { report(&rows, by, zone).rows.into_iter().map(|r| r.key).collect() };
    assert_eq!(keys(Dimension::Day, "UTC"), ["2026-10-31", "2026-11-01", "2026-11-02"]);
    assert_eq!(keys(Dimension::Day, "America/New_York"), ["2026-10-31", "2026-11-02"]);
    assert_eq!(keys(Dimension::Week, "UTC"), ["2026-W44", "2026-W45"]);
    assert_eq!(keys(Dimension::Month, "UTC"), ["2026-10", "2026-11"]);
    let by_cost = ["claude-haiku-4-5", "claude-opus-5", "acme-coder-8", "acme-coder-9"];
    assert_eq!(keys(Dimension::Model, "UTC"), by_cost);
    assert_eq!(keys(Dimension::Skill, "UTC"), [NONE_KEY]);
}

#[test]
fn the_json_is_the_contract() {
    let rows = [row("claude-opus-5", "2026-11-02T12:00:00Z", 3)];
    let got = serde_json::to_string(&report(&rows, Dimension::Model, "UTC").rows).unwrap();
    let want = concat!(
        r#"[{"key":"claude-opus-5","requests":1,"input":3,"output":0,"reasoning":0,"cache_read":0,"#,
        r#""cache_write_5m":0,"cache_write_1h":0,"web_search":0,"cost_picousd":15000000,"#,
        r#""unpriced_tokens":0,"confidence":"exact"}]"#
    );
    assert_eq!(got, want);
}

#[test]
fn unpriced_is_counted_and_named_never_a_silent_zero() {
    let rows =
        [row("acme-coder-9", "2026-11-02T12:00:00Z", 3), row("acme-coder-9", "2026-11-02T12:00:01Z", 4)];
    let r = report(&rows, Dimension::Model, "UTC");
    assert_eq!((r.rows[0].unpriced_tokens, r.rows[0].cost_picousd), (7, 0));
    assert_eq!(r.rows[0].confidence, Confidence::Unpriced);
    // If some tokens have a price, the cost is at least this much.
    let priced = row("claude-opus-5", "2026-11-02T12:00:02Z", 5);
    let mixed = report(&[rows[0], priced], Dimension::Total, "UTC");
    assert_eq!(mixed.total.confidence, Confidence::LowerBound);
    let named = UnpricedModel { model: "acme-coder-9".into(), provider: None, requests: 2, tokens: 7 };
    assert_eq!(r.unpriced, [named]);
}

#[test]
fn absurd_rows_saturate_and_odd_times_do_not_panic() {
    let t = Tokens::from([u64::MAX; 7]);
    let mut rows = Vec::new();
    for ms in [i64::MIN, -1, 0, i64::MAX] {
        for model in MODELS {
            let request = UsageRow { at: Timestamp(ms), model, tokens: t, ..UsageRow::default() };
            rows.push(CountedRow { tools: &TOOLS, ..test_row(request) });
        }
    }
    for (_, by) in Dimension::ALL {
        let r = report(&rows, *by, "Pacific/Kiritimati");
        assert_eq!((r.total.tokens.input, r.total.cost_picousd), (u64::MAX, i64::MAX));
        assert_eq!(r.total.unpriced_tokens, u64::MAX);
    }
    assert_eq!(report(&[], Dimension::Day, "UTC").rows, []);
}

#[test]
fn clock_changes_leap_days_and_odd_offsets_fall_into_the_right_day_week_and_month() {
    let key = |by, zone: &str, at: &'static str| {
        report(&[row("claude-opus-5", at, 1)], by, zone).rows[0].key.clone()
    };
    // New York 2026-03-08: 01:59:59 EST is followed by 03:00 EDT. 2026-11-01: 01:30 happens twice.
    for (at, day) in [
        ("2026-03-08T06:59:59Z", "2026-03-08"),
        ("2026-03-08T07:00:00Z", "2026-03-08"),
        ("2026-03-09T03:59:59Z", "2026-03-08"),
        ("2026-03-09T04:00:00Z", "2026-03-09"),
        ("2026-11-01T05:30:00Z", "2026-11-01"),
        ("2026-11-01T06:30:00Z", "2026-11-01"),
        ("2026-11-02T04:59:59Z", "2026-11-01"),
    ] {
        assert_eq!(key(Dimension::Day, "America/New_York", at), day, "{at}");
    }
    // Where midnight itself is skipped the day begins at one.
    assert_eq!(key(Dimension::Day, "Africa/Cairo", "2026-04-23T21:59:59Z"), "2026-04-23");
    assert_eq!(key(Dimension::Day, "Africa/Cairo", "2026-04-23T22:00:00Z"), "2026-04-24");
    assert_eq!(key(Dimension::Day, "UTC", "2028-02-29T12:00:00Z"), "2028-02-29");
    assert_eq!(key(Dimension::Month, "Asia/Kolkata", "2028-02-29T18:30:00Z"), "2028-03");
    assert_eq!(key(Dimension::Week, "Europe/Berlin", "2027-01-03T22:59:59Z"), "2026-W53");
    assert_eq!(key(Dimension::Week, "Europe/Berlin", "2027-01-03T23:00:00Z"), "2027-W01");
    assert_eq!(key(Dimension::Day, "Pacific/Apia", "2011-12-30T09:59:59Z"), "2011-12-29", "a day left out");
    assert_eq!(key(Dimension::Day, "Pacific/Apia", "2011-12-30T10:00:00Z"), "2011-12-31");
    assert_eq!(key(Dimension::Block, "Asia/Kathmandu", "2026-03-08T06:59:59Z"), "2026-03-08T06:00:00.000Z");
}

#[test]
fn dimensions_read_their_own_names() {
    for (name, d) in Dimension::ALL {
        assert_eq!((name.parse(), d.name()), (Ok(*d), *name));
    }
    assert!("weekly".parse::<Dimension>().unwrap_err().contains("week, month"));
}
