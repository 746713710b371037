//! `clawgate sign`: shows the release, asks for the passphrase on the controlling terminal, signs and publishes.

use std::path::Path;

use serde::Serialize;

use super::publish;
use crate::app::Failure;
use crate::app::release::{Preview, PublishParams, PublishReport, SignReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::prompt::Terminal;
use crate::cli::render::{destination, green};
use crate::cli::time_args::{TimeZoneArg, Times};
use crate::gate::GateError;
use crate::workflow::Target;

/// Sign a release with your passphrase, and publish it
///
/// Shows what would be published, asks for the name of the destination and for your passphrase on the terminal, signs the
/// release with your approver key, and publishes it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
    /// Sign the release without publishing it
    #[arg(long)]
    no_publish: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    signed: SignReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<PublishReport>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let width = cli.width().min(100);
    let app = cli.app()?;
    let shown = app.sign_preview(args.release.as_deref())?;
    let keys = app.keys()?;
    let mut terminal = cli.open_terminal(&format!("clawgate sign {}", shown.release))?;
    if keys.fingerprint.is_none() {
        return Err(Failure::from(GateError::NoKeys).into());
    }
    let hub = matches!(shown.destination.as_ref().map(|d| &d.target), Some(Target::Hub { .. }));
    if hub && !keys.hub_token_sealed && !args.no_publish {
        return Err(Failure::from(GateError::NoToken).into());
    }
    // With --json, standard output is for a program, so the person reads the preview on the terminal.
    let text = super::preview::render(&shown, width);
    if cli.json {
        terminal.print_line(&anstream::adapter::strip_str(&text).to_string())?
    } else {
        cli.print(&text)?
    }
    confirm_destination(&mut terminal, &shown)?;
    let app = cli.app()?;
    let (signed, unlocked) =
        publish::with_passphrase(&mut terminal, |passphrase| app.sign(&shown, passphrase))?;
    drop(terminal);
    let published = match args.no_publish {
        true => None,
        false => {
            let params = PublishParams { release: Some(shown.release.clone()) };
            Some(cli.app()?.publish(&params, Some(&unlocked))?)
        }
    };
    let times = cli.times(&TimeZoneArg::default())?;
    cli.print_with_status(&Report { signed, published }, |r| render(r, &times))
}

/// Asks the person to type the name of the destination, so that pressing Enter is not enough to sign.
fn confirm_destination(terminal: &mut Terminal, shown: &Preview) -> Result<(), Failure> {
    let (what, name) = match shown.destination.as_ref().map(|d| &d.target) {
        // A release without a destination cannot be signed.
        None => ("destination", String::new()),
        Some(Target::Hub { repo, .. }) => ("dataset repository", repo.clone()),
        Some(Target::Folder { path }) => {
            let name = Path::new(path).file_name().map(|n| n.to_string_lossy().into_owned());
            ("folder", name.unwrap_or_else(|| path.clone()))
        }
    };
    let name = crate::app::text::sanitize(&name);
    terminal.print_line(&format!(
        "\nThis release goes to {}.\nFirst confirm the name of the {what}. Your passphrase is asked for after that.",
        destination(shown.destination.as_ref())
    ))?;
    let typed = terminal.line(&format!("Type \"{name}\" to approve: "))?;
    if typed.as_deref() == Some(name.as_str()) {
        return Ok(());
    }
    let f = Failure::failed("not_approved", "The name does not match. Nothing was signed.");
    Err(f.hint(format!("clawgate sign {}", shown.release)))
}

fn render(r: &Report, times: &Times) -> String {
    let mut out = format!(
        "{} release {} at level {} with approver key {}; the receipt is valid until {}\n",
        green("signed"),
        r.signed.release,
        r.signed.assurance,
        r.signed.fingerprint,
        times.minute_with_zone(r.signed.expires)
    );
    if let Some(p) = &r.published {
        out.push_str(&publish::render(p));
    }
    out
}
