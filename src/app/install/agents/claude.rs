//! Claude Code: `~/.claude.json` (servers), `~/.claude/settings.json` (hooks, status line), `~/.claude/skills`; in a
//! project `.mcp.json` and `.claude`.

use std::path::PathBuf;

use serde_json::json;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, STATUS_LINE, Setting, Setup, Site};
use crate::app::install::syntax::Syntax;
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Claude;

fn home(env: &Env) -> PathBuf {
    env.dir("CLAUDE_CONFIG_DIR", ".claude")
}

impl AgentSetup for Claude {
    fn id(&self) -> &'static str {
        "claude"
    }

    fn name(&self) -> &'static str {
        "Claude Code"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["claude"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env), env.home.join(".claude.json")]
    }

    fn has_status_line(&self) -> bool {
        true
    }

    fn has_hooks(&self) -> bool {
        true
    }

    fn has_stage_hook(&self) -> bool {
        true
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".claude");
        // With CLAUDE_CONFIG_DIR, the file of servers is in that directory.
        let user = match site.env.var("CLAUDE_CONFIG_DIR") {
            Some(dir) => PathBuf::from(dir).join(".claude.json"),
            None => site.env.home.join(".claude.json"),
        };
        let servers = site.dir(user, ".mcp.json");
        let server = Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[("type", "stdio")]));
        let mut setup = Setup {
            configs: vec![ConfigFile::json(servers, server)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        };
        let mut settings = Vec::new();
        if site.status_line {
            let command = site.shell_command(STATUS_LINE);
            settings.push(Setting {
                path: keys(&["statusLine"]),
                is_item: false,
                value: json!({ "type": "command", "command": command }),
                call: STATUS_LINE.to_owned(),
            });
        }
        if site.hooks {
            settings.push(Setting::hook("claude", "PreToolUse", Some("*"), site));
            settings.push(Setting::hook("claude", "UserPromptSubmit", None, site));
        }
        if site.stage_hook {
            settings.push(Setting::stage_hook("SessionEnd", site));
        }
        if !settings.is_empty() {
            let path = dir.join("settings.json");
            setup.configs.push(ConfigFile { path, syntax: Syntax::Json, settings });
        }
        if site.project.is_some() {
            setup.notes.push(
                "Claude Code asks at its next start whether to use the server of .mcp.json.".to_owned(),
            );
        }
        Ok(setup)
    }
}
