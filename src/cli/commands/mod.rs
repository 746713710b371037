//! The verbs. One more of them: a file here, its `mod` line and its line in `verbs!`.

mod anomalies;
mod approve;
mod audit;
mod block;
mod completions;
mod config;
mod confirm;
mod cost;
mod cost_report;
mod demo;
mod doctor;
mod forget;
mod hook;
mod inbox;
mod keys;
mod list;
mod login;
mod mcp;
mod menubar;
mod pii_apply;
mod pii_review;
mod pii_rubric;
mod prepare;
mod preview;
mod pricing;
mod privacy;
mod publish;
mod recent;
mod redact;
mod review;
mod scan;
mod scope;
mod search;
mod segment;
mod selftest;
mod serve;
mod shortlist;
mod show;
mod sign;
mod status;
mod statusline;
mod unmark;
mod withdraw;

use clap::Subcommand;

use super::context::{CliContext, CommandError};

macro_rules! verbs {
    ($($variant:ident => $module:ident,)*) => {
        /// The verbs, in the order of the help.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $($variant($module::Args),)*
        }

        /// Runs a verb; status where none was given.
        pub(super) fn run(command: Option<Command>, cli: &mut CliContext) -> Result<(), CommandError> {
            match command.unwrap_or(Command::Status(status::Args {})) {
                $(Command::$variant(args) => $module::run(args, cli),)*
            }
        }
    };
}

verbs! {
    Status => status,
    Scan => scan,
    List => list,
    Inbox => inbox,
    Recent => recent,
    Search => search,
    Show => show,
    Segment => segment,
    Approve => approve,
    Block => block,
    Shortlist => shortlist,
    Unmark => unmark,
    Scope => scope,
    Config => config,
    Cost => cost,
    CostReport => cost_report,
    Anomalies => anomalies,
    Pricing => pricing,
    Statusline => statusline,
    Menubar => menubar,
    Hook => hook,
    Serve => serve,
    Prepare => prepare,
    Preview => preview,
    Review => review,
    PiiReview => pii_review,
    PiiApply => pii_apply,
    PiiRubric => pii_rubric,
    Privacy => privacy,
    Confirm => confirm,
    Sign => sign,
    Publish => publish,
    Withdraw => withdraw,
    Keys => keys,
    Login => login,
    Mcp => mcp,
    Doctor => doctor,
    Audit => audit,
    Forget => forget,
    Redact => redact,
    Selftest => selftest,
    Completions => completions,
    Demo => demo,
}
