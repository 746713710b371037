//! `clawgate cost otlp`: usage as OpenTelemetry metrics to a collector that the person names.

use crate::app::Failure;
use crate::app::cost::OtlpParams;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_bytes, pluralize};

/// Send usage as OpenTelemetry metrics to a collector you name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of the collector (OTLP over HTTP), for instance http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// A header, NAME=VALUE; those of OTEL_EXPORTER_OTLP_HEADERS are sent too
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let named = cli.process.env.var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for header in named.split(',').filter(|h| !h.trim().is_empty()) {
        let (name, value) = pair(header)?;
        headers.push((name, decoded(&value)));
    }
    for header in &args.header {
        headers.push(pair(header)?);
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
    cli.print_raw(text.as_bytes())
}

fn pair(header: &str) -> Result<(String, String), Failure> {
    let pair = header.split_once('=').filter(|(name, _)| !name.trim().is_empty());
    let bad = || Failure::usage("bad_header", "A header is NAME=VALUE.");
    pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).ok_or_else(bad)
}

/// Undoes the percent-encoding that values in the variable have (OpenTelemetry's specification of the OTLP exporter).
fn decoded(value: &str) -> String {
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
    fn headers_of_the_variable_are_decoded() {
        assert_eq!(pair(" authorization = Basic%20a%3D ").unwrap().1, "Basic%20a%3D");
        assert_eq!(decoded("Basic%20a%3D"), "Basic a=");
        assert_eq!(["100%", "%zz", "%e9", "é%41"].map(decoded), ["100%", "%zz", "\u{fffd}", "éA"]);
        assert!(pair("=x").is_err() && pair("x").is_err());
    }
}
