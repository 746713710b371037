//! `clawgate man`: prints a manual page, or writes the pages of all commands.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::app::Failure;
use crate::app::fs::io_failure;
use crate::cli::command_line;
use crate::cli::context::{CliContext, CommandError};
use crate::cli::format::pluralize;
use crate::cli::known_values::with_values;
use crate::cli::path_arg::expand_home;

/// Print the manual page of a command, or write all pages to a directory
///
/// The pages are roff source for the program `man`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command, for example `cost explain` [default: clawgate itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let root = buildable(command_line(None));
    let Some(dir) = args.out else {
        let command = find(&root, &args.command)?;
        return cli.print_raw(&page(command, args.command.is_empty())?);
    };
    let dir = expand_home(dir, cli.home());
    fs::create_dir_all(&dir).map_err(|e| io_failure("cannot create", &dir, &e))?;
    let pages = write_all(&root, &dir)?;
    cli.print(&format!("Wrote {} to {}\n", pluralize(pages, "page"), dir.display()))
}

/// Prepares the command line for its pages: known values, no command `help`, and the whole name of each subcommand.
fn buildable(command: clap::Command) -> clap::Command {
    fn without_help(command: clap::Command) -> clap::Command {
        command.disable_help_subcommand(true).mut_subcommands(without_help)
    }
    let mut command = without_help(with_values(command));
    command.build();
    command
}

/// Returns the command with these names.
fn find<'a>(root: &'a clap::Command, names: &[String]) -> Result<&'a clap::Command, Failure> {
    let mut command = root;
    for name in names {
        command = command.find_subcommand(name).ok_or_else(|| {
            let message = format!("clawgate has no command `{}`.", names.join(" "));
            Failure::usage("no_such_command", message).hint("clawgate help")
        })?;
    }
    Ok(command)
}

/// Writes the page of a command and those of its subcommands. Returns their number.
fn write_all(command: &clap::Command, dir: &Path) -> Result<u64, CommandError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = dir.join(format!("{name}.1"));
    let text = page(command, name == command.get_name())?;
    fs::write(&path, text).map_err(|e| io_failure("cannot write", &path, &e))?;
    command.get_subcommands().try_fold(1, |pages, sub| Ok(pages + write_all(sub, dir)?))
}

/// Renders a page. The same version gives the same bytes: the page has no date.
fn page(command: &clap::Command, is_root: bool) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .source(concat!("clawgate ", env!("CARGO_PKG_VERSION")))
        .manual("clawgate manual");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    examples(command, &mut out)?;
    match is_root {
        true => general_sections(&mut out)?,
        false => see_also(command, &mut out)?,
    }
    Ok(out)
}

/// Writes the examples of the help as a section of their own.
fn examples(command: &clap::Command, out: &mut impl Write) -> io::Result<()> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some((_, lines)) = help.split_once("Examples:\n") else { return Ok(()) };
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line.trim())]);
    }
    roff.control("fi", []).to_writer(out)
}

/// Exit codes, as `Failure::exit_code` returns them.
const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "Done."),
    ("1", "The command failed."),
    ("2", "The arguments are wrong."),
    ("3", "The workflow refused the step, because another one is missing."),
    ("4", "A person is needed."),
    ("130", "The command was interrupted."),
];

/// Variables that matter for all commands.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("CLAWGATE_HOME", "The directory of clawgate's own files. The default is ~/.clawgate."),
    ("HOME", "The directory in which clawgate looks for the logs of the agents."),
    ("CLAWGATE_PAGER, PAGER", "The program that shows long texts on a terminal."),
    ("NO_COLOR", "If it is set, the output has no colours."),
];

const FILES: &[(&str, &str)] = &[
    ("~/.clawgate/clawgate.db", "The archive of sessions, with the usage ledger and the audit log."),
    ("~/.clawgate/config.toml", "The configuration."),
    ("~/.clawgate/releases", "The sealed files of each release."),
    ("~/.clawgate/keys", "The approver key and the Hub token, encrypted with the passphrase."),
    ("/etc/clawgate/policy.toml, ~/.clawgate/policy.toml", "The policy: what may be published where."),
];

/// Writes the sections that hold for all commands.
fn general_sections(out: &mut impl Write) -> io::Result<()> {
    let mut roff = Roff::new();
    for (title, entries) in [("EXIT STATUS", EXIT_CODES), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
        roff.control("SH", [title]);
        for (term, meaning) in entries {
            roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
        }
    }
    roff.to_writer(out)
}

/// Writes the names of the pages above this one.
fn see_also(command: &clap::Command, out: &mut impl Write) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_default();
    let parent = name.strip_suffix(command.get_name()).unwrap_or_default().trim_end_matches('-');
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([bold("clawgate"), roman("(1)")]);
    if !parent.is_empty() && parent != "clawgate" {
        roff.text([bold(format!(", {parent}")), roman("(1)")]);
    }
    roff.to_writer(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a page without roff's escapes.
    fn text_of(path: &[&str]) -> String {
        let root = buildable(command_line(None));
        let names: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let page = page(find(&root, &names).ok().unwrap(), path.is_empty()).unwrap();
        String::from_utf8(page).unwrap().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    }

    #[test]
    fn a_page_has_the_options_with_their_values_and_the_examples() {
        let page = text_of(&["cost"]);
        for part in [
            ".TH clawgate-cost 1",
            "--timezone",
            "Possible values:",
            ".SH EXAMPLES",
            "clawgate cost --by model",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("clawgate-cost-help"), "{page}");
        assert!(text_of(&["cost", "explain"]).contains(", clawgate-cost(1)"));
        let main = text_of(&[]);
        for part in
            [".SH \"EXIT STATUS\"", "CLAWGATE_HOME", "clawgate-update-skill(1)", env!("CARGO_PKG_VERSION")]
        {
            assert!(main.contains(part), "{part}: {main}");
        }
    }

    #[test]
    fn an_unknown_command_has_no_page() {
        let root = buildable(command_line(None));
        let failure = find(&root, &["cost".to_owned(), "nothing".to_owned()]).err().unwrap();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("no_such_command", 2));
    }
}
