//! Usage by agent and model, as counters that only grow: what Prometheus and OpenTelemetry take.

use std::collections::BTreeMap;

use crate::store::UsageFilter;
use crate::trace::{Timestamp, Tokens};

use crate::app::{App, Failure};

/// Upper bounds of the token histogram, as the GenAI conventions advise.
pub(in crate::app) const BOUNDS: [u64; 14] =
    [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

/// A figure of tokens.
type Count = fn(&Tokens) -> u64;

/// How a figure is spread over requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// Requests by bucket; the last is above every bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// Sum of the figure.
    pub sum: u64,
}

impl Spread {
    fn add(&mut self, value: u64) {
        let bucket = BOUNDS.partition_point(|b| *b < value);
        if let Some(n) = self.buckets.get_mut(bucket) {
            *n += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }
}

/// Counters of one agent and model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meter {
    /// Provider in the words of the GenAI conventions; `unknown` where nothing says it.
    pub provider: String,
    /// Requests.
    pub requests: u64,
    /// Tokens by kind.
    pub tokens: Tokens,
    /// Cost of what has a price, pico-USD.
    pub picousd: i128,
    /// Tokens of requests without a price.
    pub unpriced_tokens: u64,
    /// Input of each request, cached tokens included.
    pub input: Spread,
    /// Output of each request.
    pub output: Spread,
}

/// The counters, by agent and model.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    /// By (agent, model).
    pub rows: BTreeMap<(String, String), Meter>,
    /// The first request that is counted.
    pub since: Option<Timestamp>,
    /// When they were read.
    pub at: Timestamp,
}

/// A provider's well-known name in the GenAI conventions.
fn provider(name: &str) -> &str {
    match name {
        "" => "unknown",
        "google" | "gemini" => "gcp.gemini",
        "vertex_ai" | "vertex" => "gcp.vertex_ai",
        "bedrock" => "aws.bedrock",
        "azure" => "azure.ai.openai",
        "mistral" => "mistral_ai",
        "moonshot" | "moonshotai" => "moonshot_ai",
        "xai" => "x_ai",
        other => other,
    }
}

impl App {
    /// Reads the counters.
    ///
    /// # Errors
    /// [`Failure`] where the archive refuses.
    pub fn meters(&mut self) -> Result<Meters, Failure> {
        let (prices, at) = (self.prices()?, self.now());
        self.refresh_usage()?;
        let mut out = Meters { at, ..Meters::default() };
        let mut pricer = prices.pricer();
        self.archive.for_each_request(UsageFilter::default(), &mut |row| {
            let priced = pricer.price(row);
            if !priced.billable {
                return;
            }
            let known = out.rows.entry((row.agent().to_owned(), row.request.model.to_owned()));
            let m = known.or_insert_with(|| {
                let named = row.request.provider.or(priced.price_row().map(|p| p.provider.as_str()));
                Meter { provider: provider(named.unwrap_or_default()).to_owned(), ..Meter::default() }
            });
            let t = &row.request.tokens;
            m.requests += 1;
            m.tokens += *t;
            match priced.picousd {
                Some(p) => m.picousd += i128::from(p),
                None => m.unpriced_tokens = m.unpriced_tokens.saturating_add(t.total()),
            }
            m.input.add(t.total().saturating_sub(t.output));
            m.output.add(t.output);
            out.since = Some(out.since.map_or(row.request.at, |s| s.min(row.request.at)));
        })?;
        Ok(out)
    }
}

/// USD as a number for people and databases; exact figures are in pico-USD elsewhere.
pub(in crate::app) fn usd(picousd: i128) -> f64 {
    picousd as f64 / crate::pricing::PICO_PER_USD as f64
}

impl Meters {
    /// The counters in Prometheus's text format.
    pub fn prometheus(&self, live: &crate::app::cost::CurrentSpend) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, lines: Vec<(String, String)>| {
            out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            for (labels, value) in lines {
                out.push_str(&format!("{name}{labels} {value}\n"));
            }
        };
        let each = |figure: &dyn Fn(&Meter) -> String| -> Vec<(String, String)> {
            self.rows
                .iter()
                .map(|((a, m), row)| (labels(&[("agent", a), ("model", m)]), figure(row)))
                .collect()
        };
        family("clawgate_requests_total", "counter", "Provider requests.", each(&|m| m.requests.to_string()));
        let kinds: [(&str, Count); 5] = [
            ("input", |t| t.input),
            ("output", |t| t.output),
            ("cache_read", |t| t.cache_read),
            ("cache_write_5m", |t| t.cache_write_5m),
            ("cache_write_1h", |t| t.cache_write_1h),
        ];
        let mut tokens = Vec::new();
        for ((a, m), row) in &self.rows {
            for (kind, of) in kinds {
                let l = labels(&[("agent", a), ("model", m), ("kind", kind)]);
                tokens.push((l, of(&row.tokens).to_string()));
            }
        }
        let help = "Tokens by kind; input is uncached, output contains reasoning.";
        family("clawgate_tokens_total", "counter", help, tokens);
        let help = "Cost in USD of what has a price.";
        family("clawgate_cost_usd_total", "counter", help, each(&|m| usd(m.picousd).to_string()));
        let help = "Tokens of requests without a known price.";
        family("clawgate_unpriced_tokens_total", "counter", help, each(&|m| m.unpriced_tokens.to_string()));
        let money = |p: i64| usd(p.into()).to_string();
        let help = "Cost in USD of the present day.";
        family(
            "clawgate_today_cost_usd",
            "gauge",
            help,
            vec![(String::new(), money(live.today.cost_picousd))],
        );
        let help = "Cost in USD of the last sixty minutes.";
        family("clawgate_hour_cost_usd", "gauge", help, vec![(String::new(), money(live.hour.cost_picousd))]);
        let budget = |of: &dyn Fn(&crate::usage::BudgetState) -> i64| {
            let rows = live.budgets.iter();
            rows.map(|b| (labels(&[("budget", b.budget)]), money(of(b)))).collect::<Vec<_>>()
        };
        let help = "Spent of a budget, USD.";
        family("clawgate_budget_spent_usd", "gauge", help, budget(&|b| b.spent_picousd));
        family("clawgate_budget_limit_usd", "gauge", "A budget, USD.", budget(&|b| b.limit_picousd));
        let help = "Thresholds that are passed now.";
        family("clawgate_alerts", "gauge", help, vec![(String::new(), live.alerts.len().to_string())]);
        out
    }
}

/// Labels; values escaped as the format wants, control characters left out.
fn labels(pairs: &[(&str, &str)]) -> String {
    let mut out = String::from("{");
    for (i, (name, value)) in pairs.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        out.push_str(&format!("{comma}{name}=\""));
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c if c.is_control() => {}
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_include_their_bound() {
        let mut s = Spread::default();
        for n in [0, 1, 2, 4, 5, 67_108_864, 67_108_865, u64::MAX] {
            s.add(n);
        }
        assert_eq!((s.buckets[0], s.buckets[1], s.buckets[2]), (2, 2, 1));
        assert_eq!((s.buckets[13], s.buckets[14], s.sum), (1, 2, u64::MAX));
    }

    #[test]
    fn labels_cannot_break_out() {
        assert_eq!(
            labels(&[("model", "a\"} 1\n\\x\u{7}"), ("k", "v")]),
            "{model=\"a\\\"} 1\\n\\\\x\",k=\"v\"}"
        );
    }
}
