//! Continue: a file `mcpServers/clawgate.json` and `skills` in `~/.continue`, or in `.continue` of a project.
//!
//! The editor extension reads every file of `mcpServers`. The command line reads servers only from `config.yaml`, where they are
//! items of a list.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct ContinueDev;

fn home(env: &Env) -> PathBuf {
    env.dir("CONTINUE_GLOBAL_DIR", ".continue")
}

impl AgentSetup for ContinueDev {
    fn id(&self) -> &'static str {
        "continue"
    }

    fn name(&self) -> &'static str {
        "Continue"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["cn"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let dir = site.dir(home(site.env), ".continue");
        let server = Setting::mcp(keys(&["mcpServers", "clawgate"]), site.server(&[]));
        let note = "The command line `cn` reads MCP servers only from config.yaml. It can use the skill without the server.";
        Ok(Setup {
            configs: vec![ConfigFile::json(dir.join("mcpServers/clawgate.json"), server)],
            skills: vec![dir.join("skills")],
            notes: vec![note.to_owned()],
        })
    }
}
