//! Goose: `config.yaml` and `skills` in `~/.config/goose`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::app::Failure;
use crate::app::install::setup::{AgentSetup, ConfigFile, MCP, Setting, Setup, Site};
use crate::app::install::syntax::Syntax;
use crate::app::install::value_path::keys;
use crate::trace::Env;

pub(super) struct Goose;

/// Seconds after which Goose stops waiting for a tool. A first scan can take minutes.
const TIMEOUT: u64 = 600;

fn home(env: &Env) -> PathBuf {
    match env.var("GOOSE_PATH_ROOT") {
        Some(root) => PathBuf::from(root).join("config"),
        None => env.dir("XDG_CONFIG_HOME", ".config").join("goose"),
    }
}

impl AgentSetup for Goose {
    fn id(&self) -> &'static str {
        "goose"
    }

    fn name(&self) -> &'static str {
        "Goose"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["goose"]
    }

    fn homes(&self, env: &Env) -> Vec<PathBuf> {
        vec![home(env)]
    }

    fn setup(&self, site: &Site<'_>) -> Result<Setup, Failure> {
        site.no_project_scope(self.name())?;
        let dir = home(site.env);
        let mut server = Map::new();
        server.insert("enabled".to_owned(), json!(true));
        server.insert("type".to_owned(), json!("stdio"));
        server.insert("name".to_owned(), json!("clawgate"));
        server.insert("cmd".to_owned(), json!(site.program));
        server.insert("args".to_owned(), json!([MCP]));
        server.insert("envs".to_owned(), site.server_env().unwrap_or_else(|| json!({})));
        server.insert("timeout".to_owned(), json!(TIMEOUT));
        let setting = Setting::mcp(keys(&["extensions", "clawgate"]), Value::Object(server));
        let config =
            ConfigFile { path: dir.join("config.yaml"), syntax: Syntax::Yaml, settings: vec![setting] };
        Ok(Setup { configs: vec![config], skills: vec![dir.join("skills")], notes: Vec::new() })
    }
}
