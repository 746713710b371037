//! Forms that the client shows its user (elicitation), in both generations of the protocol.

use serde_json::{Value, json};

use crate::attacks::stored;
use crate::mcp_client::{Client, attested};
use crate::world::{World, ok, review_to_end};

const OWN_WORDS: &str = "My manager and I read all of it ourselves on Friday.";

/// A release that was read and waits for the statements.
fn reviewed() -> (World, String) {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.prepared();
    review_to_end(&mut world.app());
    (world, release)
}

/// A person who corrects one statement and intends to sign.
fn corrects(form: &Value) -> Value {
    let fields = form["requestedSchema"]["properties"].as_object().unwrap();
    let mut content: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, field)| (name.clone(), field.get("default").unwrap_or(&field["enum"][0]).clone()))
        .collect();
    if content.contains_key("attest_manual_scan") {
        content.insert("attest_manual_scan".to_owned(), OWN_WORDS.into());
    }
    json!({ "action": "accept", "content": content })
}

fn statements(world: &World, release: &str) -> Value {
    stored(world, release).0["attestations"].clone()
}

fn answered(world: &World) -> Vec<Value> {
    let audit = ok(world, &["audit", "log", "--json"]);
    let entries = audit["entries"].as_array().unwrap().iter();
    entries.filter(|e| e["kind"] == "form_answered").map(|e| e["detail"].clone()).collect()
}

#[test]
fn the_person_corrects_the_statements_in_the_form_and_is_led_to_the_terminal() {
    let (world, release) = reviewed();
    let mut client = Client::with_forms(&world, corrects);
    client.call("confirm", &attested());
    let refused = client.refused("publish", &json!({}));
    assert!(refused["human_action"].as_str().unwrap().contains("clawgate sign"), "{refused}");

    let forms = client.forms();
    let messages: Vec<&str> = forms.iter().map(|f| f["message"].as_str().unwrap()).collect();
    assert!(messages[0].contains(&release) && messages[0].contains("rows to folder:"), "{messages:?}");
    assert!(messages[1].contains(&format!("clawgate sign {release}")), "{messages:?}");
    assert_eq!(forms.len(), 2);

    let said = statements(&world, &release);
    assert_eq!(said["manual_scan"]["words"], OWN_WORDS);
    assert_eq!(said["manual_scan"]["by"], "agent, accepted in the client's form, A1");
    let tools: Vec<Value> = answered(&world).iter().map(|d| d["tool"].clone()).collect();
    assert_eq!(tools, ["confirm", "publish"]);
    assert!(!world.out().exists());
}

#[test]
fn a_declined_form_is_recorded_with_the_statements_of_the_agent() {
    let (world, release) = reviewed();
    let mut client = Client::with_forms(&world, |_| json!({ "action": "decline" }));
    client.call("confirm", &attested());
    let said = statements(&world, &release);
    assert_eq!(said["manual_scan"]["words"], attested()["attest_manual_scan"]);
    assert_eq!(said["manual_scan"]["by"], "agent, declined in the client's form");
    assert_eq!(answered(&world)[0]["answer"], "declined");
}

#[test]
fn a_client_that_cannot_show_forms_is_not_asked() {
    let (world, release) = reviewed();
    let mut client = Client::ready(&world);
    client.call("confirm", &attested());
    assert_eq!(statements(&world, &release)["manual_scan"]["by"], "agent");
    client.refused("publish", &json!({}));
    assert!(client.forms().is_empty() && answered(&world).is_empty());
}

#[test]
fn a_client_without_a_handshake_gets_the_form_as_a_required_input() {
    let (world, release) = reviewed();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
        "io.modelcontextprotocol/clientInfo": { "name": "it", "version": "0" },
    });
    let mut client = Client::start(&world);
    let mut call = json!({ "name": "confirm", "arguments": attested(), "_meta": meta });
    let asked = client.ask("tools/call", &call)["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let form = &asked["inputRequests"]["form"];
    assert_eq!(form["method"], "elicitation/create");
    assert_eq!(ok(&world, &["status", "--json"])["state"], "reviewed", "the call has not run yet");

    call["inputResponses"] = json!({ "form": corrects(&form["params"]) });
    let done = client.ask("tools/call", &call)["result"].clone();
    assert_eq!(done["structuredContent"]["state"], "confirmed", "{done}");
    assert_eq!(statements(&world, &release)["manual_scan"]["words"], OWN_WORDS);
}
