//! Gemini CLI: `settings.json` and `skills` in `~/.gemini`, or in `.gemini` of a project.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Gemini;

fn home(env: &Env) -> PathBuf {
    env.var("GEMINI_CLI_HOME").map_or_else(|| env.home.clone(), PathBuf::from).join(".gemini")
}

impl AgentSetup for Gemini {
    fn id(&self) -> &'static str {
        "gemini"
    }

    fn name(&self) -> &'static str {
        "Gemini CLI"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["gemini"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".gemini");
        let server = Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[]));
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("settings.json"), server)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
