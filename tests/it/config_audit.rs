//! Changes of what is redacted: who may take a string out again, and what the audit log says.

use clawgate::app::Actor;
use clawgate::app::sessions::ScopeParams;
use serde_json::{Value, json};

use crate::mcp_client::Client;
use crate::world::{World, ok};

fn entries(world: &World, kind: &str) -> Vec<Value> {
    let log = ok(world, &["audit", "log", "--json"])["entries"].clone();
    log.as_array().unwrap().iter().filter(|e| e["kind"] == kind).cloned().collect()
}

#[test]
fn an_agent_takes_out_only_strings_that_an_agent_added_and_the_audit_log_says_so() {
    let world = World::new(&["claude-2.1.329"]);
    ok(&world, &["scan", "--json"]);
    let person = ScopeParams {
        redact: vec!["Tarn Mill, Ltd".into()],
        usernames: vec!["zoe99".into()],
        ..ScopeParams::default()
    };
    world.app_as(Actor::Person, 0).set_scope(&person).unwrap();
    let mut client = Client::ready(&world);
    client.call("set_scope", &json!({ "redact": ["Ahti Works"] }));
    for (args, command) in [
        (json!({ "remove_redact": ["tarn mill, ltd"] }), "clawgate config --remove-redact 'tarn mill, ltd'"),
        (
            json!({ "remove_redact": ["Ahti Works", "tarn mill, ltd"], "confirm": true }),
            "clawgate config --remove-redact 'Ahti Works' --remove-redact 'tarn mill, ltd'",
        ),
        (json!({ "remove_usernames": ["zoe99"] }), "clawgate config --remove-redact-usernames zoe99"),
    ] {
        let refused = client.refused("set_scope", &args);
        assert_eq!(refused["error"]["kind"], json!("human_needed"), "{refused}");
        assert_eq!(refused["next"]["command"], json!(command), "{refused}");
    }
    // A command in the shell of an agent is the agent's.
    let mut command = world.command();
    let ran = command
        .env("CLAUDECODE", "1")
        .args(["config", "--remove-redact", "Tarn Mill, Ltd"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(4), "{said}");
    assert!(said.contains("clawgate config --remove-redact 'Tarn Mill, Ltd'"), "{said}");
    assert_eq!(entries(&world, "removal_refused").len(), 4);

    client.call("set_scope", &json!({ "remove_redact": ["Ahti Works"] }));
    let last = entries(&world, "config_changed").pop().unwrap();
    let change = &last["detail"]["changed"]["redact.strings"];
    assert_eq!(
        (&change["added"], &change["removed"], &last["actor"]),
        (&json!(0), &json!(1), &json!("agent"))
    );
    client.call("set_scope", &json!({ "exclude": ["calc-app"] }));
    client.call("set_scope", &json!({ "include": ["calc-app"] }));
    let last = entries(&world, "config_changed").pop().unwrap();
    assert_eq!(last["detail"]["changed"]["scope.exclude"]["removed"], json!(1), "{last}");
    client.end();

    // What was typed at a command line counts as a person's.
    ok(&world, &["config", "--redact", "Halla Verk", "--json"]);
    let mut client = Client::ready(&world);
    assert_eq!(
        client.refused("set_scope", &json!({ "remove_redact": ["halla verk"] }))["error"]["kind"],
        json!("human_needed")
    );
    client.end();
    ok(&world, &["config", "--remove-redact", "halla verk", "--json"]);

    let remove = ScopeParams { remove_redact: person.redact.clone(), ..ScopeParams::default() };
    world.app_as(Actor::Person, 1).set_scope(&remove).unwrap();
    let log = ok(&world, &["audit", "log", "--json"]).to_string().to_lowercase();
    for value in ["tarn mill", "ahti", "zoe99", "halla"] {
        assert!(!log.contains(value), "{value}: {log}");
    }
    let strings = ok(&world, &["config", "--json"])["config"]["redact"]["strings"].clone();
    assert_eq!(strings, json!([]));
}
