//! The policy demanded two approvers. Somebody takes the second signature out of the published provenance statement, forges it,
//! or puts another one into its place.

use std::fs;
use std::path::PathBuf;

use clawgate::gate::{Envelope, KdfParams, Keys};
use serde_json::{Value, json};

use super::AGENTS_WORDS;
use crate::second_approval::{SECOND_WORDS, Two};
use crate::world::{NOW, PASSPHRASE, Ran, World, run};

/// A published dataset with two signatures.
struct Published {
    two: Two,
    good: Value,
}

impl Published {
    fn new() -> Self {
        let two = Two::confirmed();
        two.sign_and_export();
        assert_eq!(two.cosign().code, 0);
        assert_eq!(two.import().code, 0);
        assert_eq!(two.publish().code, 0);
        let good =
            serde_json::from_slice(&fs::read(two.first.out().join("provenance.json")).unwrap()).unwrap();
        Published { two, good }
    }

    fn file(&self) -> PathBuf {
        self.two.first.out().join("provenance.json")
    }

    fn verify(&self, on: &World, keys: &[&str]) -> Ran {
        let out = self.two.first.out();
        let mut args = vec!["verify", out.to_str().unwrap()];
        args.extend(keys.iter().flat_map(|key| ["--key", key]));
        run(on, &args)
    }

    /// Writes the statement with these signatures and asserts that it does not count, anywhere, for a reason with these words.
    fn refused(&self, signatures: Value, words: &str) {
        let mut bad = self.good.clone();
        bad["signatures"] = signatures;
        fs::write(self.file(), bad.to_string()).unwrap();
        for on in [&self.two.first, &self.two.second, &World::new(&[])] {
            let ran = self.verify(on, &[]);
            assert_eq!(ran.code, 1, "{}", ran.out);
            assert!(ran.flat().contains("not valid") && ran.flat().contains(words), "{words}: {}", ran.out);
        }
    }
}

#[test]
fn only_both_signatures_of_the_two_approvers_verify_and_that_without_a_network() {
    let published = Published::new();
    let signatures = published.good["signatures"].as_array().unwrap();
    let [first, second] = signatures.as_slice() else { panic!("{signatures:?}") };
    let (ann, bob) = (first["keyid"].as_str().unwrap(), second["keyid"].as_str().unwrap());
    assert_ne!(ann, bob);
    // Both machines know both keys. Another machine knows none, until the caller gives both.
    for on in [&published.two.first, &published.two.second] {
        let ran = published.verify(on, &[]);
        assert_eq!(ran.code, 0, "{}", ran.out);
        assert!(ran.out.contains("as approved") && ran.out.contains("approvals  2 of 2"), "{}", ran.out);
    }
    let stranger = World::new(&[]);
    let unknown = published.verify(&stranger, &[]);
    assert!(unknown.flat().contains(&format!("as signed by {ann} and {bob}")), "{}", unknown.out);
    let one = published.verify(&stranger, &[bob]);
    assert!(one.flat().contains("unknown key:") && !one.out.contains("as approved"), "{}", one.out);
    let both = published.verify(&stranger, &[ann, bob]);
    assert!(both.code == 0 && both.out.contains("as approved"), "{}", both.out);
    let other = published.verify(&stranger, &["0000-0000"]);
    assert!(other.code == 1 && other.flat().contains("0000-0000 did not sign"), "{}", other.out);

    published.refused(json!([first]), "demanded 2 approvals, and only");
    published.refused(json!([second]), "the first signature is not that of the approver");
    published.refused(json!([second, first]), "the first signature is not that of the approver");
    published.refused(json!([]), "no signature");
    published.refused(json!([first, first]), "signed it twice");
    published.refused(json!([first, second, second]), "signed it twice");
    let forged = json!({ "keyid": bob, "sig": first["sig"] });
    published.refused(json!([first, forged]), "is invalid");
    let zero = json!({ "keyid": bob, "sig": data_encoding::BASE64.encode(&[0; 64]) });
    published.refused(json!([first, zero]), "is invalid");

    // The agent signs with a key of its own, as a third signature or in the place of the second.
    let dir = published.two.first.tmp.path().join("agents-keys");
    Keys::init(&dir, AGENTS_WORDS, None, NOW, KdfParams::cheap()).unwrap();
    let agent = Keys::unlock(&dir, AGENTS_WORDS).unwrap();
    let envelope: Envelope = serde_json::from_value(published.good.clone()).unwrap();
    let with =
        |e: Envelope| serde_json::to_value(e.with_signature(&agent).unwrap()).unwrap()["signatures"].clone();
    published.refused(with(envelope.clone()), "does not name as an approver");
    published.refused(with(envelope.first_only()), "does not name as an approver");

    // Who edits the statement so that it demands one approval, or names the own key, needs the key of the first approver.
    let payload =
        data_encoding::BASE64.decode(published.good["payload"].as_str().unwrap().as_bytes()).unwrap();
    let text = String::from_utf8(payload).unwrap();
    for (from, to) in [("\"approvers\":2", "\"approvers\":1"), (bob, agent.fingerprint())] {
        let mut bad = published.good.clone();
        assert!(text.contains(from));
        bad["payload"] = data_encoding::BASE64.encode(text.replace(from, to).as_bytes()).into();
        fs::write(published.file(), bad.to_string()).unwrap();
        assert_eq!(published.verify(&stranger, &[]).code, 1, "{to}");
    }
    fs::write(published.file(), published.good.to_string()).unwrap();
    assert_eq!(published.verify(&stranger, &[]).code, 0);
}

#[test]
fn a_second_receipt_without_the_second_signature_of_the_statement_does_not_count() {
    let two = Two::confirmed();
    two.sign_and_export();
    assert_eq!(two.cosign().code, 0);
    let path = two.dir().join("second.json");
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let dir = two.second.state().join("keys");
    let bob = Keys::unlock(&dir, SECOND_WORDS).unwrap();
    let ann = Keys::unlock(&two.first.state().join("keys"), PASSPHRASE).unwrap();
    let envelope: Envelope = serde_json::from_value(good["provenance"].clone()).unwrap();
    let first = envelope.clone().first_only();
    for bad in [
        first.clone(),
        first.clone().with_signature(&ann).unwrap(),
        envelope.clone().with_signature(&bob).unwrap(),
        Envelope::sign(&bob, &envelope.payload_type, "{}").unwrap(),
    ] {
        let mut returned = good.clone();
        returned["provenance"] = serde_json::to_value(bad).unwrap();
        fs::write(&path, returned.to_string()).unwrap();
        let imported = two.import();
        assert_eq!(imported.code, 3, "{}", imported.out);
        assert!(imported.out.contains("provenance statement"), "{}", imported.out);
        two.assert_refused("1 of 2 approvals");
    }
    // After the import, the agent takes the second signature out of the stored statement.
    fs::write(&path, good.to_string()).unwrap();
    assert_eq!(two.import().code, 0);
    let stored = two.first.state().join(format!("receipts/{}.provenance.json", two.release));
    fs::write(&stored, serde_json::to_string(&first).unwrap()).unwrap();
    two.assert_refused("provenance statement");
    assert_eq!(two.import().code, 0);
    assert_eq!(two.publish().code, 0);
}
