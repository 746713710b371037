//! The commands. To add one, add a file here, a `mod` line, and a line in `commands!`.

mod anomalies;
mod approve;
mod audit;
mod block;
mod bundle;
mod completions;
mod config;
mod confirm;
mod cosign;
mod cost;
mod cost_report;
mod demo;
mod diff;
mod doctor;
mod export;
mod forget;
mod hook;
mod import;
mod inbox;
mod keys;
mod list;
mod login;
mod man;
mod mcp;
mod menubar;
mod pii_apply;
mod pii_review;
mod pii_rubric;
mod prep;
mod prepare;
mod preview;
mod pricing;
mod privacy;
mod publish;
mod recent;
mod redact;
mod releases;
mod review;
mod scan;
mod scope;
mod score;
mod score_view;
mod search;
mod segment;
mod selftest;
mod serve;
mod set_score;
mod shortlist;
mod show;
mod sign;
mod stage;
mod status;
mod statusline;
mod unmark;
mod update_skill;
mod verify;
mod withdraw;

use clap::Subcommand;

use super::context::{CliContext, CommandError};
use super::wrap::wrap;

macro_rules! commands {
    ($($group:literal { $($variant:ident => $module:ident,)* })*) => {
        /// The commands, in the order of the help.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $($($variant($module::Args),)*)*
        }

        /// Runs a command. Without one, shows the status.
        pub(super) fn run(command: Option<Command>, cli: &mut CliContext) -> Result<(), CommandError> {
            match command.unwrap_or(Command::Status(status::Args::default())) {
                $($(Command::$variant(args) => $module::run(args, cli),)*)*
            }
        }

        /// The groups of the help with the module names of their commands.
        const GROUPS: &[(&str, &[&str])] = &[$(($group, &[$(stringify!($module),)*]),)*];
    };
}

commands! {
    "Sessions" {
        Status => status,
        Scan => scan,
        Prep => prep,
        List => list,
        Inbox => inbox,
        Recent => recent,
        Search => search,
        Show => show,
        Segment => segment,
        Export => export,
        Import => import,
        Diff => diff,
        Forget => forget,
    }
    "Redact and review" {
        Redact => redact,
        Review => review,
        PiiReview => pii_review,
        PiiApply => pii_apply,
        PiiRubric => pii_rubric,
        Privacy => privacy,
        Selftest => selftest,
    }
    "Release" {
        Scope => scope,
        Approve => approve,
        Block => block,
        Shortlist => shortlist,
        Unmark => unmark,
        Score => score,
        SetScore => set_score,
        ScoreView => score_view,
        Prepare => prepare,
        Stage => stage,
        Preview => preview,
        Confirm => confirm,
        Sign => sign,
        Cosign => cosign,
        Publish => publish,
        Releases => releases,
        Bundle => bundle,
        Withdraw => withdraw,
        Audit => audit,
        Verify => verify,
    }
    "Cost" {
        Cost => cost,
        CostReport => cost_report,
        Anomalies => anomalies,
        Pricing => pricing,
        Statusline => statusline,
        Menubar => menubar,
        Hook => hook,
    }
    "Setup" {
        Demo => demo,
        UpdateSkill => update_skill,
        Doctor => doctor,
        Config => config,
        Keys => keys,
        Login => login,
        Mcp => mcp,
        Serve => serve,
        Completions => completions,
        Man => man,
    }
}

/// The help is at most this wide.
const MAX_HELP_WIDTH: usize = 100;

/// Sets a help template that lists the commands in groups. clap itself lists them under a single heading.
pub(super) fn with_grouped_help(mut command: clap::Command, terminal_width: Option<usize>) -> clap::Command {
    let header = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let width = command.get_subcommands().map(|c| c.get_name().len()).max().unwrap_or_default();
    let help_width = terminal_width.map_or(MAX_HELP_WIDTH, |width| width.min(MAX_HELP_WIDTH));
    let mut groups = String::new();
    for (title, modules) in GROUPS {
        groups.push_str(&format!("{header}{title}:{header:#}\n"));
        for module in *modules {
            // clap derives the names of the commands from the variants, which are spelled like the modules.
            let name = module.replace('_', "-");
            if let Some(subcommand) = command.find_subcommand(&name) {
                let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
                let line = format!("  {literal}{name:width$}{literal:#}  {about}\n");
                groups.push_str(&wrap(&line, Some(help_width)));
            }
        }
        groups.push('\n');
    }
    command = command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{header}Options:{header:#}\n\
         {{options}}\n\n`clawgate help COMMAND` shows the options of a command and examples.{{after-help}}"
    ));
    command
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{GROUPS, with_grouped_help};
    use crate::cli::Cli;

    #[test]
    fn every_command_is_in_a_group_of_the_help() {
        let command = Cli::command();
        let mut grouped: Vec<String> =
            GROUPS.iter().flat_map(|(_, modules)| *modules).map(|m| m.replace('_', "-")).collect();
        let mut all: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
        grouped.sort();
        all.sort();
        assert_eq!(grouped, all);
        let help = with_grouped_help(command.term_width(80), Some(80)).render_help().to_string();
        assert!(help.lines().all(|l| l.chars().count() <= 80), "{help}");
        for name in all {
            assert!(help.lines().any(|l| l.trim_start().starts_with(&name)), "{name} is missing:\n{help}");
        }
    }

    #[test]
    fn every_command_and_option_has_a_help_text() {
        fn check(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
            if command.get_about().is_none() {
                missing.push(path.to_owned());
            }
            for arg in command.get_arguments().filter(|a| a.get_help().is_none()) {
                missing.push(format!("{path} {}", arg.get_id()));
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()), missing);
            }
        }
        let mut missing = Vec::new();
        check(&Cli::command(), "clawgate", &mut missing);
        assert!(missing.is_empty(), "no help text: {missing:?}");
    }
}
