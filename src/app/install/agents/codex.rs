//! Codex: `config.toml`, `hooks.json` and `skills` in `~/.codex`, or in `.codex` of a project.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::syntax::Syntax;
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Codex;

fn home(env: &Env) -> PathBuf {
    env.dir("CODEX_HOME", ".codex")
}

impl AgentSetup for Codex {
    fn id(&self) -> &'static str {
        "codex"
    }

    fn name(&self) -> &'static str {
        "Codex"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["codex"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn has_hooks(&self) -> bool {
        true
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".codex");
        let server = Setting::mcp(keys(&["mcp_servers", "clawgate"]), site.server(&[]));
        let config =
            ConfigFile { path: dir.join("config.toml"), syntax: Syntax::Toml, settings: vec![server] };
        let mut setup = Setup { configs: vec![config], skills: vec![dir.join("skills")], notes: Vec::new() };
        if site.hooks {
            let settings = vec![
                Setting::hook("codex", "PreToolUse", None, site),
                Setting::hook("codex", "UserPromptSubmit", None, site),
            ];
            setup.configs.push(ConfigFile { path: dir.join("hooks.json"), syntax: Syntax::Json, settings });
            setup.notes.push("Codex runs the hooks after you trust them with /hooks.".to_owned());
        }
        if site.project.is_some() {
            setup.notes.push("Codex reads .codex in a project that you trust.".to_owned());
        }
        Ok(setup)
    }
}
