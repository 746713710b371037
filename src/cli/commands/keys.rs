//! `clawgate keys`: the approver's key, sealed by a passphrase that only the person knows.

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::app::release::KeysReport;
use crate::app::{Failure, Kind};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::prompt::Terminal;
use crate::cli::render::{bold, yellow};

/// Make or show the approver's keys
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the key and seal it, and a Hub token if you have one, with a passphrase (asks on your terminal)
    Init,
    /// Show fingerprints; nothing secret
    Show,
}

/// How often a passphrase may be typed differently.
const TRIES: usize = 3;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match args.what {
        What::Show => {
            let report = cli.app()?.keys()?;
            cli.print_with_status(&report, render)
        }
        What::Init => {
            if let Some(own) = cli.app()?.keys()?.fingerprint {
                let f = Failure::usage("keys_exist", format!("This clawgate has a key already: {own}."));
                return Err(f.hint("clawgate keys show").into());
            }
            let mut terminal = cli.open_terminal("clawgate keys init")?;
            let passphrase = new_passphrase(&mut terminal)?;
            let token = hub_token(&mut terminal, "Hub token, to be sealed with it (Enter for none): ")?;
            let report = cli.app()?.keys_init(&passphrase, token.as_ref().map(|t| t.as_str()))?;
            cli.print_with_status(&report, |r| {
                let mut out = render(r);
                out.push_str(
                    "Note the fingerprint somewhere else: it tells whether somebody enrolled another key.\n",
                );
                out.push_str("The passphrase cannot be recovered; without it nothing can be signed.\n");
                out
            })
        }
    }
}

fn new_passphrase(terminal: &mut Terminal) -> Result<Zeroizing<String>, Failure> {
    terminal.print_line("Choose a passphrase. It approves every publication; no agent may ever learn it.")?;
    for _ in 0..TRIES {
        let first = terminal.secret("Passphrase (12 characters or more): ")?;
        let second = terminal.secret("The same again: ")?;
        if *first == *second {
            return Ok(first);
        }
        terminal.print_line("They differ.")?;
    }
    Err(Failure::new(Kind::Usage, "passphrases_differ", "The two passphrases differ.")
        .hint("clawgate keys init"))
}

/// Asks for a Hub token; `None` where the person has none.
pub(super) fn hub_token(
    terminal: &mut Terminal,
    question: &str,
) -> Result<Option<Zeroizing<String>>, Failure> {
    terminal.print_line(
        "A fine-grained Hub token that may write to the one dataset repository is enough and is safest.",
    )?;
    let token = terminal.secret(question)?;
    let token = Zeroizing::new(token.trim().to_owned());
    Ok((!token.is_empty()).then_some(token))
}

/// The keys in words.
pub(super) fn render(r: &KeysReport) -> String {
    let Some(own) = &r.fingerprint else {
        return format!("{} clawgate keys init makes one.\n", yellow("No approver key yet:"));
    };
    let token = if r.hub_token_sealed { "sealed" } else { "none" };
    let mut out = format!("approver key  {}\nHub token     {token}\n", bold(own));
    for other in r.enrolled.iter().filter(|e| *e != own) {
        out.push_str(&format!("also enrolled {other}\n"));
    }
    out
}
