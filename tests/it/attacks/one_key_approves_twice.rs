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
    let returned =
        serde_json::json!({ "receipt": exported["receipt"], "provenance": exported["provenance"] });
    fs::write(dir.join("second.json"), returned.to_string()).unwrap();
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
    // The agent has a key of its own, on "its machine", where it enrolled the first key. When the first approver signs, the key
    // is not enrolled, so their statement does not name it.
    let agent = World::new(&[]);
    agent.app().keys_init_with(AGENTS_WORDS, None, KdfParams::cheap()).unwrap();
    let first: EnrolledKey = serde_json::from_value(ok(&two.first, &["keys", "export"])).unwrap();
    agent.app().keys_enrol(AGENTS_WORDS, &first).unwrap();
    let dir = two.dir();
    two.sign_and_export();
    let refused = run_on_terminal(&agent, &["cosign", "sign", dir.to_str().unwrap()], &[]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(refused.flat().contains("does not name your key"), "{}", refused.out);
    // It is enrolled when the first approver signs, and removed when the signature comes back.
    let agents: EnrolledKey = serde_json::from_value(ok(&agent, &["keys", "export"])).unwrap();
    two.first.app().keys_enrol(PASSPHRASE, &agents).unwrap();
    two.sign_and_export();
    two.first.app().keys_remove(&agents.fingerprint).unwrap();
    let answers = [("to approve: ", "out"), ("Passphrase: ", AGENTS_WORDS)];
    let signed = run_on_terminal(&agent, &["cosign", "sign", dir.to_str().unwrap()], &answers);
    assert_eq!(signed.code, 0, "{}", signed.out);
    let imported = two.import();
    assert_ne!(imported.code, 0, "{}", imported.out);
    assert!(imported.flat().contains("not enrolled"), "{}", imported.out);
    two.assert_refused("1 of 2 approvals");

    two.sign_and_export();
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

#[test]
fn a_key_has_one_name_and_an_earlier_key_of_the_same_person_is_not_a_second_approver() {
    let two = Two::confirmed();
    let own =
        |world: &World| -> EnrolledKey { serde_json::from_value(ok(world, &["keys", "export"])).unwrap() };
    let (old, other) = (own(&two.first), own(&two.second));
    // The own key under another name, and the key of the other approver under another name.
    for key in [
        EnrolledKey { fingerprint: other.fingerprint.clone(), public: old.public.clone() },
        EnrolledKey { fingerprint: old.fingerprint.clone(), public: other.public.clone() },
    ] {
        let refused = two.first.app().keys_enrol(PASSPHRASE, &key).unwrap_err();
        assert!(refused.message.contains("not that of the key"), "{refused}");
    }
    assert!(two.first.app().keys_enrol(PASSPHRASE, &old).unwrap_err().message.contains("your own key"));
    // Enrolled again, the same key is still one key.
    two.first.app().keys_enrol(PASSPHRASE, &other).unwrap();
    assert_eq!(two.first.app().keys().unwrap().enrolled.len(), 2);
    // A key that the person replaced is not that of another person.
    two.first.app().keys_rotate(PASSPHRASE).unwrap();
    let refused = two.first.app().keys_enrol(PASSPHRASE, &old).unwrap_err();
    assert!(refused.message.contains("your own key before"), "{refused}");
    // The agent lists the key of the other approver twice.
    let path = two.first.state().join("keys/approvers.json");
    let mut list: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entries = list["approvers"].as_array_mut().unwrap();
    entries.push(entries.last().unwrap().clone());
    fs::write(&path, list.to_string()).unwrap();
    assert_eq!(two.first.app().keys().unwrap().enrolled.len(), 2);
}
