//! Hermes Agent: `config.yaml` and `skills` in `~/.hermes`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::syntax::Syntax;
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Hermes;

fn home(env: &Env) -> PathBuf {
    env.dir("HERMES_HOME", ".hermes")
}

impl AgentSetup for Hermes {
    fn id(&self) -> &'static str {
        "hermes"
    }

    fn name(&self) -> &'static str {
        "Hermes Agent"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["hermes"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        site.no_project_scope(self.name())?;
        let dir = home(site.env);
        let setting = Setting::mcp(keys(&["mcp_servers", "clawgate"]), site.server(&[]));
        let config =
            ConfigFile { path: dir.join("config.yaml"), syntax: Syntax::Yaml, settings: vec![setting] };
        Ok(Setup { configs: vec![config], skills: vec![dir.join("skills")], notes: Vec::new() })
    }
}
