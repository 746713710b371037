//! Cursor, the editor and the command line: `mcp.json` and `skills` in `~/.cursor`, or in `.cursor` of a project.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Cursor;

impl AgentSetup for Cursor {
    fn id(&self) -> &'static str {
        "cursor"
    }

    fn name(&self) -> &'static str {
        "Cursor"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["cursor", "cursor-agent"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![env.home.join(".cursor")]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(site.env.home.join(".cursor"), ".cursor");
        let server = Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[]));
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("mcp.json"), server)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
