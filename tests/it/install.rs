//! `clawgate update-skill` through the binary: each agent in a fresh home directory, and odd configurations of all of them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::world::{World, ok, run};

/// Each agent, its configuration file, the pointer of the server in it, and the skill.
const AGENTS: &[(&str, &str, &str, &str)] = &[
    ("claude", ".claude.json", "/mcpServers/clawgate", ".claude/skills"),
    ("codex", ".codex/config.toml", "/mcp_servers/clawgate", ".codex/skills"),
    ("openclaw", ".openclaw/openclaw.json", "/mcp/servers/clawgate", ".openclaw/skills"),
    ("gemini", ".gemini/settings.json", "/mcpServers/clawgate", ".gemini/skills"),
    ("opencode", ".config/opencode/opencode.json", "/mcp/clawgate", ".config/opencode/skills"),
    ("kimi", ".kimi/mcp.json", "/mcpServers/clawgate", ".kimi/skills"),
    (
        "cline",
        ".cline/data/settings/cline_mcp_settings.json",
        "/mcpServers/clawgate/transport",
        ".cline/skills",
    ),
    ("qwen", ".qwen/settings.json", "/mcpServers/clawgate", ".qwen/skills"),
    ("copilot", ".copilot/mcp-config.json", "/mcpServers/clawgate", ".copilot/skills"),
    ("goose", ".config/goose/config.yaml", "/extensions/clawgate", ".config/goose/skills"),
    ("amp", ".config/amp/settings.json", "/amp.mcpServers/clawgate", ".config/amp/skills"),
    (
        "roo",
        ".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        "/mcpServers/clawgate",
        ".roo/skills",
    ),
    ("kilo", ".config/kilo/kilo.jsonc", "/mcp/clawgate", ".kilo/skills"),
    ("continue", ".continue/mcpServers/clawgate.json", "/mcpServers/clawgate", ".continue/skills"),
    ("droid", ".factory/mcp.json", "/mcpServers/clawgate", ".factory/skills"),
    ("hermes", ".hermes/config.yaml", "/mcp_servers/clawgate", ".hermes/skills"),
    ("crush", ".config/crush/crush.json", "/mcp/clawgate", ".config/crush/skills"),
    ("cursor", ".cursor/mcp.json", "/mcpServers/clawgate", ".cursor/skills"),
    ("zed", ".config/zed/settings.json", "/context_servers/clawgate", ".agents/skills"),
];

fn read(world: &World, path: &str) -> String {
    fs::read_to_string(world.home().join(path)).unwrap()
}

fn read_value(world: &World, path: &str) -> Value {
    let text = read(world, path);
    match path.rsplit('.').next() {
        Some("toml") => toml::from_str(&text).unwrap(),
        Some("yaml") => serde_saphyr::from_str(&text).unwrap(),
        _ => serde_json::from_str(&text).unwrap(),
    }
}

fn files(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(world.home()).sort_by_file_name().into_iter();
    let entries = entries.map(|entry| entry.unwrap().into_path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect()
}

#[test]
fn each_agent_is_set_up_in_a_fresh_home_and_removed_again() {
    for (agent, config, pointer, skills) in AGENTS {
        let world = World::new(&[]);
        fs::create_dir_all(world.home()).unwrap();
        let before = files(&world);
        let report = ok(&world, &["update-skill", agent, "--json"]);
        assert_eq!(report["agents"][0]["agent"], *agent);
        assert_eq!(report["agents"][0]["mcp"], "registered", "{report}");
        let value = read_value(&world, config);
        let server = value.pointer(pointer).unwrap_or_else(|| panic!("{agent}: {value}"));
        let program = env!("CARGO_BIN_EXE_clawgate");
        let command = server.get("command").or(server.get("cmd")).unwrap();
        match command.as_array() {
            Some(words) => assert_eq!(*words, [program, "mcp"], "{agent}"),
            None => {
                assert_eq!(command, program, "{agent}");
                assert_eq!(server["args"], serde_json::json!(["mcp"]), "{agent}");
            }
        }
        let skill = read(&world, &format!("{skills}/clawgate/SKILL.md"));
        assert!(skill.starts_with("---\nname: clawgate\n"), "{agent}");

        let again = ok(&world, &["update-skill", agent, "--json"]);
        assert_eq!(again["agents"][0]["mcp"], "present", "{again}");
        let actions = again["agents"][0]["files"].as_array().unwrap();
        assert!(actions.iter().all(|file| file["action"] == "unchanged"), "{again}");

        let removed = ok(&world, &["update-skill", agent, "--remove", "--json"]);
        assert_eq!(removed["agents"][0]["mcp"], "removed", "{removed}");
        assert_eq!(files(&world), before, "{agent}");
    }
}

/// A configuration with comments, other servers, secrets and uneven white space.
const ODD_JSON: &str = "{\r\n\t// mine\r\n   \"mcpServers\" : {\"other\":{\"command\":\"x\", \"env\":{\"KEY\":\"hunter2-hunter2\"}},},\r\n\"mcp\": { } }";
const ODD_YAML: &str = "# mine\r\nmodel:   x\r\nmcp_servers:\r\n    other: {command: x, env: {KEY: \"hunter2-hunter2\"}} # note\r\n\r\nextensions:\r\n  other:\r\n      cmd: 'x'\r\n  # end";
const ODD_TOML: &str = "# mine\r\nmodel=\"x\"\r\n[ mcp_servers . other ]\r\ncommand = 'x' # note\r\nenv = {KEY = \"hunter2-hunter2\"}";

#[test]
fn odd_configurations_of_all_agents_come_back_byte_for_byte_and_show_no_secret() {
    let world = World::new(&[]);
    for (_, config, ..) in AGENTS {
        let path = world.home().join(config);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let odd = match config.rsplit('.').next() {
            Some("toml") => ODD_TOML,
            Some("yaml") => ODD_YAML,
            _ => ODD_JSON,
        };
        fs::write(path, odd).unwrap();
    }
    let before = files(&world);
    let dry = run(&world, &["update-skill", "all", "--dry-run"]);
    assert_eq!((dry.code, files(&world) == before), (0, true), "{}", dry.err);
    let installed = run(&world, &["update-skill", "all"]);
    assert_eq!(installed.code, 0, "{}", installed.out);
    for (agent, config, ..) in AGENTS {
        assert!(read(&world, config).contains("clawgate"), "{agent}");
    }
    let removed = run(&world, &["update-skill", "all", "--remove"]);
    assert_eq!(removed.code, 0, "{}", removed.out);
    assert_eq!(files(&world), before);
    for ran in [dry, installed, removed] {
        assert!(!format!("{}{}", ran.out, ran.err).contains("hunter2"), "{}", ran.out);
    }
}

#[test]
fn a_broken_configuration_is_reported_with_its_line_and_left_as_it_is() {
    let world = World::new(&[]);
    fs::create_dir_all(world.home().join(".qwen")).unwrap();
    let broken = "{\n  \"mcpServers\": {\n    \"other\": \n  }\n}\n";
    fs::write(world.home().join(".qwen/settings.json"), broken).unwrap();
    let before = files(&world);
    for args in [&["update-skill", "qwen"][..], &["update-skill", "qwen", "--remove"]] {
        let ran = run(&world, args);
        assert_eq!(ran.code, 1, "{}", ran.out);
        assert!(ran.err.contains(".qwen/settings.json, line 4"), "{}", ran.err);
    }
    let all = run(&world, &["update-skill", "all", "--json"]);
    assert_eq!((all.code, &all.json()["agents"][0]["error"]["code"]), (1, &Value::from("bad_config_file")));
    assert_eq!(files(&world), before);
}

#[test]
fn an_unknown_agent_is_a_usage_error_that_lists_the_agents() {
    let world = World::new(&[]);
    let ran = run(&world, &["update-skill", "claud", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (2, &Value::from("no_such_agent")));
    assert!(ran.out.contains("openclaw") && ran.out.contains("did you mean `claude`?"), "{}", ran.out);
}
