//! `clawgate hook`: runs as a hook of an agent before a tool call or a prompt. Denies or warns if a budget is exhausted.
//!
//! The hook fails open: if the archive cannot be read, the agent continues and the reason is on standard error. A budget
//! limits spending and is not a security boundary, so a broken counter must not stop work. Exit code 2 would deny the
//! step. Therefore every failure exits with 1, which both agents report and otherwise ignore.

use serde_json::{Value, json};

use crate::app::Failure;
use crate::app::cost::{HookInput, HookVerdict};
use crate::cli::context::{CliContext, CommandError};
use crate::cli::statusline_common::{read_stdin_json, spawn_background_update};

/// Deny or warn if a budget is exhausted (called by the hooks of Claude Code and Codex)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent that calls the hook
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
    match check_budget(name, cli) {
        Ok(Some(response)) => cli.print_raw(format!("{response}\n").as_bytes()),
        Ok(None) => Ok(()),
        Err(failure) => {
            let why = failure.message.lines().next().unwrap_or_default().to_owned();
            let text = format!("clawgate could not check the budget, so the step continues: {why}");
            // The exit code of the failure itself could deny the step.
            cli.report_failure(&Failure { message: text, ..failure });
            Err(CommandError::ExitCode(1))
        }
    }
}

fn check_budget(agent: &str, cli: &mut CliContext) -> Result<Option<Value>, Failure> {
    let hook_input: HookInput = read_stdin_json().map_err(|e| Failure::failed("hook_input", e))?;
    let app = cli.app()?;
    let (verdict, live) = app.hook(agent, &hook_input)?;
    if let Some(live) = live {
        spawn_background_update(cli, &live);
    }
    Ok(response(&verdict, hook_input.hook_event_name.as_deref().unwrap_or("PreToolUse")))
}

/// Returns the JSON that both agents understand. No output lets the step continue, because Codex rejects an explicit
/// `allow`.
fn response(verdict: &HookVerdict, event: &str) -> Option<Value> {
    match (verdict, event) {
        (HookVerdict::Pass, _) => None,
        (HookVerdict::Deny(why), "PreToolUse") => Some(json!({ "hookSpecificOutput": {
            "hookEventName": event, "permissionDecision": "deny", "permissionDecisionReason": why,
        } })),
        (HookVerdict::Deny(why), "UserPromptSubmit") => Some(json!({ "decision": "block", "reason": why })),
        // Other events cannot be denied.
        (HookVerdict::Warn(text) | HookVerdict::Deny(text), _) => Some(json!({ "systemMessage": text })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_becomes_the_response_that_the_event_expects() {
        let deny = HookVerdict::Deny("spent".into());
        assert_eq!(response(&HookVerdict::Pass, "PreToolUse"), None);
        let out = response(&deny, "PreToolUse").unwrap();
        assert_eq!(out["hookSpecificOutput"]["permissionDecision"], "deny");
        assert_eq!(out["hookSpecificOutput"]["permissionDecisionReason"], "spent");
        assert_eq!(
            response(&deny, "UserPromptSubmit").unwrap(),
            json!({ "decision": "block", "reason": "spent" })
        );
        assert_eq!(response(&deny, "SessionStart").unwrap(), json!({ "systemMessage": "spent" }));
        let warn = response(&HookVerdict::Warn("80 %".into()), "PreToolUse").unwrap();
        assert_eq!(warn, json!({ "systemMessage": "80 %" }));
    }
}
