//! Usage by agent and model as growing counters, for Prometheus and OpenTelemetry.

use std::collections::{BTreeMap, HashSet};

use crate::pricing::approximate_usd;
use crate::store::UsageFilter;
use crate::trace::{Timestamp, Tokens};
use crate::usage::{CountedRow, PricedRow};

use crate::app::{App, Failure};

use super::current::{CurrentSpend, CurrentSpendFold, CurrentSpendParams};

/// Upper bounds of the token histogram, as recommended by the GenAI semantic conventions.
pub(in crate::app) const BUCKET_BOUNDS: [u64; 14] =
    [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

/// Selects one kind of tokens.
type TokenCount = fn(&Tokens) -> u64;

/// Distribution of a figure over requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Requests by bucket. The last bucket counts the values above every bound.
    pub buckets: [u64; BUCKET_BOUNDS.len() + 1],
    /// Sum of the figure.
    pub sum: u64,
}

impl Histogram {
    fn add(&mut self, value: u64) {
        let bucket = BUCKET_BOUNDS.partition_point(|b| *b < value);
        if let Some(n) = self.buckets.get_mut(bucket) {
            *n += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }
}

/// Counters of a model used by an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelMetrics {
    /// Provider name of the GenAI conventions; `unknown` if neither the log nor the price names one.
    pub provider: String,
    pub requests: u64,
    pub tokens: Tokens,
    /// Cost of the requests that have a price, in pico-USD.
    pub picousd: i128,
    /// Tokens of requests without a price.
    pub unpriced_tokens: u64,
    /// Input tokens of each request, including cached tokens.
    pub input: Histogram,
    /// Output tokens of each request.
    pub output: Histogram,
}

/// Counters of every agent and model.
#[derive(Debug, Clone, Default)]
pub struct UsageMetrics {
    /// Counters by agent and model.
    pub rows: BTreeMap<(String, String), ModelMetrics>,
    /// Time of the first counted request.
    pub since: Option<Timestamp>,
    /// When the ledger was read.
    pub at: Timestamp,
}

/// Returns the name that the GenAI conventions give to a provider.
fn conventional_provider(name: &str) -> &str {
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
    /// Counts the usage of every agent and model.
    ///
    /// # Errors
    /// [`Failure`] if the archive refuses.
    pub fn usage_metrics(&mut self) -> Result<UsageMetrics, Failure> {
        let (prices, at) = (self.prices()?, self.now());
        self.refresh_usage()?;
        let mut out = UsageMetrics { at, ..UsageMetrics::default() };
        let mut pricer = prices.pricer();
        let mut add = |row: &CountedRow<'_>| out.add(row, &pricer.price(row));
        self.archive.for_each_request(UsageFilter::default(), &mut add)?;
        Ok(out)
    }

    /// Counts the usage of every agent and model, and computes the current spend in the same pass.
    ///
    /// # Errors
    /// As [`App::usage_metrics`].
    pub fn usage_metrics_with_current(&mut self) -> Result<(UsageMetrics, CurrentSpend), Failure> {
        let (timezone, zone) = self.zone(None)?;
        let (prices, at, params) = (self.prices()?, self.now(), CurrentSpendParams::default());
        self.refresh_usage()?;
        let nobody = HashSet::new();
        let mut current = CurrentSpendFold::new(self, &zone, &params, &nobody);
        let mut out = UsageMetrics { at, ..UsageMetrics::default() };
        let mut pricer = prices.pricer();
        self.archive.for_each_request(UsageFilter::default(), &mut |row| {
            let priced = pricer.price(row);
            out.add(row, &priced);
            current.add(row, &priced);
        })?;
        Ok((out, current.finish(&timezone, &params, &self.config.budgets)))
    }
}

impl UsageMetrics {
    /// Adds a request. Rows that are not provider requests are left out.
    fn add(&mut self, row: &CountedRow<'_>, priced: &PricedRow<'_>) {
        if !priced.billable {
            return;
        }
        let known = self.rows.entry((row.agent().to_owned(), row.request.model.to_owned()));
        let m = known.or_insert_with(|| {
            let named = row.request.provider.or(priced.price_row().map(|p| p.provider.as_str()));
            ModelMetrics {
                provider: conventional_provider(named.unwrap_or_default()).to_owned(),
                ..ModelMetrics::default()
            }
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
        self.since = Some(self.since.map_or(row.request.at, |s| s.min(row.request.at)));
    }
}

impl UsageMetrics {
    /// Formats the counters in Prometheus's text format.
    pub fn prometheus(&self, live: &CurrentSpend) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, lines: Vec<(String, String)>| {
            out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            for (labels, value) in lines {
                out.push_str(&format!("{name}{labels} {value}\n"));
            }
        };
        let each = |figure: &dyn Fn(&ModelMetrics) -> String| -> Vec<(String, String)> {
            self.rows
                .iter()
                .map(|((a, m), row)| (labels(&[("agent", a), ("model", m)]), figure(row)))
                .collect()
        };
        family("clawgate_requests_total", "counter", "Provider requests.", each(&|m| m.requests.to_string()));
        let kinds: [(&str, TokenCount); 5] = [
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
        let help = "Cost in USD of the requests that have a price.";
        family("clawgate_cost_usd_total", "counter", help, each(&|m| approximate_usd(m.picousd).to_string()));
        let help = "Tokens of requests without a known price.";
        family("clawgate_unpriced_tokens_total", "counter", help, each(&|m| m.unpriced_tokens.to_string()));
        let money = |p: i64| approximate_usd(p.into()).to_string();
        let help = "Cost in USD of the current day.";
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
        let help = "Amount spent of a budget, in USD.";
        family("clawgate_budget_spent_usd", "gauge", help, budget(&|b| b.spent_picousd));
        family(
            "clawgate_budget_limit_usd",
            "gauge",
            "Limit of a budget, in USD.",
            budget(&|b| b.limit_picousd),
        );
        let help = "Number of thresholds that are exceeded now.";
        family("clawgate_alerts", "gauge", help, vec![(String::new(), live.alerts.len().to_string())]);
        out
    }
}

/// Formats labels. Escapes their values for the text format and removes control characters.
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
    fn a_bucket_includes_its_upper_bound() {
        let mut s = Histogram::default();
        for n in [0, 1, 2, 4, 5, 67_108_864, 67_108_865, u64::MAX] {
            s.add(n);
        }
        assert_eq!((s.buckets[0], s.buckets[1], s.buckets[2]), (2, 2, 1));
        assert_eq!((s.buckets[13], s.buckets[14], s.sum), (1, 2, u64::MAX));
    }

    #[test]
    fn label_values_cannot_end_the_label() {
        assert_eq!(
            labels(&[("model", "a\"} 1\n\\x\u{7}"), ("k", "v")]),
            "{model=\"a\\\"} 1\\n\\\\x\",k=\"v\"}"
        );
    }
}
