//! OpenCode: `opencode.json` or `opencode.jsonc` and `skills` in `~/.config/opencode`; in a project `opencode.json` and
//! `.opencode/skills`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, MCP, Setting, Setup, Site};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct OpenCode;

fn home(env: &Env) -> PathBuf {
    let config = env.var("XDG_CONFIG_HOME").map_or_else(|| env.home.join(".config"), PathBuf::from);
    config.join("opencode")
}

fn config_file(dir: &Path) -> PathBuf {
    let commented = dir.join("opencode.jsonc");
    if commented.exists() { commented } else { dir.join("opencode.json") }
}

impl AgentSetup for OpenCode {
    fn id(&self) -> &'static str {
        "opencode"
    }

    fn name(&self) -> &'static str {
        "OpenCode"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["opencode"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let mut server = Map::new();
        server.insert("type".to_owned(), json!("local"));
        server.insert("command".to_owned(), json!([site.program, MCP]));
        server.extend(site.server_env().map(|env| ("environment".to_owned(), env)));
        server.insert("enabled".to_owned(), json!(true));
        let user = home(site.env);
        let path = config_file(site.project.unwrap_or(&user));
        let setting = Setting::mcp(keys(&["mcp", "clawgate"]), Value::Object(server));
        Ok(Setup {
            configs: vec![ConfigFile::json(path, setting)],
            skills: vec![site.dir(user, ".opencode").join("skills")],
            notes: Vec::new(),
        })
    }
}
