//! `clawgate hook`: what an agent's hook runs before a tool or a prompt. Denies or warns when a budget is spent.
//!
//! It fails open: where the archive cannot be read, the agent goes on and the reason is on standard error. A budget is
//! the person's own limit on spending and no security boundary; a broken counter must not stop their work. Exit code
//! 2 would deny, so it is never used: every failure ends with 1, which both agents show and pass over.

use serde_json::{Value, json};

use crate::app::Failure;
use crate::app::cost::{HookInput, HookVerdict};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::statusline_common::{read_stdin_json, spawn_background_update};

/// Deny or warn when a budget is spent (run by the hooks of Claude Code and Codex)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent whose hook this is
    agent: Agent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Agent {
    Claude,
    Codex,
}

pub(super) fn run(args: Args, cli: &mut CliContext) -> Result<(), CommandError> {
    let name = match args.agent {
        Agent::Claude => "claude",
        Agent::Codex => "codex",
    };
    let answered = judge(name, cli);
    match answered {
        Ok(Some(answer)) => cli.print_raw(format!("{answer}\n").as_bytes()),
        Ok(None) => Ok(()),
        Err(failure) => {
            let why = failure.message.lines().next().unwrap_or_default().to_owned();
            let text = format!("clawgate: the budget was not checked, the step goes on: {why}");
            // Told on standard error like any failure, but never with the exit code that denies.
            cli.report_failure(&Failure { message: text, ..failure });
            Err(CommandError::ExitCode(1))
        }
    }
}

fn judge(agent: &str, cli: &mut CliContext) -> Result<Option<Value>, Failure> {
    let said: HookInput = read_stdin_json().map_err(|e| Failure::failed("hook_input", e))?;
    let app = cli.app()?;
    let (verdict, live) = app.hook(agent, &said)?;
    if let Some(live) = live {
        spawn_background_update(cli, &live);
    }
    Ok(answer(&verdict, said.hook_event_name.as_deref().unwrap_or("PreToolUse")))
}

/// The answer in the words that both agents understand: silence lets the step go on, since Codex takes an explicit
/// `allow` for an error.
fn answer(verdict: &HookVerdict, event: &str) -> Option<Value> {
    match (verdict, event) {
        (HookVerdict::Pass, _) => None,
        (HookVerdict::Deny(why), "PreToolUse") => Some(json!({ "hookSpecificOutput": {
            "hookEventName": event, "permissionDecision": "deny", "permissionDecisionReason": why,
        } })),
        (HookVerdict::Deny(why), "UserPromptSubmit") => Some(json!({ "decision": "block", "reason": why })),
        // Other events have no step to deny.
        (HookVerdict::Warn(text) | HookVerdict::Deny(text), _) => Some(json!({ "systemMessage": text })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_the_agents_words() {
        let deny = HookVerdict::Deny("spent".into());
        assert_eq!(answer(&HookVerdict::Pass, "PreToolUse"), None);
        let out = answer(&deny, "PreToolUse").unwrap();
        assert_eq!(out["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(out["hookSpecificOutput"]["permissionDecisionReason"], "spent");
        assert_eq!(
            answer(&deny, "UserPromptSubmit").unwrap(),
            json!({ "decision": "block", "reason": "spent" })
        );
        assert_eq!(answer(&deny, "SessionStart").unwrap(), json!({ "systemMessage": "spent" }));
        let warn = answer(&HookVerdict::Warn("80 %".into()), "PreToolUse").unwrap();
        assert_eq!(warn, json!({ "systemMessage": "80 %" }));
    }
}
