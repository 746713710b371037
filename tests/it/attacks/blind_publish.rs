//! The agent adds its own key to `approvers.json`, signs a receipt for the release with it, and has the person run
//! `clawgate publish`.

use super::{HubWorld, sign_with_own_key};
use crate::world::run;

#[test]
fn a_receipt_of_the_agents_key_is_not_published_with_the_persons_token() {
    let w = HubWorld::confirmed();
    let sealed = w.sealed();
    let agents_key = sign_with_own_key(&w.world, &w.release, Some(&w.hub.endpoint));
    let refused = w.person(&["publish", &w.release], &[]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(refused.flat().contains("not your approver key"), "{}", refused.out);
    assert!(!refused.out.contains("Passphrase"), "no passphrase is asked for: {}", refused.out);
    w.assert_nothing_left();

    // The way out: the person signs what they see. The screen names the agent's key.
    let signed = w.sign();
    assert_eq!(signed.code, 0, "{}", signed.out);
    assert!(signed.out.contains(&agents_key), "{}", signed.out);
    w.assert_published(&sealed);
}

#[test]
fn the_agent_cannot_publish_to_the_hub_itself() {
    let w = HubWorld::confirmed();
    sign_with_own_key(&w.world, &w.release, Some(&w.hub.endpoint));
    let refused = run(&w.world, &["publish", &w.release, "--json"]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    w.assert_nothing_left();
}
