//! Sends usage as OpenTelemetry metrics (OTLP over HTTP with JSON) to a collector that the user names.
//!
//! Names and attributes follow the GenAI semantic conventions: the counters `gen_ai.client.inference.usage.*` of the
//! current edition and the histogram `gen_ai.client.token.usage` of the previous one. The conventions have no metric
//! for cost, so it is sent as `clawgate.cost`. Only agents, providers, models and figures are sent, never a project, a
//! session or its text.

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::cost::metrics::{BUCKET_BOUNDS, Histogram, ModelMetrics, UsageMetrics};
use crate::app::http::{Poster, check};
use crate::app::{App, Failure, text::sanitize};
use crate::pricing::approximate_usd;

/// Destination of the metrics.
#[derive(Debug, Clone, Default)]
pub struct OtlpParams {
    /// Address of the collector, for example `http://127.0.0.1:4318`. `/v1/metrics` is appended if it is missing.
    pub endpoint: String,
    /// HTTP headers, for example with a key.
    pub headers: Vec<(String, String)>,
    /// Returns the payload instead of sending it.
    pub dry_run: bool,
}

/// Result of an export.
#[derive(Debug, Clone, Serialize)]
pub struct OtlpReport {
    pub sent: bool,
    /// Number of data points in the payload.
    pub points: u64,
    /// Size of the payload in bytes.
    pub bytes: u64,
    /// The payload, if it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// Returns a string attribute.
fn string_attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Start and end of the counted period, in nanoseconds since 1970.
struct Period {
    start: String,
    end: String,
}

impl Period {
    fn point(&self, attributes: Vec<Value>, value: (&str, Value)) -> Value {
        json!({ "attributes": attributes, "startTimeUnixNano": self.start, "timeUnixNano": self.end, value.0: value.1 })
    }
}

fn attributes(agent: &str, model: &str, m: &ModelMetrics) -> Vec<Value> {
    vec![
        string_attribute("gen_ai.operation.name", "chat"),
        string_attribute("gen_ai.provider.name", &m.provider),
        string_attribute("gen_ai.request.model", model),
        string_attribute("clawgate.agent", agent),
    ]
}

/// Returns a counter over everything since the first request. OTLP's JSON encodes 64-bit integers as strings.
fn counter(name: &str, unit: &str, description: &str, points: Vec<Value>) -> Value {
    json!({
        "name": name, "unit": unit, "description": description,
        "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points },
    })
}

/// Selects one of the counters of a model.
type ModelCount = fn(&ModelMetrics) -> u64;

/// Name, description and value of each token counter.
const TOKEN_COUNTERS: &[(&str, &str, ModelCount)] = &[
    ("gen_ai.client.inference.usage.input_tokens", "Input tokens used, including cached tokens.", |m| {
        m.input.sum
    }),
    ("gen_ai.client.inference.usage.output_tokens", "Output tokens used, including reasoning.", |m| {
        m.output.sum
    }),
    ("gen_ai.client.inference.usage.cache_read.input_tokens", "Input tokens read from cache.", |m| {
        m.tokens.cache_read
    }),
    ("gen_ai.client.inference.usage.cache_write.input_tokens", "Input tokens written to cache.", |m| {
        m.tokens.cache_write()
    }),
    ("gen_ai.client.inference.usage.reasoning.output_tokens", "Output tokens that were reasoning.", |m| {
        m.tokens.reasoning
    }),
];

/// Returns the OTLP payload and its number of data points.
fn payload(usage: &UsageMetrics) -> (Value, u64) {
    let nanos = |ms: i64| (i128::from(ms.max(0)) * 1_000_000).to_string();
    let since = usage.since.unwrap_or(usage.at).min(usage.at);
    let period = Period { start: nanos(since.millis()), end: nanos(usage.at.millis()) };
    let mut points = 0;
    let mut of_each = |point: &dyn Fn(&str, &str, &ModelMetrics) -> Vec<Value>| -> Vec<Value> {
        let all: Vec<Value> = usage.rows.iter().flat_map(|((a, m), row)| point(a, m, row)).collect();
        points += all.len() as u64;
        all
    };
    let mut metrics = Vec::new();
    for (name, description, count) in TOKEN_COUNTERS {
        let all = of_each(&|a, m, row| {
            let mut attributes = attributes(a, m, row);
            // The logs do not record the modality of tokens.
            attributes.push(string_attribute("gen_ai.token.modality", "unknown"));
            vec![period.point(attributes, ("asInt", json!(count(row).to_string())))]
        });
        metrics.push(counter(name, "{token}", description, all));
    }
    let all = of_each(&|a, m, row| {
        let one = |kind: &str, histogram: &Histogram| {
            let mut attributes = attributes(a, m, row);
            attributes.push(string_attribute("gen_ai.token.type", kind));
            let counts: Vec<String> = histogram.buckets.iter().map(u64::to_string).collect();
            let mut point = period.point(attributes, ("count", json!(row.requests.to_string())));
            point["sum"] = json!(histogram.sum as f64);
            point["bucketCounts"] = json!(counts);
            point["explicitBounds"] = json!(BUCKET_BOUNDS.map(|b| b as f64));
            point
        };
        vec![one("input", &row.input), one("output", &row.output)]
    });
    metrics.push(json!({
        "name": "gen_ai.client.token.usage", "unit": "{token}",
        "description": "Number of input and output tokens used.",
        "histogram": { "aggregationTemporality": 2, "dataPoints": all },
    }));
    let all = of_each(&|a, m, row| {
        vec![period.point(attributes(a, m, row), ("asInt", json!(row.requests.to_string())))]
    });
    metrics.push(counter("clawgate.requests", "{request}", "Provider requests.", all));
    let all = of_each(&|a, m, row| {
        vec![period.point(attributes(a, m, row), ("asDouble", json!(approximate_usd(row.picousd))))]
    });
    metrics.push(counter("clawgate.cost", "USD", "Cost of the requests that have a known price.", all));
    let all = of_each(&|a, m, row| {
        vec![period.point(attributes(a, m, row), ("asInt", json!(row.unpriced_tokens.to_string())))]
    });
    metrics.push(counter("clawgate.unpriced_tokens", "{token}", "Tokens without a known price.", all));
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [string_attribute("service.name", "clawgate"), string_attribute("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeMetrics": [{ "scope": { "name": "clawgate", "version": env!("CARGO_PKG_VERSION") }, "metrics": metrics }],
    }] });
    (body, points)
}

impl App {
    /// Sends the counters to a collector, or returns the payload of a dry run.
    ///
    /// # Errors
    /// [`Failure`] if the address is invalid, the archive refuses, or the collector does not accept the metrics.
    pub fn otlp(&mut self, p: &OtlpParams) -> Result<OtlpReport, Failure> {
        let mut url = check(&p.endpoint, !p.headers.is_empty())?;
        if !url.path().ends_with("/v1/metrics") {
            let path = format!("{}/v1/metrics", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        let (payload, points) = payload(&self.usage_metrics()?);
        let body = payload.to_string();
        let bytes = body.len() as u64;
        if p.dry_run {
            return Ok(OtlpReport { sent: false, points, bytes, payload: Some(payload) });
        }
        let response =
            Poster::new(url.as_str(), &p.headers).and_then(|poster| poster.post(&body)).map_err(|f| {
                let message = format!("The collector did not accept the metrics. {}", f.message);
                Failure { message, ..f }.hint("run the same command with --dry-run to see the payload")
            })?;
        match rejected(&response) {
            Some((0, _)) | None => Ok(OtlpReport { sent: true, points, bytes, payload: None }),
            Some((n, why)) => {
                let message = format!("The collector rejected {n} of {points} data points. {why}");
                Err(Failure::failed("otlp_partial", message.trim_end().to_owned()))
            }
        }
    }
}

/// Returns the number of data points that a collector rejected, and its reason. OTLP reports this in a successful
/// response.
fn rejected(response: &[u8]) -> Option<(u64, String)> {
    let answer: Value = serde_json::from_slice(response).ok()?;
    let partial = answer.get("partialSuccess")?;
    let n = partial.get("rejectedDataPoints")?;
    let n = n.as_u64().or_else(|| n.as_str()?.parse().ok())?;
    let why = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    Some((n, sanitize(&why.chars().take(200).collect::<String>())))
}

#[cfg(test)]
mod tests {
    use super::rejected;

    #[test]
    fn a_partial_success_differs_from_a_complete_one() {
        let n = |text: &str| rejected(text.as_bytes()).map(|(n, _)| n);
        for whole in ["", "{}", "ok", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#] {
            assert_eq!(n(whole), None, "{whole}");
        }
        assert_eq!(n(r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}"#), Some(3));
        assert_eq!(n(r#"{"partialSuccess":{"rejectedDataPoints":7}}"#), Some(7));
        let (_, why) =
            rejected(b"{\"partialSuccess\":{\"rejectedDataPoints\":1,\"errorMessage\":\"\\u001b[31m\"}}")
                .unwrap();
        assert!(!why.contains('\u{1b}'), "{why}");
    }
}
