//! The second approver takes their approval back before the publication. The agent on the first approver's machine publishes
//! nevertheless: it restores the second receipt, imports it again, or forges or replaces the revocation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clawgate::gate::{Envelope, KdfParams, Keys};
use serde_json::Value;

use super::AGENTS_WORDS;
use crate::second_approval::{SECOND_WORDS, Two};
use crate::world::{NOW, Ran, World, run, run_on_terminal};

/// The second approver revokes, into a folder.
fn revoke(on: &World, dir: &str, words: &str) -> Ran {
    run_on_terminal(on, &["cosign", "revoke", dir], &[("Passphrase: ", words)])
}

#[test]
fn a_second_approval_that_was_taken_back_publishes_nothing() {
    let two = Two::confirmed();
    let nothing = run_on_terminal(&two.second, &["cosign", "revoke", "x"], &[]);
    assert!(nothing.flat().contains("have not signed"), "{}", nothing.out);
    two.sign_and_export();
    assert_eq!(two.cosign().code, 0);
    let dir = two.dir();
    let second = fs::read(dir.join("second.json")).unwrap();
    assert_eq!(two.import().code, 0);
    let receipts = two.first.state().join("receipts");
    let stored = |end: &str| receipts.join(format!("{}.{end}.json", two.release));
    let (receipt, both) = (fs::read(stored("second")).unwrap(), fs::read(stored("provenance")).unwrap());

    // An agent has no passphrase, and the revocation is recorded on both machines.
    let agent = run(&two.second, &["cosign", "revoke", dir.to_str().unwrap()]);
    assert_eq!(agent.code, 4, "{}", agent.err);
    let revoked = revoke(&two.second, dir.to_str().unwrap(), SECOND_WORDS);
    assert_eq!(revoked.code, 0, "{}", revoked.out);
    assert!(revoked.flat().contains("holds once they ran"), "{}", revoked.out);
    assert!(!dir.join("second.json").exists() && dir.join("revoked.json").exists());
    assert_eq!(Two::audited(&two.second, "cosign_revoked").len(), 1);
    let imported = two.import();
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert_eq!(imported.json()["given"].as_array().unwrap().len(), 1);
    assert_eq!(Two::audited(&two.first, "second_approval_revoked").len(), 1);
    two.assert_refused("1 of 2 approvals");
    assert_eq!(two.import().code, 0, "once more changes nothing");
    assert_eq!(Two::audited(&two.first, "second_approval_revoked").len(), 1);

    // The agent restores what was there, and imports the old receipt without the revocation.
    for (end, bytes) in [("second", &receipt), ("provenance", &both)] {
        fs::write(stored(end), bytes).unwrap();
        fs::set_permissions(stored(end), fs::Permissions::from_mode(0o600)).unwrap();
    }
    two.assert_refused("revoked it");
    fs::remove_file(dir.join("revoked.json")).unwrap();
    fs::write(dir.join("second.json"), &second).unwrap();
    let again = two.import();
    assert_eq!(again.code, 3, "{}", again.out);
    assert!(again.out.contains("revoked it"), "{}", again.out);
    two.assert_refused("1 of 2 approvals");

    // The second approver signs again: another receipt, which counts.
    assert_eq!(two.cosign().code, 0);
    assert_eq!(two.import().code, 0);
    assert_eq!(two.publish().code, 0);
}

#[test]
fn only_the_second_approver_can_take_their_approval_back() {
    let two = Two::confirmed();
    two.sign_and_export();
    assert_eq!(two.cosign().code, 0);
    let dir = two.dir();
    // The agent edits a revocation, or signs one with a key that is not enrolled.
    let keys = two.first.tmp.path().join("agents-keys");
    Keys::init(&keys, AGENTS_WORDS, None, NOW, KdfParams::cheap()).unwrap();
    let agent = Keys::unlock(&keys, AGENTS_WORDS).unwrap();
    let elsewhere = two.second.tmp.path().join("elsewhere");
    assert_eq!(revoke(&two.second, elsewhere.to_str().unwrap(), SECOND_WORDS).code, 0);
    let good = fs::read(elsewhere.join("revoked.json")).unwrap();
    let mut edited: Value = serde_json::from_slice(&good).unwrap();
    edited["payload"] = data_encoding::BASE64.encode(b"{\"release\":\"r\",\"nonces\":[],\"at\":0}").into();
    let envelope: Envelope = serde_json::from_slice(&good).unwrap();
    let text = envelope.unchecked_payload().unwrap();
    let by_agent = Envelope::sign(&agent, &envelope.payload_type, &text).unwrap();
    for bad in [edited.to_string(), serde_json::to_string(&by_agent).unwrap(), "{}".to_owned()] {
        fs::write(dir.join("revoked.json"), bad).unwrap();
        let refused = two.import();
        assert_ne!(refused.code, 0, "{}", refused.out);
        two.assert_refused("1 of 2 approvals");
    }
    // A revocation beside the receipt that it revokes: the receipt does not count.
    fs::write(dir.join("revoked.json"), &good).unwrap();
    let refused = two.import();
    assert_eq!(refused.code, 3, "{}", refused.out);
    assert!(refused.out.contains("revoked it"), "{}", refused.out);
    two.assert_refused("1 of 2 approvals");
}
