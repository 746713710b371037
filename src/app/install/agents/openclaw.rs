//! OpenClaw: `openclaw.json` (JSON5) and `skills` in `~/.openclaw`.

use std::path::PathBuf;

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct OpenClaw;

fn home(env: &Env) -> PathBuf {
    if let Some(dir) = env.var("OPENCLAW_STATE_DIR") {
        return PathBuf::from(dir);
    }
    let home = env.var("OPENCLAW_HOME").map_or_else(|| env.home.clone(), PathBuf::from);
    match env.var("OPENCLAW_PROFILE").filter(|p| !p.contains(['/', '\\']) && *p != "default") {
        Some(profile) => home.join(format!(".openclaw-{profile}")),
        None => home.join(".openclaw"),
    }
}

impl AgentSetup for OpenClaw {
    fn id(&self) -> &'static str {
        "openclaw"
    }

    fn name(&self) -> &'static str {
        "OpenClaw"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["openclaw"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        site.no_project_scope(self.name())?;
        let dir = home(site.env);
        let configured = site.env.var("OPENCLAW_CONFIG_PATH").map(PathBuf::from);
        let path = configured.unwrap_or_else(|| dir.join("openclaw.json"));
        let server = Setting::mcp(keys(&["mcp", "servers", "clawgate"]), site.server(&[]));
        Ok(Setup {
            configs: vec![ConfigFile::json(path, server)],
            skills: vec![dir.join("skills")],
            notes: Vec::new(),
        })
    }
}
