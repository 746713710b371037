//! `clawgate cost export` and `clawgate cost import`: exchange usage ledgers between machines.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write, stdin};
use std::path::PathBuf;

use crate::app::cost::ImportedLedger;
use crate::app::{Failure, text::sanitize};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::{format_count, pluralize};
use crate::cli::path_arg::expand_home;
use crate::cli::render::yellow;

/// Export the usage ledger of this machine as JSON Lines
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Output file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of this machine in the export
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
}

/// Import usage ledgers of other machines
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Files written by `clawgate cost export` on other machines, or "-" for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn export(args: ExportArgs, cli: &mut CliContext) -> Result<(), CommandError> {
    let Some(path) = args.output else {
        let mut out = Vec::new();
        cli.app()?.export_ledger(args.device.as_deref(), &mut out)?;
        return cli.print_raw(&out);
    };
    let path = expand_home(path, cli.home());
    let io = |e: std::io::Error| Failure::failed("io", format!("Cannot write {}: {e}.", path.display()));
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    // A temporary file, so that an interrupted export leaves no partial file. Its mode is 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    let mut out = BufWriter::new(file.as_file_mut());
    let report = cli.app()?.export_ledger(args.device.as_deref(), &mut out)?;
    out.flush().map_err(io)?;
    drop(out);
    file.persist(&path).map_err(|e| io(e.error))?;
    cli.print_report(&report, |r| {
        format!("Wrote {} of {} to {}\n", pluralize(r.records, "record"), sanitize(&r.device), path.display())
    })
}

pub(super) fn import(args: ImportArgs, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut reports = Vec::new();
    for path in &args.files {
        let report = if path.as_os_str() == "-" {
            cli.app()?.import_ledger(&mut stdin().lock())?
        } else {
            let file = File::open(path)
                .map_err(|e| Failure::failed("io", format!("Cannot read {}: {e}.", path.display())))?;
            cli.app()?.import_ledger(&mut BufReader::new(file))?
        };
        reports.push(report);
    }
    cli.print_report(&reports, |all| all.iter().map(render).collect())
}

fn render(r: &ImportedLedger) -> String {
    let mut out = format!(
        "{}: read {}, {} new\n",
        sanitize(&r.device),
        pluralize(r.records, "record"),
        pluralize(r.new_requests, "request")
    );
    if r.skipped > 0 {
        out.push_str(&format!("{}\n", yellow(&format!("Skipped {}:", pluralize(r.skipped, "line")))));
        for (line, reason) in &r.skipped_lines {
            out.push_str(&format!("  line {}: {}\n", format_count(*line), sanitize(reason)));
        }
    }
    out
}
