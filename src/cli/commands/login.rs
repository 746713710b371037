//! `clawgate login`: stores, replaces or removes the encrypted Hub token.

use super::keys;
use crate::app::Failure;
use crate::cli::context::{CliContext, CommandError};
use crate::gate::GateError;

/// Store a Hub token, encrypted with your passphrase (asks on the terminal)
///
/// Replaces a stored token. If you enter none, you are asked whether to remove it.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let stored = cli.app()?.keys()?;
    if stored.fingerprint.is_none() {
        return Err(Failure::from(GateError::NoKeys).into());
    }
    let mut terminal = cli.open_terminal("clawgate login")?;
    let token = keys::hub_token(&mut terminal, "Hub token: ")?;
    if token.is_none() {
        let unchanged = Failure::failed("unchanged", "No token was entered. Nothing was changed.");
        if !stored.hub_token_sealed || !terminal.agrees("No token was entered. Remove the stored one?")? {
            return Err(unchanged.into());
        }
    }
    let passphrase = terminal.secret("Passphrase: ")?;
    let report = cli.app()?.keys_set_token(&passphrase, token.as_ref().map(|t| t.as_str()))?;
    cli.print_with_status(&report, keys::render)
}
