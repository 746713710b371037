//! The agent adds its own key to `approvers.json`, and publishes to a folder with it.

use clawgate::app::release::PublishParams;

use super::{assert_published, keys, sign, sign_with_own_key};
use crate::world::{World, run};

#[test]
fn a_key_that_no_approver_signed_is_not_accepted_and_is_pointed_out() {
    let world = World::new(&["claude-2.1.329"]);
    let release = world.confirmed();
    keys(&world);
    let agents_key = sign_with_own_key(&world, &release, None);

    let refused = world.app().publish(&PublishParams::default()).unwrap_err();
    assert!(refused.message.contains("not enrolled"), "{refused}");
    assert!(!world.out().exists());
    let doctor = run(&world, &["doctor", "--json"]);
    let fix = format!("clawgate keys remove {agents_key}");
    assert!(doctor.out.contains(&fix), "the command names the key: {}", doctor.out);
    let listed = run(&world, &["keys", "list", "--json"]);
    assert_eq!(listed.json()["unsigned"], serde_json::json!([agents_key]));
    // The person can still sign, and sees the agent's key.
    let signed = sign(&world, &release);
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert!(signed.out.contains(&agents_key), "{}", signed.out);
    assert_published(&world, &release);
}

#[test]
fn the_own_key_cannot_be_enrolled_and_without_a_key_there_is_nothing_to_replace() {
    let world = World::new(&["claude-2.1.329"]);
    let none = run(&world, &["keys", "rotate"]);
    assert_eq!(none.code, 4, "{}", none.err);
    assert!(none.err.contains("No approver key"), "{}", none.err);
    assert!(none.err.contains("clawgate keys init"), "{}", none.err);
    super::keys(&world);
    let file = world.tmp.path().join("own.json");
    std::fs::write(&file, run(&world, &["keys", "export"]).out).unwrap();
    let own = run(&world, &["keys", "enrol", &file.display().to_string()]);
    assert_eq!(own.code, 2, "{}", own.err);
    assert!(own.err.contains("This is your own key"), "{}", own.err);
    // The fingerprint is what people compare, so that it must be that of the key.
    let text = std::fs::read_to_string(&file).unwrap();
    let mut key: serde_json::Value = serde_json::from_str(&text).unwrap();
    key["fingerprint"] = "aaaa-bbbb-cccc-dddd-eeee-ffff-0000-1111".into();
    std::fs::write(&file, key.to_string()).unwrap();
    let other = run(&world, &["keys", "enrol", &file.display().to_string()]);
    assert_eq!(other.code, 2, "{}", other.err);
    assert!(other.err.contains("not that of the key"), "{}", other.err);
}
