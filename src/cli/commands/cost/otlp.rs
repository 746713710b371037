//! `clawgate cost otlp`: sends usage as OpenTelemetry metrics.

use crate::app::Failure;
use crate::app::cost::OtlpParams;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, pluralize};

/// Send usage as OpenTelemetry metrics to a collector
#[derive(Debug, clap::Args)]
pub struct Args {
    /// OTLP/HTTP endpoint of the collector, for example http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Request header, in addition to those in OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// Print the metrics without sending them
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let from_env = cli.process.env.var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for header in from_env.split(',').filter(|h| !h.trim().is_empty()) {
        let (name, value) = parse_header(header)?;
        headers.push((name, percent_decode(&value)));
    }
    for header in &args.header {
        headers.push(parse_header(header)?);
    }
    let params = OtlpParams { endpoint: args.endpoint, headers, dry_run: args.dry_run };
    let report = cli.app()?.otlp(&params)?;
    if cli.json {
        return cli.print_report(&report, |_| String::new());
    }
    let text = match &report.payload {
        Some(payload) => {
            let text =
                serde_json::to_string_pretty(payload).map_err(|e| Failure::failed("json", e.to_string()))?;
            format!("{text}\n")
        }
        None => format!("Sent {}, {}.\n", pluralize(report.points, "data point"), format_bytes(report.bytes)),
    };
    cli.print_json_text(&text)
}

fn parse_header(header: &str) -> Result<(String, String), Failure> {
    let pair = header.split_once('=').filter(|(name, _)| !name.trim().is_empty());
    let bad = || Failure::usage("bad_header", "A header must have the form NAME=VALUE.");
    pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).ok_or_else(bad)
}

/// Decodes the percent-encoding that the OpenTelemetry specification requires for values in the variable.
fn percent_decode(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = value.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_environment_variable_are_percent_decoded() {
        assert_eq!(parse_header(" authorization = Basic%20a%3D ").unwrap().1, "Basic%20a%3D");
        assert_eq!(percent_decode("Basic%20a%3D"), "Basic a=");
        assert_eq!(["100%", "%zz", "%e9", "é%41"].map(percent_decode), ["100%", "%zz", "\u{fffd}", "éA"]);
        assert!(parse_header("=x").is_err() && parse_header("x").is_err());
    }
}
