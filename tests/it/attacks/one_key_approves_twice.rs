//! The policy needs two approvers. One person, or an agent, tries to give both approvals, or one with a key that does not
//! count.

use std::fs;

use clawgate::app::release::EnrolledKey;
use clawgate::gate::KdfParams;

use super::AGENTS_WORDS;
use crate::second_approval::Two;
use crate::world::{PASSPHRASE, World, ok, run, run_on_terminal};

#[test]
fn the_first_approver_cannot_sign_as_the_second_too() {
    let two = Two::confirmed();
    two.sign_and_export();
    let dir = two.dir();
    let own = run_on_terminal(&two.first, &["cosign", "sign", dir.to_str().unwrap()], &[]);
    assert_ne!(own.code, 0, "{}", own.out);
    assert!(own.flat().contains("your own key signed the first one"), "{}", own.out);
    // The first receipt in the place of the second.
    let exported: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("approval.json")).unwrap()).unwrap();
    fs::write(dir.join("second.json"), exported["receipt"].to_string()).unwrap();
    let imported = two.import();
    assert_ne!(imported.code, 0, "{}", imported.out);
    assert!(imported.flat().contains("the same key signed both"), "{}", imported.out);
    // The agent writes it where the import would.
    let place = two.first.state().join(format!("receipts/{}.second.json", two.release));
    fs::copy(two.first.state().join(format!("receipts/{}.json", two.release)), &place).unwrap();
    two.assert_refused("1 of 2 approvals");
    assert!(!Two::audited(&two.first, "refused").is_empty());
}

#[test]
fn a_key_that_is_not_enrolled_or_was_removed_does_not_count() {
    let two = Two::confirmed();
    two.sign_and_export();
    // The agent signs with a key of its own, on "its machine", where it enrolled the first key.
    let agent = World::new(&[]);
    agent.app().keys_init_with(AGENTS_WORDS, None, KdfParams::cheap()).unwrap();
    let first: EnrolledKey = serde_json::from_value(ok(&two.first, &["keys", "export"])).unwrap();
    agent.app().keys_enrol(AGENTS_WORDS, &first).unwrap();
    let dir = two.dir();
    let answers = [("to approve: ", "out"), ("Passphrase: ", AGENTS_WORDS)];
    let signed = run_on_terminal(&agent, &["cosign", "sign", dir.to_str().unwrap()], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    let imported = two.import();
    assert_ne!(imported.code, 0, "{}", imported.out);
    assert!(imported.flat().contains("not enrolled"), "{}", imported.out);
    two.assert_refused("1 of 2 approvals");

    // The second approver signs, and then the person removes their key. The agent restores the list of keys.
    assert_eq!(two.cosign().code, 0);
    assert_eq!(two.import().code, 0);
    let second: EnrolledKey = serde_json::from_value(ok(&two.second, &["keys", "export"])).unwrap();
    let list = two.first.state().join("keys/approvers.json");
    let with_key = fs::read(&list).unwrap();
    two.first.app().keys_remove(&second.fingerprint).unwrap();
    two.assert_refused("not enrolled");
    fs::write(&list, with_key).unwrap();
    two.assert_refused("not enrolled");

    // The agent takes the demand out of the policy: what was shown and signed is then not what holds.
    fs::remove_file(two.first.state().join("policy.toml")).unwrap();
    two.assert_refused("not what was shown");
    // Enrolled again, and with the policy, it is published.
    crate::second_approval::policy(&two.first, "[[rule]]\napprovers = 2\n");
    two.first.app().keys_enrol(PASSPHRASE, &second).unwrap();
    // The screen names the enrolled keys, which are the same as before.
    assert_eq!(run(&two.first, &["publish"]).code, 0);
    super::assert_published(&two.first, &two.release);
}
