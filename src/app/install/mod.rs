//! Use case: sets up agents for clawgate. Installs the skill and registers the MCP server, a status line and hooks in
//! each agent's own configuration, and removes them again.
//!
//! Every file is planned before anything is written. A file that cannot be parsed is left as it is. A record and a
//! backup of each file let a removal restore its bytes; if the file was changed since, only clawgate's values are cut.

mod agents;
mod json_text;
mod plan;
mod record;
mod report;
mod setup;
mod syntax;
mod syntax_error;
mod toml_text;
mod value_path;
mod write;
mod yaml_text;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::app::Failure;
use crate::app::shell::find_on_path;
use crate::app::text::unknown_name;
use crate::trace::Env;

pub use report::{Action, AgentError, AgentReport, FileReport, McpState, UpdateSkillReport};

use agents::AGENTS;
use plan::FilePlan;
use record::Records;
use setup::{AgentSetup, NO_PROJECT_SCOPE, Site};

/// The skill that teaches an agent to use clawgate.
pub const SKILL: &str = include_str!("../../../SKILL.md");
/// The name of the skill and of its folder.
const SKILL_NAME: &str = "clawgate";
/// The word for all agents that are on this machine.
const ALL: &str = "all";

/// What to set up.
#[derive(Debug, Clone, Default)]
pub struct UpdateSkillParams {
    /// The agent, or `all`.
    pub agent: String,
    /// The directory of the project. `None` sets up the user's configuration.
    pub project: Option<PathBuf>,
    /// The path of the running program.
    pub program: PathBuf,
    pub status_line: bool,
    pub hooks: bool,
    /// Whether the agent stages a release at the end of a session.
    pub stage_hook: bool,
    /// Removes what was set up.
    pub remove: bool,
    /// Also replaces or removes what was not written by this command.
    pub force: bool,
    pub dry_run: bool,
}

/// Returns the names of the agents, and `all`.
pub fn setup_names() -> Vec<&'static str> {
    AGENTS.iter().map(|agent| agent.id()).chain([ALL]).collect()
}

/// Sets up an agent, or removes what was set up.
///
/// # Errors
/// [`Failure`] if the agent is unknown or cannot be set up. With `all`, the report contains the failure of each agent.
pub fn update_skill(env: &Env, params: &UpdateSkillParams) -> Result<UpdateSkillReport, Failure> {
    let mut report = UpdateSkillReport { dry_run: params.dry_run, agents: Vec::new(), not_found: Vec::new() };
    let wanted = params.agent.trim().to_lowercase();
    if wanted != ALL {
        let known = setup_names();
        let agent = AGENTS.iter().find(|agent| agent.id() == wanted);
        let agent = agent.ok_or_else(|| unknown_name("agent", "no_such_agent", &params.agent, &known))?;
        check_features(*agent, params)?;
        report.agents.push(set_up(*agent, env, params)?);
        return Ok(report);
    }
    for agent in AGENTS {
        if !is_on_this_machine(*agent, env) {
            report.not_found.push(agent.id());
            continue;
        }
        report.agents.push(set_up(*agent, env, params).unwrap_or_else(|failure| failed(*agent, failure)));
    }
    if report.agents.is_empty() && !params.remove {
        let message = "None of the supported agents was found on this machine: they have no program on PATH and no \
                       configuration directory.";
        return Err(Failure::failed("no_agent_found", message)
            .hint("name one, for example `clawgate update-skill claude`"));
    }
    Ok(report)
}

fn failed(agent: &dyn AgentSetup, failure: Failure) -> AgentReport {
    // `all` means every agent that can be set up in this way.
    let is_left_out = failure.code == NO_PROJECT_SCOPE;
    let notes = if is_left_out { vec![failure.message.clone()] } else { Vec::new() };
    let error = AgentError { code: failure.code, message: failure.message, hints: failure.hints };
    AgentReport {
        agent: agent.id(),
        name: agent.name(),
        files: Vec::new(),
        mcp: None,
        backup: None,
        notes,
        error: Some(error).filter(|_| !is_left_out),
    }
}

/// Refuses a status line or hooks for an agent that has none.
fn check_features(agent: &dyn AgentSetup, params: &UpdateSkillParams) -> Result<(), Failure> {
    let refused = |what: &str, has: fn(&dyn AgentSetup) -> bool| {
        let with: Vec<&str> = AGENTS.iter().filter(|a| has(**a)).map(|a| a.id()).collect();
        let message =
            format!("{} cannot use clawgate's {what}. Agents that can: {}.", agent.name(), with.join(", "));
        Failure::usage("not_supported", message)
    };
    if !params.remove && params.stage_hook && !agent.has_stage_hook() {
        return Err(refused("hook at the end of a session", |a| a.has_stage_hook()));
    }
    match (params.remove, params.status_line, params.hooks) {
        (false, true, _) if !agent.has_status_line() => Err(refused("status line", |a| a.has_status_line())),
        (false, _, true) if !agent.has_hooks() => Err(refused("budget hook", |a| a.has_hooks())),
        _ => Ok(()),
    }
}

fn is_on_this_machine(agent: &dyn AgentSetup, env: &Env) -> bool {
    agent.homes(env).iter().any(|dir| dir.exists())
        || agent.programs().iter().any(|program| find_on_path(env, program).is_some())
}

/// Returns the command that starts the running program: its name if that is what a shell would start, else its path.
fn program_command(env: &Env, program: &Path) -> String {
    let real = |path: &Path| path.canonicalize().ok();
    match find_on_path(env, SKILL_NAME).and_then(|found| real(&found)) {
        Some(found) if Some(&found) == real(program).as_ref() => SKILL_NAME.to_owned(),
        _ => program.display().to_string(),
    }
}

fn set_up(agent: &dyn AgentSetup, env: &Env, params: &UpdateSkillParams) -> Result<AgentReport, Failure> {
    let program = program_command(env, &params.program);
    let site = Site {
        env,
        project: params.project.as_deref(),
        program: &program,
        status_line: params.remove || params.status_line,
        hooks: params.remove || params.hooks,
        stage_hook: params.remove || params.stage_hook,
    };
    let setup = agent.setup(&site)?;
    let records = Records::new(env);
    let skill_files: Vec<PathBuf> =
        setup.skills.iter().map(|dir| dir.join(SKILL_NAME).join("SKILL.md")).collect();
    if let Some(project) = &params.project {
        for path in skill_files.iter().chain(setup.configs.iter().map(|config| &config.path)) {
            write::require_inside(path, project)?;
        }
    }
    let mut plans: Vec<FilePlan> = Vec::new();
    for path in skill_files {
        plans.push(match params.remove {
            true => plan::remove_skill(&records, &path, SKILL, params.force)?,
            false => plan::install_skill(&records, &path, SKILL, params.force)?,
        });
    }
    for config in &setup.configs {
        let mut plan = match params.remove {
            true => plan::remove_config(&records, config, params.force)?,
            false => plan::install_config(&records, config, params.force)?,
        };
        // Files of a project are for everybody who works on it.
        plan.is_private = params.project.is_none();
        plans.push(plan);
    }
    let notes = if params.remove { Vec::new() } else { setup.notes };
    let mut report = AgentReport {
        agent: agent.id(),
        name: agent.name(),
        files: Vec::new(),
        mcp: plans.iter().find_map(|plan| plan.mcp),
        backup: None,
        notes: plans.iter().filter_map(|plan| plan.note.clone()).chain(notes).collect(),
        error: None,
    };
    let mut directories: Vec<PathBuf> = plans.iter().flat_map(FilePlan::own_directories).collect();
    for plan in plans {
        report.files.push(plan.carry_out(&records, params.dry_run)?);
    }
    if !params.dry_run {
        // The innermost first. A directory that has other files stays.
        directories.sort();
        directories.iter().rev().for_each(|dir| drop(std::fs::remove_dir(dir)));
    }
    report.backup = report.files.iter().find_map(|file| file.backup.clone());
    Ok(report)
}
