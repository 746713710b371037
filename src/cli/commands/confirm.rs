//! `clawgate confirm`: records three statements about the review. Each one is checked against the recorded evidence.

use crate::app::Failure;
use crate::app::release::{
    ConfirmParams, ConfirmReport, MIN_ATTESTATION_CHARS, MIN_NAME_CHARS, statement_fault,
};
use crate::cli::context::{CliContext, CommandError, PersonProof};
use crate::cli::format::{format_count, pluralize};
use crate::cli::prompt::no_passphrase;
use crate::cli::render::evidence;
use crate::gate::GateError;
use crate::workflow::{NameScan, Phase};

/// Confirm the review with your own statements
///
/// On a terminal, asks for everything that is not given as an option.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Release ID [default: the current release]
    release: Option<String>,
    /// Full name to search for in the sealed files (not stored)
    #[arg(long, value_name = "NAME", conflicts_with = "skip_full_name_scan")]
    full_name: Option<String>,
    /// Skip the search for your full name
    #[arg(long)]
    skip_full_name_scan: bool,
    /// Accept that your full name is in the files (only a person may do this)
    #[arg(long, conflicts_with = "skip_full_name_scan")]
    waive_name_hits: bool,
    /// Statement about the full name: what was asked and what was done (at least 24 characters)
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    attest_full_name: String,
    /// Statement about companies, clients, internal hosts, private URLs and people (at least 24 characters)
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    attest_sensitive: String,
    /// Statement about how much of the sample was read (at least 24 characters)
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    attest_manual_scan: String,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let mut params = ConfirmParams {
        release: args.release,
        full_name: args.full_name,
        skip_full_name_scan: args.skip_full_name_scan,
        waive_name_hits: args.waive_name_hits,
        attest_full_name: args.attest_full_name,
        attest_sensitive: args.attest_sensitive,
        attest_manual_scan: args.attest_manual_scan,
    };
    // A release that cannot be confirmed is refused before any question.
    let phase = cli.app()?.phase_to_confirm(params.release.as_deref())?;
    // A person may give other statements as long as nobody signed.
    let is_due = matches!(phase, Phase::Reviewed | Phase::Confirmed);
    if cli.can_prompt() && is_due {
        ask(cli, &mut params)?;
    }
    if cli.is_for_person() && (is_due || params.waive_name_hits) {
        prove_person(cli, &params)?;
    }
    let report = cli.app()?.confirm(&params)?;
    cli.print_with_status(&report, render)
}

/// The statements count as a person's only after their passphrase. Without it they count as an agent's.
fn prove_person(cli: &mut CliContext, params: &ConfirmParams) -> Result<(), CommandError> {
    let mut terminal = cli.open_terminal("clawgate confirm")?;
    let why = "Your passphrase shows that these statements are yours and not those of an agent.";
    match cli.prove_person(&mut terminal, why)? {
        PersonProof::Given => return Ok(()),
        PersonProof::Declined => return Err(no_passphrase().into()),
        PersonProof::Impossible => {}
    }
    if params.waive_name_hits {
        return Err(Failure::from(GateError::NoKeys).into());
    }
    terminal.print_line(
        "No approver key exists yet, so these statements are recorded as an agent's. If they should be yours, run \
         `clawgate keys init` and then `clawgate confirm` again.",
    )?;
    Ok(cli.act_as_agent()?)
}

/// Asks for the name and the statements that were not given as options.
fn ask(cli: &CliContext, p: &mut ConfirmParams) -> Result<(), CommandError> {
    let mut terminal = cli.open_terminal("clawgate confirm")?;
    while p.full_name.is_none() && !p.skip_full_name_scan && !p.waive_name_hits {
        let name =
            terminal.line("Your full name, to search for it in the files (not stored; Enter to skip): ")?;
        match name.filter(|n| !n.is_empty()) {
            Some(name) if name.chars().count() < MIN_NAME_CHARS => {
                terminal.print_line(&format!("A full name has at least {MIN_NAME_CHARS} letters."))?;
            }
            Some(name) => p.full_name = Some(name),
            None => p.skip_full_name_scan = true,
        }
    }
    terminal.print_line(&format!(
        "Answer the three questions in your own words, each with at least {MIN_ATTESTATION_CHARS} characters. The answers \
         become part of the receipt."
    ))?;
    // Only a statement that is missing or too short is asked for.
    let mut statement = |text: &mut String, question: &str| -> Result<(), CommandError> {
        while let Some(fault) = statement_fault(text) {
            let given = text.trim().chars().count();
            if given >= MIN_ATTESTATION_CHARS {
                terminal
                    .print_line(&format!("That is not a statement: {fault}. The other answers are kept."))?;
            } else if given > 0 {
                let given = pluralize(given as u64, "character");
                terminal.print_line(&format!(
                    "That answer has {given}; at least {MIN_ATTESTATION_CHARS} are needed. The other answers are kept."
                ))?;
            }
            *text = terminal.required(&format!("{question} "))?;
        }
        Ok(())
    };
    let name = if p.skip_full_name_scan {
        "1. Why did you skip the search for your full name?"
    } else {
        "1. What did you do about your full name?"
    };
    statement(&mut p.attest_full_name, name)?;
    statement(
        &mut p.attest_sensitive,
        "2. What did you decide about companies, clients, internal hosts, private URLs and people?",
    )?;
    statement(&mut p.attest_manual_scan, "3. How much of the sample did you read?")
}

fn render(r: &ConfirmReport) -> String {
    let name = match r.name_scan {
        NameScan::Clean => "not found in the files".to_owned(),
        NameScan::Declined => "search skipped".to_owned(),
        NameScan::Hits { count } | NameScan::Waived { count } => {
            format!("found in {}", pluralize(count, "place"))
        }
        NameScan::NotDone => "not searched".to_owned(),
    };
    let read = r.evidence.as_ref().map_or_else(String::new, evidence);
    format!(
        "Release {} is confirmed.\nfull name    {name}\ninventory    {} decided\nsample       {}\ndigest       {}\n{read}",
        r.release,
        format_count(r.entities_decided),
        r.coverage,
        r.digest
    )
}
