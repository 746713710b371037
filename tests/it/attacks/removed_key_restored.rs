//! The person removes the key of another approver. The agent puts back the list with its valid entry, and signs the head of a
//! shortened audit log with that key.

use std::fs;

use clawgate::app::release::EnrolledKey;
use serde_json::json;

use super::{AGENTS_WORDS, keys};
use crate::world::{PASSPHRASE, World, ok};

#[test]
fn a_key_that_was_removed_stays_removed_and_can_be_enrolled_again() {
    let world = World::new(&[]);
    keys(&world);
    let other = World::new(&[]);
    other.app().keys_init_with(AGENTS_WORDS, None, clawgate::gate::KdfParams::cheap()).unwrap();
    let key: EnrolledKey = serde_json::from_value(ok(&other, &["keys", "export"])).unwrap();
    let mut app = world.app();
    app.keys_enrol(PASSPHRASE, &key).unwrap();
    assert!(app.keys().unwrap().enrolled.contains(&key.fingerprint));
    let list = world.state().join("keys/approvers.json");
    let with_key = fs::read(&list).unwrap();
    app.keys_remove(&key.fingerprint).unwrap();
    fs::write(&list, &with_key).unwrap();
    let listed = ok(&world, &["keys", "list", "--json"]);
    assert_eq!(listed["unsigned"], json!([key.fingerprint]), "{listed}");
    assert_eq!(listed["enrolled"].as_array().unwrap().len(), 1, "only the own key: {listed}");
    app.keys_enrol(PASSPHRASE, &key).unwrap();
    assert!(app.keys().unwrap().enrolled.contains(&key.fingerprint));
}
