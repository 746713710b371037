//! The agent edits the address in the file of the sealed token.

use std::fs;

use super::{HubWorld, REPO};
use crate::hub_double::HubDouble;
use crate::world::PASSPHRASE;

#[test]
fn an_edited_address_of_the_sealed_token_does_not_unseal_it() {
    let evil = HubDouble::start();
    let edits: [&dyn Fn(&mut serde_json::Value); 2] =
        [&|v| v["token"]["endpoint"] = evil.endpoint.as_str().into(), &|v| {
            v["token"]["proxy"] = evil.endpoint.as_str().into()
        }];
    for edit in edits {
        let w = HubWorld::confirmed();
        let path = w.key_file("approver.json");
        let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut file);
        fs::write(&path, file.to_string()).unwrap();
        let args = ["sign", w.release.as_str()];
        let ran = w.person(&args, &[("to approve: ", REPO), ("Passphrase: ", PASSPHRASE)]);
        assert_ne!(ran.code, 0, "{}", ran.out);
        assert!(ran.out.contains(&evil.endpoint), "the screen names the address: {}", ran.out);
        assert!(evil.seen().is_empty(), "the agent's server was asked");
        w.assert_nothing_left();
    }
}
