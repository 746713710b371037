//! Crush: `crush.json` and `skills` in `~/.config/crush`; in a project `crush.json` or `.crush.json`, and `.crush/skills`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site, commented_or};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Crush;

fn home(env: &Env) -> PathBuf {
    let config = || env.dir("XDG_CONFIG_HOME", ".config").join("crush");
    env.var("CRUSH_GLOBAL_CONFIG").map_or_else(config, PathBuf::from)
}

impl AgentSetup for Crush {
    fn id(&self) -> &'static str {
        "crush"
    }

    fn name(&self) -> &'static str {
        "Crush"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["crush"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let user = home(site.env);
        let server = Setting::mcp(keys(&["mcp", "clawgate"]), site.server(&[("type", "stdio")]));
        let config = match site.project {
            Some(project) => commented_or(project, ".crush.json", "crush.json"),
            None => user.join("crush.json"),
        };
        Ok(Setup {
            configs: vec![ConfigFile::json(config, server)],
            skills: vec![site.dir(user, ".crush").join("skills")],
            notes: Vec::new(),
        })
    }
}
