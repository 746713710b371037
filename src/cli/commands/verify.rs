//! `clawgate verify`: compares a published dataset on disk with its signed provenance statement.

use crate::app::release::VerifyReport;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{green, red, yellow};
use crate::cli::table::one_line;
use crate::cli::time_args::{TimeZoneArg, Times};

/// Verify a published dataset against its provenance statement, offline
///
/// Compares every file with the statement in provenance.json, checks the signatures, and says which keys signed. If the policy
/// of the owner demanded two approvers, both have to have signed. Files that the statement does not name are listed, and .git
/// and .cache are not read. Anyone can sign a changed dataset with other keys: `--key` requires the owner's, and each approver's
/// if it is repeated. A dataset OWNER/NAME is looked up in the cache of the Hub's tools; nothing is downloaded.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the dataset, or OWNER/NAME of a downloaded one
    dataset: String,
    /// Fingerprint of a key that must have signed; repeat it for two approvers
    #[arg(long, value_name = "FINGERPRINT")]
    key: Vec<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let report = cli.app()?.verify_dataset(&args.dataset, &args.key)?;
    let times = cli.times(&TimeZoneArg::default())?;
    cli.print_report(&report, |r| render(r, &times))?;
    if report.valid { Ok(()) } else { Err(CommandError::ExitCode(1)) }
}

fn render(r: &VerifyReport, times: &Times) -> String {
    let mut out = match r.valid {
        true if r.unknown.is_empty() => {
            format!("{} {} as approved\n", green("ok:"), pluralize(r.files, "file"))
        }
        // Anyone can sign a changed dataset with new keys.
        true => format!(
            "{} {} as signed by {}\n",
            yellow(if r.unknown.len() > 1 { "unknown keys:" } else { "unknown key:" }),
            pluralize(r.files, "file"),
            one_line(&r.unknown.join(" and "))
        ),
        false => format!(
            "{} {} is not the approved dataset\n",
            red("not valid:"),
            one_line(&r.path.display().to_string())
        ),
    };
    for problem in &r.problems {
        out.push_str(&format!("  {}\n", one_line(problem)));
    }
    for name in &r.not_covered {
        out.push_str(&format!("  {} {}\n", yellow("not covered:"), one_line(name)));
    }
    let Some(p) = &r.provenance else { return out };
    for key in r.key.iter().chain(&r.second_key) {
        let known = match r.unknown.contains(key) {
            true => yellow("not known on this machine; compare it with the owner's"),
            false => "enrolled on this machine or given".to_owned(),
        };
        out.push_str(&format!("key        {} ({known})\n", one_line(key)));
    }
    let signed = times.minute_with_zone(p.signed);
    out.push_str(&format!("approved   {signed} at level {}\n", p.assurance));
    if p.approvers > 1 {
        out.push_str(&format!(
            "approvals  {} of {}, as the policy of the owner demanded\n",
            p.approvers, p.approvers
        ));
    }
    if let Some(repository) = &p.repository {
        out.push_str(&format!("dataset    {} ({})\n", one_line(repository), p.visibility.as_str()));
    }
    out.push_str(&format!("review     {}\n", p.coverage));
    if let Some(reader) = &p.reader {
        out.push_str(&format!("reader     found {} of {} decoys\n", reader.found, reader.planted));
    }
    out.push_str(&format!("rules      {}\ndigest     {}\n", one_line(&p.rules_version), one_line(&p.digest)));
    for (release, p) in &r.additions {
        let signed = times.minute_with_zone(p.signed);
        let fingerprint = one_line(&p.approver.fingerprint);
        out.push_str(&format!(
            "added      {release}, approved {signed} with key {fingerprint}; {}\n",
            p.coverage
        ));
    }
    out
}
