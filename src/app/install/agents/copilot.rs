//! GitHub Copilot CLI: `mcp-config.json` and `skills` in `~/.copilot`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Copilot;

fn home(env: &Env) -> PathBuf {
    env.dir("COPILOT_HOME", ".copilot")
}

impl AgentSetup for Copilot {
    fn id(&self) -> &'static str {
        "copilot"
    }

    fn name(&self) -> &'static str {
        "GitHub Copilot CLI"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["copilot"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        site.no_project_scope(self.name())?;
        let dir = home(site.env);
        let mut entry = site.server(&[("type", "local")]);
        if let Value::Object(entry) = &mut entry {
            entry.insert("tools".to_owned(), json!(["*"]));
        }
        let setting = Setting::mcp(keys(&["mcpServers", "clawgate"]), entry);
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("mcp-config.json"), setting)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
