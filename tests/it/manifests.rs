//! The manifests of plugins, extensions and registries, made from `Cargo.toml` and `SKILL.md`.
//!
//! The test compares the files in the repository with what it makes. To write them after a change of version, description
//! or skill: `INSTA_UPDATE=always cargo test --locked --test it manifests`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// What the manifests have in common.
struct Facts {
    name: String,
    version: String,
    licence: String,
    keywords: Vec<String>,
    display_name: String,
    summary: String,
    author: String,
    registry_name: String,
    npm_package: String,
    skill: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn facts() -> Facts {
    let cargo: toml::Value = toml::from_str(&read("Cargo.toml")).unwrap();
    let package = &cargo["package"];
    let text = |table: &toml::Value, key: &str| table[key].as_str().unwrap().to_owned();
    let more = &package["metadata"]["manifests"];
    let keywords = package["keywords"].as_array().unwrap();
    Facts {
        name: text(package, "name"),
        version: text(package, "version"),
        licence: text(package, "license"),
        keywords: keywords.iter().map(|k| k.as_str().unwrap().to_owned()).collect(),
        display_name: text(more, "display-name"),
        summary: text(more, "summary"),
        author: text(more, "author"),
        registry_name: text(more, "mcp-registry-name"),
        npm_package: text(more, "npm-package"),
        skill: read("SKILL.md"),
    }
}

/// The skill as OpenClaw and ClawHub read it: with the program that it needs and how to install it.
fn skill_with_requirements(f: &Facts) -> String {
    let metadata = json!({ "openclaw": {
        "requires": { "bins": [f.name] },
        "install": [{
            "id": "npm", "kind": "node", "package": f.npm_package, "bins": [f.name],
            "label": format!("Install {} (npm)", f.display_name),
        }],
    } });
    let (_, rest) = f.skill.split_once("---\n").unwrap();
    let (fields, body) = rest.split_once("\n---\n").unwrap();
    format!("---\n{fields}\nmetadata: {metadata}\n---\n{body}")
}

/// Every manifest and its text.
fn manifests(f: &Facts) -> Vec<(&'static str, String)> {
    let server = json!({ "command": f.name, "args": ["mcp"] });
    let servers = json!({ f.name.clone(): server });
    let author = json!({ "name": f.author });
    let plugin = json!({
        "name": f.name, "version": f.version, "description": f.summary, "author": author,
        "license": f.licence, "keywords": f.keywords,
    });
    let with = |base: &Value, more: Value| {
        let mut out = base.as_object().unwrap().clone();
        out.extend(more.as_object().unwrap().clone());
        Value::Object(out)
    };
    let entry = json!({ "name": f.name, "source": "./plugin", "description": f.summary });
    let marketplace = json!({
        "name": f.name, "owner": author, "metadata": { "description": f.summary, "version": f.version },
        "plugins": [with(&entry, json!({ "version": f.version }))],
    });
    let codex_marketplace = json!({
        "name": f.name, "interface": { "displayName": f.display_name },
        "plugins": [{
            "name": f.name, "source": { "source": "local", "path": "./plugin" },
            "policy": { "installation": "AVAILABLE", "authentication": "ON_INSTALL" }, "category": "Developer Tools",
        }],
    });
    let registry = json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": f.registry_name, "title": f.display_name, "description": f.summary, "version": f.version,
        "packages": [{
            "registryType": "npm", "identifier": f.npm_package, "version": f.version, "runtimeHint": "npx",
            "transport": { "type": "stdio" }, "packageArguments": [{ "type": "positional", "value": "mcp" }],
        }],
    });
    // `plugin/build-mcpb` adds the platform.
    let bundle = json!({
        "manifest_version": "0.3", "name": f.name, "display_name": f.display_name, "version": f.version,
        "description": f.summary, "author": author, "license": f.licence, "keywords": f.keywords,
        "server": {
            "type": "binary", "entry_point": format!("server/{}", f.name),
            "mcp_config": { "command": format!("${{__dirname}}/server/{}", f.name), "args": ["mcp"], "env": {} },
        },
        "tools_generated": true, "prompts_generated": true,
    });
    let text = |value: Value| serde_json::to_string_pretty(&value).unwrap() + "\n";
    vec![
        (".claude-plugin/marketplace.json", text(marketplace)),
        (".agents/plugins/marketplace.json", text(codex_marketplace)),
        ("server.json", text(registry)),
        ("plugin/.claude-plugin/plugin.json", text(plugin.clone())),
        (
            "plugin/.codex-plugin/plugin.json",
            text(with(&plugin, json!({ "skills": "./skills/", "mcpServers": "./.mcp.json" }))),
        ),
        ("plugin/.mcp.json", text(json!({ "mcpServers": servers }))),
        (
            "plugin/gemini-extension.json",
            text(json!({
                "name": f.name, "version": f.version, "description": f.summary, "mcpServers": servers,
            })),
        ),
        ("plugin/mcpb.json", text(bundle)),
        ("plugin/skills/clawgate/SKILL.md", skill_with_requirements(f)),
    ]
}

#[test]
fn the_manifests_are_in_step_with_the_package_and_the_skill() {
    let update = std::env::vars().any(|(name, value)| name == "INSTA_UPDATE" && value == "always");
    let mut stale = Vec::new();
    for (path, text) in manifests(&facts()) {
        if read(path) == text {
            continue;
        }
        if update {
            let file = root().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "run `INSTA_UPDATE=always cargo test --locked --test it manifests`: {stale:?}");
}

#[test]
fn a_new_version_is_in_every_manifest_that_has_one() {
    let old = manifests(&facts());
    let new = manifests(&Facts { version: "9.9.9".to_owned(), ..facts() });
    let changed: Vec<&str> = old.iter().zip(&new).filter(|(a, b)| a.1 != b.1).map(|(a, _)| a.0).collect();
    assert_eq!(
        changed,
        [
            ".claude-plugin/marketplace.json",
            "server.json",
            "plugin/.claude-plugin/plugin.json",
            "plugin/.codex-plugin/plugin.json",
            "plugin/gemini-extension.json",
            "plugin/mcpb.json",
        ]
    );
}

#[test]
fn texts_are_as_long_as_registries_allow() {
    let f = facts();
    assert!(f.summary.chars().count() <= 100, "the MCP registry allows 100 characters: {}", f.summary);
    let description = f.skill.lines().find_map(|line| line.strip_prefix("description: ")).unwrap();
    assert!(description.chars().count() <= 1024, "agents allow 1,024 characters: {description}");
    assert!(f.skill.lines().any(|line| line == format!("name: {}", f.name)));
}
