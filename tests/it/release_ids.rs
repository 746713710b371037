//! The ids in a release: what they tell about times, and that they lead back to the archive.

use std::fs;

use clawgate::app::Actor;
use clawgate::app::release::{PrepareParams, PublishParams};
use clawgate::gate::KdfParams;
use clawgate::redact::{Timestamps, tells_time};
use serde_json::{Value, json};

use crate::world::{PASSPHRASE, World, ok};

/// The rows of a release and its metadata.
fn sealed(world: &World, release: &str) -> (Vec<Value>, Value) {
    let dir = world.state().join("releases").join(release);
    let rows = fs::read_to_string(dir.join("data/train-00000.jsonl")).unwrap();
    let metadata = fs::read_to_string(dir.join("metadata.json")).unwrap();
    (
        rows.lines().map(|l| serde_json::from_str(l).unwrap()).collect(),
        serde_json::from_str(&metadata).unwrap(),
    )
}

/// Every id that the rows and the metadata contain.
fn ids(rows: &[Value], metadata: &Value) -> Vec<String> {
    let calls = |row: &Value| row["messages"].as_array().unwrap().clone().into_iter();
    let subagents = rows.iter().flat_map(calls).flat_map(|m| m["tool_uses"].as_array().unwrap().clone());
    let subagents = subagents.map(|call| call["subagent"].clone());
    let of_rows = rows.iter().flat_map(|row| [row["session_id"].clone(), row["parent"].clone()]);
    let of_metadata = metadata["rows"].as_array().unwrap().iter().map(|row| row["session_id"].clone());
    subagents.chain(of_rows).chain(of_metadata).filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

const AGENTS: [&str; 4] = ["cline-3.0.65", "codex-0.169.0", "opencode-1.18.33", "claude-2.1.329"];

#[test]
fn the_rows_of_a_release_have_the_ids_of_the_agents() {
    let world = World::new(&AGENTS);
    let folder = Some(world.out().display().to_string());
    let timestamps = Some(Timestamps::Shifted);
    let release = world.confirmed_with(&PrepareParams { folder, timestamps, ..PrepareParams::default() });
    let (rows, metadata) = sealed(&world, &release);
    let own: Vec<&str> = rows.iter().map(|row| row["session_id"].as_str().unwrap()).collect();
    let distinct: std::collections::BTreeSet<&str> = own.iter().copied().collect();
    assert_eq!(distinct.len(), rows.len());
    let parents = rows.iter().filter_map(|row| row["parent"].as_str());
    let known = parents.clone().filter(|parent| distinct.contains(parent)).count();
    assert!(known > 0 && known == parents.count(), "a parent has the id of its row");

    let inbox = ok(&world, &["inbox", "--limit", "500", "--json"]);
    let keys: Vec<&str> =
        inbox["sessions"].as_array().unwrap().iter().map(|s| s["key"].as_str().unwrap()).collect();
    let natives: Vec<&str> = keys.iter().map(|key| key.split_once(':').unwrap().1).collect();
    assert!(own.iter().all(|id| natives.contains(id)), "{own:?}");
    assert!(ids(&rows, &metadata).iter().any(|id| tells_time(id)));
    // The id of a row is accepted wherever the key of its session is.
    for (row, id) in rows.iter().zip(&own) {
        let shown = ok(&world, &["show", id, "--json"]);
        let key = shown["key"].as_str().unwrap();
        assert!(keys.contains(&key) && key.starts_with(row["agent"].as_str().unwrap()), "{id} {key}");
    }

    let mut person = world.app_as(Actor::Person, 0);
    person.keys_init_with(PASSPHRASE, None, KdfParams::cheap()).unwrap();
    let shown = person.sign_preview(None).unwrap();
    person.sign(&shown, PASSPHRASE).unwrap();
    person.publish(&PublishParams::default()).unwrap();
    assert!(world.out().join("metadata.json").exists());
}

#[test]
fn with_exact_times_ids_stay_as_they_are() {
    let world = World::new(&AGENTS[..1]);
    let folder = Some(world.out().display().to_string());
    let timestamps = Some(Timestamps::Exact);
    let release = world.prepared_with(&PrepareParams { folder, timestamps, ..PrepareParams::default() });
    let (rows, metadata) = sealed(&world, &release);
    let inbox = ok(&world, &["inbox", "--limit", "500", "--json"]);
    for row in &rows {
        let key = json!(format!("cline:{}", row["session_id"].as_str().unwrap()));
        assert!(inbox["sessions"].as_array().unwrap().iter().any(|s| s["key"] == key), "{key}");
    }
    assert!(ids(&rows, &metadata).iter().any(|id| tells_time(id)));
}
