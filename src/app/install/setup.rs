//! What an agent's setup consists of: values in its configuration files, and folders for the skill.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::app::Failure;
use crate::app::shell;
use crate::platform::HAS_POSIX_SHELL;
use crate::trace::Env;

use super::syntax::Syntax;
use super::value_path::ValuePath;

/// The arguments with which an agent starts the MCP server.
pub(super) const MCP: &str = "mcp";
/// The arguments with which Claude Code asks for its status line.
pub(super) const STATUS_LINE: &str = "statusline";

/// The arguments with which an agent stages a release.
const STAGE: &str = "stage --background";

/// The code of the failure of an agent without a configuration for projects.
pub(super) const NO_PROJECT_SCOPE: &str = "no_project_scope";

/// An agent that can be set up. To add one, add a file in `agents` and a line in `AGENTS`.
pub(super) trait AgentSetup: Sync {
    /// The name on the command line.
    fn id(&self) -> &'static str;

    /// The name for people.
    fn name(&self) -> &'static str;

    /// The names of its programs.
    fn programs(&self) -> &'static [&'static str];

    /// The directories with its configuration. If one of them exists, the agent is used on this machine.
    fn homes(&self, env: &Env) -> Vec<PathBuf>;

    /// Whether the agent can show a status line of another program.
    fn has_status_line(&self) -> bool {
        false
    }

    /// Whether `clawgate hook` knows the agent's hooks.
    fn has_hooks(&self) -> bool {
        false
    }

    /// Whether the agent runs hooks at the end of a session.
    fn has_stage_hook(&self) -> bool {
        false
    }

    /// Returns what is to be set up.
    ///
    /// # Errors
    /// [`Failure`] if the agent has no such scope.
    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure>;
}

/// Where and how an agent is set up.
pub(super) struct Site<'a> {
    pub env: &'a Env,
    /// The directory of the project. `None` sets up the user's configuration.
    pub project: Option<&'a Path>,
    /// The command that starts clawgate.
    pub program: &'a str,
    pub status_line: bool,
    pub hooks: bool,
    pub stage_hook: bool,
}

/// The parts of an agent's setup.
#[derive(Default)]
pub(super) struct Setup {
    pub configs: Vec<ConfigFile>,
    /// The folders of skills. The skill is a folder in each of them.
    pub skills: Vec<PathBuf>,
    /// What the person has to do in the agent.
    pub notes: Vec<String>,
}

/// A configuration file and the values in it.
pub(super) struct ConfigFile {
    pub path: PathBuf,
    pub syntax: Syntax,
    pub settings: Vec<Setting>,
}

/// A value that belongs to clawgate.
pub(super) struct Setting {
    /// The value's place, or the list that it is an item of.
    pub path: ValuePath,
    pub is_item: bool,
    pub value: Value,
    /// The arguments of clawgate by which the value is recognized.
    pub call: String,
}

impl ConfigFile {
    /// Returns a JSON file with one value.
    pub fn json(path: PathBuf, setting: Setting) -> Self {
        ConfigFile { path, syntax: Syntax::Json, settings: vec![setting] }
    }
}

impl Setting {
    /// Returns the entry of the MCP server.
    pub fn mcp(path: ValuePath, value: Value) -> Self {
        Setting { path, is_item: false, value, call: MCP.to_owned() }
    }

    /// Returns a hook of `clawgate hook AGENT` in the format that Claude Code and Codex share.
    pub fn hook(agent: &str, event: &str, matcher: Option<&str>, site: &Site<'_>) -> Self {
        Setting::hook_of(format!("hook {agent}"), event, matcher, site)
    }

    /// Returns a hook at the end of a session that stages a release. It returns at once, because an agent that ends does not
    /// wait.
    pub fn stage_hook(event: &str, site: &Site<'_>) -> Self {
        Setting::hook_of(STAGE.to_owned(), event, None, site)
    }

    fn hook_of(call: String, event: &str, matcher: Option<&str>, site: &Site<'_>) -> Self {
        let hook = json!({ "type": "command", "command": site.shell_command(&call), "timeout": 10 });
        let mut group = Map::new();
        group.extend(matcher.map(|matcher| ("matcher".to_owned(), json!(matcher))));
        group.insert("hooks".to_owned(), json!([hook]));
        let path = super::value_path::keys(&["hooks", event]);
        Setting { path, is_item: true, value: Value::Object(group), call }
    }
}

/// Returns the first of two files of a directory if it exists, otherwise the second one.
pub(super) fn commented_or(dir: &Path, first: &str, second: &str) -> PathBuf {
    let first = dir.join(first);
    if first.exists() { first } else { dir.join(second) }
}

impl Site<'_> {
    /// Returns the directory of the project, or `user`.
    pub fn dir(&self, user: PathBuf, project: &str) -> PathBuf {
        self.project.map_or(user, |dir| dir.join(project))
    }

    /// Returns the directory of clawgate, if it is not the default one. Agents do not pass every variable on.
    fn clawgate_home(&self) -> Option<String> {
        let dir = &self.env.clawgate_home;
        // The agent starts the server in another directory.
        let absolute = || std::path::absolute(dir).unwrap_or_else(|_| dir.clone()).display().to_string();
        (*dir != self.env.home.join(".clawgate")).then(absolute)
    }

    /// Returns the entry `{command, args}` that most agents understand, after the fields of `first`.
    pub fn server(&self, first: &[(&str, &str)]) -> Value {
        let mut entry: Map<String, Value> =
            first.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        entry.insert("command".to_owned(), json!(self.program));
        entry.insert("args".to_owned(), json!([MCP]));
        entry.extend(self.server_env().map(|env| ("env".to_owned(), env)));
        Value::Object(entry)
    }

    /// Returns the variables of the server, if it needs any.
    pub fn server_env(&self) -> Option<Value> {
        self.clawgate_home().map(|dir| json!({ "CLAWGATE_HOME": dir }))
    }

    /// Returns the command line for a shell.
    pub fn shell_command(&self, arguments: &str) -> String {
        let home = self.clawgate_home().filter(|_| HAS_POSIX_SHELL);
        let home = home.map_or_else(String::new, |dir| format!("CLAWGATE_HOME={} ", shell::word(&dir)));
        format!("{home}{} {arguments}", shell::word(self.program))
    }

    /// Returns the failure of an agent without a configuration for projects.
    pub fn no_project_scope(&self, name: &str) -> Result<(), Failure> {
        match self.project {
            None => Ok(()),
            Some(_) => {
                let message = format!("{name} reads MCP servers only from the user's configuration.");
                Err(Failure::usage(NO_PROJECT_SCOPE, message).hint("run it without --project"))
            }
        }
    }
}
