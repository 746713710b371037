//! `clawgate publish`: uploads the signed files.

use crate::app::Failure;
use crate::app::release::{PublishParams, PublishReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::prompt::Terminal;
use crate::cli::render::{bold, green};
use crate::cli::table::one_line;

/// Publish a signed release
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = PublishParams { release: args.release };
    let report = match cli.app()?.publish(&params, None) {
        // The release is signed. Only the passphrase that decrypts the Hub token is missing.
        Err(f) if f.code == "human_needed" && is_approved(cli, &params)? && cli.can_prompt() => {
            let mut terminal = cli.open_terminal("clawgate publish")?;
            let app = cli.app()?;
            let unlocked = with_passphrase(&mut terminal, |passphrase| app.unlock(passphrase))?;
            drop(terminal);
            cli.app()?.publish(&params, Some(&unlocked))?
        }
        other => other?,
    };
    cli.print_with_status(&report, render)
}

fn is_approved(cli: &mut CliContext, params: &PublishParams) -> Result<bool, Failure> {
    let preview = cli.app()?.preview(params.release.as_deref())?;
    Ok(preview.state.as_str() == "approved")
}

/// A wrong passphrase can be corrected until this many were entered.
const MAX_PASSPHRASE_ATTEMPTS: usize = 3;

/// Asks for the passphrase until it is correct, at most [`MAX_PASSPHRASE_ATTEMPTS`] times.
pub(super) fn with_passphrase<T>(
    terminal: &mut Terminal,
    mut unlock: impl FnMut(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut attempts_left = MAX_PASSPHRASE_ATTEMPTS;
    loop {
        let passphrase = terminal.secret("Passphrase: ")?;
        attempts_left -= 1;
        match unlock(&passphrase) {
            Err(f) if f.code == "wrong_passphrase" && attempts_left > 0 => terminal.print_line(&f.message)?,
            other => return other,
        }
    }
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
