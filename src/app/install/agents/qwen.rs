//! Qwen Code: `settings.json` and `skills` in `~/.qwen`, or in `.qwen` of a project.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Qwen;

fn home(env: &Env) -> PathBuf {
    match env.var("QWEN_HOME") {
        // Qwen Code expands the tilde itself.
        Some(dir) => dir.strip_prefix("~/").map_or_else(|| PathBuf::from(dir), |below| env.home.join(below)),
        None => env.home.join(".qwen"),
    }
}

impl AgentSetup for Qwen {
    fn id(&self) -> &'static str {
        "qwen"
    }

    fn name(&self) -> &'static str {
        "Qwen Code"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["qwen"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".qwen");
        let server = Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[]));
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("settings.json"), server)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
