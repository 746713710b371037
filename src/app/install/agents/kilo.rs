//! Kilo Code from version 7: `kilo.jsonc` or `kilo.json` in `~/.config/kilo`, and `~/.kilo/skills`; in a project the same files in it
//! or in `.kilo`, and `.kilo/skills`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, MCP, Setting, Setup, Site, commented_or};
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Kilo;

fn home(env: &Env) -> PathBuf {
    env.dir("XDG_CONFIG_HOME", ".config").join("kilo")
}

impl AgentSetup for Kilo {
    fn id(&self) -> &'static str {
        "kilo"
    }

    fn name(&self) -> &'static str {
        "Kilo Code"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["kilo", "kilocode"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env), env.home.join(".kilo")]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        let mut server = Map::new();
        server.insert("type".to_owned(), json!("local"));
        server.insert("command".to_owned(), json!([site.program, MCP]));
        server.extend(site.server_env().map(|env| ("environment".to_owned(), env)));
        server.insert("enabled".to_owned(), json!(true));
        let inner = site.project.map(|project| project.join(".kilo/kilo.jsonc")).filter(|file| file.exists());
        let dir = site.project.map_or_else(|| home(site.env), PathBuf::from);
        let path = inner.unwrap_or_else(|| commented_or(&dir, "kilo.json", "kilo.jsonc"));
        let setting = Setting::mcp(keys(&["mcp", "clawgate"]), Value::Object(server));
        Ok(Setup {
            configs: vec![ConfigFile::json(path, setting)],
            skills: vec![site.dir(site.env.home.join(".kilo"), ".kilo").join("skills")],
            notes: Vec::new(),
        })
    }
}
