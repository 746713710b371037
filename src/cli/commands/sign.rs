//! `clawgate sign`: shows what will leave, takes the passphrase on the controlling terminal, and publishes.

use std::path::Path;

use serde::Serialize;

use super::publish;
use crate::app::release::{PublishParams, PublishReport, SignPreview, SignReport};
use crate::app::{App, Failure};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::prompt::Terminal;
use crate::cli::render::green;
use crate::cli::time_args::format_minute;
use crate::gate::{GateError, Unlocked};
use crate::workflow::Target;

/// Look at what will leave, approve it with your passphrase, and publish it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
    /// Only write the receipt
    #[arg(long)]
    no_publish: bool,
}

/// What was signed, and what became of it.
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
    let preview = app.preview(Some(&shown.release))?;
    let mut terminal = cli.open_terminal(&format!("clawgate sign {}", shown.release))?;
    if keys.fingerprint.is_none() {
        return Err(Failure::from(GateError::NoKeys).into());
    }
    let hub = matches!(shown.destination.target, Target::Hub { .. });
    if hub && !keys.hub_token_sealed && !args.no_publish {
        return Err(Failure::from(GateError::NoToken).into());
    }
    // With --json standard output is the program's; the person looks at the terminal.
    let text = super::preview::render(&preview, width);
    if cli.json {
        terminal.print_line(&anstream::adapter::strip_str(&text).to_string())?
    } else {
        cli.print(&text)?
    }
    typed_name(&mut terminal, &shown)?;
    let (signed, unlocked) = passphrase(&mut terminal, cli.app()?, &shown)?;
    drop(terminal);
    let published = match args.no_publish {
        true => None,
        false => {
            let params = PublishParams { release: Some(shown.release.clone()) };
            Some(cli.app()?.publish(&params, Some(&unlocked))?)
        }
    };
    cli.print_with_status(&Report { signed, published }, render)
}

/// The person types where it goes: nobody signs by leaning on Enter.
fn typed_name(terminal: &mut Terminal, shown: &SignPreview) -> Result<(), Failure> {
    let name = match &shown.destination.target {
        Target::Hub { repo, .. } => repo.clone(),
        Target::Folder { path } => {
            Path::new(path).file_name().map_or_else(|| path.clone(), |n| n.to_string_lossy().into_owned())
        }
    };
    let name = crate::app::text::sanitize(&name);
    let typed = terminal.line(&format!("\nTo approve, type {name} : "))?;
    if typed.as_deref() == Some(name.as_str()) {
        return Ok(());
    }
    let f = Failure::failed("not_approved", "That is not the name; nothing was signed.");
    Err(f.hint(format!("clawgate sign {}", shown.release)))
}

fn passphrase(
    terminal: &mut Terminal,
    app: &mut App,
    shown: &SignPreview,
) -> Result<(SignReport, Unlocked), Failure> {
    publish::with_passphrase(terminal, |words| app.sign(shown, words))
}

fn render(r: &Report) -> String {
    let mut out = format!(
        "{} {} at {} with key {}; the receipt holds until {} UTC\n",
        green("signed"),
        r.signed.release,
        r.signed.assurance,
        r.signed.key,
        format_minute(r.signed.expires)
    );
    if let Some(p) = &r.published {
        out.push_str(&publish::render(p));
    }
    out
}
