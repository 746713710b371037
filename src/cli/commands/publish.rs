//! `clawgate publish`: uploads the signed files.

use crate::app::Failure;
use crate::app::release::{PublishParams, PublishReport};
use crate::cli::approval_screen;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::render::{bold, green};
use crate::cli::table::one_line;
use crate::cli::time_args::TimeZoneArg;
use crate::workflow::Phase;

/// Publish a signed release
///
/// For a dataset on the Hub, shows what would be published and asks for the name of the destination and for your
/// passphrase, as `clawgate sign` does. Publishes only what you signed with your own key.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let release = args.release.clone();
    let report = match cli.app()?.publish(&PublishParams { release: args.release }) {
        // The release is signed. Only the passphrase that decrypts the Hub token is missing.
        Err(f) if f.code == "human_needed" && cli.can_prompt() && may_be_signed(cli, release.as_deref())? => {
            as_person(release.as_deref(), cli)?
        }
        other => other?,
    };
    cli.print_with_status(&report, render)
}

/// Whether a receipt may exist. A release whose receipt counts for nothing is listed as confirmed; the preview says why.
fn may_be_signed(cli: &mut CliContext, release: Option<&str>) -> Result<bool, Failure> {
    Ok(matches!(cli.app()?.release_item(release)?.state, Phase::Confirmed | Phase::Approved))
}

/// Shows what was signed, asks the same question as `sign`, and publishes it.
fn as_person(release: Option<&str>, cli: &mut CliContext) -> Result<PublishReport, CommandError> {
    let width = cli.width().min(100);
    let ready = cli.app()?.publish_preview(release)?;
    let command = format!("clawgate publish {}", ready.approval.release());
    let times = cli.times(&TimeZoneArg::default())?;
    let mut terminal = cli.open_terminal(&command)?;
    cli.print(&super::preview::render(&ready.approval.preview, width))?;
    if let Some(key) = ready.second_key() {
        terminal.print_line(&format!("2 of 2 approvals: {} signed too.", one_line(key)))?;
    }
    cli.app()?.record_question("publish", ready.approval.release(), &ready.approval.shown)?;
    approval_screen::ask(&mut terminal, &ready.approval, &command, &times)?;
    let app = cli.app()?;
    Ok(terminal.passphrase(|passphrase| app.publish_shown(&ready, passphrase))?)
}

/// Renders what was published and where.
pub(super) fn render(r: &PublishReport) -> String {
    format!(
        "{} {}\n{}, read back and verified\ndigest  {}\ncommit  {}\n",
        green("published"),
        bold(&one_line(&r.url)),
        pluralize(r.files, "file"),
        r.digest,
        one_line(&r.commit)
    )
}
