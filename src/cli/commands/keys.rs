//! `clawgate keys`: the key of the approver, encrypted with a passphrase that only the person knows.

use std::path::PathBuf;

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::app::release::{EnrolledKey, KeysReport};
use crate::app::{Failure, Kind};
use crate::cli::approval_screen::show_environment;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::prompt::Terminal;
use crate::cli::render::{bold, red, yellow};
use crate::cli::table::one_line;
use crate::platform::EchoOff;

/// Create, list and replace approver keys
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create your approver key, encrypted with a passphrase, and store a Hub token with it (asks on the terminal)
    Init,
    /// List the fingerprints of the approver keys (no secrets)
    #[command(visible_alias = "show")]
    List,
    /// Replace your approver key by a new one (asks for your passphrase)
    ///
    /// Receipts of the old key are no longer accepted. The Hub token and the keys of other approvers stay.
    Rotate,
    /// Print your public key, for another approver to enrol
    Export,
    /// Enrol the key of another approver, which `keys export` printed (asks for your passphrase)
    Enrol {
        /// File with the exported key
        file: PathBuf,
    },
    /// Remove the key of another approver
    Remove {
        /// Fingerprint of the key
        fingerprint: String,
    },
    /// Choose another passphrase
    Passphrase,
}

/// After this many weak or mistyped passphrases, `keys init` gives up.
const MAX_PASSPHRASE_ATTEMPTS: usize = 5;
/// An exported key is at most this large, in MiB.
const MAX_KEY_FILE_MIB: u64 = 1;

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    match args.command {
        KeysCommand::List => {
            let report = cli.app()?.keys()?;
            cli.print_with_status(&report, render)
        }
        KeysCommand::Init => init(cli),
        KeysCommand::Export => {
            let key = cli.app()?.keys_export()?;
            cli.print_report(&key, |k| serde_json::to_string_pretty(k).unwrap_or_default() + "\n")
        }
        KeysCommand::Rotate => {
            // Without a key, no passphrase is asked for.
            cli.app()?.keys_export()?;
            let mut terminal = open(cli, "clawgate keys rotate")?;
            let app = cli.app()?;
            let report = terminal.passphrase(|passphrase| app.keys_rotate(passphrase))?;
            cli.print_with_status(&report, |r| format!("{}{NOTE_FINGERPRINT}", render(r)))
        }
        KeysCommand::Enrol { file } => enrol(&file, cli),
        KeysCommand::Remove { fingerprint } => {
            let report = cli.app()?.keys_remove(&fingerprint)?;
            cli.print_with_status(&report, render)
        }
        KeysCommand::Passphrase => {
            let mut terminal = open(cli, "clawgate keys passphrase")?;
            let _quiet = EchoOff::new();
            let old = terminal.secret("Current passphrase: ")?;
            let new = new_passphrase(&mut terminal, cli)?;
            let report = cli.app()?.keys_set_passphrase(&old, &new)?;
            cli.print_with_status(&report, render)
        }
    }
}

const NOTE_FINGERPRINT: &str =
    "Write the fingerprint down in another place. If it differs later, somebody has replaced the key.\n";

/// Opens the terminal and lists what is unusual in the environment.
fn open(cli: &mut CliContext, command: &str) -> Result<Terminal, Failure> {
    let mut terminal = cli.open_terminal(command)?;
    let app = cli.app()?;
    let sealed = app.keys()?.endpoint.unwrap_or_else(|| app.configured_endpoint());
    let notes = app.unusual_environment(Some(&sealed));
    show_environment(&mut terminal, &notes)?;
    Ok(terminal)
}

fn init(cli: &mut CliContext) -> Result<(), CommandError> {
    if let Some(own) = cli.app()?.keys()?.fingerprint {
        let f = Failure::usage("keys_exist", format!("An approver key already exists: {own}."));
        return Err(f.hint("clawgate keys list").into());
    }
    let mut terminal = open(cli, "clawgate keys init")?;
    let endpoint = cli.app()?.hub_access("", None)?.address.endpoint;
    let passphrase = new_passphrase(&mut terminal, cli)?;
    terminal.print_styled(&address_line(&endpoint, None))?;
    let token = hub_token(&mut terminal, "Hub token to store with the key (Enter for none): ")?;
    let app = cli.app()?;
    let hub = token.map(|token| app.hub_access(&token, None)).transpose()?;
    let report = app.keys_init(&passphrase, hub.as_ref())?;
    cli.print_with_status(&report, |r| {
        format!(
            "{}{NOTE_FINGERPRINT}The passphrase cannot be recovered. Without it, you cannot sign a release.\n",
            render(r)
        )
    })
}

fn enrol(file: &std::path::Path, cli: &mut CliContext) -> Result<(), CommandError> {
    let bytes = crate::app::fs::read_bounded(file, MAX_KEY_FILE_MIB)?;
    let key: EnrolledKey = serde_json::from_slice(&bytes).map_err(|_| {
        let message = format!("{} is not a key that `clawgate keys export` printed.", file.display());
        Failure::usage("bad_key", message)
    })?;
    cli.app()?.check_other_key(&key)?;
    let mut terminal = open(cli, "clawgate keys enrol")?;
    terminal.print_line(&format!(
        "Compare this fingerprint with the one that the other person sees: {}\nReceipts of this key will be accepted for \
         local folders, and as the second of two approvals.",
        one_line(&key.fingerprint)
    ))?;
    let app = cli.app()?;
    let report = terminal.passphrase(|passphrase| app.keys_enrol(passphrase, &key))?;
    cli.print_with_status(&report, render)
}

/// Says for which address of the Hub a token is stored.
pub(super) fn address_line(endpoint: &str, proxy: Option<&str>) -> String {
    let proxy = proxy.map(|p| format!(", through the proxy {}", one_line(p))).unwrap_or_default();
    format!(
        "The token will be stored for {}{proxy}, and is never sent to another address.",
        bold(&one_line(endpoint))
    )
}

fn new_passphrase(terminal: &mut Terminal, cli: &mut CliContext) -> Result<Zeroizing<String>, Failure> {
    terminal.print_line("Choose a passphrase. It approves every release, so never give it to an agent.")?;
    let mut failure = Failure::new(Kind::Usage, "passphrases_differ", "The passphrases do not match.");
    let _quiet = EchoOff::new();
    for _ in 0..MAX_PASSPHRASE_ATTEMPTS {
        let first = terminal.secret("Passphrase (at least 12 characters): ")?;
        // Checked before the second entry and before the Hub token is asked for, so that no passphrase is typed there.
        if let Err(weak) = cli.app()?.check_passphrase(&first) {
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
    let token = match &r.endpoint {
        Some(endpoint) if r.hub_token_sealed => format!("stored, encrypted, for {}", one_line(endpoint)),
        _ => "none".to_owned(),
    };
    let mut out = format!("approver key  {}\nHub token     {token}\n", bold(own));
    if let Some(proxy) = &r.proxy {
        out.push_str(&format!("proxy         {}\n", one_line(proxy)));
    }
    for other in r.enrolled.iter().filter(|e| *e != own) {
        out.push_str(&format!("also enrolled {other}\n"));
    }
    for other in &r.unsigned {
        let why = "in the list, but no approver signed it; not accepted (`clawgate keys remove` removes it)";
        out.push_str(&format!("{} {other} {why}\n", red("unsigned")));
    }
    out
}
