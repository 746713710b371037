//! The command line as clap parses it.

use clap::{Arg, ArgAction, CommandFactory, Parser};

use super::commands::{self, Command};
use super::examples;

/// Scan, redact, review and publish the sessions of coding agents, and report what they cost
///
/// clawgate keeps an archive of the logs that coding agents write on this machine. It redacts secrets and personal data,
/// records the review, and publishes only files that a person has signed. Without a command, it prints the current
/// status and the next step.
#[derive(Debug, Parser)]
#[command(name = "clawgate", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands without `--json`: they speak a protocol, or they print a script or a manual page.
const WITHOUT_JSON: &[&str] = &["mcp", "hook", "completions", "man"];

/// The display order of `--json`, after all other options.
const LAST: usize = 1000;

/// Returns the command line: the commands with `--json`, examples, and a help that lists them by task. `width` is the
/// width of the terminal in columns, if there is one.
pub fn command_line(width: Option<usize>) -> clap::Command {
    let command = Cli::command()
        .mut_subcommands(|sub| if WITHOUT_JSON.contains(&sub.get_name()) { sub } else { with_json(sub) });
    let command = examples::with_examples(command.arg(json_option()));
    commands::with_grouped_help(command, width)
}

/// Adds `--json` to a command and its subcommands.
fn with_json(command: clap::Command) -> clap::Command {
    let command = command.mut_subcommands(with_json);
    match command.is_subcommand_required_set() {
        true => command,
        false => command.arg(json_option()),
    }
}

fn json_option() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON to standard output")
        .display_order(LAST)
}

/// Returns the names of the command that the arguments call, for example `cost explain`. Empty if they name none.
pub(super) fn called_command<'a>(line: &clap::Command, args: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut command = line;
    for arg in args.filter(|arg| !arg.starts_with('-')) {
        let Some(sub) = command.find_subcommand(arg) else { break };
        names.push(arg);
        command = sub;
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_whose_output_is_a_report_has_json() {
        fn check(command: &clap::Command, path: &str, without: &mut Vec<String>) {
            let has = command.get_arguments().any(|a| a.get_id() == "json");
            if !has && !command.is_subcommand_required_set() {
                without.push(path.to_owned());
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()), without);
            }
        }
        let mut without = Vec::new();
        check(&command_line(None), "clawgate", &mut without);
        assert_eq!(without, ["clawgate hook", "clawgate mcp", "clawgate completions", "clawgate man"]);
        command_line(None).debug_assert();
    }

    #[test]
    fn the_called_command_is_found_between_options() {
        let line = command_line(None);
        let called = |text: &str| called_command(&line, text.split(' '));
        assert_eq!(called("--json cost explain claude:1"), "cost explain");
        assert_eq!(called("search cost"), "search");
        assert_eq!(called("--help"), "");
    }
}
