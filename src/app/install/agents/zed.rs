//! Zed: `settings.json` in `~/.config/zed` and `~/.agents/skills`; in a project `.zed/settings.json` and `.agents/skills`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Zed;

fn home(env: &Env) -> PathBuf {
    env.dir("XDG_CONFIG_HOME", ".config").join("zed")
}

impl AgentSetup for Zed {
    fn id(&self) -> &'static str {
        "zed"
    }

    fn name(&self) -> &'static str {
        "Zed"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["zed", "zeditor"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".zed");
        let server = Setting::mcp(keys(&["context_servers", "clawgate"]), site.server(&[]));
        let skills = site.project.unwrap_or(&site.env.home).join(".agents/skills");
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("settings.json"), server)],
            skills: vec![skills],
            notes: Vec::new(),
        })
    }
}
