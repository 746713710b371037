//! Usage as OpenTelemetry metrics (OTLP over HTTP, JSON encoding), sent to a collector that the person names.
//!
//! Names and attributes are those of the GenAI semantic conventions: the counters `gen_ai.client.inference.usage.*`
//! of the present edition and the histogram `gen_ai.client.token.usage` of the one before. Money has no convention;
//! it goes out as `clawgate.cost`. What leaves is agent, provider, model and figures: no project, session or text.

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::cost::metrics::{BOUNDS, Meter, Meters, Spread, usd};
use crate::app::http::{Post, check, post};
use crate::app::{App, Failure, text::sanitize};

/// Where to send, and what else the collector wants to see.
#[derive(Debug, Clone, Default)]
pub struct OtlpParams {
    /// Address of the collector, `http://127.0.0.1:4318`; `/v1/metrics` is added where it is missing.
    pub endpoint: String,
    /// Headers, for instance a key.
    pub headers: Vec<(String, String)>,
    /// Shows what would be sent and sends nothing.
    pub dry_run: bool,
}

/// What was sent.
#[derive(Debug, Clone, Serialize)]
pub struct OtlpReport {
    /// Whether it was sent.
    pub sent: bool,
    /// Data points in it.
    pub points: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// The whole of it, where nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// An attribute.
fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

struct Times {
    start: String,
    end: String,
}

impl Times {
    fn point(&self, attributes: Vec<Value>, value: (&str, Value)) -> Value {
        json!({ "attributes": attributes, "startTimeUnixNano": self.start, "timeUnixNano": self.end, value.0: value.1 })
    }
}

fn attributes(agent: &str, model: &str, m: &Meter) -> Vec<Value> {
    vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", &m.provider),
        text("gen_ai.request.model", model),
        text("clawgate.agent", agent),
    ]
}

/// A counter that only grows, of everything since the first request. 64-bit integers are text in OTLP's JSON.
fn counter(name: &str, unit: &str, description: &str, points: Vec<Value>) -> Value {
    json!({
        "name": name, "unit": unit, "description": description,
        "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points },
    })
}

type Count = fn(&Meter) -> u64;

const TOKENS: &[(&str, &str, Count)] = &[
    ("gen_ai.client.inference.usage.input_tokens", "Input tokens used, cached ones included.", |m| {
        m.input.sum
    }),
    ("gen_ai.client.inference.usage.output_tokens", "Output tokens used, reasoning included.", |m| {
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

/// The metrics of the counters.
pub(in crate::app) fn payload(meters: &Meters) -> (Value, u64) {
    let nanos = |ms: i64| (i128::from(ms.max(0)) * 1_000_000).to_string();
    let since = meters.since.unwrap_or(meters.at).min(meters.at);
    let times = Times { start: nanos(since.millis()), end: nanos(meters.at.millis()) };
    let mut points = 0;
    let mut of_each = |point: &dyn Fn(&str, &str, &Meter) -> Vec<Value>| -> Vec<Value> {
        let all: Vec<Value> = meters.rows.iter().flat_map(|((a, m), row)| point(a, m, row)).collect();
        points += all.len() as u64;
        all
    };
    let mut metrics = Vec::new();
    for (name, description, count) in TOKENS {
        let all = of_each(&|a, m, row| {
            let mut attributes = attributes(a, m, row);
            // Logs do not say which tokens were text.
            attributes.push(text("gen_ai.token.modality", "unknown"));
            vec![times.point(attributes, ("asInt", json!(count(row).to_string())))]
        });
        metrics.push(counter(name, "{token}", description, all));
    }
    let all = of_each(&|a, m, row| {
        let one = |kind: &str, spread: &Spread| {
            let mut attributes = attributes(a, m, row);
            attributes.push(text("gen_ai.token.type", kind));
            let counts: Vec<String> = spread.buckets.iter().map(u64::to_string).collect();
            let mut point = times.point(attributes, ("count", json!(row.requests.to_string())));
            point["sum"] = json!(spread.sum as f64);
            point["bucketCounts"] = json!(counts);
            point["explicitBounds"] = json!(BOUNDS.map(|b| b as f64));
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
        vec![times.point(attributes(a, m, row), ("asInt", json!(row.requests.to_string())))]
    });
    metrics.push(counter("clawgate.requests", "{request}", "Provider requests.", all));
    let all =
        of_each(&|a, m, row| vec![times.point(attributes(a, m, row), ("asDouble", json!(usd(row.picousd))))]);
    metrics.push(counter("clawgate.cost", "USD", "Cost of what has a known price.", all));
    let all = of_each(&|a, m, row| {
        vec![times.point(attributes(a, m, row), ("asInt", json!(row.unpriced_tokens.to_string())))]
    });
    metrics.push(counter("clawgate.unpriced_tokens", "{token}", "Tokens without a known price.", all));
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [text("service.name", "clawgate"), text("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeMetrics": [{ "scope": { "name": "clawgate", "version": env!("CARGO_PKG_VERSION") }, "metrics": metrics }],
    }] });
    (body, points)
}

impl App {
    /// Sends the counters to a collector, or shows what would be sent.
    ///
    /// # Errors
    /// [`Failure`] where the address cannot be used, the archive refuses, or the collector does not take it.
    pub fn otlp(&mut self, p: &OtlpParams) -> Result<OtlpReport, Failure> {
        let mut url = check(&p.endpoint, !p.headers.is_empty())?;
        if !url.path().ends_with("/v1/metrics") {
            let path = format!("{}/v1/metrics", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        let (payload, points) = payload(&self.meters()?);
        let body = payload.to_string();
        let bytes = body.len() as u64;
        if p.dry_run {
            return Ok(OtlpReport { sent: false, points, bytes, payload: Some(payload) });
        }
        let said = post(&Post { url: url.as_str(), headers: &p.headers, body: &body }).map_err(|f| {
            let message = format!("The collector did not take it. {}", f.message);
            Failure { message, ..f }.hint("the same command with --dry-run shows what would be sent")
        })?;
        match rejected(&said) {
            Some((0, _)) | None => Ok(OtlpReport { sent: true, points, bytes, payload: None }),
            Some((n, why)) => {
                let message = format!("The collector left out {n} of {points} data points. {why}");
                Err(Failure::failed("otlp_partial", message.trim_end().to_owned()))
            }
        }
    }
}

/// How many data points a collector says that it left out, and why: success may be partial in OTLP.
fn rejected(said: &[u8]) -> Option<(u64, String)> {
    let answer: Value = serde_json::from_slice(said).ok()?;
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
    fn a_partial_success_is_told_from_a_whole_one() {
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
