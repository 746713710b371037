//! Amp: `settings.json` or `settings.jsonc` and `skills` in `~/.config/amp`; in a project `.amp/settings.json` and `.agents/skills`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site, commented_or};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Amp;

fn home(env: &Env) -> PathBuf {
    env.dir("XDG_CONFIG_HOME", ".config").join("amp")
}

impl AgentSetup for Amp {
    fn id(&self) -> &'static str {
        "amp"
    }

    fn name(&self) -> &'static str {
        "Amp"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["amp"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let user = home(site.env);
        let dir = site.dir(user.clone(), ".amp");
        let server = Setting::mcp(keys(&["amp.mcpServers", "clawgate"]), site.server(&[]));
        let skills =
            site.project.map_or_else(|| user.join("skills"), |project| project.join(".agents/skills"));
        let notes = match site.project {
            Some(_) => vec!["Amp asks you to approve the MCP server of a project.".to_owned()],
            None => Vec::new(),
        };
        let config = ConfigFile::json(commented_or(&dir, "settings.jsonc", "settings.json"), server);
        Ok(Setup { configs: vec![config], skills: vec![skills], notes })
    }
}
