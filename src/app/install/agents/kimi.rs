//! Kimi CLI and Kimi Code: `mcp.json` and `skills` in `~/.kimi` and `~/.kimi-code`; in a project `.kimi-code/mcp.json`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Kimi;

impl AgentSetup for Kimi {
    fn id(&self) -> &'static str {
        "kimi"
    }

    fn name(&self) -> &'static str {
        "Kimi"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["kimi", "kimi-code"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![env.dir("KIMI_SHARE_DIR", ".kimi"), env.dir("KIMI_CODE_HOME", ".kimi-code")]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dirs = match site.project {
            Some(project) => vec![project.join(".kimi-code")],
            // The two programs have the same name on the command line. Without any directory, either could be meant.
            None => {
                let homes = self.homes(site.env);
                let used: Vec<PathBuf> = homes.iter().filter(|dir| dir.is_dir()).cloned().collect();
                if used.is_empty() { homes } else { used }
            }
        };
        let server = || Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[]));
        Ok(Setup {
            configs: dirs.iter().map(|dir| ConfigFile::json(dir.join("mcp.json"), server())).collect(),
            skills: dirs.iter().map(|dir| dir.join("skills")).collect(),
            notes: Vec::new(),
        })
    }
}
