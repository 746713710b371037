//! Cline (command line): `data/settings/cline_mcp_settings.json` and `skills` in `~/.cline`.

use std::path::PathBuf;

use serde_json::json;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Cline;

fn home(env: &Env) -> PathBuf {
    env.dir("CLINE_DIR", ".cline")
}

impl AgentSetup for Cline {
    fn id(&self) -> &'static str {
        "cline"
    }

    fn name(&self) -> &'static str {
        "Cline"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["cline"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        site.no_project_scope(self.name())?;
        let dir = home(site.env);
        let data = site.env.var("CLINE_DATA_DIR").map_or_else(|| dir.join("data"), PathBuf::from);
        let path = data.join("settings/cline_mcp_settings.json");
        let entry = json!({ "transport": site.server(&[("type", "stdio")]) });
        Ok(Setup {
            configs: vec![ConfigFile::json(path, Setting::mcp(keys(&["mcpServers", "clawgate"]), entry))],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
