//! `clawgate keys`: the key of the approver, encrypted with a passphrase that only the person knows.

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::app::release::KeysReport;
use crate::app::{App, Failure, Kind};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::prompt::Terminal;
use crate::cli::render::{bold, yellow};

/// Create or show approver keys
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create your approver key, encrypted with a passphrase, and store a Hub token with it (asks on the terminal)
    Init,
    /// Show the fingerprints of the approver keys (no secrets)
    Show,
}

/// After this many weak or mistyped passphrases, `keys init` gives up.
const MAX_PASSPHRASE_ATTEMPTS: usize = 5;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match args.command {
        KeysCommand::Show => {
            let report = cli.app()?.keys()?;
            cli.print_with_status(&report, render)
        }
        KeysCommand::Init => {
            if let Some(own) = cli.app()?.keys()?.fingerprint {
                let f = Failure::usage("keys_exist", format!("An approver key already exists: {own}."));
                return Err(f.hint("clawgate keys show").into());
            }
            let mut terminal = cli.open_terminal("clawgate keys init")?;
            let passphrase = new_passphrase(&mut terminal)?;
            let token = hub_token(&mut terminal, "Hub token to store with the key (Enter for none): ")?;
            let report = cli.app()?.keys_init(&passphrase, token.as_ref().map(|t| t.as_str()))?;
            cli.print_with_status(&report, |r| {
                let mut out = render(r);
                out.push_str(
                    "Write the fingerprint down in another place. If it differs later, somebody has replaced the key.\n",
                );
                out.push_str("The passphrase cannot be recovered. Without it, you cannot sign a release.\n");
                out
            })
        }
    }
}

fn new_passphrase(terminal: &mut Terminal) -> Result<Zeroizing<String>, Failure> {
    terminal.print_line("Choose a passphrase. It approves every release, so never give it to an agent.")?;
    let mut failure = Failure::new(Kind::Usage, "passphrases_differ", "The passphrases do not match.");
    for _ in 0..MAX_PASSPHRASE_ATTEMPTS {
        let first = terminal.secret("Passphrase (at least 12 characters): ")?;
        // Checked before the second entry and before the Hub token is asked for, so that no passphrase is typed there.
        if let Err(weak) = App::check_passphrase(&first) {
            terminal.print_line(&weak.message)?;
            failure = weak;
            continue;
        }
        let second = terminal.secret("Repeat passphrase: ")?;
        if *first == *second {
            return Ok(first);
        }
        terminal.print_line("The passphrases do not match.")?;
        failure = Failure::new(Kind::Usage, "passphrases_differ", "The passphrases do not match.");
    }
    Err(failure.hint("clawgate keys init"))
}

/// Asks for a Hub token. Returns `None` if the answer is empty.
pub(super) fn hub_token(
    terminal: &mut Terminal,
    question: &str,
) -> Result<Option<Zeroizing<String>>, Failure> {
    terminal.print_line("Use a fine-grained Hub token that can write only to your dataset repository.")?;
    loop {
        let token = terminal.secret(question)?;
        let token = Zeroizing::new(token.trim().to_owned());
        if token.is_empty() {
            return Ok(None);
        }
        // A passphrase that is typed here must not be stored and later sent to the Hub as a token.
        if token.starts_with(TOKEN_PREFIX) && !token.contains(char::is_whitespace) {
            return Ok(Some(token));
        }
        terminal.print_line(&format!(
            "That is not a Hub token: a token starts with {TOKEN_PREFIX}. Nothing was stored."
        ))?;
    }
}

/// The Hub's tokens start with this.
const TOKEN_PREFIX: &str = "hf_";

/// Renders the fingerprints and whether a Hub token is stored.
pub(super) fn render(r: &KeysReport) -> String {
    let Some(own) = &r.fingerprint else {
        return format!("{} Run `clawgate keys init` to create one.\n", yellow("No approver key."));
    };
    let token = if r.hub_token_sealed { "stored, encrypted" } else { "none" };
    let mut out = format!("approver key  {}\nHub token     {token}\n", bold(own));
    for other in r.enrolled.iter().filter(|e| *e != own) {
        out.push_str(&format!("also enrolled {other}\n"));
    }
    out
}
