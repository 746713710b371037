//! Droid: `mcp.json` and `skills` in `~/.factory`, or in `.factory` of a project.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Droid;

fn home(env: &Env) -> PathBuf {
    // The variable names the home directory.
    env.dir("FACTORY_HOME_OVERRIDE", "").join(".factory")
}

impl AgentSetup for Droid {
    fn id(&self) -> &'static str {
        "droid"
    }

    fn name(&self) -> &'static str {
        "Droid"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["droid"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".factory");
        let server = Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[("type", "stdio")]));
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("mcp.json"), server)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
