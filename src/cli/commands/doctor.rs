//! `clawgate doctor`: checks the installation.

use crate::app::doctor::{CheckResult, DoctorReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::render::{dim, green, red, yellow};
use crate::cli::table::one_line;

/// Check agent logs, file permissions, archive, keys and unprotected tokens
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let report = cli.app()?.doctor()?;
    cli.print_with_status(&report, render)?;
    if report.healthy { Ok(()) } else { Err(CommandError::ExitCode(1)) }
}

fn render(r: &DoctorReport) -> String {
    let mut out = String::new();
    for c in &r.checks {
        let verdict = match c.verdict {
            CheckResult::Ok => green("ok  "),
            CheckResult::Note => dim("note"),
            CheckResult::Warn => yellow("warn"),
            CheckResult::Bad => red("bad "),
        };
        out.push_str(&format!("{verdict}  {}: {}\n", one_line(&c.name), one_line(&c.detail)));
        if let Some(fix) = &c.fix {
            out.push_str(&format!("      {}\n", dim(&format!("fix: {}", one_line(fix)))));
        }
    }
    out
}
