//! `clawgate cost otlp`: usage as OpenTelemetry metrics to a collector that the person names.

use crate::app::{Failure, OtlpParams};
use crate::cli::face::{End, Face};
use crate::cli::money::{bytes, of};

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

pub(super) fn run(args: Args, face: &mut Face) -> Result<(), End> {
    let named = face.edge.env.var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default().to_owned();
    let all = named.split(',').filter(|h| !h.trim().is_empty()).chain(args.header.iter().map(String::as_str));
    let headers = all
        .map(|h| {
            let pair = h.split_once('=').filter(|(name, _)| !name.trim().is_empty());
            let bad = || Failure::usage("bad_header", "A header is NAME=VALUE.");
            pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).ok_or_else(bad)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let params = OtlpParams { endpoint: args.endpoint, headers, dry_run: args.dry_run };
    let report = face.app()?.otlp(&params)?;
    if face.json {
        return face.answer(&report, |_| String::new());
    }
    let text = match &report.payload {
        Some(payload) => {
            let text =
                serde_json::to_string_pretty(payload).map_err(|e| Failure::failed("json", e.to_string()))?;
            format!("{text}\n")
        }
        None => format!("Sent {}, {}.\n", of(report.points, "data point"), bytes(report.bytes)),
    };
    face.print_raw(text.as_bytes())
}
