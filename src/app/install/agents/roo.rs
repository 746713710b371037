//! Roo Code: `settings/mcp_settings.json` in the storage of the VS Code extension, and `~/.roo/skills`; in a project `.roo/mcp.json`
//! and `.roo/skills`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::sources;
use crate::trace::Env;

pub(super) struct Roo;

/// The directories of the extension in all editors that can run it.
fn storage(env: &Env) -> Vec<PathBuf> {
    let tasks = sources::by_agent("roo-code").map(|source| source.locations(env)).unwrap_or_default();
    tasks.iter().filter_map(|dir| dir.parent()).map(PathBuf::from).collect()
}

impl AgentSetup for Roo {
    fn id(&self) -> &'static str {
        "roo"
    }

    fn name(&self) -> &'static str {
        "Roo Code"
    }

    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        storage(env).into_iter().chain([env.home.join(".roo")]).collect()
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let server = || Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[]));
        let files = match site.project {
            Some(project) => vec![project.join(".roo/mcp.json")],
            // Every editor in which the extension ran; the first one of the list if it ran in none.
            None => {
                let all = storage(site.env);
                let used: Vec<PathBuf> = all.iter().filter(|dir| dir.is_dir()).cloned().collect();
                let dirs = if used.is_empty() { all.into_iter().take(1).collect() } else { used };
                dirs.iter().map(|dir| dir.join("settings/mcp_settings.json")).collect()
            }
        };
        Ok(Setup {
            configs: files.into_iter().map(|file| ConfigFile::json(file, server())).collect(),
            skills: vec![site.dir(site.env.home.join(".roo"), ".roo").join("skills")],
            notes: Vec::new(),
        })
    }
}
