//! `clawgate publish`: sends exactly the approved bytes.

use crate::app::Failure;
use crate::app::release::{PublishParams, PublishReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::prompt::Terminal;
use crate::cli::render::{bold, green};
use crate::cli::table::one_line;

/// Publish a release that was signed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let params = PublishParams { release: args.release };
    let report = match cli.app()?.publish(&params, None) {
        // The receipt stands and only the token is sealed: the passphrase is all that is missing.
        Err(f) if f.code == "human_needed" && approved(cli, &params)? && cli.can_prompt() => {
            let mut terminal = cli.open_terminal("clawgate publish")?;
            let app = cli.app()?;
            let unlocked = with_passphrase(&mut terminal, |words| app.unlock(words))?;
            drop(terminal);
            cli.app()?.publish(&params, Some(&unlocked))?
        }
        other => other?,
    };
    cli.print_with_status(&report, render)
}

fn approved(cli: &mut CliContext, params: &PublishParams) -> Result<bool, Failure> {
    let preview = cli.app()?.preview(params.release.as_deref())?;
    Ok(preview.phase.name() == "approved")
}

/// Asks for the passphrase until it opens the keys, at most three times.
pub(super) fn with_passphrase<T>(
    terminal: &mut Terminal,
    mut open: impl FnMut(&str) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut tries = 3;
    loop {
        let words = terminal.secret("Passphrase: ")?;
        tries -= 1;
        match open(&words) {
            Err(f) if f.code == "wrong_passphrase" && tries > 0 => terminal.print_line(&f.message)?,
            other => return other,
        }
    }
}

/// What stands at the destination, in words.
pub(super) fn render(r: &PublishReport) -> String {
    format!(
        "{} {}\n{}, read back and compared\ndigest  {}\ncommit  {}\n",
        green("published"),
        bold(&one_line(&r.url)),
        pluralize(r.files, "file"),
        r.digest,
        one_line(&r.commit)
    )
}
