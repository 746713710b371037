//! The agent has no terminal and no variables, and undoes what a person excluded or redacts, by a command or in the file.

use std::fs;

use clawgate::app::release::PrepareParams;
use serde_json::Value;

use super::keys;
use crate::world::{World, ok, run, run_on_terminal};

const LISTS: [(&str, &str); 2] = [("scope", "exclude"), ("redact", "strings")];

fn lists(world: &World) -> [Value; 2] {
    let config = ok(world, &["config", "--json"])["config"].clone();
    LISTS.map(|(section, list)| config[section][list].clone())
}

/// A person excludes a project and adds a string, on a terminal.
fn set_by_person() -> World {
    let world = World::new(&["claude-2.1.329", "codex-0.169.0"]);
    ok(&world, &["scan", "--json"]);
    let args = ["config", "--exclude", "calc-app", "--redact", "Tarn Mill", "--redact-usernames", "zoe99"];
    let ran = run_on_terminal(&world, &[&args[..], &["--source", "claude,codex"]].concat(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    world
}

#[test]
fn what_a_person_set_on_a_terminal_is_undone_only_on_a_terminal() {
    let world = set_by_person();
    let before = lists(&world);
    for args in [
        ["scope", "--include", "calc-app"],
        ["config", "--remove-exclude", "calc-app"],
        ["config", "--remove-redact", "tarn mill"],
        ["config", "--remove-redact-usernames", "zoe99"],
        ["scope", "--agent", "all"],
    ] {
        let refused = run(&world, &[&args[..], &["--json"]].concat());
        assert_eq!(refused.code, 4, "{args:?}: {} {}", refused.out, refused.err);
        assert!(refused.json()["next"]["command"].as_str().unwrap().starts_with("clawgate "), "{args:?}");
    }
    assert_eq!(lists(&world), before);
    for args in [
        ["scope", "--include", "calc-app"],
        ["config", "--remove-redact", "tarn mill"],
        ["config", "--remove-redact-usernames", "zoe99"],
        ["scope", "--agent", "all"],
    ] {
        let done = run_on_terminal(&world, &args, &[]);
        assert_eq!(done.code, 0, "{args:?}: {}", done.out);
    }
    assert_eq!(lists(&world), [serde_json::json!([]), serde_json::json!([])]);
}

#[test]
fn what_a_command_set_is_undone_by_a_command_and_not_over_mcp() {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    ok(&world, &["config", "--exclude", "calc-app", "--redact", "Tarn Mill", "--json"]);
    let mut client = crate::mcp_client::Client::ready(&world);
    for args in [
        serde_json::json!({ "include": ["calc-app"] }),
        serde_json::json!({ "remove_redact": ["Tarn Mill"] }),
    ] {
        assert_eq!(client.refused("set_scope", &args)["error"]["kind"], "human_needed");
    }
    client.end();
    ok(&world, &["config", "--remove-exclude", "calc-app", "--remove-redact", "Tarn Mill", "--json"]);
    assert_eq!(lists(&world), [serde_json::json!([]), serde_json::json!([])]);
}

#[test]
fn the_screen_of_sign_names_what_is_no_longer_excluded_or_redacted() {
    let world = set_by_person();
    let path = world.state().join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("by = \"person\""), "{text}");
    fs::write(&path, "").unwrap();
    let folder = Some(world.out().display().to_string());
    let release = world.confirmed_with(&PrepareParams { folder, ..PrepareParams::default() });
    keys(&world);
    let ran = run_on_terminal(&world, &["sign", &release], &[("to approve: ", "no")]);
    assert!(ran.flat().contains("NO LONGER excluded: calc-app"), "{}", ran.out);
    assert!(ran.flat().contains("NO LONGER redacted: "), "{}", ran.out);
    assert!(!world.out().exists());
}
