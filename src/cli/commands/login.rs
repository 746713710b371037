//! `clawgate login`: replaces the encrypted Hub token.

use super::keys;
use crate::cli::context::{CliContext, CommandError};
use crate::gate::GateError;

/// Store a Hub token, encrypted with your passphrase (asks on the terminal)
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(_: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    if cli.app()?.keys()?.fingerprint.is_none() {
        return Err(crate::app::Failure::from(GateError::NoKeys).into());
    }
    let mut terminal = cli.open_terminal("clawgate login")?;
    let token = keys::hub_token(&mut terminal, "Hub token (Enter removes the stored one): ")?;
    let passphrase = terminal.secret("Passphrase: ")?;
    let report = cli.app()?.keys_set_token(&passphrase, token.as_ref().map(|t| t.as_str()))?;
    cli.print_with_status(&report, keys::render)
}
