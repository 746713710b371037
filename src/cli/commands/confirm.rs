//! `clawgate confirm`: three statements, each held against what really happened.

use crate::app::release::{ConfirmParams, ConfirmReport};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::format_count;
use crate::cli::render::evidence;
use crate::workflow::NameScan;

/// Confirm the review in your own words
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release; the current one unless said otherwise
    release: Option<String>,
    /// Your full name: searched for in the sealed files, not stored
    #[arg(long, value_name = "NAME", conflicts_with = "skip_full_name_scan")]
    full_name: Option<String>,
    /// You would rather not give it
    #[arg(long)]
    skip_full_name_scan: bool,
    /// What was asked and done about the full name
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    attest_full_name: String,
    /// What was asked and done about companies, clients, internal hosts, private URLs and people
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    attest_sensitive: String,
    /// What was read of the sample
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    attest_manual_scan: String,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut params = ConfirmParams {
        release: args.release,
        full_name: args.full_name,
        skip_full_name_scan: args.skip_full_name_scan,
        attest_full_name: args.attest_full_name,
        attest_sensitive: args.attest_sensitive,
        attest_manual_scan: args.attest_manual_scan,
    };
    let phase = cli.app()?.preview(params.release.as_deref()).map(|p| p.phase);
    if cli.can_prompt() && phase.is_ok_and(|p| p.name() == "reviewed") {
        ask(cli, &mut params)?;
    }
    let report = cli.app()?.confirm(&params)?;
    cli.print_with_status(&report, render)
}

/// Asks for what was not given.
fn ask(cli: &CliContext, p: &mut ConfirmParams) -> Result<(), CommandError> {
    let mut terminal = cli.open_terminal("clawgate confirm")?;
    if p.full_name.is_none() && !p.skip_full_name_scan {
        let name =
            terminal.line("Your full name, to look for it in the files (not stored; Enter to decline): ")?;
        match name.filter(|n| !n.is_empty()) {
            Some(name) => p.full_name = Some(name),
            None => p.skip_full_name_scan = true,
        }
    }
    let mut statement = |text: &mut String, question: &str| -> Result<(), CommandError> {
        while text.trim().is_empty() {
            *text = terminal.required(question)?;
        }
        Ok(())
    };
    let name = if p.skip_full_name_scan { "Why no name was given" } else { "What you did about your name" };
    statement(&mut p.attest_full_name, &format!("{name}, in a sentence: "))?;
    statement(
        &mut p.attest_sensitive,
        "Companies, clients, internal hosts, private URLs, people: what was decided, in a sentence: ",
    )?;
    statement(&mut p.attest_manual_scan, "What you read of the sample, in a sentence: ")
}

fn render(r: &ConfirmReport) -> String {
    let name = match r.name_scan {
        NameScan::Clean => "not in the files".to_owned(),
        NameScan::Declined => "not given".to_owned(),
        NameScan::Hits { count } | NameScan::Waived { count } => format!("in {count} places"),
        NameScan::NotDone => "not looked for".to_owned(),
    };
    let read = r.evidence.as_ref().map_or_else(String::new, evidence);
    format!(
        "{} is confirmed.\nfull name    {name}\ninventory    {} decided\nsample       {} of {} rows read to their end\ndigest       {}\n{read}",
        r.release,
        format_count(r.entities_decided),
        format_count(r.sample_read),
        format_count(r.rows),
        r.digest
    )
}
