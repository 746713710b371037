//! `clawgate cost export` and `clawgate cost import`: one ledger over several machines.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write, stdin};
use std::path::PathBuf;

use crate::app::cost::ImportedLedger;
use crate::app::{Failure, text::sanitize};
use crate::cli::face::{End, Face};
use crate::cli::money::{count, of};
use crate::cli::render::yellow;

/// Where the ledger goes.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// File to write; standard output where not said
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name of this machine
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
}

/// Which ledgers are read in.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Ledgers that `cost export` wrote on other machines; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn export(args: ExportArgs, face: &mut Face) -> Result<(), End> {
    let Some(path) = args.output else {
        let mut out = Vec::new();
        face.app()?.export_ledger(args.device.as_deref(), &mut out)?;
        return face.print_raw(&out);
    };
    let io = |e: std::io::Error| Failure::failed("io", format!("cannot write {}: {e}", path.display()));
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    // Whole or not at all, and for its owner only.
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    let mut out = BufWriter::new(file.as_file_mut());
    let report = face.app()?.export_ledger(args.device.as_deref(), &mut out)?;
    out.flush().map_err(io)?;
    drop(out);
    file.persist(&path).map_err(|e| io(e.error))?;
    face.answer(&report, |r| {
        format!("wrote {} of {} to {}\n", of(r.records, "record"), sanitize(&r.device), path.display())
    })
}

pub(super) fn import(args: ImportArgs, face: &mut Face) -> Result<(), End> {
    let mut reports = Vec::new();
    for path in &args.files {
        let report = if path.as_os_str() == "-" {
            face.app()?.import_ledger(&mut stdin().lock())?
        } else {
            let file = File::open(path)
                .map_err(|e| Failure::failed("io", format!("cannot read {}: {e}", path.display())))?;
            face.app()?.import_ledger(&mut BufReader::new(file))?
        };
        reports.push(report);
    }
    face.answer(&reports, |all| all.iter().map(human).collect())
}

fn human(r: &ImportedLedger) -> String {
    let mut out = format!(
        "{}: {} read, {} new\n",
        sanitize(&r.device),
        of(r.records, "record"),
        of(r.new_requests, "request")
    );
    if r.skipped > 0 {
        out.push_str(&format!("{}\n", yellow(&format!("{} could not be used", of(r.skipped, "line")))));
        for (line, reason) in &r.skipped_lines {
            out.push_str(&format!("  line {}: {}\n", count(*line), sanitize(reason)));
        }
    }
    out
}
